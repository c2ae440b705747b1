//! Whole messages: their headers, their framing, their limits.

use proptest::prelude::*;
use sink::{Record, Severity};
use syslog_rfc5424::parse_message;

use super::samples::{HOSTILE, RECORD_ID, options, record};
use super::token::header_field;
use super::{Composed, Composer};
use crate::options::{Framing, Header, MessageOptions, Transport};

const WHOLE: Composed = Composed { cut: false };

fn message(options: &MessageOptions, record: &Record) -> String {
    let mut out = Vec::new();
    Composer::new(options, Transport::Tcp).message(record, &mut out);
    String::from_utf8(out).unwrap()
}

/// Guarantee: the headers are these, field by field.
#[test]
fn headers_are_as_their_documents_have_them() {
    let sd = format!("[atp@32473 recordId=\"{RECORD_ID}\" tenant=\"contoso\"]");
    let bare = MessageOptions { structured_data: false, message_id: None, ..options(Header::Rfc5424) };
    let elsewhere = format!("[atp@32473 recordId=\"{RECORD_ID}\" tenant=\"fab\\]rikam\"]");
    let cases = [
        (options(Header::None), "contoso", "CEF:0|x", "CEF:0|x".to_owned()),
        (
            options(Header::Rfc5424),
            "contoso",
            "CEF:0|x",
            format!("<164>1 2026-11-01T00:05:09.123Z atp-contoso atp-forwarder - alert {sd} CEF:0|x"),
        ),
        (
            options(Header::Rfc5424),
            "fab]rikam",
            "{}",
            format!("<164>1 2026-11-01T00:05:09.123Z - atp-forwarder - alert {elsewhere} {{}}"),
        ),
        (bare, "contoso", "{}", "<164>1 2026-11-01T00:05:09.123Z atp-contoso atp-forwarder - - - {}".to_owned()),
        (options(Header::Rfc3164), "contoso", "CEF:0|x", "<164>Nov  1 00:05:09 atp-contoso CEF:0|x".to_owned()),
        (options(Header::Rfc3164), "contoso", "LEEF:1.0|x", "<164>Nov  1 00:05:09 atp-contoso LEEF:1.0|x".to_owned()),
        (options(Header::Rfc3164), "fabrikam", "{}", "<164>Nov  1 00:05:09 - atpforwarder: {}".to_owned()),
    ];
    for (options, tenant, payload, expected) in cases {
        assert_eq!(message(&options, &record(tenant, payload)), expected);
    }
}

/// Guarantee: a tenant that the options name has the header that it would have without being named, but for the host.
#[test]
fn prepared_headers_are_those_made_on_the_way() {
    for tenant in HOSTILE {
        let mut named = options(Header::Rfc5424);
        named.hosts = [(tenant.to_owned(), "-".to_owned())].into();
        let unnamed = MessageOptions { hosts: [].into(), ..named.clone() };
        let record = record(tenant, "payload");
        assert_eq!(message(&named, &record), message(&unnamed, &record));
    }
}

/// Guarantee: framing adds a count or a line feed, and a transport that has none of its own gets the bare message.
#[test]
fn frames_are_counted_or_ended() {
    let octets = MessageOptions { framing: Framing::OctetCounting, ..options(Header::None) };
    let lines = MessageOptions { framing: Framing::Lf, ..options(Header::None) };
    let hostile = record("contoso", "a\nb\r\nc\0ż");
    let cases = [
        (&octets, Transport::Tcp, "9 a\nb\r\nc\0ż"),
        (&octets, Transport::Tls, "9 a\nb\r\nc\0ż"),
        (&lines, Transport::Tcp, "a b  c ż\n"),
        (&lines, Transport::Tls, "a b  c ż\n"),
        (&lines, Transport::Udp, "a\nb\r\nc\0ż"),
        (&lines, Transport::RelpTls, "a\nb\r\nc\0ż"),
    ];
    for (options, transport, expected) in cases {
        let mut out = b"kept".to_vec();
        assert_eq!(Composer::new(options, transport).frame(&hostile, &mut out), WHOLE);
        assert_eq!(String::from_utf8(out).unwrap(), format!("kept{expected}"), "{transport:?}");
    }
}

