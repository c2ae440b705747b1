//! What arrived in a file of wrapped JSON.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::site::Site;

/// The record id of every record of a file, in its order.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// Record ids, as hex.
    pub records: Vec<String>,
}

impl Delivered {
    /// Reads a file of wrapped JSON lines.
    ///
    /// # Panics
    /// Where a line is torn or not what the sink writes.
    pub fn read(path: &Path) -> Self {
        // A file that was never made holds no record.
        let text = fs::read(path).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with(b"\n"), "the last line is torn");
        Self::of(&text)
    }

    /// Reads the whole lines of a file whose writer is at work or was killed: the last line may be torn.
    pub fn read_so_far(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        Self::of(&text[..whole])
    }

    fn of(text: &[u8]) -> Self {
        Self { records: text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(record_id).collect() }
    }

    /// How often each revision arrived.
    pub fn counts(&self) -> HashMap<&str, usize> {
        let mut counts = HashMap::with_capacity(self.records.len());
        for id in &self.records {
            *counts.entry(id.as_str()).or_insert(0) += 1;
        }
        counts
    }

    /// Records beyond the first of each revision.
    pub fn copies(&self) -> usize {
        self.records.len() - self.counts().len()
    }

    /// Holds the revisions of each alert to the order of their update times, first sights only: a copy after a kill
    /// repeats what was in flight.
    ///
    /// # Panics
    /// Where an older revision arrived for the first time after a newer one.
    pub fn assert_order(&self, site: &Site) {
        let sent = site.sent();
        let mut seen = std::collections::HashSet::new();
        let mut newest: HashMap<(&str, &str), i64> = HashMap::new();
        for id in self.records.iter().filter(|id| seen.insert(id.as_str())) {
            let (tenant, alert, ticks) =
                sent.get(id).map(|(tenant, sent)| (tenant, &sent.id, sent.ticks)).expect("sent");
            let newest = newest.entry((tenant, alert)).or_insert(ticks);
            assert!(*newest <= ticks, "an older revision of {alert} arrived after a newer one");
            *newest = ticks;
        }
    }
}

/// Lone surrogates stand in the alert as the API sent them, and `serde_json` refuses them: only the envelope is read.
fn record_id(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let end = text.find(",\"alert\":").unwrap_or_else(|| panic!("no envelope: {text}"));
    let envelope: Value =
        serde_json::from_str(&format!("{}}}", &text[..end])).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(text.ends_with("}}"), "the line is whole: {text}");
    envelope.get("record_id").and_then(Value::as_str).unwrap_or_else(|| panic!("no record id: {envelope}")).to_owned()
}
