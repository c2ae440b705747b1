//! A thousand alerts of all shapes, in each of which some texts are hostile; the same at every run.

use serde_json::{Value, json};
use transform::Shape;

use crate::samples::hostile::HOSTILE;

/// How many are generated; the hostile texts come on top, each in every text of one row.
const GENERATED: usize = 1_000;

/// Every alert as an API would send it.
pub(super) fn alerts() -> impl Iterator<Item = (Shape, String)> {
    let hostile =
        HOSTILE.iter().flat_map(|&text| Shape::ALL.map(|shape| (shape, alert(shape, &mut |_| text.to_owned()))));
    let generated = (0..GENERATED).map(|seed| {
        let shape = Shape::ALL[seed % Shape::ALL.len()];
        let mut dice = Dice(seed as u64);
        (shape, alert(shape, &mut |plain| dice.text(plain)))
    });
    generated.chain(hostile).map(|(shape, alert)| (shape, alert.to_string()))
}

/// An alert whose texts are what `text` makes of plain ones.
fn alert(shape: Shape, text: &mut dyn FnMut(&str) -> String) -> Value {
    match shape {
        Shape::LegacyRow => json!({
            "AlertId": text("da637370718981685665_16349121"), "AlertPart": 0, "AlertTitle": text("Suspicious activity"),
            "AlertTime": "2020-09-30T14:09:20.35743Z", "LastProcessedTimeUtc": "2020-09-30T14:11:44.0779765Z",
            "Category": text("Malware"), "Severity": "High", "FileName": text("a.exe"), "FilePath": text("C:\\Users"),
            "CommandLine": text("a.exe -x=1"), "Description": text("First line.\nSecond line."), "UserName": text("liz"),
            "UserDomain": text("CONTOSO"), "Url": text("https://e/?a=b"), "IpAddress": "fe80::1", "InternalIPv4List": "10.0.0.1, 10.0.0.2",
            "MachineName": text("lt"), "ComputerDnsName": text("lt.contoso.com"), "ThreatName": text("Trojan:Win32/A!bit"),
        }),
        Shape::MdeAlert => json!({
            "id": text("da637472900382838869_1364969609"), "incidentId": 7587, "title": text("Suspicious activity"),
            "alertCreationTime": "2021-01-26T20:33:57.7220239Z", "lastUpdateTime": "2021-01-26T20:33:59.2Z", "severity": "Low",
            "category": text("Execution"), "detectionSource": text("WindowsDefenderAtp"), "status": text("New"),
            "description": text("Binaries signed by Microsoft"), "computerDnsName": text("lt.contoso.com"),
            "mitreTechniques": [text("T1064"), text("T1085")], "relatedUser": {"userName": text("liz"), "domainName": text("CONTOSO")},
            "evidence": [{"entityType": "File", "fileName": text("a.exe"), "filePath": text("/opt/bin"), "sha1": text("ab")},
                         {"entityType": "Process", "processCommandLine": text("a -x=1"), "processId": 17}],
        }),
        Shape::GraphAlert => json!({
            "id": text("da637551227677560813_-961444813"), "incidentId": "28282", "title": text("Suspicious activity"),
            "createdDateTime": "2021-04-27T12:19:27.7211305Z", "lastUpdateDateTime": "2021-05-02T14:19:01.3266667Z",
            "severity": "medium", "category": text("DefenseEvasion"), "serviceSource": text("microsoftDefenderForEndpoint"),
            "description": text("A hidden file"), "actorDisplayName": text("Storm-0001"), "alertWebUrl": text("https://e/?a=b"),
            "evidence": [{"@odata.type": "#microsoft.graph.security.deviceEvidence", "deviceDnsName": text("lt.contoso.com"), "lastIpAddress": "10.0.0.1"},
                         {"@odata.type": "#microsoft.graph.security.userEvidence", "userAccount": {"accountName": text("liz"), "userPrincipalName": text("liz@contoso.com")}},
                         {"@odata.type": "#microsoft.graph.security.fileEvidence", "verdict": text("malicious"), "fileDetails": {"fileName": text("a.exe")}}],
        }),
        Shape::GraphIncident => json!({
            "id": text("2972395"), "displayName": text("Multi-stage incident"), "incidentWebUrl": text("https://e/2972395?tid=1"),
            "createdDateTime": "2021-08-13T08:43:35.5533333Z", "lastUpdateDateTime": "2021-09-30T09:35:45.1133333Z",
            "severity": "medium", "status": text("active"), "assignedTo": text("kaic@contoso.com"), "description": text("Seen before"),
        }),
        Shape::HuntingRow => json!({
            "Timestamp": "2024-05-02T11:28:09.127Z", "Title": text("Suspicious activity"), "ActionType": text("ProcessCreated"),
            "DeviceName": text("lt.contoso.com"), "FileName": text("a.exe"), "FolderPath": text("C:\\a.exe"), "AccountUpn": text("liz@contoso.com"),
            "ProcessCommandLine": text("a -x=1"), "RemoteUrl": text("https://e/?a=b"), "RegistryKey": text("HKEY\\a"),
        }),
    }
}

/// A small generator of numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as usize % sides
    }

    /// The plain text, or something worse.
    fn text(&mut self, plain: &str) -> String {
        let hostile = HOSTILE[self.roll(HOSTILE.len())];
        match self.roll(8) {
            0 => hostile.to_owned(),
            1 => format!("{plain}{hostile}"),
            2 => format!("{hostile}{plain} "),
            3 => format!("{plain} {hostile}").repeat(self.roll(120)),
            4 => (0..self.roll(40)).map(|_| HOSTILE[self.roll(HOSTILE.len())]).collect(),
            _ => plain.to_owned(),
        }
    }
}
