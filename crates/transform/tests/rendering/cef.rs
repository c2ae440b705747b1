//! The line of CEF: which key shows what.

use serde_json::{Map, Value, json};
use transform::{CefHeader, Origin, Renderer, Shape};

use crate::support::{Line, ORIGIN, TENANT_ID, cef};

/// Guarantees Microsoft's own ArcSight mapping of the legacy export, row by row.
#[test]
fn a_legacy_row_is_mapped_as_microsoft_maps_it() {
    let table = [
        ("Category", "Privilege Escalation", "cat", "Privilege Escalation", None),
        ("Source", "WindowsDefenderATP", "sourceServiceName", "WindowsDefenderATP", None),
        ("MachineName", "liz-bean", "shost", "liz-bean", None),
        ("FileName", "Robocopy.exe", "fname", "Robocopy.exe", None),
        ("FilePath", r"C:\Windows\System32\Robocopy.exe", "filePath", r"C:\Windows\System32\Robocopy.exe", None),
        ("UserDomain", "contoso", "sntdom", "contoso", None),
        ("UserName", "liz-bean", "suser", "liz-bean", None),
        ("Sha1", "5b4b3985", "fileHash", "5b4b3985", None),
        ("Md5", "55394b85", "cs5", "55394b85", Some("MD5")),
        ("Sha256", "9987474d", "cs6", "9987474d", Some("SHA256")),
        ("ThreatName", "Trojan:Win32/Skeeyah.A!bit", "cs1", "Trojan:Win32/Skeeyah.A!bit", Some("ThreatName")),
        ("IpAddress", "218.90.204.141", "src", "218.90.204.141", None),
        ("Url", "down.example", "request", "down.example", None),
        ("RemediationIsSuccess", "true", "cn2", "1", Some("RemediationIsSuccess")),
        ("WasExecutingWhileDetected", "FALSE", "cn1", "0", Some("WasExecutingWhileDetected")),
        ("AlertId", "636210704265059241_673569822", "externalId", "636210704265059241_673569822", None),
        ("LinkToWDATP", "https://portal/alert/1?a=b", "flexString1", "https://portal/alert/1?a=b", Some("LinkToWDATP")),
        ("AlertTime", "2017-05-07T01:56:59.3191352Z", "rt", "1494122219319", None),
        ("MachineDomain", "contoso.com", "sourceDnsDomain", "contoso.com", None),
        ("Actor", "BORON", "cs4", "BORON", Some("Actor")),
        ("LogOnUsers", r"contoso\liz-bean; contoso\jay", "suid", r"contoso\liz-bean; contoso\jay", None),
        // Beside Microsoft's table:
        ("ComputerDnsName", "liz-bean.contoso.com", "dvchost", "liz-bean.contoso.com", None),
        ("CommandLine", "a.exe -x=1", "cs3", "a.exe -x=1", Some("CommandLine")),
        ("DeviceID", "deadbeef", "deviceExternalId", "deadbeef", None),
        ("Description", "line\nline", "msg", "line\nline", None),
        ("IncidentLinkToWDATP", "https://portal/incidents", "cs2", "https://portal/incidents", Some("Incident")),
        (
            "LastProcessedTimeUtc",
            "2017-05-07T02:00:00.0000001Z",
            "deviceCustomDate1",
            "1494122400000",
            Some("UpdateTime"),
        ),
        ("RemediationAction", "Quarantine", "act", "Quarantine", None),
    ];
    let row: Map<_, _> = table.iter().map(|&(name, value, ..)| (name.to_owned(), json!(value))).collect();
    let line = cef(Shape::LegacyRow, &Value::Object(row).to_string());
    for (name, _, key, value, label) in table {
        assert_eq!(line.get(key), Some(value), "{name}");
        assert_eq!(line.get(&format!("{key}Label")), label, "{name}");
    }
    assert_eq!(
        line.header,
        ["Microsoft", "Windows Defender ATP", "2.0", "Privilege Escalation", "Privilege Escalation", "Unknown"]
    );
}