/// Guarantee: a RELP frame is number, command, length, message and line feed.
#[test]
fn relp_frames_carry_the_message() {
    let mut out = b"kept".to_vec();
    let composer = Composer::new(&options(Header::None), Transport::Relp);
    assert_eq!(composer.relp_frame(&record("contoso", "a\nb"), 7, &mut out), WHOLE);
    assert_eq!(composer.relp_frame(&record("contoso", ""), 8, &mut out), WHOLE);
    assert_eq!(String::from_utf8(out).unwrap(), "kept7 syslog 3 a\nb\n8 syslog 0\n");
}

/// Guarantee: a datagram is never longer than one can be, whatever the options allow.
#[test]
fn datagrams_have_a_length_of_their_own() {
    for max_bytes in [None, Some(1 << 20)] {
        let options = MessageOptions { max_bytes, ..options(Header::Rfc5424) };
        let long = record("contoso", "x".repeat(70_000));
        let mut out = Vec::new();
        assert_eq!(Composer::new(&options, Transport::Udp).message(&long, &mut out), Composed { cut: true });
        assert_eq!(out.len(), 65_507);
        out.clear();
        assert_eq!(Composer::new(&options, Transport::Tcp).message(&long, &mut out), WHOLE);
    }
}

fn text() -> impl Strategy<Value = String> {
    let hostile = proptest::sample::select(HOSTILE.to_vec()).prop_map(str::to_owned);
    let anything = prop::collection::vec(any::<char>(), 0..80).prop_map(String::from_iter);
    prop_oneof![4 => anything, 2 => "[!-~]{0,300}", 1 => hostile]
}

fn severity() -> impl Strategy<Value = Severity> {
    proptest::sample::select(vec![
        Severity::Unknown,
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
    ])
}

prop_compose! {
    fn any_record()(tenant in text(), payload in text(), severity in severity(), id: [u8; 16], second in SECONDS) -> Record {
        let time = chrono::DateTime::from_timestamp(second, 7_000_000).unwrap();
        Record { id, severity, time, ..record(&tenant, payload) }
    }
}

/// Years 0 to 9999.
const SECONDS: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;

prop_compose! {
    fn any_options()(
        header in proptest::sample::select(vec![Header::None, Header::Rfc3164, Header::Rfc5424]),
        app_name in text(),
        message_id in prop::option::of(text()),
        structured_data: bool,
        hosts in prop::collection::hash_map(text(), text(), 0..3),
        max_bytes in prop::option::of(0..900_usize),
    ) -> MessageOptions {
        MessageOptions { app_name, message_id, structured_data, hosts, max_bytes, ..options(header) }
    }
}

/// A sink's options, and a record whose tenant they name in half of the cases.
fn options_and_record() -> impl Strategy<Value = (MessageOptions, Record)> {
    (any_options(), any_record(), any::<bool>()).prop_map(|(options, mut record, named)| {
        if let Some(tenant) = options.hosts.keys().next().filter(|_| named) {
            record.tenant = tenant.as_str().into();
        }
        (options, record)
    })
}

/// What a parser gives for a field that was written from `text`.
fn parsed_field(text: &str, max_length: usize) -> Option<String> {
    Some(header_field(text, max_length)).filter(|field| field != "-")
}

/// A tenant's name as structured data keeps it.
fn kept_tenant(tenant: &str) -> String {
    let kept = &tenant[..tenant.floor_char_boundary(64)];
    kept.replace(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}', " ")
}

