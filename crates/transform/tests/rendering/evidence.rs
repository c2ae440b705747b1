//! Which piece of evidence a record shows, and records that show one piece each.

use proptest::prelude::*;
use serde_json::{Value, json};
use transform::{CefHeader, Envelope, Origin, RecordId, Renderer, Shape, ticks};

use crate::support::{Line, ORIGIN, TENANT_ID, cef, leef};

/// Guarantees that of one kind the item with the worst verdict is shown, then the one that ran, then the first.
#[test]
fn the_most_telling_item_of_a_kind_is_shown() {
    let file = |name: &str, verdict: Value, detection: Value| {
        json!({"@odata.type": "#microsoft.graph.security.fileEvidence", "verdict": verdict, "detectionStatus": detection,
               "fileDetails": {"fileName": name}})
    };
    let shown = |items: &[Value]| {
        let line = leef(Shape::GraphAlert, &json!({"evidence": items}).to_string());
        let verdict = line.get("verdict").unwrap_or_default();
        (line.get("fileName").unwrap().to_owned(), verdict.to_owned(), line.get("evidenceCount").unwrap().to_owned())
    };
    let order = [
        file("a", json!("malicious"), json!("detected")),
        file("b", json!("malicious"), json!("blocked")),
        file("c", json!("Malicious"), json!("Prevented")),
        file("d", json!("malicious"), Value::Null),
        file("e", json!("suspicious"), json!("detected")),
        file("f", json!("unknown"), json!("detected")),
        file("g", Value::Null, json!("blocked")),
        file("h", json!("aWordThatCameLater"), json!("aWordThatCameLater")),
        file("i", json!("noThreatsFound"), json!("detected")),
    ];
    for (at, best) in order.iter().enumerate() {
        let mut items = order[at..].to_vec();
        items.reverse();
        let name = best["fileDetails"]["fileName"].as_str().unwrap();
        assert_eq!(shown(&items).0, name);
        assert_eq!(shown(&items).2, items.len().to_string());
    }
    let first = file("first", json!("suspicious"), Value::Null);
    assert_eq!(shown(&[first, file("second", json!("suspicious"), Value::Null)]).0, "first");
}

/// Guarantees that verdict, action and outcome are those of the most telling item of all, kinds in their order.
#[test]
fn the_outcome_is_that_of_the_most_telling_item() {
    let items = json!([
        {"@odata.type": "#microsoft.graph.security.ipEvidence", "verdict": "suspicious", "remediationStatus": "blocked",
         "ipAddress": "10.0.0.1"},
        {"@odata.type": "#microsoft.graph.security.processEvidence", "verdict": "suspicious", "remediationStatus": "remediated",
         "detectionStatus": "prevented", "imageFile": {"fileName": "p.exe"}, "processId": 7},
        {"@odata.type": "#microsoft.graph.security.fileEvidence", "verdict": "unknown", "remediationStatus": "none",
         "detectionStatus": "detected", "fileDetails": {"fileName": "f.exe"}},
    ]);
    let line = leef(Shape::GraphAlert, &json!({"evidence": items}).to_string());
    for (key, value) in [
        ("verdict", "suspicious"),
        ("outcome", "remediated"),
        ("action", "prevented"),
        ("evidenceKind", "process"),
        ("fileName", "f.exe"),
        ("src", "10.0.0.1"),
    ] {
        assert_eq!(line.get(key), Some(value), "{key}");
    }
}

/// Guarantees that id, name, domain and address of a device are of one device, and that a process names the user where
/// nothing else does.
#[test]
fn devices_and_users_are_not_mixed() {
    let device = |id: &str, name: &str, verdict: &str| json!({"@odata.type": "#microsoft.graph.security.deviceEvidence", "mdeDeviceId": id, "deviceDnsName": name, "verdict": verdict});
    let process = json!({"@odata.type": "#microsoft.graph.security.processEvidence", "mdeDeviceId": "third",
                         "userAccount": {"accountName": "SYSTEM", "domainName": "NT", "userSid": "S-1-5-18"}});
    let items =
        json!([process, device("one", "one.contoso.com", "unknown"), device("two", "two.contoso.com", "malicious")]);
    let line = cef(Shape::GraphAlert, &json!({"evidence": items}).to_string());
    assert_eq!((line.get("deviceExternalId"), line.get("shost")), (Some("two"), Some("two.contoso.com")));
    assert_eq!((line.get("suser"), line.get("suid")), (Some("SYSTEM"), Some("S-1-5-18")));

    let line = cef(Shape::GraphAlert, &json!({"evidence": [process]}).to_string());
    assert_eq!((line.get("deviceExternalId"), line.get("shost")), (Some("third"), None));
}

/// Guarantees that evidence of any odd form is read over, and counted where it is an object.
#[test]
fn odd_evidence_fails_nothing() {
    let items = r##"[null, 1, "x", [], {}, {"@odata.type": "Evidence"}, {"@odata.type": 7, "fileDetails": []},
        {"@odata.type": "#microsoft.graph.security.fileEvidence", "fileDetails": {"fileName": {"a": 1}, "sha1": "ab"}}]"##;
    let line = cef(Shape::GraphAlert, &format!(r#"{{"evidence": {items}, "evidence": [{{}}]}}"#));
    assert_eq!((line.get("cn1"), line.get("cn1Label")), (Some("4"), Some("EvidenceCount")));
    assert_eq!((line.get("fname"), line.get("fileHash")), (None, Some("ab")));
}

fn pieces(renderer: &Renderer, shape: Shape, origin: &Origin<'_>, raw: &str) -> Vec<(RecordId, String)> {
    let mut pieces = Vec::new();
    let mut keep = |rendered: transform::Rendered<'_>, record: &[u8]| {
        pieces.push((rendered.record_id, str::from_utf8(record).expect("a record is UTF-8").to_owned()));
    };
    renderer.render_each_evidence(shape, origin, raw.as_bytes(), &mut keep).expect("the input is an object");
    pieces
}