/// Guarantees the mapping of the public API, evidence included: the first item of each kind counts.
#[test]
fn an_alert_of_the_public_api_is_mapped_with_its_evidence() {
    let alert = json!({
        "id": "da637308392288907382_-880718168", "incidentId": 7587, "severity": "High", "status": "InProgress",
        "detectionSource": "WindowsDefenderAv", "category": "Malware", "title": "A|B", "description": "text",
        "alertCreationTime": "2020-07-20T10:53:48.7657932Z", "firstEventTime": "2020-07-20T10:52:17Z",
        "lastEventTime": "2020-07-20T10:52:18.1Z", "lastUpdateTime": "2020-07-20T10:53:50.19Z", "machineId": "12ee",
        "computerDnsName": "temp123.corp.contoso.com", "threatFamilyName": "Meterpreter", "threatName": null,
        "relatedUser": {"userName": "temp123", "domainName": "DOMAIN"},
        "evidence": [
            {"entityType": "Process", "fileName": "p.exe", "filePath": "C:\\p", "sha1": "aa", "processId": 4711,
             "processCommandLine": "p.exe -x", "detectionStatus": null},
            {"entityType": "File", "fileName": "f.exe", "filePath": "C:\\f\\", "sha1": "bb", "sha256": "cc", "detectionStatus": "Blocked"},
            {"entityType": "File", "fileName": "second.exe", "filePath": "C:\\second", "sha1": "dd"},
            {"entityType": "Ip", "ipAddress": "2001:DB8::1"}, {"entityType": "Url", "url": "https://e/?a=b"},
            {"entityType": "User", "accountName": "TEMP123", "domainName": "OTHER", "userSid": "S-1-5"},
            {"entityType": "CloudApplication", "fileName": "never"},
        ],
    });
    let line = cef(Shape::MdeAlert, &alert.to_string());
    let expected = [
        ("externalId", "da637308392288907382_-880718168"),
        ("flexString2", "contoso"),
        ("deviceCustomDate1", "1595242430190"),
        ("rt", "1595242428765"),
        ("start", "1595242337000"),
        ("end", "1595242338100"),
        ("cat", "Malware"),
        ("sourceServiceName", "WindowsDefenderAv"),
        ("shost", "temp123.corp.contoso.com"),
        ("dvchost", "temp123.corp.contoso.com"),
        ("deviceExternalId", "12ee"),
        ("sourceDnsDomain", "corp.contoso.com"),
        ("fname", "f.exe"),
        ("filePath", "C:\\f\\f.exe"),
        ("fileHash", "bb"),
        ("cs6", "cc"),
        ("cs1", "Meterpreter"),
        ("cs2", "7587"),
        ("c6a2", "2001:db8::1"),
        ("c6a2Label", "Source IPv6 Address"),
        ("request", "https://e/?a=b"),
        ("sntdom", "DOMAIN"),
        ("suser", "temp123"),
        ("suid", "S-1-5"),
        ("sproc", "p.exe"),
        ("spid", "4711"),
        ("act", "Blocked"),
        ("reason", "InProgress"),
        ("cs3", "p.exe -x"),
        ("msg", "text"),
    ];
    for (key, value) in expected {
        assert_eq!(line.get(key), Some(value), "{key}");
    }
    assert_eq!(line.get("src"), None);
    let header = ["Microsoft", "Microsoft Defender for Endpoint", "1.0", "WindowsDefenderAv:Malware", "A|B", "8"];
    assert_eq!(line.header, header);
}

