//! The line of LEEF: which attribute shows what.

use serde_json::json;
use transform::{LeefDelimiter, LeefOptions, LeefVersion, Origin, Renderer, Shape};

use crate::support::{Line, ORIGIN, TENANT_ID, leef};

/// Guarantees IBM's own attributes, and that each has the form that IBM's guide asks for.
#[test]
fn ibms_attributes_have_ibms_form() {
    let row = json!({
        "AlertTime": "2021-01-26T20:33:57.7220239Z", "LastProcessedTimeUtc": "2021-01-26T20:35:00Z", "Severity": "High",
        "Category": "Malware", "IoaDefinitionId": "rule", "IpAddress": "FE80::1", "UserName": "liz", "UserDomain": "CONTOSO",
        "InternalIPv4List": " 192.168.1.7, 10.1.14.1", "ComputerDnsName": "lt.contoso.com", "MachineName": "lt",
        "Url": "https://e/?a=b", "WasExecutingWhileDetected": true, "RemediationIsSuccess": false,
    });
    let line = leef(Shape::LegacyRow, &row.to_string());
    assert_eq!(line.header, ["Microsoft", "Windows Defender ATP", "2.0", "rule"]);
    for (key, value) in [
        ("sev", "8"),
        ("cat", "Malware"),
        ("devTime", "Jan 26 2021 20:33:57.722 UTC"),
        ("devTimeFormat", "MMM dd yyyy HH:mm:ss.SSS zzz"),
        ("src", "fe80::1"),
        ("usrName", "liz"),
        ("domain", "CONTOSO"),
        ("identSrc", "192.168.1.7"),
        ("identHostName", "lt.contoso.com"),
        ("resource", "lt.contoso.com"),
        ("url", "https://e/?a=b"),
        ("updateTime", "2021-01-26T20:35:00.0000000Z"),
        ("tenant", "contoso"),
        ("tenantId", TENANT_ID),
        ("wasExecutingWhileDetected", "true"),
        ("outcome", "failure"),
    ] {
        assert_eq!(line.get(key), Some(value), "{key}");
    }
}

/// Guarantees that a host is identified with an address alone, as the guide asks, and that a device that has a short
/// name alone has that.
#[test]
fn a_host_is_identified_with_its_address() {
    for list in ["", "none", "host, 10.0.0.1"] {
        let line = leef(Shape::LegacyRow, &json!({"InternalIPv4List": list, "MachineName": "lt"}).to_string());
        assert_eq!((line.get("identSrc"), line.get("identHostName"), line.get("resource")), (None, None, Some("lt")));
    }
}

/// Guarantees the forms of the header: the literal delimiter, and an empty field for a TAB.
#[test]
fn the_header_names_the_delimiter() {
    let open = |version| {
        let mut out = Vec::new();
        let options = LeefOptions { version, ..LeefOptions::default() };
        Renderer::leef(&options).render(Shape::MdeAlert, &ORIGIN, None, br#"{"id":"a"}"#, &mut out).unwrap();
        let line = String::from_utf8(out).unwrap();
        line[..line.find("recordId").expect("every record has its id")].to_owned()
    };
    let product = "Microsoft|Microsoft Defender for Endpoint|1.0|unknown|";
    assert_eq!(open(LeefVersion::V1), format!("LEEF:1.0|{product}alertId=a\t"));
    assert_eq!(open(LeefVersion::V2(LeefDelimiter::CARET)), format!("LEEF:2.0|{product}^|alertId=a^"));
    assert_eq!(open(LeefVersion::V2(LeefDelimiter::TAB)), format!("LEEF:2.0|{product}|alertId=a\t"));
}

/// Guarantees that what a key, a number, a time or the visible form of a character needs is refused as a delimiter.
#[test]
fn an_unusable_delimiter_is_refused() {
    for delimiter in "ab09 =|\\<>+-.:/_()[]{}\"\n\r\u{1}\u{7f}é¦".chars() {
        let error = LeefDelimiter::new(delimiter).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{delimiter:?} cannot stand between")), "{error}");
    }
    assert_eq!(LeefDelimiter::new('^'), Ok(LeefDelimiter::CARET));
}

/// Guarantees that the operator's own words cannot break a line, and that bars stay where he asks for them.
#[test]
fn the_operators_words_are_sanitised_too() {
    let version = LeefVersion::V2(LeefDelimiter::CARET);
    let options = LeefOptions {
        version,
        vendor: Some("A|B".into()),
        product: Some("x^y".into()),
        product_version: Some("9\n1".into()),
        keep_pipes: false,
    };
    let origin = Origin { tenant_id: TENANT_ID, tenant_name: "a^sev=10|\n", partial: true };
    let render = |options: &LeefOptions| {
        let mut out = Vec::new();
        let raw = br#"{"title":"a|b"}"#;
        Renderer::leef(options).render(Shape::MdeAlert, &origin, None, raw, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let line = Line::decode_leef(&render(&options), version);
    assert_eq!(line.header[..3], ["A¦B", "x＾y", "9 1"]);
    assert_eq!(
        (line.get("tenant"), line.get("sev"), line.get("partial")),
        (Some("a＾sev=10¦"), Some("1"), Some("true"))
    );

    let kept = render(&LeefOptions { keep_pipes: true, ..options });
    assert!(kept.contains("^alertTitle=a|b^") && kept.contains("|A¦B|"), "{kept}");
}

/// Guarantees that an alert that says nothing of itself still has as many attributes as readers need.
#[test]
fn an_empty_alert_is_a_line() {
    for shape in Shape::ALL {
        let line = leef(shape, "{}");
        let keys: Vec<_> = line.pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["recordId", "tenant", "tenantId", "sev", "severityName"], "{shape:?}");
    }
}
