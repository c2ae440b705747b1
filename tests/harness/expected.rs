//! What must arrive as syslog: the CEF line of each record that the same run wrote to a file, under the header that the
//! alert's own words call for.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, SecondsFormat};

use crate::delivered::Delivered;
use crate::message::Message;
use crate::receiver::{Receiver, Way};
use crate::site::{Site, Summary};

/// Every record of a run, by its record id.
#[derive(Debug)]
pub struct Expected {
    records: Vec<Record>,
    places: HashMap<String, usize>,
    /// What was sent, in numbers.
    pub summary: Summary,
}

#[derive(Debug)]
struct Record {
    id: String,
    tenant: String,
    /// As RFC 3339, to the millisecond.
    updated: String,
    line: String,
}

/// What arrived one way, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Messages, copies included.
    pub messages: usize,
    /// Records of which none arrived.
    pub missing: usize,
    /// Messages beyond the first of each record.
    pub copies: usize,
    /// Lines that a receiver did not finish when it was killed.
    pub torn: usize,
}

impl Expected {
    /// Reads the CEF file of a run, and holds it to what the simulator has sent.
    ///
    /// # Panics
    /// Where it is not that, record for record and once each.
    pub fn read(site: &Site, copy: &Path) -> Self {
        let text = String::from_utf8(fs::read(copy).expect("the run has written its file")).expect("CEF is UTF-8");
        let names: HashMap<String, String> =
            site.simulator.record().feeds.into_iter().map(|feed| (feed.tenant_id, feed.tenant)).collect();
        let sent = site.sent();
        let record = |line: &str| {
            let id = record_id(line);
            let (tenant, revision) = sent.get(id).unwrap_or_else(|| panic!("{id} was never sent"));
            let (tenant, updated) = (names[tenant].clone(), rfc3339(revision.ticks));
            Record { id: id.to_owned(), tenant, updated, line: line.to_owned() }
        };
        let records: Vec<Record> = text.lines().map(record).collect();
        let delivered = Delivered { records: records.iter().map(|record| record.id.clone()).collect() };
        assert_eq!(delivered.copies(), 0, "the file has each record once");
        let summary = site.expect_all(&delivered);
        let places = delivered.records.into_iter().enumerate().map(|(place, id)| (id, place)).collect();
        Self { records, places, summary }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many records have a text that would be taken for a header of its own if it could begin a line.
    pub fn hostile(&self) -> usize {
        self.records.iter().filter(|record| record.line.contains("<34>1 2026")).count()
    }

    /// Holds every message that arrived one way to its record, byte for byte and header field by header field, and
    /// counts.
    ///
    /// # Panics
    /// Where one is not as it must be.
    pub fn arrived(&self, receiver: &Receiver, way: &Way) -> Arrived {
        let mut counts = vec![0_usize; self.records.len()];
        let torn = receiver.read(way, |message| {
            let place = self.places.get(message.record_id());
            let place = *place.unwrap_or_else(|| panic!("{}: a record that was never sent: {message:?}", way.name));
            self.records[place].check(&message, way);
            counts[place] += 1;
        });
        let messages = counts.iter().sum();
        let missing = counts.iter().filter(|count| **count == 0).count();
        Arrived { messages, missing, copies: messages + missing - counts.len(), torn }
    }
}

impl Record {
    fn check(&self, message: &Message, way: &Way) {
        assert_eq!(message.message, self.line, "{}: not the line of the file", way.name);
        let expected = Message {
            pri: (FACILITY + level(&self.line)).to_string(),
            time: self.updated.clone(),
            host: format!("atp-{}", self.tenant),
            app: "atp-forwarder".to_owned(),
            procid: "-".to_owned(),
            msgid: Way::MESSAGE_ID.to_owned(),
            sd: format!("[atp@32473 recordId=\"{}\" tenant=\"{}\"]", self.id, self.tenant),
            message: String::new(),
        };
        let header = Message { message: String::new(), ..message.clone() };
        assert_eq!(header, expected, "{}: the header of {}", way.name, self.line);
    }
}

/// The record id in a CEF line: its extension begins behind the seventh pipe that is not escaped.
fn record_id(line: &str) -> &str {
    let extension = header_fields(line).1;
    let id = extension.split(" devicePayloadId=").nth(1).and_then(|rest| rest.split(' ').next());
    id.unwrap_or_else(|| panic!("no record id: {line}"))
}

/// The seven header fields and the extension of a CEF line.
fn header_fields(line: &str) -> (Vec<&str>, &str) {
    let (mut fields, mut start, mut escaped) = (Vec::with_capacity(7), 0, false);
    for (place, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'|' => {
                fields.push(&line[start..place]);
                start = place + 1;
            }
            _ => {}
        }
        if fields.len() == 7 {
            return (fields, &line[start..]);
        }
    }
    panic!("no CEF line: {line}")
}

/// The level of a PRI (RFC 5424, table 2) that the severity of a CEF line calls for.
fn level(line: &str) -> u8 {
    match header_fields(line).0[6] {
        "8" => 2,
        "5" => 4,
        "3" | "Unknown" => 5,
        "1" => 6,
        other => panic!("an alert has no severity {other}: {line}"),
    }
}

/// .NET ticks, 100 ns each since the year 1, as RFC 3339 to the millisecond.
pub(crate) fn rfc3339(ticks: i64) -> String {
    let time = DateTime::from_timestamp_micros((ticks - UNIX_EPOCH).div_euclid(10)).expect("an alert is of our age");
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `local4` (RFC 5424, table 1), which is our default.
const FACILITY: u8 = 20 * 8;
const UNIX_EPOCH: i64 = 621_355_968_000_000_000;
