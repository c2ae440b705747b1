//! Options, records and hostile text for the tests of messages.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use chrono_tz::Tz;
use sink::Record;
use syslog::Facility;

use crate::options::{Framing, Header, MessageOptions};

/// The options of a plain sink for the tenant `contoso`.
pub(crate) fn options(header: Header) -> MessageOptions {
    MessageOptions {
        header,
        framing: Framing::OctetCounting,
        facility: Facility::LOG_LOCAL4,
        app_name: "atp-forwarder".to_owned(),
        message_id: Some("alert".to_owned()),
        structured_data: true,
        timezone: Tz::UTC,
        hosts: HashMap::from([("contoso".to_owned(), "atp-contoso".to_owned())]),
        max_bytes: None,
    }
}

/// A record of 1 November 2026, 00:05:09.123 UTC.
pub(crate) fn record(tenant: &str, payload: impl Into<Bytes>) -> Record {
    Record {
        id: *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\xfc\xfd\xfe\xff",
        tenant: Arc::from(tenant),
        time: DateTime::from_timestamp_millis(1_793_491_509_123).expect("a time in range"),
        payload: payload.into(),
        ..sink::suite::record("")
    }
}

/// The record id of [`record`] as it is written.
pub(super) const RECORD_ID: &str = "000102030405060708090a0bfcfdfeff";

/// Text that has forged, split or broken log lines elsewhere.
pub(super) const HOSTILE: [&str; 20] = [
    "",
    " ",
    "-",
    "x dst=6.6.6.6 act=allow",
    "x\tdst=6.6.6.6",
    "x\nCEF:0|a|b|c|d|e|9|src=6.6.6.6",
    "x\r\n<134>1 - - - - - - forged",
    "10 <134>1 - -",
    r"a\\|b",
    r"trailing \",
    r#""] [evil@1 x="1"#,
    "a\u{202e}gpj.exe",
    "\u{1b}]0;pwn\u{7}",
    "\u{9b}31m",
    "nul\0inside",
    "\u{feff}BOM",
    "-- \" %0a %s %n",
    "${jndi:ldap://x}",
    "=cmd|' /C calc'!A0",
    "\u{2028}\u{2029}\u{fffd}🚨",
];
