//! A record as an event of the collector: `{"time":…,"host":…,"source":…,"sourcetype":…,"index":…,"event":…,"fields":…}`.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;

use sink::Record;

use crate::options::{ByTenant, HecOptions, Payload};

/// Writes records as events.
#[derive(Debug)]
pub(crate) struct Composer {
    payload: Payload,
    index: ByTenant,
    source: ByTenant,
    sourcetype: ByTenant,
    host: ByTenant,
}

impl Composer {
    pub(crate) fn new(options: &HecOptions) -> Self {
        Self {
            payload: options.payload,
            index: options.index.clone(),
            source: options.source.clone(),
            sourcetype: options.sourcetype.clone(),
            host: options.host.clone(),
        }
    }

    /// The index that a tenant's records go to, where it is not the token's own.
    pub(crate) fn index(&self, tenant: &str) -> Option<&str> {
        self.index.of(tenant)
    }

    /// Whether the records of all tenants go to one index.
    pub(crate) fn has_one_index(&self) -> bool {
        self.index.is_one()
    }

    /// About the most bytes that an envelope adds to an object.
    pub(crate) fn overhead(&self) -> usize {
        let words = [&self.index, &self.source, &self.sourcetype, &self.host];
        let longest = |words: &ByTenant| words.named.values().chain(&words.otherwise).map(String::len).max();
        FRAME_BYTES + words.into_iter().filter_map(longest).sum::<usize>()
    }

    /// Appends the events of some records, one after the other (HEC takes concatenated objects).
    pub(crate) fn write<'a>(&self, records: impl Iterator<Item = &'a Record>, out: &mut Vec<u8>) {
        // Records come in runs of one tenant.
        let mut words: Option<Words> = None;
        for record in records {
            let of_this_tenant = words.take().filter(|words| *words.tenant == *record.tenant);
            let words = words.insert(of_this_tenant.unwrap_or_else(|| self.words(&record.tenant)));
            words.write(self.payload, record, out);
        }
    }

    fn words(&self, tenant: &Arc<str>) -> Words {
        let mut before_event = Vec::with_capacity(FRAME_BYTES);
        let all = [
            (&b",\"host\":"[..], self.host.of(tenant)),
            (b",\"source\":", self.source.of(tenant)),
            (b",\"sourcetype\":", self.sourcetype.of(tenant)),
            (b",\"index\":", self.index.of(tenant)),
        ];
        for (key, word) in all {
            if let Some(word) = word {
                before_event.extend_from_slice(key);
                write_string(word, &mut before_event);
            }
        }
        before_event.extend_from_slice(b",\"event\":");
        let mut after_id = b"\",\"tenant\":".to_vec();
        write_string(tenant, &mut after_id);
        after_id.extend_from_slice(b"}}");
        Words { tenant: Arc::clone(tenant), before_event, after_id }
    }
}

/// What is the same for all records of a tenant.
struct Words {
    tenant: Arc<str>,
    /// From after the time up to the event.
    before_event: Vec<u8>,
    /// From after the record id to the end.
    after_id: Vec<u8>,
}

impl Words {
    fn write(&self, payload: Payload, record: &Record, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":");
        write_seconds(record.time.timestamp_millis(), out);
        out.extend_from_slice(&self.before_event);
        match payload {
            Payload::JsonObject => out.extend_from_slice(&record.payload),
            Payload::Text => write_string(&String::from_utf8_lossy(&record.payload), out),
        }
        out.extend_from_slice(b",\"fields\":{\"recordId\":\"");
        for byte in record.id {
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        out.extend_from_slice(&self.after_id);
    }
}

/// Seconds since 1970 with three decimals. Never by way of a float: those have no exact milliseconds.
fn write_seconds(millis: i64, out: &mut Vec<u8>) {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    write!(out, "{sign}{}.{:03}", millis / 1_000, millis % 1_000).expect("writing into a vector does not fail");
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string can always be written into a vector");
}

const HEX: &[u8; 16] = b"0123456789abcdef";
/// What an envelope holds beside its words and its event: keys, punctuation, time, record id, and a tenant's name of
/// common length.
const FRAME_BYTES: usize = 240;
