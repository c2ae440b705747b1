//! Raw JSON: every byte but the white space between tokens.

use proptest::prelude::*;
use serde_json::Value;
use transform::{Envelope, Origin, Renderer, Shape, View};

use crate::support::{ORIGIN, TENANT_ID};

fn render(envelope: Envelope, origin: &Origin<'_>, raw: &[u8]) -> String {
    let mut out = Vec::new();
    Renderer::json(envelope).render(Shape::MdeAlert, origin, None, raw, &mut out).expect("the input is an object");
    String::from_utf8(out).expect("a record is UTF-8")
}

/// Guarantees that spelling, order, doubles and numbers beyond all types stay as the API sent them, on one line.
#[test]
fn each_byte_is_kept() {
    let raw = "\r\n{ \"b\" :\t1.10e+400 ,\n \"a\": [ \"x \\\" y\\\\\" , -0 ,true ] , \"b\":\"\\ud83d \u{2028}\u{202e} \\/\" }\n ";
    let expected = "{\"b\":1.10e+400,\"a\":[\"x \\\" y\\\\\",-0,true],\"b\":\"\\ud83d \u{2028}\u{202e} \\/\"}";
    assert_eq!(render(Envelope::None, &ORIGIN, raw.as_bytes()), expected);
}

/// Guarantees that what is not UTF-8 is U+FFFD, since no receiver of JSON takes it.
#[test]
fn a_record_is_utf8() {
    assert_eq!(render(Envelope::None, &ORIGIN, b"{ \"a\xff\": \"\xe2\x82\" }"), "{\"a\u{fffd}\":\"\u{fffd}\"}");
}

/// Guarantees the envelope: its members, their order, and that the operator's words are escaped.
#[test]
fn the_envelope_names_tenant_record_and_update_time() {
    let raw = br#"{ "id": "a", "lastUpdateTime": "2020-07-20T10:53:50.19Z" }"#;
    let origin = Origin { tenant_id: TENANT_ID, tenant_name: "a\"b\\c\n\u{1}", partial: false };
    let record_id = View::read(Shape::MdeAlert, raw).unwrap().record_id(TENANT_ID, false);
    let expected = format!(
        "{{\"tenant\":\"a\\\"b\\\\c\\u000a\\u0001\",\"tenant_id\":\"{TENANT_ID}\",\"record_id\":\"{record_id}\",\
         \"updated\":\"2020-07-20T10:53:50.1900000Z\",\"source\":\"mde_alerts\",\
         \"alert\":{{\"id\":\"a\",\"lastUpdateTime\":\"2020-07-20T10:53:50.19Z\"}}}}"
    );
    assert_eq!(render(Envelope::Wrap, &origin, raw), expected);
}

/// Guarantees that an alert without its evidence says so, and that an unknown time is null.
#[test]
fn a_partial_alert_and_an_unknown_time_are_told() {
    let wrapped = render(Envelope::Wrap, &Origin { partial: true, ..ORIGIN }, b"{}");
    let wrapped: Value = serde_json::from_str(&wrapped).unwrap();
    assert_eq!((&wrapped["partial"], &wrapped["updated"]), (&Value::Bool(true), &Value::Null));
}

/// Guarantees that an id the caller knows is the one that is shown.
#[test]
fn a_known_record_id_is_taken() {
    let known = transform::RecordId::from_bytes([0xab; 16]);
    let mut out = Vec::new();
    let renderer = Renderer::json(Envelope::Wrap);
    let rendered = renderer.render(Shape::MdeAlert, &ORIGIN, Some(known), b"{}", &mut out).unwrap();
    assert_eq!(rendered.record_id, known);
    let wrapped: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(wrapped["record_id"], "ab".repeat(16));
}

/// Any JSON value.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~\\\\\"\t\né😀\u{2028}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z \"\\\\]{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Guarantees that an alert written with line breaks and blanks comes out as the compact writer of serde_json has it.
    #[test]
    fn white_space_between_tokens_goes_and_no_other(value in value()) {
        let object = serde_json::json!({ "a": value });
        let pretty = serde_json::to_string_pretty(&object).unwrap();
        prop_assert_eq!(render(Envelope::None, &ORIGIN, pretty.as_bytes()), object.to_string());
        let wrapped = render(Envelope::Wrap, &ORIGIN, pretty.as_bytes());
        prop_assert_eq!(&serde_json::from_str::<Value>(&wrapped).unwrap()["alert"], &object);
    }
}
