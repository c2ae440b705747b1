use bytes::Bytes;
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use sink::suite::record;

use super::*;
use crate::options::{SOURCE, SOURCETYPE};

/// An event as the collector reads it.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
}

fn composer() -> Composer {
    Composer {
        payload: Payload::JsonObject,
        index: ByTenant::default(),
        source: ByTenant::all(SOURCE),
        sourcetype: ByTenant::all(SOURCETYPE),
        host: ByTenant::default(),
    }
}

fn written(composer: &Composer, records: &[Record]) -> String {
    let mut out = Vec::new();
    composer.write(records.iter(), &mut out);
    String::from_utf8(out).unwrap()
}

/// Guarantee: the envelope is this one, to the byte; what is not known is not there.
#[test]
fn an_event_looks_like_this() {
    let updated = DateTime::from_timestamp_millis(1_605_917_001_050).unwrap();
    let known = Record { updated, ..record(r#"{"id":"da1"}"#) };
    assert_eq!(
        written(&composer(), std::slice::from_ref(&known)),
        "{\"time\":1605917000.000,\"host\":\"desktop-2.contoso.com\",\"source\":\"ms_defender_atp_alerts\",\
         \"sourcetype\":\"ms:defender:atp:alerts\",\"event\":{\"id\":\"da1\"},\"fields\":{\
         \"recordId\":\"07070707070707070707070707070707\",\"updated\":\"2020-11-21T00:03:21.050Z\",\
         \"tenant\":\"contoso\"}}"
    );
    let never = DateTime::from_timestamp_millis(-62_135_596_800_000).unwrap();
    let unknown = Record { device: Bytes::new(), time: never, updated: never, ..known };
    let none = Composer { source: ByTenant::default(), sourcetype: ByTenant::default(), ..composer() };
    assert_eq!(
        written(&none, &[unknown]),
        "{\"event\":{\"id\":\"da1\"},\"fields\":{\"recordId\":\"07070707070707070707070707070707\",\
         \"tenant\":\"contoso\"}}"
    );
}

/// Guarantee: the host is the one that the file gives a tenant, or else the device, or else the collector's own; the last
/// as well where an alert gives a name that no host has.
#[test]
fn the_host_is_the_device_where_the_file_names_none() {
    let host = |composer: &Composer, device: &[u8]| {
        let text = written(composer, &[Record { device: Bytes::copy_from_slice(device), ..record("{}") }]);
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        event.get("host").map(|host| host.as_str().unwrap().to_owned())
    };
    let named = Composer { host: ByTenant::all("siem"), ..composer() };
    assert_eq!(host(&named, b"pc1.contoso.com").as_deref(), Some("siem"));
    for device in ["pc1.contoso.com", "PC \"1\"\\", "büro-1"] {
        assert_eq!(host(&composer(), device.as_bytes()).as_deref(), Some(device));
    }
    for odd in [&b""[..], b"pc\n1", b"pc\x001", b"\xff", &[b'a'; 256]] {
        assert_eq!(host(&composer(), odd), None);
    }
}

/// Guarantee: every tenant has the words that the file gives it, whoever comes before it in the batch.
#[test]
fn each_tenant_has_its_own_words() {
    let named = [("contoso".to_owned(), "edr_contoso".to_owned())].into();
    let composer = Composer {
        index: ByTenant { otherwise: Some("edr".to_owned()), named },
        host: ByTenant { otherwise: None, named: [("fabrikam".to_owned(), "a \"host\"".to_owned())].into() },
        ..composer()
    };
    let of = |tenant: &str| Record { tenant: tenant.into(), ..record("{}") };
    let text = written(&composer, &[of("contoso"), of("fabrikam"), of("contoso")]);
    let indexes: Vec<&str> = text.split("\"index\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(indexes, ["edr_contoso", "edr", "edr_contoso"]);
    assert_eq!(text.matches(r#""host":"a \"host\"""#).count(), 1);
    assert_eq!(text.matches(r#""tenant":"contoso""#).count(), 2);
}

/// Guarantee: text goes as a string that reads back, whatever it looks like, so that none breaks the request around it.
#[test]
fn text_goes_as_a_string() {
    let composer = Composer { payload: Payload::Text, ..composer() };
    for payload in ["CEF:0|x|y\\=\"", "{\"open\":1", "{\"a\":1}", "12", "\"text\"", "", "{\"a\":1}}", "\u{1}\n\u{2028}"]
    {
        let text = written(&composer, &[record(payload)]);
        let event: Event<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::from_str::<String>(event.event.get()).unwrap(), payload);
    }
}

/// Guarantee: bytes that are no text come as text all the same.
#[test]
fn bytes_that_are_no_text_are_replaced() {
    let composer = Composer { payload: Payload::Text, ..composer() };
    let odd = Record { payload: b"CEF:0|\xff".as_slice().into(), ..record("") };
    let text = written(&composer, &[odd]);
    let event: Event<'_> = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::from_str::<String>(event.event.get()).unwrap(), "CEF:0|\u{fffd}");
}

#[test]
fn times_are_exact_to_the_millisecond() {
    for (millis, text) in [
        (1_433_188_255_500, "1433188255.500"),
        (1_611_693_237_007, "1611693237.007"),
        (1_611_693_237_000, "1611693237.000"),
        (1, "0.001"),
    ] {
        let mut out = Vec::new();
        write_seconds(millis, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}

proptest! {
    /// Guarantee: whatever the payloads and the names, the events come apart again, each with its payload.
    #[test]
    fn events_come_apart_again(texts in prop::collection::vec(".{0,40}", 1..8), are_objects in any::<bool>(),
                               tenant in ".{0,12}", millis in -4_000_000_000_000_i64..4_000_000_000_000,
                               device in ".{0,12}") {
        let time: DateTime<Utc> = DateTime::from_timestamp_millis(millis).unwrap();
        let (payload, payloads) = if are_objects {
            let object = |text: &String| serde_json::json!({ "text": text }).to_string();
            (Payload::JsonObject, texts.iter().map(object).collect())
        } else {
            (Payload::Text, texts)
        };
        let of = |payload: &String| Record {
            tenant: tenant.as_str().into(),
            device: Bytes::copy_from_slice(device.as_bytes()),
            time,
            ..record(payload)
        };
        let records: Vec<Record> = payloads.iter().map(of).collect();
        let text = written(&Composer { payload, ..composer() }, &records);
        let mut read = Vec::new();
        for event in serde_json::Deserializer::from_str(&text).into_iter::<Event<'_>>() {
            let event = event.unwrap();
            let digits = event.time.map(|time| time.get().replace('.', ""));
            prop_assert_eq!(digits.map(|digits| digits.parse::<i64>().unwrap()), Some(millis).filter(|millis| *millis > 0));
            read.push(match payload {
                Payload::JsonObject => event.event.get().to_owned(),
                Payload::Text => serde_json::from_str(event.event.get()).unwrap(),
            });
        }
        prop_assert_eq!(read, payloads);
    }
}
