//! That a record keeps to its budget, and says what that took.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use transform::{Budget, CefHeader, LeefDelimiter, LeefOptions, LeefVersion, Origin, Renderer, Shape};

use crate::support::{Line, ORIGIN, TENANT_ID};

const CARET: LeefVersion = LeefVersion::V2(LeefDelimiter::CARET);

fn formats() -> [Renderer; 2] {
    [Renderer::cef(CefHeader::default()), Renderer::leef(&LeefOptions { version: CARET, ..LeefOptions::default() })]
}

/// How many fields were cut, and the line.
fn render(renderer: &Renderer, shape: Shape, raw: &Value) -> (usize, String) {
    let mut out = b"before".to_vec();
    let raw = raw.to_string();
    let rendered = renderer.render(shape, &ORIGIN, None, raw.as_bytes(), &mut out).expect("it is an object");
    (rendered.fields_cut, String::from_utf8(out).expect("a line is UTF-8")["before".len()..].to_owned())
}

fn decode(line: &str) -> Line {
    if line.starts_with("CEF:") { Line::decode(line) } else { Line::decode_leef(line, CARET) }
}

/// Guarantees the order of what goes: whole fields of low worth, then the length of long values, then further fields;
/// never whose, which and when; and that each step is taken no further than it must be.
#[test]
fn low_worth_goes_before_length_and_length_before_the_rest() {
    let row = json!({
        "AlertId": "da1_2", "AlertTitle": "title", "Category": "Malware", "Severity": "High", "Description": "d".repeat(600),
        "CommandLine": "c".repeat(600), "ComputerDnsName": "lt.contoso.com", "MachineDomain": "contoso.com",
        "MachineName": "lt", "UserName": "liz", "UserDomain": "CONTOSO", "Sha1": "ab", "LastProcessedTimeUtc": "2021-01-26T20:35:00Z",
        "AlertTime": "2021-01-26T20:33:57Z", "Actor": "BORON",
    });
    let [cef, _] = formats();
    let (_, whole) = render(&cef, Shape::LegacyRow, &row);
    let within = |bytes| {
        let (fields_cut, line) = render(&cef.clone().within(Budget::bytes(bytes)), Shape::LegacyRow, &row);
        assert!(line.len() <= bytes, "{} of {bytes}", line.len());
        (fields_cut, decode(&line))
    };

    let (cut, line) = within(whole.len());
    assert_eq!((cut, line.get("cfp1"), line.get("dvchost")), (0, None, Some("lt.contoso.com")));

    let (cut, line) = within(whole.len() - 1);
    assert_eq!((line.get("cfp1"), line.get("cfp1Label")), (Some("2"), Some("FieldsCut")));
    assert_eq!((cut, line.get("dvchost"), line.get("sourceDnsDomain")), (2, None, None));
    assert_eq!(line.get("msg"), Some("d".repeat(600).as_str()));

    let (cut, line) = within(whole.len() - 90);
    assert_eq!((cut, line.get("cs3")), (3, Some("c".repeat(600).as_str())));
    let message = line.get("msg").unwrap();
    assert!(message.ends_with("d…") && message.len() > 512, "{message}");

    let (cut, line) = within(1024);
    let lengths = (line.get("cs3").map_or(0, str::len), line.get("msg").map_or(0, str::len));
    assert!(lengths.0 > 256 && lengths.0 < 512 && lengths.1 == 256, "{lengths:?}");
    assert_eq!((cut, line.get("sntdom"), line.get("suser")), (4, Some("CONTOSO"), Some("liz")));
    for (key, value) in [("externalId", "da1_2"), ("flexString2", "contoso"), ("rt", "1611693237000")] {
        assert_eq!(line.get(key), Some(value));
    }
}

/// Guarantees that raw JSON keeps every byte, and that a budget below the smallest is taken for the smallest.
#[test]
fn what_a_budget_does_not_do() {
    let raw = json!({"description": "d".repeat(5_000)});
    let json = Renderer::json(transform::Envelope::None).within(Budget::bytes(1024));
    assert_eq!(render(&json, Shape::MdeAlert, &raw).1, raw.to_string());
    assert_eq!((Budget::bytes(0).get(), Budget::bytes(1025).get()), (Budget::SMALLEST, 1025));
}

