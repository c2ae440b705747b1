//! What must arrive in a topic: the alert of each record that the same run wrote to a file, under the key, the time and
//! the headers that the alert calls for.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use chrono::DateTime;

use super::KafkaRecord;
use crate::delivered::Delivered;
use crate::expected::rfc3339;
use crate::site::Site;

/// Every record that a run may write, by its record id.
#[derive(Debug)]
pub struct Meant {
    records: HashMap<String, Record>,
}

#[derive(Debug)]
struct Record {
    tenant: String,
    alert: String,
    /// As RFC 3339, to the millisecond.
    updated: String,
    /// The alert as the API sent it; the file has it in an envelope.
    value: String,
}

impl Meant {
    /// Reads the whole lines of the files of wrapped JSON that a run, or one and its successor, wrote beside the topic.
    ///
    /// # Panics
    /// Where one has a record that the simulator has not sent.
    pub fn read(site: &Site, files: &[PathBuf]) -> Self {
        let names: HashMap<String, String> =
            site.simulator.record().feeds.into_iter().map(|feed| (feed.tenant_id, feed.tenant)).collect();
        let sent = site.sent();
        let mut records = HashMap::new();
        for file in files {
            let text = fs::read_to_string(file).expect("the run has written its file");
            for (id, line) in Delivered::read_so_far(file).records.into_iter().zip(text.lines()) {
                let (tenant, revision) = sent.get(&id).unwrap_or_else(|| panic!("{id} was never sent"));
                let value = line.split_once(",\"alert\":").and_then(|(_, alert)| alert.strip_suffix('}'));
                let value = value.unwrap_or_else(|| panic!("no alert: {line}")).to_owned();
                let (tenant, alert) = (names[tenant].clone(), revision.id.clone());
                records.insert(id, Record { tenant, alert, updated: rfc3339(revision.ticks), value });
            }
        }
        Self { records }
    }

    /// Holds a record of the topic to what it must be, and returns its record id.
    ///
    /// # Panics
    /// Where it is not.
    pub fn check<'a>(&self, record: &'a KafkaRecord) -> &'a str {
        let id = record.header("recordId");
        let meant = self.records.get(id).unwrap_or_else(|| panic!("a record that is in no file: {record:?}"));
        assert_eq!(record.value, meant.value, "not the alert of the file: {record:?}");
        assert_eq!(record.headers(), ["recordId", id, "tenant", &meant.tenant, "updated", &meant.updated]);
        assert_eq!(record.key.as_ref(), Some(&meant.alert), "not the alert's key: {record:?}");
        let time = DateTime::parse_from_rfc3339(&meant.updated).expect("it was written as such");
        assert_eq!(record.time, time.timestamp_millis(), "not the alert's time: {record:?}");
        id
    }
}