/// Guarantees that the SID of one user is never shown beside the name of another, and that a process stands in for a
/// file where there is none.
#[test]
fn evidence_is_not_mixed() {
    let alert = json!({
        "relatedUser": {"userName": "liz", "domainName": "CONTOSO"},
        "evidence": [
            {"entityType": "User", "accountName": "jay", "domainName": "OTHER", "userSid": "S-1-5"},
            {"entityType": "Process", "fileName": "p.exe", "sha1": "aa"},
        ],
    });
    let line = cef(Shape::MdeAlert, &alert.to_string());
    assert_eq!((line.get("suser"), line.get("sntdom"), line.get("suid")), (Some("liz"), Some("CONTOSO"), None));
    assert_eq!((line.get("fname"), line.get("filePath"), line.get("fileHash")), (Some("p.exe"), None, Some("aa")));

    let alert = json!({"evidence": [
        {"entityType": "Process", "fileName": "p.exe", "filePath": "C:\\p", "sha1": "aa"},
        {"entityType": "File", "fileName": "f.exe"},
    ]});
    let line = cef(Shape::MdeAlert, &alert.to_string());
    assert_eq!((line.get("fname"), line.get("filePath"), line.get("fileHash")), (Some("f.exe"), None, None));
}

/// Guarantees that what other systems write for nothing is nothing: no key stands without a value.
#[test]
fn what_says_nothing_is_left_out() {
    for nothing in [
        json!(null),
        json!(""),
        json!(" "),
        json!("-"),
        json!("N/A"),
        json!("null"),
        json!("\t\n"),
        json!([]),
        json!({"a": 1}),
    ] {
        let row = json!({"AlertTitle": nothing, "AlertId": nothing, "FilePath": nothing, "Url": nothing, "cs1": "x", "IpAddress": "no address",
                         "WasExecutingWhileDetected": "maybe", "AlertTime": "yesterday"});
        let line = cef(Shape::LegacyRow, &row.to_string());
        let keys: Vec<_> = line.pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["devicePayloadId", "flexString2", "flexString2Label"], "{nothing}");
        assert_eq!(line.header[3..], ["unknown", "Alert", "Unknown"], "{nothing}");
    }
}

