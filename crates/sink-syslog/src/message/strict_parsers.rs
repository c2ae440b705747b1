//! A second strict parser of RFC 5424, in Python: `syslog-rfc5424-parser` 0.3.2. It checks lengths, alphabets and the
//! digits of a second's fraction, which the crate `syslog_rfc5424` passes over.
//!
//! It has one fault that shows here: the grammar that it builds on (lark 0.6.7) takes the quotation mark behind an escaped
//! backslash, `\\"`, for an escaped one wherever another quotation mark follows in the line. So no tenant here ends with
//! a backslash; the property tests, which go to the other parser, have those too.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::Command;

use sink::{Record, Severity};

use super::Composer;
use super::samples::{HOSTILE, options, record};
use super::token::header_field;
use crate::options::{Header, MessageOptions, Transport};

/// Guarantee: the parser takes every line, hostile ones included, and finds in it what went in.
#[test]
fn the_python_parser_takes_every_line() {
    let Some(python) = std::env::var_os("ATP_PYTHON") else {
        let required = std::env::var_os("ATP_TESTS_REQUIRE_PARTS").is_some();
        assert!(!required, "ATP_PYTHON has to name an interpreter that has syslog-rfc5424-parser");
        // Not eprintln, which the test harness keeps to itself.
        writeln!(std::io::stderr(), "skipped: ATP_PYTHON names no interpreter that has syslog-rfc5424-parser").unwrap();
        return;
    };
    let mut random = fastrand::Rng::with_seed(5424);
    let mut cases = tempfile::NamedTempFile::new().unwrap();
    for number in 0..LINES {
        cases.write_all(&case(number, &mut random)).unwrap();
    }
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/strict_parser.py");
    let output = Command::new(python).arg(program).arg(cases.path()).output().expect("the interpreter starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), format!("{LINES} lines"), "every line was looked at");
}

const LINES: usize = 2_000;

/// One line and what it should say, each with its length before it, as the program reads them.
fn case(number: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    let (host, app_name) = (text(number / 20, random), text(number / 40, random));
    let tenant = text(number, random);
    let tenant = tenant[..tenant.floor_char_boundary(64)].trim_end_matches('\\').to_owned();
    let message_id = random.bool().then(|| text(number / 80, random));
    let structured_data = random.u8(0..4) > 0;
    let options = MessageOptions {
        app_name: app_name.clone(),
        message_id: message_id.clone(),
        structured_data,
        hosts: HashMap::from([(tenant.clone(), host.clone())]),
        ..options(Header::Rfc5424)
    };
    let payload = text(number / 3, random);
    let record = Record { severity: SEVERITIES[number % 5].0, ..record(&tenant, payload.clone()) };
    let mut line = Vec::new();
    Composer::new(&options, Transport::Tls).message(&record, &mut line);
    let tenant = tenant.replace(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}', " ");
    let expected = [
        SEVERITIES[number % 5].1,
        &header_field(&host, 255),
        &header_field(&app_name, 48),
        &header_field(message_id.as_deref().unwrap_or_default(), 32),
        if structured_data { &tenant } else { "" },
        &payload,
    ];
    let mut counted = format!("{} ", line.len()).into_bytes();
    counted.append(&mut line);
    for field in expected {
        counted.extend_from_slice(format!("{} {field}", field.len()).as_bytes());
    }
    counted
}

/// Hostile text first, then random text of any alphabet and length.
fn text(number: usize, random: &mut fastrand::Rng) -> String {
    if let Some(hostile) = HOSTILE.get(number) {
        return (*hostile).to_owned();
    }
    match random.u8(0..10) {
        0 => HOSTILE[random.usize(0..HOSTILE.len())].to_owned(),
        1 => "w".repeat(random.usize(0..300)),
        2 => "\"]\\".repeat(random.usize(0..3_000)),
        3..=5 => (0..random.usize(0..60)).map(|_| random.char('!'..='~')).collect(),
        _ => (0..random.usize(0..60)).map(|_| random.char(..)).collect(),
    }
}

/// With the level that a parser reads: facility local4 is 20.
const SEVERITIES: [(Severity, &str); 5] = [
    (Severity::Unknown, "notice"),
    (Severity::Informational, "info"),
    (Severity::Low, "notice"),
    (Severity::Medium, "warning"),
    (Severity::High, "crit"),
];
