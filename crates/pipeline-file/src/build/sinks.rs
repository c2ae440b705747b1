//! Sinks.

use std::collections::{BTreeMap, HashMap};

use super::Build;
use super::kafka::ForKafka;
use crate::faults::Told;
use crate::file::{Named, Only, Severity, Sink, TenantChoice, defaults};
use crate::place::KeyPath;
use crate::plan::{
    EnvelopePlan, FormatPlan, MinSeverity, OnlyPlan, PerPlan, SinkPlan, Start, TenantPattern, TenantPlan,
};
use crate::profile::Profile;
use crate::template::TemplateText;
use crate::tree::{Content, Node};
use crate::written::Written;

impl Build<'_> {
    /// The sinks that are enabled. Those that are not are checked as well.
    pub(super) fn sinks(&mut self, sinks: Named<Sink>, tenants: &[TenantPlan]) -> Vec<SinkPlan> {
        self.check_any_sink(&sinks);
        self.check_old_names(&sinks);
        self.check_files(&sinks);
        let mut plans = Vec::new();
        for (name, sink) in sinks {
            let enabled = sink.enabled.unwrap_or(true);
            let plan = self.sink(name.0, sink, tenants);
            if enabled {
                plans.extend(plan.ok());
            }
        }
        self.check_tenants_files(&plans);
        self.check_transactions(&plans);
        plans
    }

    fn sink(&mut self, name: String, sink: Sink, tenants: &[TenantPlan]) -> Result<SinkPlan, Told> {
        let path = KeyPath::of(&["sinks", &name]);
        // The collector's events have fields for what an envelope says, and Kafka's messages have headers.
        let has_fields = sink.splunk_hec.is_some() || sink.kafka.is_some();
        let envelope = if has_fields { EnvelopePlan::None } else { EnvelopePlan::Wrap };
        let format = self.format(sink.format, sink.profile, envelope, &path);
        self.check_plaintext(sink.plaintext, sink.splunk_hec.as_ref(), &path);
        let only = self.only(sink.only.unwrap_or_default(), &path.key("only"));
        let max_bytes = sink.max_bytes.as_ref().map(|bytes| bytes.0);
        let messages = ForMessages { profile: sink.profile, host: sink.host, max_bytes };
        if messages.host.is_some() && (sink.file.is_some() || sink.kafka.is_some()) {
            let message = "files and Kafka have no use for it; it is for `syslog` and `splunk_hec`";
            self.tell(&path.key("host"), message);
        }
        let record_bytes = match (&sink.file, &sink.kafka) {
            (None, None) => None,
            (_, None) => self.record_bytes(max_bytes, None, format.as_ref().ok(), &path),
            (_, Some(_)) => self.record_bytes(max_bytes, Some(defaults::KAFKA_MAX_BYTES), format.as_ref().ok(), &path),
        };
        let taken = tenants.iter().filter(|tenant| only.takes_tenant(&tenant.name, &tenant.labels));
        let taken: Vec<&TenantPlan> = taken.collect();
        let destination = match (sink.file, sink.kafka, sink.splunk_hec, sink.syslog) {
            (Some(file), None, None, None) => self.file(file, &taken, &path.key("file")),
            (None, Some(kafka), None, None) => {
                let beside = ForKafka { name: &name, renamed: sink.was.is_some(), tenants: &taken };
                self.kafka(kafka, &beside, &path.key("kafka"))
            }
            (None, None, Some(hec), None) => self.splunk_hec(hec, messages, format.as_ref().ok(), &taken, &path),
            (None, None, None, Some(syslog)) => self.syslog(syslog, messages, &taken, &path),
            // That it is exactly one is the schema's rule.
            _ => self.required(None, &path),
        };
        Ok(SinkPlan {
            name,
            was: sink.was.map(|name| name.0),
            from: sink.from.map_or(Start::Now, |from| from.0),
            format: format?,
            per: sink.per.map_or(PerPlan::Alert, PerPlan::from),
            max_bytes: record_bytes,
            only,
            max_rate: sink.max_rate.map(|rate| rate.0),
            max_dead_letters: sink.max_dead_letters.unwrap_or(defaults::MAX_DEAD_LETTERS).into(),
            destination: destination?,
        })
    }

    /// What records of CEF and LEEF keep to, where the destination sets them no limit. One that no record could keep to
    /// would be a promise broken.
    fn record_bytes(
        &mut self,
        written: Option<u64>,
        default: Option<u64>,
        format: Option<&FormatPlan>,
        sink: &KeyPath,
    ) -> Option<u64> {
        let is_json = matches!(format, Some(FormatPlan::Json { .. }));
        let path = sink.key("max_bytes");
        if written.is_some() && is_json {
            self.tell(&path, "raw JSON keeps every byte; in a file and in Kafka it is for `cef` and `leef`");
        } else if written.is_some_and(|bytes| bytes < SMALLEST_RECORD) {
            self.tell(&path, format!("a record may need {SMALLEST_RECORD} bytes, so no less will do"));
        }
        written.or(default).filter(|_| !is_json)
    }

    fn only(&mut self, only: Only, path: &KeyPath) -> OnlyPlan {
        let tenants: Vec<TenantPattern> = only.tenants.unwrap_or_default().into_iter().map(pattern).collect();
        self.check_patterns(&tenants, &path.key("tenants"));
        OnlyPlan { tenants, min_severity: only.min_severity.map(min_severity) }
    }

    /// A pattern that matches no tenant of the file, enabled or not, is misspelt.
    fn check_patterns(&mut self, patterns: &[TenantPattern], path: &KeyPath) {
        // With items left out for their faults, positions would not be those of the file.
        let written = self.entry_of(path).map_or(0, |list| match &list.content {
            Content::Sequence(items) => items.len(),
            _ => 0,
        });
        if written != patterns.len() {
            return;
        }
        for (index, pattern) in patterns.iter().enumerate() {
            if !self.any_tenant(pattern) {
                let message = self.no_such_tenant(pattern);
                self.tell(&path.item(index), message);
            }
        }
    }

    fn any_tenant(&self, pattern: &TenantPattern) -> bool {
        let tenants = self.root.get("tenants").map_or(&[][..], Node::entries);
        tenants.iter().any(|tenant| pattern.matches(&tenant.key, &labels_written(&tenant.value)))
    }

    fn no_such_tenant(&self, pattern: &TenantPattern) -> String {
        match pattern {
            TenantPattern::Labels(_) => "no tenant has these labels".to_owned(),
            TenantPattern::Name(name) if name.contains('*') => "no tenant's name matches this".to_owned(),
            TenantPattern::Name(name) => format!("no tenant has this name{}", self.hint("tenants", name)),
        }
    }

    fn check_any_sink(&mut self, sinks: &Named<Sink>) {
        let path = KeyPath::of(&["sinks"]);
        let Some(section) = self.root.get("sinks") else {
            return;
        };
        if section.entries().is_empty() {
            self.tell(&path, "no sink is in it");
        } else if sinks.len() == section.entries().len() && !sinks.values().any(|sink| sink.enabled.unwrap_or(true)) {
            self.tell(&path, "no sink is enabled");
        }
    }

    /// A sink goes on where the one of its old name stood: that one must be gone, and nobody else may be its heir.
    fn check_old_names(&mut self, sinks: &Named<Sink>) {
        let mut heirs: HashMap<&str, &str> = HashMap::new();
        for (name, sink) in sinks {
            let Some(was) = &sink.was else {
                continue;
            };
            let path = KeyPath::of(&["sinks", &name.0, "was"]);
            if self.names("sinks").contains(&was.0.as_str()) {
                self.tell(&path, "a sink of this name is still in the file");
            } else if let Some(heir) = heirs.insert(&was.0, &name.0) {
                self.tell(&path, format!("sink `{heir}` says the same"));
            }
        }
    }
}