/// Guarantees that the whole path is shown once, however the API gives directory and name.
#[test]
fn a_file_path_is_directory_and_name() {
    for (directory, name, path) in [
        (r"C:\dir", "a.exe", r"C:\dir\a.exe"),
        (r"C:\dir\", "a.exe", r"C:\dir\a.exe"),
        (r"C:\dir\A.EXE", "a.exe", r"C:\dir\A.EXE"),
        (r"C:\dir\xa.exe", "a.exe", r"C:\dir\xa.exe\a.exe"),
        ("a.exe", "a.exe", "a.exe"),
        (r"\\server\share", "a=b", r"\\server\share\a=b"),
        ("/opt/bin", "ls", "/opt/bin/ls"),
        ("/opt/bin/ls", "ls", "/opt/bin/ls"),
        (r"C:\dir", "", r"C:\dir"),
    ] {
        let line = cef(Shape::LegacyRow, &json!({"FilePath": directory, "FileName": name}).to_string());
        assert_eq!(line.get("filePath"), Some(path), "{directory} and {name}");
    }
    assert_eq!(cef(Shape::LegacyRow, r#"{"FileName":"a.exe"}"#).get("filePath"), None);
}

/// Guarantees that addresses are addresses, each family under its key.
#[test]
fn an_address_stands_under_its_family() {
    for (text, v4, v6) in [
        ("10.1.2.3", Some("10.1.2.3"), None),
        (" 10.1.2.3 ", Some("10.1.2.3"), None),
        ("::ffff:10.1.2.3", Some("10.1.2.3"), None),
        ("FE80:0:0::1", None, Some("fe80::1")),
        ("10.1.2.3:80", None, None),
        ("010.1.2.3", None, None),
        ("host", None, None),
    ] {
        let line = cef(Shape::LegacyRow, &json!({"IpAddress": text}).to_string());
        assert_eq!((line.get("src"), line.get("c6a2")), (v4, v6), "{text}");
    }
    assert_eq!(cef(Shape::MdeAlert, r#"{"computerDnsName":"10.1.2.3"}"#).get("sourceDnsDomain"), None);
}

/// Guarantees that an id longer than `externalId` may be stays whole in the line.
#[test]
fn an_alert_id_is_never_cut_silently() {
    let id = "daefa1828b-dd4e-405c-8a3b-aa28596830dd_1";
    assert_eq!(id.len(), 40);
    let line = cef(Shape::LegacyRow, &json!({"AlertId": id, "LinkToWDATP": "https://x"}).to_string());
    assert_eq!((line.get("externalId"), line.get("flexString1")), (Some(id), Some("https://x")));
    assert_eq!(line.get("flexString1Label"), Some("LinkToWDATP"));

    let long = format!("{id}0");
    let line = cef(Shape::LegacyRow, &json!({"AlertId": long, "LinkToWDATP": "https://x"}).to_string());
    assert_eq!((line.get("externalId"), line.get("flexString1")), (Some(id), Some(long.as_str())));
    assert_eq!(line.get("flexString1Label"), Some("AlertId"));
}

/// Guarantees each severity its number in the standard's bands, and that a word nobody knows is `Unknown`.
#[test]
fn a_severity_has_its_number() {
    for (word, level) in [
        ("Informational", "1"),
        ("Low", "3"),
        ("Medium", "5"),
        ("High", "8"),
        ("hIGH", "8"),
        ("Critical", "8"),
        ("UnSpecified", "Unknown"),
        ("unknownFutureValue", "Unknown"),
        ("", "Unknown"),
    ] {
        assert_eq!(cef(Shape::MdeAlert, &json!({"severity": word}).to_string()).header[5], level, "{word}");
    }
    assert_eq!(cef(Shape::MdeAlert, r#"{"severity":"\u0048igh"}"#).header[5], "8");
}

/// Guarantees that an alert without its evidence is marked, and does not pass for the whole alert.
#[test]
fn a_partial_alert_is_marked() {
    let renderer = Renderer::cef(CefHeader::default());
    let render = |partial| {
        let mut out = Vec::new();
        let rendered =
            renderer.render(Shape::MdeAlert, &Origin { partial, ..ORIGIN }, None, br#"{"id":"a"}"#, &mut out);
        (rendered.unwrap().record_id, Line::decode(str::from_utf8(&out).unwrap()))
    };
    let ((whole_id, whole), (partial_id, partial)) = (render(false), render(true));
    assert_ne!(whole_id, partial_id);
    assert_eq!((whole.get("cn3"), partial.get("cn3"), partial.get("cn3Label")), (None, Some("1"), Some("Partial")));
    assert_eq!(partial.get("devicePayloadId"), Some(partial_id.to_string().as_str()));
}

/// Guarantees that the operator's own words in the header and for the tenant are escaped too.
#[test]
fn the_operators_words_are_escaped() {
    let header =
        CefHeader { vendor: Some("A|B\\".into()), product: Some("x\ny".into()), version: Some("9".repeat(40)) };
    let mut out = Vec::new();
    let origin = Origin { tenant_id: TENANT_ID, tenant_name: "a=b\ncs1=x", partial: false };
    Renderer::cef(header).render(Shape::MdeAlert, &origin, None, b"{}", &mut out).unwrap();
    let line = Line::decode(str::from_utf8(&out).unwrap());
    assert_eq!(line.header[..3], ["A|B\\", "x y", &format!("{}…", "9".repeat(30))]);
    assert_eq!((line.get("flexString2"), line.get("cs1")), (Some("a=b\ncs1=x"), None));

    out.clear();
    let origin = Origin { tenant_name: " ", ..ORIGIN };
    Renderer::cef(CefHeader::default()).render(Shape::MdeAlert, &origin, None, b"{}", &mut out).unwrap();
    assert_eq!(Line::decode(str::from_utf8(&out).unwrap()).get("flexString2"), Some(TENANT_ID));
}
