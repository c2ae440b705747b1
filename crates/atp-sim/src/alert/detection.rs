//! A row of the legacy export: one detection of an alert. What names the alert is the same in all its rows.

use fastrand::Rng;

use crate::alert::traits::Oddity;
use crate::alert::vocabulary::DESCRIPTION;
use crate::alert::{Json, Site, Text, Traits, alert_id, guid, write_given};
use crate::dice::{self, Topic, mix};
use crate::population::Special;
use crate::tenant::DetectionRow;
use crate::ticks;

/// How many detections an alert begins with.
pub(crate) fn initial_parts(seed: u64, index: u32) -> u16 {
    match mix(mix(seed, 17), u64::from(index)) % 10 {
        0 => 3,
        1 | 2 => 2,
        _ => 1,
    }
}

/// The key of a row: its alert and its indicator.
pub(crate) fn full_id(seed: u64, row: &DetectionRow) -> String {
    format!("{}:{}", alert_id(seed, row.index, row.created), indicator_id(seed, row))
}

fn indicator_id(seed: u64, row: &DetectionRow) -> String {
    let mut rng = part_dice(seed, row);
    (0..4).map(|_| format!("{:016X}", rng.u64(..))).collect()
}

fn part_dice(seed: u64, row: &DetectionRow) -> Rng {
    dice::dice(seed, (u64::from(row.part) << 32) | u64::from(row.index), Topic::Revision)
}

/// Appends one row.
pub(crate) fn write_detection(out: &mut Vec<u8>, site: &Site, row: &DetectionRow, special: Option<&Special>) {
    if let Some(body) = special.and_then(|special| special.body.as_deref()) {
        write_given(out, body, &full_id(site.seed, row), row.created, row.processed);
        return;
    }
    let hostile = special.is_some_and(|special| special.hostile);
    let traits = Traits::of(site, row.index, 0, hostile);
    let id = alert_id(site.seed, row.index, row.created);
    let rng = part_dice(site.seed, row);
    let mut detection = DetectionWriter { json: Json(out), site, row, traits: &traits, id: &id, rng, special };
    detection.json.open(b'{');
    detection.alert();
    detection.indicator();
    detection.antivirus();
    detection.machine();
    detection.links();
    detection.json.close(b'}');
}

struct DetectionWriter<'a> {
    json: Json<'a>,
    site: &'a Site,
    row: &'a DetectionRow,
    traits: &'a Traits,
    id: &'a str,
    rng: Rng,
    special: Option<&'a Special>,
}