proptest! {
    /// Guarantee: a strict parser takes every message of RFC 5424 and finds in it what went in.
    #[test]
    fn rfc_5424_says_what_went_in((options, record) in options_and_record()) {
        let options = MessageOptions { header: Header::Rfc5424, max_bytes: None, ..options };
        let line = message(&options, &record);
        let parsed = parse_message(&line).map_err(|error| TestCaseError::fail(format!("{error}: {line:?}")))?;
        prop_assert_eq!(parsed.facility as u8, 20);
        prop_assert_eq!(parsed.version, 1);
        prop_assert_eq!(parsed.timestamp, Some(record.time.timestamp()));
        prop_assert_eq!(parsed.timestamp_nanos, Some(7_000_000));
        let host = options.hosts.get(&*record.tenant).map_or("-", String::as_str);
        prop_assert_eq!(parsed.hostname, parsed_field(host, 255));
        prop_assert_eq!(parsed.appname, parsed_field(&options.app_name, 48));
        prop_assert_eq!(parsed.procid, None);
        prop_assert_eq!(parsed.msgid, parsed_field(options.message_id.as_deref().unwrap_or("-"), 32));
        prop_assert_eq!(parsed.msg.as_bytes(), &record.payload[..]);
        prop_assert_eq!(parsed.sd.len(), usize::from(options.structured_data));
        if let Some(ours) = parsed.sd.find_sdid("atp@32473") {
            let id: String = record.id.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(&ours["recordId"], &id);
            prop_assert_eq!(&ours["tenant"], &kept_tenant(&record.tenant));
            prop_assert_eq!(ours.len(), 2);
        }
    }

    /// Guarantee: records in a counted stream come out of it as exactly their messages.
    #[test]
    fn counted_streams_split_into_their_messages(options in any_options(), records in prop::collection::vec(any_record(), 0..8)) {
        let composer = Composer::new(&options, Transport::Tls);
        let (mut stream, mut messages) = (Vec::new(), Vec::new());
        for record in &records {
            let mut message = Vec::new();
            let composed = composer.message(record, &mut message);
            prop_assert_eq!(composer.frame(record, &mut stream), composed);
            messages.push(message);
        }
        prop_assert_eq!(split_counted(&stream), messages);
    }

    /// Guarantee: records in a stream of lines come out of it as their messages, with spaces for what would end a line.
    #[test]
    fn lines_split_into_their_messages(options in any_options(), records in prop::collection::vec(any_record(), 0..8)) {
        let composer = Composer::new(&MessageOptions { framing: Framing::Lf, ..options }, Transport::Tcp);
        let (mut stream, mut messages) = (Vec::new(), Vec::new());
        for record in &records {
            let mut message = Vec::new();
            let composed = composer.message(record, &mut message);
            prop_assert_eq!(composer.frame(record, &mut stream), composed);
            messages.push(String::from_utf8(message).unwrap().replace(['\n', '\r', '\0'], " "));
        }
        let lines: Vec<String> = String::from_utf8(stream).unwrap().split_terminator('\n').map(str::to_owned).collect();
        prop_assert_eq!(lines, messages);
    }

    /// Guarantee: a message is within its limit or has no payload at all; what is cut says so, is a beginning of the
    /// whole and is still UTF-8.
    #[test]
    fn messages_hold_their_limit((options, record) in options_and_record(), max_bytes in 0..900_usize) {
        let whole = message(&MessageOptions { max_bytes: None, ..options.clone() }, &record);
        let header_length = whole.len() - record.payload.len();
        let mut out = Vec::new();
        let options = MessageOptions { max_bytes: Some(max_bytes), ..options };
        let composed = Composer::new(&options, Transport::Tcp).message(&record, &mut out);
        let kept = String::from_utf8(out).unwrap();
        prop_assert!(kept.len() <= max_bytes.max(header_length));
        prop_assert!(kept.len() >= header_length);
        prop_assert!(whole.starts_with(&kept));
        prop_assert_eq!(composed.cut, kept.len() < whole.len());
        prop_assert_eq!(composed.cut, whole.len() > max_bytes.max(header_length));
    }
}

fn split_counted(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !stream.is_empty() {
        let space = stream.iter().position(|byte| *byte == b' ').expect("a count ends with a space");
        let digits = std::str::from_utf8(&stream[..space]).unwrap();
        let length: usize = digits.parse().unwrap();
        assert_eq!(digits, length.to_string(), "a count has no leading zero");
        let (message, rest) = stream[space + 1..].split_at(length);
        messages.push(message.to_vec());
        stream = rest;
    }
    messages
}
