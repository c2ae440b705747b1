//! The evidence of an alert: every kind has all keys, null where they do not apply.

use fastrand::Rng;

use crate::alert::traits::Oddity;
use crate::alert::{Json, Site, Text, Traits, guid};
use crate::dice::{self, Topic};
use crate::tenant::AlertRow;
use crate::ticks;

/// Appends the objects of the evidence array. Each revision has found a little more; `bytes` makes one command line
/// that long.
pub(crate) fn write_evidence(json: &mut Json<'_>, site: &Site, row: &AlertRow, traits: &Traits, bytes: usize) {
    let mut rng = dice::dice(site.seed, u64::from(row.index), Topic::Evidence);
    let kinds = traits.scenario.evidence;
    let found = rng.usize(..3) + usize::from(row.revision / 2);
    let padding = if bytes == 0 { String::new() } else { "B".repeat(bytes) };
    for nth in 0..found.max(usize::from(bytes > 0)) {
        let mut kind = kinds[nth % kinds.len()];
        if traits.oddity == Some(Oddity::Unknown) {
            kind = "NeuralImplant";
        }
        let long = if nth == 0 { padding.as_str() } else { "" };
        Item { json, site, row, traits, rng: &mut rng, kind, long }.write();
    }
}

struct Item<'a, 'j> {
    json: &'a mut Json<'j>,
    site: &'a Site,
    row: &'a AlertRow,
    traits: &'a Traits,
    rng: &'a mut Rng,
    kind: &'static str,
    long: &'a str,
}

impl Item<'_, '_> {
    fn write(mut self) {
        self.json.open(b'{');
        self.json.string("entityType", self.kind);
        let found = self.row.created + self.rng.i64(0..30 * ticks::PER_SECOND);
        self.json.time("evidenceCreationTime", ticks::on_sql_grid(found));
        self.file();
        self.process();
        self.network();
        self.registry();
        self.user();
        self.json.optional("detectionStatus", self.is(&["File", "Process"], "Detected"));
        self.json.close(b'}');
    }

    /// The text where the kind is one of these, otherwise nothing.
    fn is<'t>(&self, kinds: &[&str], text: impl Into<Text<'t>>) -> Option<Text<'t>> {
        kinds.contains(&self.kind).then(|| text.into())
    }

    fn file(&mut self) {
        let (name, folder) = self.traits.scenario.file;
        let sha1 = format!("{:016x}{:016x}{:08x}", self.rng.u64(..), self.rng.u64(..), self.rng.u32(..));
        let sha256 = format!("{sha1}{:016x}{:08x}", self.rng.u64(..), self.rng.u32(..));
        let kinds = ["File", "Process"];
        self.json.optional("sha1", self.is(&kinds, sha1.as_str()));
        self.json.optional("sha256", self.is(&kinds, sha256.as_str()));
        self.json.optional("fileName", self.is(&kinds, name));
        self.json.optional("filePath", self.is(&kinds, folder));
    }

    fn process(&mut self) {
        let process = self.kind == "Process";
        let started = self.row.created - self.rng.i64(1..600 * ticks::PER_SECOND);
        let text = match (self.long, self.traits.hostile) {
            ("", Some(attack)) => Text::Escaped(attack),
            ("", None) => Text::Plain(self.traits.scenario.command_line),
            (long, _) => Text::Plain(long),
        };
        let (own, parent) = (self.rng.i64(100..70_000), self.rng.i64(4..30_000));
        self.number("processId", process.then_some(own));
        self.json.optional("processCommandLine", (process || !self.long.is_empty()).then_some(text));
        self.time("processCreationTime", process.then_some(started));
        self.number("parentProcessId", process.then_some(parent));
        self.time("parentProcessCreationTime", process.then_some(started - 61_234_567));
        self.json.optional("parentProcessFileName", process.then_some("explorer.exe".into()));
        self.json.optional("parentProcessFilePath", process.then_some("C:\\Windows".into()));
    }

    fn network(&mut self) {
        let v6 = self.rng.u8(..4) == 0;
        let host = self.rng.u8(..);
        let address = if v6 { format!("2001:db8::{host:x}") } else { format!("198.51.100.{host}") };
        self.json.optional("ipAddress", self.is(&["Ip"], address.as_str()));
        self.json.optional("url", self.is(&["Url"], "http://downloads.campaign.example/a?b=c|d"));
    }

    fn registry(&mut self) {
        let registry = ["Registry"];
        let key = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run";
        self.json.optional("registryKey", self.is(&registry, key));
        self.json.optional("registryHive", self.is(&registry, "HKEY_CURRENT_USER"));
        self.json.optional("registryValueType", self.is(&registry, "String"));
        self.json.optional("registryValue", self.is(&registry, "%APPDATA%\\sync.exe"));
        self.json.optional("registryValueName", self.is(&registry, "Sync"));
    }

    fn user(&mut self) {
        let kinds = ["User", "Process", "MailBox"];
        let sid = format!("S-1-5-21-{}-{}-1104", self.rng.u32(..), self.rng.u32(..));
        let object = guid(self.rng.u64(..), self.rng.u64(..));
        let principal = format!("{}@{}", self.traits.user, self.site.domain);
        self.json.optional("accountName", self.is(&kinds, self.traits.user));
        self.json.optional("domainName", self.is(&kinds, self.site.windows_domain.as_str()));
        self.json.optional("userSid", self.is(&kinds, sid.as_str()));
        self.json.optional("aadUserId", self.is(&["User"], object.as_str()));
        self.json.optional("userPrincipalName", self.is(&["User", "MailBox"], principal.as_str()));
    }

    fn number(&mut self, name: &str, number: Option<i64>) {
        match number {
            Some(number) => self.json.number(name, number),
            None => self.json.null(name),
        }
    }

    fn time(&mut self, name: &str, time: Option<i64>) {
        match time {
            Some(time) => self.json.time(name, time),
            None => self.json.null(name),
        }
    }
}
