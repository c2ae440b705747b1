//! The alert resource of the public API (`GET /api/alerts`).

use fastrand::Rng;

use crate::alert::evidence::write_evidence;
use crate::alert::traits::Oddity;
use crate::alert::vocabulary::{DESCRIPTION, RECOMMENDATION};
use crate::alert::{Json, Site, Text, Traits, alert_id, guid, write_given};
use crate::dice::{self, Topic};
use crate::population::Special;
use crate::tenant::AlertRow;
use crate::ticks;

/// Appends one alert in one revision. Without `expand` its evidence is an empty array, as the API does it.
pub(crate) fn write_alert(out: &mut Vec<u8>, site: &Site, row: &AlertRow, expand: bool, special: Option<&Special>) {
    if let Some(body) = special.and_then(|special| special.body.as_deref()) {
        let id = alert_id(site.seed, row.index, row.created);
        write_given(out, body, &id, row.created, row.updated);
        return;
    }
    let hostile = special.is_some_and(|special| special.hostile);
    let traits = Traits::of(site, row.index, row.revision, hostile);
    let mut rng = dice::dice(site.seed, u64::from(row.index), Topic::Mix);
    let mut alert = AlertWriter { json: Json(out), site, row, traits: &traits, special };
    alert.json.open(b'{');
    alert.identity();
    alert.state();
    alert.texts();
    alert.times();
    alert.device(&mut rng);
    alert.people(&mut rng);
    alert.evidence(expand);
    alert.unknown();
    alert.json.close(b'}');
}

/// The first and the last event behind an alert: before its creation.
pub(crate) fn event_times(site: &Site, row: &AlertRow) -> (i64, i64) {
    let mut rng = dice::dice(site.seed, u64::from(row.index), Topic::Events);
    let first = row.created - rng.i64(5 * ticks::PER_SECOND..3_600 * ticks::PER_SECOND);
    (first, first + rng.i64(0..5 * ticks::PER_SECOND))
}

struct AlertWriter<'a> {
    json: Json<'a>,
    site: &'a Site,
    row: &'a AlertRow,
    traits: &'a Traits,
    special: Option<&'a Special>,
}

