//! What the indexers took, held to what it must be.

use std::collections::{HashMap, HashSet};
use std::fs;

use chrono::{DateTime, SecondsFormat};
use end_to_end::{Delivered, Place, Site, Summary};
use serde_json::Value;
use sink_splunk_hec::stand_in::Event;

/// What the indexers took, in numbers.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) summary: Summary,
    pub(super) events: usize,
    pub(super) copies: usize,
    pub(super) hostile: usize,
    /// Events whose host is the device of their alert.
    pub(super) named_hosts: usize,
}

/// Holds every event to its alert, and all of them with the dead letters to what was sent: each is in one of both.
///
/// # Panics
/// Where an event is not what it must be, a record is missing, or is both delivered and a dead letter.
pub(super) fn taken(site: &Site, place: &Place, events: &[Event], letters: &[String]) -> Taken {
    let alerts = alerts(place);
    let names: HashMap<String, String> =
        site.simulator.record().feeds.into_iter().map(|feed| (feed.tenant_id, feed.tenant)).collect();
    let sent = site.sent();
    let (mut named_hosts, mut hostile) = (0, 0);
    for event in events {
        let id = event.fields["recordId"].as_str().expect("a record id is a text");
        let (tenant, revision) = sent.get(id).unwrap_or_else(|| panic!("never sent: {event:?}"));
        assert_eq!(Some(&event.event), alerts.get(id), "not the alert of the file");
        let millis = (revision.ticks - UNIX_EPOCH).div_euclid(10_000);
        assert_eq!(event.time, format!("{}.{:03}", millis / 1_000, millis % 1_000), "{event:?}");
        expect_words(event, &names[tenant], millis);
        named_hosts += usize::from(expect_host(event));
        hostile += usize::from(event.event.contains("<34>1 2026"));
    }
    let mut records: Vec<String> =
        events.iter().filter_map(|event| event.fields["recordId"].as_str().map(str::to_owned)).collect();
    let delivered: HashSet<&String> = records.iter().collect();
    assert!(letters.iter().all(|letter| !delivered.contains(letter)), "delivered, and a dead letter as well");
    let copies = records.len() - delivered.len();
    assert_eq!(letters.iter().collect::<HashSet<_>>().len(), letters.len(), "a dead letter comes once");
    records.extend(letters.iter().cloned());
    let summary = site.expect_all(&Delivered { records });
    Taken { summary, events: events.len(), copies, hostile, named_hosts }
}

/// Source, source type, index and fields.
fn expect_words(event: &Event, tenant: &str, millis: i64) {
    let words = [&event.source, &event.sourcetype, &event.index].map(|word| word.as_deref());
    let index = format!("edr_{tenant}");
    assert_eq!(words, [Some("ms_defender_atp_alerts"), Some("ms:defender:atp:alerts"), Some(&*index)]);
    assert_eq!(event.fields["tenant"], tenant);
    let updated = DateTime::from_timestamp_millis(millis).expect("an alert is of our age");
    assert_eq!(event.fields["updated"], updated.to_rfc3339_opts(SecondsFormat::Millis, true));
    assert_eq!(event.fields.len(), 3, "{event:?}");
}

/// Whether the host is the device that the alert names. Where the alert is none that `serde_json` takes, or names its
/// device otherwise than by a text, nothing is asked of it.
fn expect_host(event: &Event) -> bool {
    let Ok(alert) = serde_json::from_str::<Value>(&event.event) else { return false };
    let Some(device) = alert["computerDnsName"].as_str().filter(|name| !name.is_empty()) else { return false };
    if device.len() > 255 || device.chars().any(char::is_control) {
        assert_eq!(event.host, None, "{event:?}");
        return false;
    }
    assert_eq!(event.host.as_deref(), Some(device), "{event:?}");
    true
}

/// Every alert of the run's file by its record id. A kill may have torn a line, which the next run has mended.
fn alerts(place: &Place) -> HashMap<String, String> {
    let text = String::from_utf8(fs::read(place.output()).expect("the run has written its file")).expect("it is UTF-8");
    let alert = |line: &str| {
        let (envelope, alert) = line.split_once(",\"alert\":").expect("the alert comes last");
        let id = envelope.split_once("\"record_id\":\"").and_then(|(_, rest)| rest.split('"').next());
        (id.expect("an envelope has a record id").to_owned(), alert.strip_suffix('}').expect("it is whole").to_owned())
    };
    text.lines().map(alert).collect()
}

/// .NET ticks of 1970.
const UNIX_EPOCH: i64 = 621_355_968_000_000_000;
