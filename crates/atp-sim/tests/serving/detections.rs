//! The legacy export.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use atp_sim::{ExportShape, Knobs, NewAlert, Population, WrongRegion};
use serde_json::Value;

use crate::client::{Client, EXPORT, still};

/// The members of a detection, as in the documentation's sample of 2020.
const DETECTION: [&str; 50] = [
    "Actor",
    "AlertId",
    "AlertPart",
    "AlertTime",
    "AlertTitle",
    "Category",
    "CloudCreatedMachineTags",
    "CommandLine",
    "ComputerDnsName",
    "CreatorIocName",
    "CreatorIocValue",
    "Description",
    "DeviceCreatedMachineTags",
    "DeviceID",
    "ExternalId",
    "FileHash",
    "FileName",
    "FilePath",
    "FullId",
    "IncidentLinkToMTP",
    "IncidentLinkToWDATP",
    "InternalIPv4List",
    "InternalIPv6List",
    "IoaDefinitionId",
    "IocName",
    "IocUniqueId",
    "IocValue",
    "IpAddress",
    "LastProcessedTimeUtc",
    "LinkToMTP",
    "LinkToWDATP",
    "LogOnUsers",
    "MachineDomain",
    "MachineGroup",
    "MachineName",
    "Md5",
    "RemediationAction",
    "RemediationIsSuccess",
    "ReportID",
    "Severity",
    "Sha1",
    "Sha256",
    "Source",
    "ThreatCategory",
    "ThreatFamily",
    "ThreatName",
    "Url",
    "UserDomain",
    "UserName",
    "WasExecutingWhileDetected",
];

/// Detections have all members of the sample, alerts have several, and what names the alert is the same in all.
#[tokio::test]
async fn detections_look_like_the_real_ones() {
    let client = Client::start(still(Population::at_rest(300))).await;
    let rows = client.detections("ago=P2D").await.rows();
    let mut parts: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in &rows {
        let keys: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(DETECTION));
        let id = row["AlertId"].as_str().unwrap();
        assert_eq!(row["FullId"].as_str().unwrap(), format!("{id}:{}", row["IocUniqueId"].as_str().unwrap()));
        parts.entry(id).or_default().push(row);
    }
    let ids: BTreeSet<&str> = rows.iter().map(|row| row["FullId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rows.len());
    assert_eq!(parts.len(), 300);
    assert!(parts.values().any(|rows| rows.len() == 3));
    for rows in parts.values() {
        assert!(
            rows.iter()
                .all(|row| ["AlertTitle", "Severity", "IoaDefinitionId"].iter().all(|name| row[name] == rows[0][name]))
        );
    }
}

/// Without a window the last two hours are answered; `ago`, `sinceTimeUtc` and `untilTimeUtc` say otherwise.
#[tokio::test]
async fn windows() {
    let client = Client::start(still(Population::empty())).await;
    let control = client.simulator.control();
    let now = control.now();
    for minutes in [1, 30, 119, 121, 300] {
        control.add_alert("contoso", &NewAlert::at(now - Duration::from_secs(minutes * 60)));
    }
    let ids = async |query: &str| {
        let ids: BTreeSet<String> = client.detections(query).await.column("AlertId").into_iter().collect();
        ids.len()
    };
    assert_eq!(ids("").await, 3);
    assert_eq!(ids("ago=PT10M").await, 1);
    assert_eq!(ids("sinceTimeUtc=2026-03-02T03:00:00.000").await, 5);
    assert_eq!(ids("sinceTimeUtc=2026-03-02T03:00:00Z&untilTimeUtc=2026-03-02T06:00:00Z").await, 2);
    assert_eq!(
        client.detections("sinceTimeUtc=yesterday").await.status,
        401,
        "malformed requests are documented as 401"
    );
}

/// The bounds are inclusive or exclusive as the knobs say.
#[tokio::test]
async fn bounds() {
    let client = Client::start(still(Population::empty())).await;
    let control = client.simulator.control();
    control.add_alert("contoso", &NewAlert::at(control.now()));
    for (since_inclusive, until_inclusive) in [(true, false), (false, true)] {
        control.set_knobs(Knobs { since_inclusive, until_inclusive, ..Knobs::default() });
        let since = !client.detections("sinceTimeUtc=2026-03-02T08:00:00Z").await.rows().is_empty();
        let until = !client.detections("ago=PT1M&untilTimeUtc=2026-03-02T08:00:00Z").await.rows().is_empty();
        assert_eq!((since, until), (since_inclusive, until_inclusive));
    }
}

/// `limit` keeps the newest and drops the oldest.
#[tokio::test]
async fn limit_keeps_the_newest() {
    let client = Client::start(still(Population::at_rest(50))).await;
    let all = client.detections("ago=P2D").await.column("LastProcessedTimeUtc");
    let newest = client.detections("ago=P2D&limit=10").await.column("LastProcessedTimeUtc");
    assert_eq!(newest, all[..10]);
}

/// An update brings a row more and changes none of the old ones.
#[tokio::test]
async fn updates_add_rows() {
    let client = Client::start(still(Population::empty())).await;
    let control = client.simulator.control();
    let id = control.add_alert("contoso", &NewAlert::at(control.now())).unwrap();
    let before = client.detections("").await.rows();
    control.advance(Duration::from_secs(60));
    assert!(control.update_alert("contoso", &id, control.now()));
    let after = client.detections("").await.rows();
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[1..], before);
    assert_eq!(client.alerts("").await.rows().len(), 1);
}

/// The shapes an answer may have, and what the wrong region says.
#[tokio::test]
async fn shapes() {
    let client = Client::start(still(Population::empty())).await;
    let control = client.simulator.control();
    let text = async |export_shape| {
        control.set_knobs(Knobs { export_shape, ..Knobs::default() });
        client.detections("").await.text()
    };
    assert_eq!(text(ExportShape::Array).await, "[]");
    assert_eq!(text(ExportShape::ArrayOrEmptyValue).await, r#"{"value":[]}"#);
    assert_eq!(text(ExportShape::Value).await, r#"{"value":[]}"#);
    control.add_alert("contoso", &NewAlert::at(control.now()));
    assert!(text(ExportShape::Array).await.starts_with("[{"));
    control.set_knobs(Knobs { export_shape: ExportShape::SingleObject, ..Knobs::default() });
    assert!(client.detections("limit=1").await.text().starts_with("{\"AlertTime\""));
    for (region, status) in [(WrongRegion::Empty, 200), (WrongRegion::Forbidden, 403), (WrongRegion::Unauthorized, 401)]
    {
        control.set_knobs(Knobs { wrong_region: Some(region), ..Knobs::default() });
        assert_eq!(client.detections("").await.status, status);
    }
}

/// Only `GET /api/alerts` exists.
#[tokio::test]
async fn nothing_else_exists() {
    let client = Client::start(still(Population::empty())).await;
    let token = client.token(EXPORT).await;
    let wrong = client.get(&format!("{}/api/alert", client.simulator.export_url()), &token).await;
    assert_eq!(wrong.status, 404);
}