/// What a sink says of messages beside its destination's own keys.
pub(super) struct ForMessages {
    pub(super) profile: Option<Profile>,
    pub(super) host: Option<Written<TemplateText>>,
    pub(super) max_bytes: Option<u64>,
}

/// The least to which records of CEF and LEEF can be cut: who, which and when stay.
const SMALLEST_RECORD: u64 = 1_024;

/// A tenant's labels as they stand in the file.
fn labels_written(tenant: &Node) -> BTreeMap<String, String> {
    let entries = tenant.get("labels").map_or(&[][..], Node::entries);
    let texts = entries.iter().filter_map(|label| match &label.value.content {
        Content::Scalar { text, .. } => Some((label.key.clone(), text.clone())),
        Content::Sequence(_) | Content::Mapping(_) => None,
    });
    texts.collect()
}

fn pattern(choice: TenantChoice) -> TenantPattern {
    match choice {
        TenantChoice::Name(name) => TenantPattern::Name(name),
        TenantChoice::Labels(labels) => {
            TenantPattern::Labels(labels.into_iter().map(|(key, value)| (key.0, value)).collect())
        }
    }
}

fn min_severity(severity: Severity) -> MinSeverity {
    match severity {
        Severity::Informational => MinSeverity::Informational,
        Severity::Low => MinSeverity::Low,
        Severity::Medium => MinSeverity::Medium,
        Severity::High => MinSeverity::High,
    }
}
