//! A broker on a good day.

use std::time::{Duration, Instant};

use end_to_end::{Kafka, Place};

use super::{PARTITIONS, REBUILT, TOPIC, read, settings, site, wait_for_more, wait_for_updates};

const ALERTS: u32 = 100_000;
const UPDATES: u32 = 4_000;
/// How long alerts are updated.
const UPDATED_WITHIN: Duration = Duration::from_secs(15);

/// Scenario: 100,000 alerts, hostile ones among them and some of them updated meanwhile, go to one broker; the program
/// is stopped in the middle and goes on.
/// Guarantee: each record is there once, in every byte, header, key and time as meant, the revisions of each alert in
/// their order; kcat and Kafka's own consumer agree.
#[test]
fn every_record_arrives_once_as_meant() {
    let place = Place::empty();
    let Some(mut kafka) = Kafka::start(place.folder()) else { return };
    kafka.create_topic(TOPIC, PARTITIONS, &[]);
    let (site, tenants) = site(ALERTS, UPDATES, UPDATED_WITHIN);
    let began = Instant::now();
    place.set_up(&site.simulator, &tenants, &settings(&kafka, "", ""));

    let mut running = place.start(&["run"]);
    wait_for_more(&kafka, &mut running, ALERTS as usize / 4);
    let stopped = running.terminate(Duration::from_secs(120));
    stopped.assert_done();
    // What was on its way from the API at the stop is asked for again, as after a kill.
    site.killed();
    let running = place.start(&["run"]);
    wait_for_updates(began, UPDATED_WITHIN);
    running.terminate(Duration::from_secs(120)).assert_done();
    let last = place.start(&["run", "--once"]).finish(Duration::from_secs(600));
    last.assert_done();

    let delivered = read(&kafka, &site, &[place.output()]);
    let summary = site.expect_all(&delivered);
    println!("{summary}; all in Kafka, once");
    assert!(summary.sent >= ALERTS as usize && summary.superseded > 0, "{summary}");
    assert_eq!(last.log.matches(REBUILT).count(), 0, "{}", last.log);
    assert_eq!(delivered.copies(), 0);
    delivered.assert_order(&site);
}
