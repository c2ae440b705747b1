//! A record as an event of the collector: `{"time":…,"host":…,"source":…,"sourcetype":…,"index":…,"event":…,"fields":…}`.
//!
//! What is not known is left out, and the collector sets its own: the time of receipt, its own host.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
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
            ("host", self.host.of(tenant)),
            ("source", self.source.of(tenant)),
            ("sourcetype", self.sourcetype.of(tenant)),
            ("index", self.index.of(tenant)),
        ];
        for (key, word) in all {
            if let Some(word) = word {
                write_member(key, word, &mut before_event);
            }
        }
        before_event.extend_from_slice(b"\"event\":");
        let mut at_end = b"\",\"tenant\":".to_vec();
        write_string(tenant, &mut at_end);
        at_end.extend_from_slice(b"}}");
        let names_host = self.host.of(tenant).is_some();
        Words { tenant: Arc::clone(tenant), names_host, before_event, at_end }
    }
}

/// What is the same for all records of a tenant.
struct Words {
    tenant: Arc<str>,
    /// Whether the host is among the words; it is the device of the record otherwise.
    names_host: bool,
    /// The words up to the event.
    before_event: Vec<u8>,
    /// What stands behind the last of the record's own fields.
    at_end: Vec<u8>,
}

impl Words {
    fn write(&self, payload: Payload, record: &Record, out: &mut Vec<u8>) {
        // Each member before the event ends with its comma.
        out.push(b'{');
        if let Some(millis) = known_millis(record.time) {
            out.extend_from_slice(b"\"time\":");
            write_seconds(millis, out);
            out.push(b',');
        }
        if !self.names_host {
            write_device(&record.device, out);
        }
        out.extend_from_slice(&self.before_event);
        match payload {
            Payload::JsonObject => out.extend_from_slice(&record.payload),
            Payload::Text => write_string(&String::from_utf8_lossy(&record.payload), out),
        }
        self.write_fields(record, out);
    }

    /// Indexed fields, flat: they are found without a look into the event.
    fn write_fields(&self, record: &Record, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"fields\":{\"recordId\":\"");
        for byte in record.id {
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        if known_millis(record.updated).is_some() {
            out.extend_from_slice(b"\",\"updated\":\"");
            out.extend_from_slice(record.updated.to_rfc3339_opts(SecondsFormat::Millis, true).as_bytes());
        }
        out.extend_from_slice(&self.at_end);
    }
}

/// The milliseconds since 1970 of a time that is known: an alert without one has a time before that.
fn known_millis(time: DateTime<Utc>) -> Option<i64> {
    Some(time.timestamp_millis()).filter(|millis| *millis > 0)
}

/// The device as the host. A name that no host has, which only a hostile alert gives, stays in the event.
fn write_device(device: &[u8], out: &mut Vec<u8>) {
    let name = str::from_utf8(device).unwrap_or_default();
    if (1..=LONGEST_HOST).contains(&name.len()) && !name.chars().any(char::is_control) {
        write_member("host", name, out);
    }
}

/// Seconds since 1970 with three decimals. Never by way of a float: those have no exact milliseconds.
fn write_seconds(millis: i64, out: &mut Vec<u8>) {
    write!(out, "{}.{:03}", millis / 1_000, millis % 1_000).expect("writing into a vector does not fail");
}

fn write_member(key: &str, word: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    write_string(word, out);
    out.push(b',');
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string can always be written into a vector");
}

const HEX: &[u8; 16] = b"0123456789abcdef";
/// The most bytes of a name in DNS (RFC 1035, section 2.3.4).
const LONGEST_HOST: usize = 255;
/// What an envelope holds beside its words and its event: keys, punctuation, times, record id, and names of tenant and
/// device of common length.
const FRAME_BYTES: usize = 320;
