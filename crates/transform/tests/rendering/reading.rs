//! Reading an alert: what is taken from odd JSON, what is refused, and that nothing ends the process.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use transform::{
    Budget, CefHeader, Envelope, LeefDelimiter, LeefOptions, LeefVersion, RecordId, Renderer, Severity, Shape, View,
    severity, ticks,
};

use crate::support::{Line, ORIGIN, TENANT_ID, cef};

// Each is hashlib.sha256(tenant + b"\0" + alert_id + b"\0" + struct.pack(">qI", ticks, index)).hexdigest()[:32].
const GOLDEN_MDE: &str = "dc89443377e2e6b90a4788826088cb76";
const GOLDEN_PARTIAL: &str = "525b151d4d46cbdaefc28e9cb43d70b6";
const GOLDEN_SURROGATE: &str = "83791d5fff444454de43e7e93f5f9eda";
const GOLDEN_ROW: &str = "509df78a7817535845aa17759f42540b";
const GOLDEN_ROW_WITHOUT_FULL_ID: &str = "c8e54355b83236ed8855ced4f45ddd44";

/// Guarantees that names are known in any case, in their misspellings, and with escapes in them.
#[test]
fn a_name_is_known_however_it_is_spelled() {
    for (members, key, value) in [
        (r#""IoaDefinitiondId":"rule""#, "", "rule"),
        (r#""ioadefinitionid":"rule""#, "", "rule"),
        (r#""LastProccesedTimeUtc":"1970-01-01T00:00:01Z""#, "deviceCustomDate1", "1000"),
        (r#""IPAddress":"10.0.0.1""#, "src", "10.0.0.1"),
        (r#""URL":"u""#, "request", "u"),
        (r#""\u0055rl":"u""#, "request", "u"),
        (r#""DeviceId":"d""#, "deviceExternalId", "d"),
        (r#""LinkToMTP":"l""#, "flexString1", "l"),
        (r#""IncidentLinkToMTP":"i""#, "cs2", "i"),
        (r#""FileHash":"h""#, "fileHash", "h"),
        (r#""ComputerDnsName":"c""#, "shost", "c"),
    ] {
        let line = cef(Shape::LegacyRow, &format!("{{{members}}}"));
        let found = if key.is_empty() { Some(line.header[3].as_str()) } else { line.get(key) };
        assert_eq!(found, Some(value), "{members}");
    }
}

/// Guarantees that a number may stand in quotes and a word without, and that another type is as if it were absent.
#[test]
fn another_type_is_taken_or_absent() {
    let line = cef(Shape::MdeAlert, r#"{"incidentId":"7587","title":12,"category":true}"#);
    assert_eq!((line.get("cs2"), line.header[4].as_str(), line.get("cat")), (Some("7587"), "12", Some("true")));

    for odd in [
        "{}",
        "[]",
        "{\"a\":[1]}",
        "[{\"a\":1}]",
        "\"x\"",
        "1",
        "null",
        "true",
        "[null,1,\"x\",[],{\"entityType\":{}}]",
    ] {
        let line = cef(Shape::MdeAlert, &format!(r#"{{"evidence":{odd},"relatedUser":{odd},"id":"a"}}"#));
        assert_eq!(line.get("externalId"), Some("a"), "{odd}");
        assert_eq!(line.get("suser"), None, "{odd}");
    }
    for odd in ["{}", "[]", "{\"title\":\"x\"}", "[\"x\"]"] {
        let line = cef(Shape::MdeAlert, &format!(r#"{{"title":{odd},"category":"c","id":"a"}}"#));
        assert_eq!((line.header[4].as_str(), line.get("externalId")), ("c", Some("a")), "{odd}");
    }
    let line = cef(Shape::MdeAlert, r#"{"evidence":[{"entityType":"process","processId":"17"}]}"#);
    assert_eq!(line.get("spid"), Some("17"));
    let line = cef(Shape::MdeAlert, r#"{"evidence":[{"entityType":"Process","processId":1e400}]}"#);
    assert_eq!(line.get("spid"), None);
}

/// Guarantees that of a member that comes twice the first that says something counts, for the filter as for the line.
#[test]
fn the_first_of_two_counts() {
    let raw = br#"{"severity":null,"severity":"","severity":"High","severity":"Low","id":"a","id":"b"}"#;
    assert_eq!(severity(Shape::MdeAlert, raw), Severity::High);
    let mut out = Vec::new();
    let renderer = Renderer::cef(CefHeader::default());
    let rendered = renderer.render(Shape::MdeAlert, &ORIGIN, None, raw, &mut out).unwrap();
    assert_eq!(rendered.severity, Severity::High);
    assert_eq!(Line::decode(str::from_utf8(&out).unwrap()).get("externalId"), Some("a"));
}

/// Guarantees that only the alert's own members count, not those of what it holds.
#[test]
fn a_member_of_a_member_is_no_member() {
    let raw = r#"{"x":{"id":"no","severity":"High"},"comments":[{"id":"no"}],"id":"yes","evidence":[{"id":"no","entityType":"x"}]}"#;
    assert_eq!(cef(Shape::MdeAlert, raw).get("externalId"), Some("yes"));
    assert_eq!(severity(Shape::MdeAlert, raw.as_bytes()), Severity::Unknown);
}

/// Guarantees that nesting of any depth is read over: the stack of this thread would not hold a hundredth of it.
#[test]
fn nesting_is_skipped_and_not_recursed_into() {
    for depth in [63, 64, 65, 127, 128, 129, 10_000, 200_000] {
        let arrays = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let objects = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let mixed = format!("{}1{}", r#"[{"a":"#.repeat(depth), "}]".repeat(depth));
        for nested in [arrays, objects, mixed] {
            let raw = format!(
                r#"{{"x":{nested},"evidence":[{nested}],"relatedUser":{{"userName":{nested}}},"severity":"Low"}}"#
            );
            assert_eq!(severity(Shape::MdeAlert, raw.as_bytes()), Severity::Low);
            assert!(View::read(Shape::MdeAlert, raw.as_bytes()).is_ok());
            let cut = &raw[..raw.len() / 2];
            assert!(View::read(Shape::MdeAlert, cut.as_bytes()).is_err());
        }
    }
    assert!(View::read(Shape::MdeAlert, br#"{"x":[[[{"a":[1}]]]]}"#).is_err(), "a brace closes a bracket");
}

/// Guarantees that bytes that are not UTF-8 fail nothing and show as U+FFFD.
#[test]
fn what_is_not_utf8_is_a_replacement_character() {
    for (bytes, expected) in [
        (&b"a\xffb"[..], "a\u{fffd}b"),
        (b"\xe2\x82", "\u{fffd}"),
        (b"\xe2\x82x", "\u{fffd}x"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xf0\x9f\x98\x80", "😀"),
        (b"\xc3\xa9\xc3", "é\u{fffd}"),
        (b"\x80=", "\u{fffd}="),
    ] {
        let raw = [br#"{"description":""#, bytes, br#""}"#].concat();
        assert_eq!(expected, String::from_utf8_lossy(bytes));
        let mut out = Vec::new();
        let renderer = Renderer::cef(CefHeader::default());
        renderer.render(Shape::MdeAlert, &ORIGIN, None, &raw, &mut out).unwrap();
        assert_eq!(Line::decode(str::from_utf8(&out).unwrap()).get("msg"), Some(expected));
    }
}

/// Guarantees that what is refused is refused with a sentence that says where, and leaves the output as it was.
#[test]
fn only_what_is_no_object_is_refused() {
    for (raw, sentence) in [
        ("", "an opening brace is missing at byte 0"),
        (" []", "an opening brace is missing at byte 1"),
        ("{", "a name is missing at byte 1"),
        (r#"{"a"}"#, "a colon is missing at byte 4"),
        (r#"{"a":}"#, "a value is missing at byte 5"),
        (r#"{"a":1,}"#, "a name is missing at byte 7"),
        (r#"{"a":01}"#, "a comma or a closing brace is missing at byte 6"),
        (r#"{"a":tru}"#, "true, false or null is missing at byte 6"),
        (r#"{"a":"\x"}"#, "an escape is missing at byte 6"),
        (r#"{"a":"\u12g4"}"#, "an escape is missing at byte 6"),
        ("{\"a\":\"\n\"}", "a closing quote is missing at byte 6"),
        (r#"{"a":[1 2]}"#, "a comma or a closing bracket is missing at byte 8"),
        (r#"{"a":-}"#, "a digit is missing at byte 6"),
        ("{} x", "the end is missing at byte 3"),
    ] {
        for renderer in [Renderer::cef(CefHeader::default()), Renderer::json(Envelope::Wrap)] {
            let mut out = b"before".to_vec();
            let error = renderer.render(Shape::MdeAlert, &ORIGIN, None, raw.as_bytes(), &mut out).unwrap_err();
            assert_eq!(error.to_string(), format!("failed to read an alert as a JSON object: {sentence}"));
            assert_eq!(out, b"before");
        }
        assert_eq!(severity(Shape::MdeAlert, raw.as_bytes()), Severity::Unknown);
    }
}

/// Guarantees the record id: its layout for both shapes against values computed with Python's hashlib.
#[test]
fn a_record_id_is_the_digest_that_the_documentation_says() {
    let updated = ticks("2020-07-20T10:53:50.19Z").unwrap();
    let id = RecordId::of(TENANT_ID, "da637308392288907382_-880718168", updated, RecordId::WHOLE);
    assert_eq!(id.to_string(), GOLDEN_MDE);
    assert_eq!(RecordId::from_bytes(*id.as_bytes()), id);

    let id_of = |shape, raw: &str, partial| {
        View::read(shape, raw.as_bytes()).unwrap().record_id(TENANT_ID, partial).to_string()
    };
    let mde = r#"{"id":"da637308392288907382_-880718168","lastUpdateTime":"2020-07-20T10:53:50.19Z"}"#;
    assert_eq!(id_of(Shape::MdeAlert, mde, false), GOLDEN_MDE);
    assert_eq!(id_of(Shape::MdeAlert, mde, true), GOLDEN_PARTIAL);
    let spelled =
        r#"{"id":"\u0064a637308392288907382_-880718168","lastUpdateTime":"2020-07-20T10\u003a53:50.1900000Z"}"#;
    assert_eq!(id_of(Shape::MdeAlert, spelled, false), GOLDEN_MDE);
    let surrogate = r#"{"id":"\ud83dx\ud83d\ude00","lastUpdateTime":"never"}"#;
    assert_eq!(id_of(Shape::MdeAlert, surrogate, false), GOLDEN_SURROGATE);

    let nameless = r#"{"id":"", "title":"x"}"#;
    assert_eq!(
        id_of(Shape::MdeAlert, nameless, false),
        RecordId::of(TENANT_ID, nameless, 0, RecordId::WHOLE).to_string()
    );

    let row = r#"{"AlertId":"da1_2","AlertPart":3,"FullId":"da1_2:Ab+/=","LastProcessedTimeUtc":"2020-09-30T14:11:44.0779765Z"}"#;
    assert_eq!(id_of(Shape::LegacyRow, row, false), GOLDEN_ROW);
    let row =
        r#"{"AlertId":"da1_2","AlertPart":3,"FullId":null,"LastProcessedTimeUtc":"2020-09-30T14:11:44.0779765Z"}"#;
    assert_eq!(id_of(Shape::LegacyRow, row, false), GOLDEN_ROW_WITHOUT_FULL_ID);
}

/// Guarantees that the case of a tenant id, which Entra does not heed, makes no other record.
#[test]
fn a_tenant_id_counts_in_lower_case() {
    let tenant = "ABCDEF11-2222-3333-4444-555555555555";
    let of = |tenant: &str| RecordId::of(tenant, "a", 1, RecordId::WHOLE);
    assert_eq!(of(tenant), of(&tenant.to_lowercase()));
    assert_ne!(of(tenant), of(TENANT_ID));
    assert_ne!(RecordId::of(tenant, "a", 1, 0), RecordId::of(tenant, "a", 1, 1));
    assert_ne!(RecordId::of(tenant, "a", 1, 0), RecordId::of(tenant, "a", 2, 0));
}

/// Guarantees that the shapes are found under the names of the pipeline file.
#[test]
fn a_shape_has_the_name_of_its_source() {
    for shape in Shape::ALL {
        assert_eq!(Shape::from_source_kind(shape.source_kind()), Some(shape));
    }
    assert_eq!(Shape::from_source_kind("graph"), None);
}

/// Guarantees that severities are in the order of how bad they are.
#[test]
fn severities_are_in_order() {
    use Severity::{High, Informational, Low, Medium, Unknown};
    let order = [Unknown, Informational, Low, Medium, High];
    assert!(order.is_sorted());
    for severity_known in order {
        let raw = format!(r#"{{"severity":"{}"}}"#, severity_known.name());
        assert_eq!(severity(Shape::MdeAlert, raw.as_bytes()), severity_known);
    }
}

/// Whether serde_json, which we do not use, takes the bytes for an object.
fn is_object(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    first == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// Every way to render.
fn renderers() -> [Renderer; 5] {
    let caret = LeefOptions { version: LeefVersion::V2(LeefDelimiter::CARET), ..LeefOptions::default() };
    [
        Renderer::cef(CefHeader::default()).within(Budget::bytes(0)),
        Renderer::leef(&LeefOptions::default()),
        Renderer::leef(&caret).within(Budget::bytes(2048)),
        Renderer::json(Envelope::None),
        Renderer::json(Envelope::Wrap),
    ]
}

/// Renders in every way; panics where a way is not total.
fn render_all(raw: &[u8]) -> bool {
    let mut taken = Vec::new();
    for shape in Shape::ALL {
        severity(shape, raw);
        for renderer in renderers() {
            let mut out = Vec::new();
            taken.push(renderer.render(shape, &ORIGIN, None, raw, &mut out).is_ok());
            let line = str::from_utf8(&out).expect("a record is UTF-8");
            assert!(!line.contains(['\n', '\r', '\0']), "a record is one line: {line:?}");
            if line.starts_with("CEF:") {
                Line::decode(line);
            }
        }
        for envelope in [Envelope::None, Envelope::Wrap] {
            assert_eq!(objects(&Renderer::json(envelope), shape, raw), taken[0]);
        }
    }
    assert!(taken.iter().all(|&one| one == taken[0]));
    taken[0]
}

/// Renders JSON whole and piece by piece; panics where a record is not one object to serde_json.
fn objects(renderer: &Renderer, shape: Shape, raw: &[u8]) -> bool {
    let mut out = Vec::new();
    let taken = renderer.render(shape, &ORIGIN, None, raw, &mut out).is_ok();
    assert_eq!(is_object(&out), taken, "{}", String::from_utf8_lossy(&out));
    let pieces = renderer.render_each_evidence(shape, &ORIGIN, raw, |_, piece| {
        assert!(is_object(piece), "{}", String::from_utf8_lossy(piece));
    });
    assert_eq!(pieces.is_ok(), taken);
    taken
}

/// An alert with a place where it is damaged.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let alert = r##"{"id":"da6_-1","incidentId":-1.5e+3,"severity":"Low","x":[1,[true,{"a":null}],"\u00e9\\\"\ud83d"],
        "relatedUser":{"userName":"u","domainName":null},"lastUpdateTime":"2020-07-20T10:53:50.19Z","description":"a\n|=\\b",
        "FileName":"f","FilePath":"C:\\d","IpAddress":"::1","evidence":[{"entityType":"File","fileName":"f","sha1":"a"},{"entityType":"User"},
        {"@odata.type":"#x.processEvidence","imageFile":{"fileName":"f"},"userAccount":{"accountName":null},"verdict":"malicious"}],
        "mitreTechniques":["T1",null,[2],"T3"],"AttackTechniques":"[\"T4\"]"}"##;
    let bytes = prop_oneof![prop::sample::select(b"{}[]\",:\\/u0-+.eE19tfn \n\0\x7f\x80\xff".to_vec()), any::<u8>()];
    (0..alert.len(), 0_usize..3, prop::collection::vec(bytes, 0..4)).prop_map(|(at, removed, inserted)| {
        let mut damaged = alert.as_bytes().to_vec();
        let end = (at + removed).min(damaged.len());
        damaged.splice(at..end, inserted);
        damaged
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Guarantees that no bytes end the process, that every record is one line of UTF-8, and that every record of JSON is
    /// one whole object to another reader of JSON: who puts it into something larger need not look at it again.
    #[test]
    fn any_bytes_are_rendered_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(render_all(&bytes), is_object(&bytes));
        let raw = [b"{\"title\":\"", bytes.as_slice(), b"\"}"].concat();
        prop_assert_eq!(render_all(&raw), is_object(&raw));
    }

    /// Guarantees that exactly those bytes are taken that another reader of JSON takes, and that it takes what comes of
    /// them.
    #[test]
    fn a_damaged_alert_is_refused_where_it_is_no_json(raw in damaged()) {
        prop_assert_eq!(render_all(&raw), is_object(&raw), "{}", String::from_utf8_lossy(&raw));
    }
}