/// Guarantees that each piece is a record of its own, with the alert's facts, its own and no other piece's, and an id
/// made with its index.
#[test]
fn each_piece_is_a_record() {
    let raw = r#"{"id": "da1_2", "lastUpdateTime": "2020-07-20T10:53:50.19Z", "title": "t", "evidence": [
        {"entityType": "File", "fileName": "f.exe", "detectionStatus": "Detected"}, 7,
        {"entityType": "Ip", "ipAddress": "10.0.0.1"}, {"entityType": "Odd"}]}"#;
    let records = pieces(&Renderer::cef(CefHeader::default()), Shape::MdeAlert, &ORIGIN, raw);
    let updated = ticks("2020-07-20T10:53:50.19Z").unwrap();
    let mut shown = Vec::new();
    for (index, (id, record)) in (0..).zip(&records) {
        assert_eq!(*id, RecordId::of(TENANT_ID, "da1_2", updated, index));
        let line = Line::decode(record);
        assert_eq!(
            (line.get("devicePayloadId"), line.get("externalId")),
            (Some(id.to_string().as_str()), Some("da1_2"))
        );
        assert_eq!((line.get("cn1"), line.get("cn2")), (Some("3"), Some(index.to_string().as_str())));
        shown.push((line.get("fname").map(str::to_owned), line.get("src").map(str::to_owned), line.header[4].clone()));
    }
    let t = || "t".to_owned();
    assert_eq!(shown, [(Some("f.exe".into()), None, t()), (None, Some("10.0.0.1".into()), t()), (None, None, t())]);
}

/// Guarantees that what has no evidence is one record, the same as when it is rendered whole.
#[test]
fn what_has_no_evidence_is_one_record() {
    let renderer = Renderer::cef(CefHeader::default());
    for (shape, raw) in [
        (Shape::MdeAlert, r#"{"id":"a"}"#),
        (Shape::GraphAlert, r#"{"id":"a","evidence":[]}"#),
        (Shape::GraphAlert, r#"{"id":"a","evidence":[null]}"#),
        (Shape::GraphIncident, r#"{"id":"a","evidence":[{}]}"#),
        (Shape::LegacyRow, r#"{"AlertId":"a","AlertPart":1}"#),
        (Shape::HuntingRow, r#"{"Timestamp":"2020-07-20T10:53:50.19Z"}"#),
    ] {
        for partial in [false, true] {
            let origin = Origin { partial, ..ORIGIN };
            let mut out = Vec::new();
            let rendered = renderer.render(shape, &origin, None, raw.as_bytes(), &mut out).unwrap();
            let whole = (rendered.record_id, String::from_utf8(out).unwrap());
            assert_eq!(pieces(&renderer, shape, &origin, raw), [whole], "{raw}");
        }
    }
}

/// Guarantees that raw JSON piece by piece is the alert with a list of that one piece, all else as it was.
#[test]
fn raw_json_has_the_one_piece_in_its_list() {
    let raw = "{ \"a\" : [ 1 ], \"evidence\" : [ {\"x\" : 1.0} , null , { } ], \"b\" : \"e\\u0076\" }";
    let records = |envelope| {
        let records = pieces(&Renderer::json(envelope), Shape::GraphAlert, &ORIGIN, raw);
        records.into_iter().map(|(_, record)| record).collect::<Vec<_>>()
    };
    let alerts = [
        "{\"a\":[1],\"evidence\":[{\"x\":1.0}],\"b\":\"e\\u0076\"}",
        "{\"a\":[1],\"evidence\":[{}],\"b\":\"e\\u0076\"}",
    ];
    assert_eq!(records(Envelope::None), alerts);
    let second = &records(Envelope::Wrap)[1];
    assert!(second.ends_with(&format!(",\"evidence_index\":1,\"alert\":{}}}", alerts[1])), "{second}");
}

proptest! {
    /// Guarantees, for any list, as many records as there are pieces, each under an id of its own.
    #[test]
    fn as_many_records_as_pieces(kinds in prop::collection::vec("(file|process|ip|url|user|device|later)", 0..40)) {
        let items: Vec<_> = kinds.iter().map(|kind| {
            json!({"@odata.type": format!("#microsoft.graph.security.{kind}Evidence"), "url": "u", "fileDetails": {"fileName": "f"}})
        }).collect();
        let raw = json!({"id": "a", "evidence": items}).to_string();
        let records = pieces(&Renderer::cef(CefHeader::default()), Shape::GraphAlert, &ORIGIN, &raw);
        prop_assert_eq!(records.len(), kinds.len().max(1));
        let ids: std::collections::BTreeSet<_> = records.iter().map(|(id, _)| id).collect();
        prop_assert_eq!(ids.len(), records.len());
        for (_, record) in &records {
            Line::decode(record);
        }
    }
}
