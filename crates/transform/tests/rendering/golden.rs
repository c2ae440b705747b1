//! Whole records, as they are to stay: a change here is a change for every receiver.

use transform::{CefHeader, Envelope, Renderer, Shape};

use crate::fixture::mde_alert;
use crate::support::ORIGIN;

/// Guarantees the lines of CEF for both shapes.
#[test]
fn cef_records() {
    let renderer = Renderer::cef(CefHeader::default());
    insta::assert_snapshot!("legacy_row_cef", render(&renderer, Shape::LegacyRow, LEGACY_ROW));
    insta::assert_snapshot!("legacy_row_of_2017_cef", render(&renderer, Shape::LegacyRow, LEGACY_ROW_OF_2017));
    insta::assert_snapshot!("mde_alert_cef", render(&renderer, Shape::MdeAlert, &mde_alert(1, 5)));
}

/// Guarantees the raw JSON for both shapes, with and without its envelope.
#[test]
fn json_records() {
    let (none, wrap) = (Renderer::json(Envelope::None), Renderer::json(Envelope::Wrap));
    insta::assert_snapshot!("legacy_row_json", render(&none, Shape::LegacyRow, LEGACY_ROW));
    insta::assert_snapshot!("legacy_row_wrapped_json", render(&wrap, Shape::LegacyRow, LEGACY_ROW));
    insta::assert_snapshot!("mde_alert_wrapped_json", render(&wrap, Shape::MdeAlert, &mde_alert(1, 1)));
}

fn render(renderer: &Renderer, shape: Shape, raw: &str) -> String {
    let mut out = Vec::new();
    renderer.render(shape, &ORIGIN, None, raw.as_bytes(), &mut out).expect("the input is an object");
    String::from_utf8(out).expect("a record is UTF-8")
}

/// A row as the export wrote it from 2020 on: what does not apply is an empty text.
const LEGACY_ROW: &str = r#"{
    "AlertTime": "2020-09-30T14:09:20.35743Z",
    "ComputerDnsName": "laptop7.sales.contoso.com",
    "AlertTitle": "Malware | 'Mikatz' was prevented",
    "Category": "Malware",
    "Severity": "High",
    "AlertId": "da637370718981685665_16349121",
    "Actor": "",
    "LinkToWDATP": "https://securitycenter.windows.com/alert/da637370718981685665_16349121",
    "IocName": "",
    "IocValue": "",
    "Sha1": "aabbccddee1122334455aabbccddee1122334455",
    "FileName": "mikatz=1.exe",
    "FilePath": "C:\\Users\\liz.bean\\Downloads",
    "IpAddress": "fe80::1",
    "Url": "",
    "IoaDefinitionId": "b20af1d2-5990-4672-87f1-acc2a8ff7725",
    "UserName": "liz.bean",
    "UserDomain": "CONTOSO",
    "AlertPart": 0,
    "FullId": "da637370718981685665_16349121:R4xEdgAvDb2LQl3BgHoA3NYqKmRSiIAG7dpxAJCYZhY=",
    "LastProcessedTimeUtc": "2020-09-30T14:11:44.0779765Z",
    "ThreatCategory": "Tool",
    "ThreatFamily": "Mikatz",
    "ThreatName": "HackTool:Win32/Mikatz!dha",
    "RemediationAction": "Quarantine",
    "RemediationIsSuccess": true,
    "Source": "Antivirus",
    "Md5": "854b85cbff2752fcb88606bca76f83c6",
    "Sha256": "",
    "WasExecutingWhileDetected": false,
    "LogOnUsers": "contoso\\liz.bean; contoso\\jay.hardee",
    "MachineDomain": "sales.contoso.com",
    "MachineName": "laptop7",
    "InternalIPv4List": "192.168.1.7, 10.1.14.1",
    "InternalIPv6List": "",
    "FileHash": "aabbccddee1122334455aabbccddee1122334455",
    "DeviceID": "deadbeef000040830ee54503926f556dcaf82bb0",
    "MachineGroup": "",
    "Description": "First line.\r\nSecond \u202eline.",
    "CommandLine": "\"C:\\Users\\liz.bean\\Downloads\\mikatz=1.exe\" -x=1",
    "IncidentLinkToWDATP": "https://securitycenter.windows.com/incidents/byalert?alertId=da637370718981685665_16349121&source=SIEM",
    "ReportID": 1053729833,
    "LinkToMTP": "https://security.microsoft.com/alert/da637370718981685665_16349121",
    "IocUniqueId": "R4xEdgAvDb2LQl3BgHoA3NYqKmRSiIAG7dpxAJCYZhY="
}"#;

/// A row as the export wrote it in 2017: fewer members, another spelling, nulls, an id without a prefix.
const LEGACY_ROW_OF_2017: &str = r#"{"AlertTime":"2017-01-23T07:32:54.1861171Z","ComputerDnsName":"desktop-7","AlertTitle":"Suspicious PowerShell commandline","Category":"SuspiciousActivity","Severity":"Medium","AlertId":"636207535742330111_-1114309685","Actor":null,"LinkToWDATP":"https://securitycenter.windows.com/alert/636207535742330111_-1114309685","IocName":null,"Sha1":"69484ca722b4285a234896a2e31707cbedc59ef9","FileName":"powershell.exe","FilePath":"C:\\Windows\\SysWOW64\\WindowsPowerShell\\v1.0","IpAddress":null,"Url":null,"IoaDefinitiondId":"7f1c3609-a3ff-40e2-995b-c01770161d68","UserName":null,"AlertPart":0,"FullId":"636207535742330111_-1114309685:9DE735BA9FF87725E392C6DFBEB2AF279035CDE229FCC00D28C0F3242C5A50AF","LastProcessedTimeUtc":"2017-01-23T11:33:45.0760449Z","ThreatName":null,"RemediationIsSuccess":null,"Source":"Windows Defender ATP","Md5":null,"WasExecutingWhileDetected":null,"FileHash":"69484ca722b4285a234896a2e31707cbedc59ef9"}"#;