/// Texts of every width, most of them long, many made of characters that take an escape.
fn long_text() -> impl Strategy<Value = String> {
    let alphabet =
        prop::sample::select(vec!["x", "=", "\\", "é", "😀", "\u{202e}", "\n", "a b", "^", "|", "\u{e0041}"]);
    (prop::collection::vec(alphabet, 1..5), prop_oneof![0_usize..12, 0_usize..1_500])
        .prop_map(|(parts, times)| parts.concat().repeat(times))
}

const MEMBERS: [&str; 27] = [
    "Actor",
    "AlertId",
    "AlertTitle",
    "Category",
    "CommandLine",
    "ComputerDnsName",
    "Description",
    "DeviceID",
    "FileHash",
    "FileName",
    "FilePath",
    "IncidentLinkToMTP",
    "IoaDefinitionId",
    "LinkToMTP",
    "LogOnUsers",
    "MachineDomain",
    "MachineName",
    "Md5",
    "RemediationAction",
    "Severity",
    "Sha256",
    "Source",
    "ThreatFamily",
    "ThreatName",
    "Url",
    "UserDomain",
    "UserName",
];

proptest! {
    /// Guarantees that every budget is held by every alert; that the line is still whole in itself, which a cut inside an
    /// escape would break; that whose, which and when are there; that the record says how much was cut, and that a
    /// shortened value is the beginning of the whole one.
    #[test]
    fn a_budget_is_held(texts in prop::collection::vec(long_text(), MEMBERS.len()), bytes in 1024_usize..12_000) {
        let mut row: Map<_, _> =
            MEMBERS.iter().zip(&texts).map(|(&name, text)| (name.to_owned(), Value::from(text.as_str()))).collect();
        row.insert("LastProcessedTimeUtc".to_owned(), json!("2021-01-26T20:35:00.1234567Z"));
        row.insert("AlertTime".to_owned(), json!("2021-01-26T20:33:57Z"));
        row.insert("IpAddress".to_owned(), json!("2001:db8:1234:5678:9abc:def0:1234:5678"));
        let row = Value::Object(row);
        for format in formats() {
            let (_, whole) = render(&format, Shape::LegacyRow, &row);
            let (fields_cut, line) = render(&format.clone().within(Budget::bytes(bytes)), Shape::LegacyRow, &row);
            prop_assert!(line.len() <= bytes, "{} of {}", line.len(), bytes);
            prop_assert_eq!(fields_cut == 0, whole.len() <= bytes);
            let (known, read) = (decode(&whole), decode(&line));
            let told = read.get("cfp1").or(read.get("fieldsCut")).map_or(0, |told| told.parse().unwrap());
            prop_assert_eq!(told, fields_cut);
            let vital: &[&str] = match line.as_bytes()[0] {
                b'C' => &["devicePayloadId", "flexString2", "deviceCustomDate1", "rt"],
                _ => &["recordId", "tenant", "tenantId", "updateTime", "devTime", "sev"],
            };
            for key in vital {
                prop_assert_eq!(read.get(key), known.get(key));
            }
            for (key, value) in read.pairs.iter().filter(|(key, _)| !["cfp1", "cfp1Label", "fieldsCut"].contains(&key.as_str())) {
                let whole = known.get(key).expect("a budget adds no other field");
                let beginning = value.strip_suffix('…').map(|beginning| whole.starts_with(beginning));
                prop_assert!(value == whole || beginning == Some(true), "{} of {}", value, whole);
            }
        }
    }

    /// Guarantees the smallest budget beside a tenant whose name is long.
    #[test]
    fn the_smallest_budget_is_held_with_a_long_tenant_name(text in long_text(), name in "[a-zé]{0,150}") {
        let raw = json!({"id": text, "title": text, "detectorId": text, "description": text, "category": text,
                         "alertCreationTime": "2021-01-26T20:33:57Z", "lastUpdateTime": "2021-01-26T20:35:00Z"});
        let origin = Origin { tenant_id: TENANT_ID, tenant_name: &name, partial: true };
        for format in formats() {
            let mut out = Vec::new();
            let renderer = format.within(Budget::bytes(0));
            renderer.render(Shape::MdeAlert, &origin, None, raw.to_string().as_bytes(), &mut out).unwrap();
            prop_assert!(out.len() <= Budget::SMALLEST, "{}", out.len());
            decode(str::from_utf8(&out).unwrap());
        }
    }
}