impl DetectionWriter<'_> {
    fn alert(&mut self) {
        let traits = self.traits;
        let event = self.row.created - self.rng.i64(5 * ticks::PER_SECOND..4 * 3_600 * ticks::PER_SECOND);
        self.json.time("AlertTime", event);
        let name = format!("{}.{}", traits.host, self.site.domain);
        self.json.string("ComputerDnsName", name.as_str());
        self.json.string("AlertTitle", traits.hostile.map_or(Text::Plain(traits.scenario.title), Text::Escaped));
        self.json.string("Category", traits.category);
        self.json.string("Severity", traits.severity);
        self.json.string("AlertId", self.id);
        self.blank(&["Actor"]);
        self.link("LinkToWDATP", "https://securitycenter.windows.com/alert/", "");
    }

    fn indicator(&mut self) {
        let (file, folder) = self.traits.scenario.file;
        let sha1 = self.sha1();
        self.blank(&["IocName", "IocValue", "CreatorIocName", "CreatorIocValue"]);
        self.json.string("Sha1", sha1.as_str());
        self.json.string("FileName", file);
        self.json.string("FilePath", folder);
        let address = format!("203.0.113.{}", self.rng.u8(..));
        let network = self.traits.scenario.evidence.contains(&"Ip");
        self.json.string("IpAddress", if network { address.as_str() } else { "" });
        self.json.string("Url", if network { "downloads.campaign.example" } else { "" });
        let rule = guid(mix(self.site.seed, 91), mix(u64::from(self.row.index) % 8, 91));
        self.json.string("IoaDefinitionId", rule.as_str());
        self.json.string("UserName", self.traits.hostile.map_or(Text::Plain(self.traits.user), Text::Escaped));
        self.json.number("AlertPart", i64::from(self.row.part));
        self.json.string("FullId", full_id(self.site.seed, self.row).as_str());
        self.json.time("LastProcessedTimeUtc", self.row.processed);
    }

    fn antivirus(&mut self) {
        let family = self.traits.scenario.family;
        let threat = family.map(|family| format!("Trojan:Win32/{family}.B!ml"));
        self.json.string("ThreatCategory", if family.is_some() { "Trojan" } else { "" });
        self.json.string("ThreatFamily", family.unwrap_or_default());
        self.json.string("ThreatName", threat.as_deref().unwrap_or_default());
        self.json.string("RemediationAction", if family.is_some() { "Quarantine" } else { "" });
        self.json.literal("RemediationIsSuccess", if family.is_some() { "true" } else { "null" });
        self.json.string("Source", if family.is_some() { "Antivirus" } else { "EDR" });
        let md5 = format!("{:016x}{:016x}", self.rng.u64(..), self.rng.u64(..));
        self.json.string("Md5", md5.as_str());
        self.blank(&["Sha256"]);
        self.json.literal("WasExecutingWhileDetected", if family.is_some() { "false" } else { "null" });
    }

    fn machine(&mut self) {
        let sha1 = self.sha1();
        let device = self.sha1();
        let users = format!("{}\\{}; {0}\\svc_backup", self.site.windows_domain, self.traits.user);
        self.json.string("UserDomain", self.site.windows_domain.as_str());
        self.json.string("LogOnUsers", users.as_str());
        self.json.string("MachineDomain", self.site.domain.as_str());
        self.json.string("MachineName", self.traits.host);
        self.json.string("InternalIPv4List", "192.168.1.7, 10.1.14.1");
        self.blank(&["InternalIPv6List"]);
        self.json.string("FileHash", sha1.as_str());
        self.json.string("DeviceID", device.as_str());
        self.blank(&["MachineGroup"]);
        self.description();
        self.blank(&["DeviceCreatedMachineTags", "CloudCreatedMachineTags"]);
        let command_line = self.traits.hostile.map_or(Text::Plain(self.traits.scenario.command_line), Text::Escaped);
        self.json.string("CommandLine", command_line);
    }

    fn description(&mut self) {
        match self.special.map_or(0, |special| special.description_bytes) {
            0 if self.traits.oddity == Some(Oddity::NullText) => self.json.null("Description"),
            0 => self.json.string("Description", DESCRIPTION),
            bytes => self.json.string("Description", "A".repeat(bytes).as_str()),
        }
        let depth = self.special.map_or(0, |special| special.depth);
        if depth > 0 {
            self.json.literal("Nested", &("[".repeat(depth) + &"]".repeat(depth)));
        }
    }

    fn links(&mut self) {
        self.link(
            "IncidentLinkToWDATP",
            "https://securitycenter.windows.com/incidents/byalert?alertId=",
            "&source=SIEM",
        );
        let report = self.rng.i64(1_000_000..4_000_000_000);
        self.json.number("ReportID", report);
        self.link("LinkToMTP", "https://security.microsoft.com/alert/", "");
        self.link("IncidentLinkToMTP", "https://security.microsoft.com/incidents/byalert?alertId=", "&source=SIEM");
        let external = self.sha1().to_uppercase();
        self.json.string("ExternalId", external.as_str());
        self.json.string("IocUniqueId", indicator_id(self.site.seed, self.row).as_str());
    }

    fn link(&mut self, name: &str, before: &str, after: &str) {
        self.json.string(name, format!("{before}{}{after}", self.id).as_str());
    }

    /// Empty strings, or nulls in alerts of the older shape: both were seen.
    fn blank(&mut self, names: &[&str]) {
        for name in names {
            if self.traits.oddity == Some(Oddity::OlderShape) {
                self.json.null(name);
            } else {
                self.json.string(name, "");
            }
        }
    }

    fn sha1(&mut self) -> String {
        format!("{:016x}{:016x}{:08x}", self.rng.u64(..), self.rng.u64(..), self.rng.u32(..))
    }
}
