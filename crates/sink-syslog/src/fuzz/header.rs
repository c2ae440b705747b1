//! A message held to the grammar of its header, to its limit and to its framings.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sink::{Record, Severity};
use syslog::Facility;

use crate::message::Composer;
use crate::options::{Framing, Header, MessageOptions, Transport};

/// Options and a record that bytes decide.
#[derive(Debug)]
pub(super) struct Case {
    options: MessageOptions,
    record: Record,
}

impl Case {
    /// Bytes that are missing are zero.
    pub(super) fn read(mut bytes: &[u8]) -> Self {
        let [header, flags, severity, zone] = take(&mut bytes);
        let max_bytes = usize::from(u16::from_le_bytes(take(&mut bytes)));
        let seconds = i64::from_le_bytes(take(&mut bytes));
        let id = take(&mut bytes);
        let [app_name, message_id, tenant, host] = [(); 4].map(|()| text(&mut bytes));
        let named = flags & 1 > 0;
        let options = MessageOptions {
            header: [Header::Rfc5424, Header::Rfc3164, Header::None][usize::from(header) % 3],
            framing: Framing::OctetCounting,
            facility: Facility::LOG_LOCAL7,
            app_name,
            message_id: (flags & 2 > 0).then_some(message_id),
            structured_data: flags & 4 > 0,
            timezone: chrono_tz::TZ_VARIANTS.get(usize::from(zone)).copied().unwrap_or(Tz::UTC),
            hosts: named.then(|| (tenant.clone(), host)).into_iter().collect(),
            max_bytes: (flags & 8 > 0).then_some(max_bytes),
        };
        let time = DateTime::from_timestamp(seconds, u32::from(flags) * 7_000_000).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let payload = Bytes::copy_from_slice(bytes);
        let severity = SEVERITIES[usize::from(severity) % SEVERITIES.len()];
        let (alert, device) = (Bytes::new(), Bytes::new());
        let tenant = Arc::from(tenant);
        Self { options, record: Record { id, tenant, alert, device, updated: time, time, severity, payload } }
    }
}

/// Takes `N` bytes from the front, and zeros for those that are missing.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (taken, rest) = bytes.split_at(N.min(bytes.len()));
    *bytes = rest;
    let mut array = [0; N];
    array[..taken.len()].copy_from_slice(taken);
    array
}

/// Takes a text with its length before it, in units of two bytes, so that the longest is longer than any field.
fn text(bytes: &mut &[u8]) -> String {
    let [length] = take(bytes);
    let (text, rest) = bytes.split_at((2 * usize::from(length)).min(bytes.len()));
    *bytes = rest;
    String::from_utf8_lossy(text).into_owned()
}

/// # Panics
/// Where the message breaks a rule.
pub(super) fn check(case: Case) {
    let Case { options, record } = case;
    let mut message = Vec::new();
    let composer = Composer::new(&options, Transport::Tcp);
    let composed = composer.message(&record, &mut message);

    let header_length = header_length(&options, &message, &record);
    let (header, kept) = message.split_at(header_length);
    assert!(record.payload.starts_with(kept), "the payload is another");
    assert_eq!(composed.cut, kept.len() < record.payload.len());
    let max_bytes = options.max_bytes.unwrap_or(usize::MAX);
    assert!(message.len() <= max_bytes.max(header_length), "{} bytes are too many", message.len());
    assert_eq!(composed.cut, header_length + record.payload.len() > max_bytes.max(header_length));
    if std::str::from_utf8(&record.payload).is_ok() {
        assert!(std::str::from_utf8(kept).is_ok(), "a character is cut");
    }

    let header = std::str::from_utf8(header).expect("a header is UTF-8");
    match options.header {
        Header::None => assert_eq!(header, ""),
        Header::Rfc3164 => check_rfc3164(header),
        Header::Rfc5424 => check_rfc5424(header, options.structured_data),
    }
    check_framings(&options, &record, &message);
}

/// What the header of an empty payload takes: it does not depend on the payload, but for the tag of RFC 3164.
fn header_length(options: &MessageOptions, message: &[u8], record: &Record) -> usize {
    let beginning = record.payload.slice(..record.payload.len().min(5));
    let beginning_length = beginning.len();
    let options = MessageOptions { max_bytes: None, ..options.clone() };
    let mut out = Vec::new();
    Composer::new(&options, Transport::Tcp).message(&Record { payload: beginning, ..record.clone() }, &mut out);
    let length = out.len() - beginning_length;
    assert_eq!(message.get(..length), out.get(..length), "the header depends on the payload");
    length
}

