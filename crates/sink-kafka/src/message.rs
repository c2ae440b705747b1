//! From a record to a message: its topic, key and headers, and whether the topic takes its size.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Timelike, Utc};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use sink::Record;

use crate::options::{KafkaOptions, Key};
use crate::topics::TopicLimits;

/// Makes messages.
pub(crate) struct Composer {
    topics: HashMap<String, String>,
    topic: Option<String>,
    key: Key,
}

/// What of a message is made for it, beside what the record holds.
pub(crate) struct Parts {
    record_id: [u8; RECORD_ID_DIGITS],
    updated: [u8; 24],
}

impl Composer {
    pub(crate) fn new(options: &KafkaOptions) -> Self {
        Self { topics: options.topics.clone(), topic: options.topic.clone(), key: options.key }
    }

    /// The topics that there are, each once.
    pub(crate) fn topics(&self) -> Vec<&str> {
        let mut topics: Vec<&str> = self.topics.values().chain(&self.topic).map(String::as_str).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// The topic of a record.
    fn topic(&self, record: &Record) -> Option<&str> {
        // Where all go to one topic, none is looked up.
        let own = if self.topics.is_empty() { None } else { self.topics.get(&*record.tenant) };
        own.or(self.topic.as_ref()).map(String::as_str)
    }

    /// The message for a record that a topic takes, whose outcome will be told under `number`.
    pub(crate) fn message<'a>(
        &'a self,
        record: &'a Record,
        parts: &'a Parts,
        number: usize,
    ) -> BaseRecord<'a, [u8], [u8], usize> {
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(Header { key: RECORD_ID, value: Some(&parts.record_id[..]) })
            .insert(Header { key: TENANT, value: Some(record.tenant.as_bytes()) })
            .insert(Header { key: UPDATED, value: Some(&parts.updated[..]) });
        BaseRecord {
            topic: self.topic(record).unwrap_or_default(),
            partition: None,
            payload: Some(&record.payload[..]),
            key: Some(self.key(record, parts)),
            timestamp: Some(record.time.timestamp_millis()),
            headers: Some(headers),
            delivery_opaque: number,
        }
    }

    /// What a record has in common with those that must stay in order with it: what its alert names, else its own id.
    fn key<'a>(&self, record: &'a Record, parts: &'a Parts) -> &'a [u8] {
        self.named_key(record).unwrap_or(&parts.record_id)
    }

    fn named_key<'a>(&self, record: &'a Record) -> Option<&'a [u8]> {
        match self.key {
            Key::Tenant => Some(record.tenant.as_bytes()),
            Key::Device if !record.device.is_empty() => Some(&record.device),
            Key::Alert | Key::Device => Some(&record.alert[..]).filter(|alert| !alert.is_empty()),
        }
    }

    /// Why no topic takes a record, where none does.
    pub(crate) fn unfit(&self, record: &Record, limits: &TopicLimits) -> Option<String> {
        let Some(topic) = self.topic(record) else {
            return Some("its tenant has left the file, whose words its topic is made of".to_owned());
        };
        let (size, largest) = (self.size(record), limits.largest(topic));
        (size > largest).then(|| {
            format!("it has {size} bytes as a Kafka message, and the topic {topic} takes {largest} (max.message.bytes)")
        })
    }

    /// The bytes of a record as the only one of a set, uncompressed: at most so many.
    fn size(&self, record: &Record) -> usize {
        let key = self.named_key(record).map_or(RECORD_ID_DIGITS, <[u8]>::len);
        let headers = RECORD_ID.len() + RECORD_ID_DIGITS + TENANT.len() + record.tenant.len() + UPDATED.len() + 24;
        SET_OVERHEAD + key + headers + record.payload.len()
    }
}

impl Parts {
    pub(crate) fn new(record: &Record) -> Self {
        Self { record_id: hex(record.id), updated: rfc3339(record.updated) }
    }
}

fn hex(id: [u8; 16]) -> [u8; RECORD_ID_DIGITS] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; RECORD_ID_DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(id) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}

/// A time as RFC 3339 to the millisecond, for years of four digits; alerts know no others.
fn rfc3339(time: DateTime<Utc>) -> [u8; 24] {
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let year = time.year().clamp(0, 9_999).unsigned_abs();
    // A leap second is 1,000 to 1,999 milliseconds.
    let millisecond = (time.nanosecond() / 1_000_000).min(999);
    let fields = [
        (0..4, year),
        (5..7, time.month()),
        (8..10, time.day()),
        (11..13, time.hour()),
        (14..16, time.minute()),
        (17..19, time.second()),
        (20..23, millisecond),
    ];
    for (place, mut value) in fields {
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }
    text
}

