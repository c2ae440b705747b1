//! A broker that is killed under load.

use std::time::Duration;

use end_to_end::{Kafka, Place};

use super::{IN_FLIGHT, PARTITIONS, REBUILT, TOPIC, kill_under_load, read, settings, site, wait_for_more};

const ALERTS: u32 = 100_000;
const KILLS: usize = 10;

/// Scenario: 100,000 alerts go to one broker, which is killed ten times while they do and started again on its storage.
/// Guarantee: each is there, once, and as meant; only a producer that was rebuilt may have repeated what was in flight,
/// and each rebuild is said.
#[test]
fn a_broker_that_is_killed_loses_nothing() {
    let (site, tenants) = site(ALERTS, 0, Duration::ZERO);
    let place = Place::empty();
    let Some(mut kafka) = Kafka::start(place.folder()) else { return };
    kafka.create_topic(TOPIC, PARTITIONS, &[]);
    place.set_up(&site.simulator, &tenants, &settings(&kafka, "max_rate: 4000/s,", ""));

    let mut running = place.start(&["run", "--once"]);
    let mut written = 0;
    for kill in 0..KILLS {
        wait_for_more(&kafka, &mut running, ALERTS as usize / (KILLS * 2));
        kill_under_load(&mut kafka, kill);
        kafka.restart(0);
        written = kafka.written(TOPIC);
        assert!(written < ALERTS as usize, "kill {kill} came under load");
    }
    let finished = running.finish(Duration::from_secs(600));
    finished.assert_done();

    let delivered = read(&kafka, &site, &[place.output()]);
    let summary = site.expect_all(&delivered);
    let (copies, rebuilds) = (delivered.copies(), finished.log.matches(REBUILT).count());
    println!(
        "{summary}; {KILLS} kills of the broker, by record {written}; {rebuilds} producers rebuilt, {copies} copies"
    );
    assert!(summary.sent >= ALERTS as usize, "{summary}");
    assert!(copies <= rebuilds * IN_FLIGHT, "{copies} copies by {rebuilds} rebuilt producers");
}