/// RFC 5424, section 6: `<PRI>1 TIME HOST APP PROCID MSGID SD `.
fn check_rfc5424(header: &str, structured_data: bool) {
    let fields: Vec<&str> = header.splitn(7, ' ').collect();
    let [priority, time, host, app_name, process_id, message_id, rest] = fields[..] else {
        panic!("{header:?} has too few fields")
    };
    check_priority(priority.strip_suffix('1').expect("the version is 1"));
    if time != "-" {
        check_shape(time, "0000-00-00T00:00:00.000Z");
        assert!(&time[17..19] < "60", "{time} has a leap second");
    }
    for (field, max_length) in [(host, 255), (app_name, 48), (process_id, 128), (message_id, 32)] {
        check_field(field, max_length);
    }
    if structured_data {
        check_structured_data(rest);
    } else {
        assert_eq!(rest, "- ");
    }
}

fn check_structured_data(text: &str) {
    let rest = text.strip_prefix("[atp@32473 recordId=\"").expect("our element comes first");
    let (record_id, rest) = rest.split_at(32);
    assert!(record_id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{record_id:?} is no record id");
    let rest = rest.strip_prefix("\" tenant=\"").expect("the tenant comes next");
    let value = rest.strip_suffix("\"] ").expect("the element ends, and a space comes before the message");
    assert!(value.len() <= 128, "{value:?} is more than 64 escaped bytes");
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => assert!(matches!(characters.next(), Some('"' | '\\' | ']')), "{value:?} has a false escape"),
            '"' | ']' => panic!("{value:?} ends early"),
            _ => assert!(!character.is_control(), "{value:?} has controls"),
        }
    }
}

/// RFC 3164, section 4.1: `<PRI>Mmm dd hh:mm:ss HOST `, and the tag where the payload has none of its own.
fn check_rfc3164(header: &str) {
    let (priority, rest) = header.split_at(header.find('>').expect("PRI ends") + 1);
    check_priority(priority);
    let (time, rest) = rest.split_at(15);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    assert!(months.contains(&&time[..3]), "{time:?} has no month");
    check_shape(&time[3..].replacen("  ", " 0", 1), " 00 00:00:00");
    let (host, tag) = rest.strip_prefix(' ').expect("a space follows the time").split_once(' ').expect("the host ends");
    check_field(host, 255);
    if !tag.is_empty() {
        let tag = tag.strip_suffix(": ").expect("a tag ends with colon and space");
        check_field(tag, 32);
        assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{tag:?} is no tag");
    }
}

fn check_field(field: &str, max_length: usize) {
    assert!((1..=max_length).contains(&field.len()), "{field:?} has {} bytes", field.len());
    assert!(field.bytes().all(|byte| byte.is_ascii_graphic()), "{field:?} is not printable");
}

fn check_priority(text: &str) {
    let number = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).expect("PRI is in angle brackets");
    let value: u8 = number.parse().expect("PRI is a number");
    assert!(value <= 191 && number == value.to_string(), "{number} is no PRI");
}

/// Whether `text` is `shape` with other digits.
fn check_shape(text: &str, shape: &str) {
    let same = |(byte, place): (u8, u8)| if place == b'0' { byte.is_ascii_digit() } else { byte == place };
    assert!(text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(same), "{text:?} is not like {shape:?}");
}

fn check_framings(options: &MessageOptions, record: &Record, message: &[u8]) {
    let frame = |framing| {
        let mut out = Vec::new();
        Composer::new(&MessageOptions { framing, ..options.clone() }, Transport::Tls).frame(record, &mut out);
        out
    };
    assert_eq!(frame(Framing::OctetCounting), [message.len().to_string().as_bytes(), b" ", message].concat());
    let blanked: Vec<u8> = message.iter().map(|byte| if b"\n\r\0".contains(byte) { b' ' } else { *byte }).collect();
    assert_eq!(frame(Framing::Lf), [&blanked, &b"\n"[..]].concat());

    let mut relp = Vec::new();
    Composer::new(options, Transport::Relp).relp_frame(record, 7, &mut relp);
    let space: &[u8] = if message.is_empty() { b"" } else { b" " };
    let length = message.len().to_string();
    assert_eq!(relp, [b"7 syslog ", length.as_bytes(), space, message, b"\n"].concat());
}

const SEVERITIES: [Severity; 5] =
    [Severity::Unknown, Severity::Informational, Severity::Low, Severity::Medium, Severity::High];