impl AlertWriter<'_> {
    fn identity(&mut self) {
        self.json.string("id", alert_id(self.site.seed, self.row.index, self.row.created).as_str());
        self.json.number("incidentId", self.traits.incident_id);
        match self.traits.investigation_id {
            Some(id) => self.json.number("investigationId", id),
            None => self.json.null("investigationId"),
        }
    }

    fn state(&mut self) {
        let traits = self.traits;
        let resolved = traits.status == "Resolved";
        self.json.optional("assignedTo", traits.assigned_to.map(Text::from));
        self.json.string("severity", traits.severity);
        self.json.string("status", traits.status);
        self.json.optional("classification", resolved.then_some("TruePositive".into()));
        let determination = if traits.oddity == Some(Oddity::Unknown) { "QuantumBreach" } else { "Malware" };
        self.json.optional("determination", resolved.then_some(determination.into()));
        self.json.string("investigationState", traits.investigation_state);
        self.json.string("detectionSource", traits.scenario.source);
        self.json.string("category", traits.category);
    }

    fn texts(&mut self) {
        let traits = self.traits;
        let empty = (traits.oddity == Some(Oddity::EmptyStrings)).then_some("");
        self.json.optional("threatFamilyName", traits.scenario.family.or(empty).map(Text::from));
        self.json.string("title", traits.hostile.map_or(Text::Plain(traits.scenario.title), Text::Escaped));
        match (self.special.map_or(0, |special| special.description_bytes), traits.hostile) {
            (0, Some(attack)) => self.json.string("description", Text::Escaped(attack)),
            (0, None) if traits.oddity == Some(Oddity::NullText) => self.json.null("description"),
            (0, None) => self.json.string("description", DESCRIPTION),
            (bytes, _) => self.json.string("description", "A".repeat(bytes).as_str()),
        }
        if traits.oddity != Some(Oddity::OlderShape) {
            self.json.string("recommendedAction", RECOMMENDATION);
        }
    }

    fn times(&mut self) {
        let (first, last) = event_times(self.site, self.row);
        self.json.time("alertCreationTime", self.row.created);
        self.json.time("firstEventTime", first);
        self.json.time("lastEventTime", last);
        self.json.time("lastUpdateTime", self.row.updated);
        if self.traits.status == "Resolved" {
            self.json.time("resolvedTime", self.row.updated - 333_333);
        } else {
            self.json.null("resolvedTime");
        }
    }

    fn device(&mut self, rng: &mut Rng) {
        let machine = format!("{:016x}{:016x}{:08x}", rng.u64(..), rng.u64(..), rng.u32(..));
        let dns_name = format!("{}.{}", self.traits.host, self.site.domain);
        let none = self.traits.oddity == Some(Oddity::NoDevice);
        let empty = self.traits.oddity == Some(Oddity::EmptyStrings);
        self.json.optional("machineId", (!none).then_some(machine.as_str().into()));
        let dns_name = if empty { "" } else { dns_name.as_str() };
        self.json.optional("computerDnsName", (!none).then_some(dns_name.into()));
        self.json.optional("rbacGroupName", rng.bool().then_some("Workstations EU".into()));
        self.json.string("aadTenantId", self.site.tenant_id.as_str());
        let threat = self.traits.scenario.family.map(|family| format!("Trojan:Win32/{family}.B!ml"));
        self.json.optional("threatName", threat.as_deref().map(Text::from));
        self.json.key("mitreTechniques");
        self.json.open(b'[');
        self.traits.scenario.techniques.iter().for_each(|technique| self.json.element(*technique));
        self.json.close(b']');
    }

    fn people(&mut self, rng: &mut Rng) {
        let traits = self.traits;
        let user = traits.hostile.map_or(Text::Plain(traits.user), Text::Escaped);
        if rng.u8(..4) == 0 {
            self.json.null("relatedUser");
        } else {
            self.json.key("relatedUser");
            self.person(&[("userName", user), ("domainName", self.site.windows_domain.as_str().into())]);
        }
        if traits.oddity != Some(Oddity::OlderShape) {
            self.json.key("loggedOnUsers");
            self.json.open(b'[');
            self.person(&[("accountName", user), ("domainName", self.site.windows_domain.as_str().into())]);
            self.json.close(b']');
        }
        self.comments();
        if traits.oddity != Some(Oddity::OlderShape) {
            let detector = guid(rng.u64(..), rng.u64(..));
            self.json.string("detectorId", detector.as_str());
        }
    }

    fn person(&mut self, members: &[(&str, Text<'_>)]) {
        self.json.open(b'{');
        members.iter().for_each(|(name, text)| self.json.string(name, *text));
        self.json.close(b'}');
    }

    /// From the second update on, each revision finds one comment more.
    fn comments(&mut self) {
        self.json.key("comments");
        self.json.open(b'[');
        for nth in 1..self.row.revision {
            let comment = format!("step {nth}: checked with the owner\nno further action");
            let text = self.traits.hostile.map_or(Text::Plain(&comment), Text::Escaped);
            self.json.open(b'{');
            self.json.string("comment", text);
            self.json.string("createdBy", "analyst@contoso.example");
            self.json.time("createdTime", self.row.created + i64::from(nth) * 613_333_337);
            self.json.close(b'}');
        }
        self.json.close(b']');
    }

    fn evidence(&mut self, expand: bool) {
        self.json.key("evidence");
        self.json.open(b'[');
        if expand {
            let bytes = self.special.map_or(0, |special| special.evidence_bytes);
            write_evidence(&mut self.json, self.site, self.row, self.traits, bytes);
        }
        self.json.close(b']');
    }

    /// Members that no reader knows.
    fn unknown(&mut self) {
        if self.traits.oddity == Some(Oddity::Unknown) {
            self.json.literal(
                "futureMember",
                r#"{"id":"not-an-id","lastUpdateTime":"1999-01-01T00:00:00Z","list":[1,[2.5e3,true]]}"#,
            );
        }
        let depth = self.special.map_or(0, |special| special.depth);
        if depth > 0 {
            self.json.literal("nested", &("[".repeat(depth) + &"]".repeat(depth)));
        }
    }
}