const RECORD_ID_DIGITS: usize = 32;
/// The header with the record id, 32 hexadecimal digits.
const RECORD_ID: &str = "recordId";
/// The header with the tenant's name in the pipeline file.
const TENANT: &str = "tenant";
/// The header with the update time of the revision, RFC 3339 to the millisecond.
const UPDATED: &str = "updated";

/// The header of a record batch, 61 bytes, and the lengths, deltas and attributes of one record with three headers: at
/// most 14 numbers of at most 5 bytes, and a time of at most 10 (Kafka protocol, record batch version 2).
const SET_OVERHEAD: usize = 61 + 14 * 5 + 10;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rdkafka::message::Headers;
    use sink::suite::record;

    use super::*;
    use crate::samples::options;

    /// Guarantee: record id, tenant and update time are in the headers, and the tenant is the key.
    #[test]
    fn a_message_says_whose_it_is() {
        let composer = Composer::new(&options("localhost:1", "alerts"));
        let record = record("payload");
        let parts = Parts::new(&record);
        let message = composer.message(&record, &parts, 5);
        assert_eq!(
            (message.topic, message.key, message.payload),
            ("alerts", Some(&b"contoso"[..]), Some(&b"payload"[..]))
        );
        assert_eq!(message.timestamp, Some(1_605_917_000_000));
        let headers = message.headers.unwrap();
        let header = |place| {
            let header = headers.get(place);
            (header.key, header.value.unwrap())
        };
        assert_eq!(header(0), ("recordId", &b"07070707070707070707070707070707"[..]));
        assert_eq!(header(1), ("tenant", &b"contoso"[..]));
        assert_eq!(header(2), ("updated", &b"2020-11-21T00:03:20.000Z"[..]));
    }

    /// Guarantee: what must stay in order has one key, and what an alert does not name is not shared with others.
    #[test]
    fn records_are_kept_together_as_asked() {
        let whole = record("x");
        let no_device = Record { device: Bytes::new(), ..whole.clone() };
        let nameless = Record { alert: Bytes::new(), ..no_device.clone() };
        let key = |key, record: &Record| {
            let composer = Composer::new(&KafkaOptions { key, ..options("localhost:1", "alerts") });
            String::from_utf8(composer.key(record, &Parts::new(record)).to_vec()).unwrap()
        };
        assert_eq!(key(Key::Tenant, &whole), "contoso");
        assert_eq!(key(Key::Device, &whole), "desktop-2.contoso.com");
        assert_eq!(key(Key::Alert, &whole), "da637472900382838869_1364969609");
        assert_eq!(key(Key::Device, &no_device), key(Key::Alert, &whole));
        assert_eq!(key(Key::Device, &nameless), "07070707070707070707070707070707");
    }

    /// Guarantee: a tenant has its own topic where the plan says so, and the common one elsewhere.
    #[test]
    fn a_tenant_goes_to_its_topic() {
        let mut options = options("localhost:1", "others");
        options.topics.insert("contoso".to_owned(), "atp-contoso".to_owned());
        let composer = Composer::new(&options);
        assert_eq!(composer.topic(&record("x")), Some("atp-contoso"));
        let stranger = Record { tenant: "fabrikam".into(), ..record("x") };
        assert_eq!(composer.topic(&stranger), Some("others"));
        assert_eq!(composer.topics(), ["atp-contoso", "others"]);
        options.topic = None;
        let composer = Composer::new(&options);
        assert!(composer.unfit(&stranger, &TopicLimits::default()).is_some());
        assert_eq!(composer.unfit(&record("x"), &TopicLimits::default()), None);
    }

    /// Guarantee: a record is refused exactly where its message may exceed what the topic takes.
    #[test]
    fn a_record_that_no_topic_takes_is_refused_by_its_size() {
        let composer = Composer::new(&options("localhost:1", "alerts"));
        let limits = TopicLimits::default();
        let room = limits.largest("alerts") - composer.size(&record(""));
        assert_eq!(composer.unfit(&record(&"x".repeat(room)), &limits), None);
        let reason = composer.unfit(&record(&"x".repeat(room + 1)), &limits).unwrap();
        assert!(reason.contains("max.message.bytes"), "{reason}");
    }

    proptest! {
        /// Guarantee: the time of a header is what chrono writes.
        #[test]
        fn times_are_rfc_3339(milliseconds in 0..253_402_300_799_999_i64) {
            let time = DateTime::from_timestamp_millis(milliseconds).unwrap();
            let expected = time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            prop_assert_eq!(&rfc3339(time)[..], expected.as_bytes());
        }
    }
}
