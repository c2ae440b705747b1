//! An instance that was thought dead.

use std::process::Command;
use std::time::Duration;

use end_to_end::{Kafka, Place};

use super::{
    PARTITIONS, TOPIC, TRANSACTIONS, read, settings, site, suspend_in_a_transaction, wait_for_more, wait_until,
};

const ALERTS: u32 = 20_000;

/// Scenario: an instance stands still in the middle of a transaction until the broker has given that up; its journal, as
/// on a disk that has moved, serves a second instance, which delivers the rest; then the first goes on.
/// Guarantee: the first is fenced, says so and writes nothing more; everything is there, nothing twice.
#[test]
fn a_zombie_writes_nothing() {
    let (site, tenants) = site(ALERTS, 0, Duration::ZERO);
    let (place, successor) = (Place::empty(), Place::empty());
    let Some(mut kafka) = Kafka::start(place.folder()) else { return };
    kafka.create_topic(TOPIC, PARTITIONS, &[]);
    let settings = settings(&kafka, "max_rate: 1000/s,", TRANSACTIONS);
    place.set_up(&site.simulator, &tenants, &settings);
    successor.set_up(&site.simulator, &tenants, &settings);

    let mut zombie = place.start(&["run"]);
    wait_for_more(&kafka, &mut zombie, ALERTS as usize / 4);
    suspend_in_a_transaction(&kafka, &mut zombie);
    site.killed();
    wait_until("the transaction's time is over", || kafka.committed(TOPIC) == kafka.written(TOPIC));
    let copied = Command::new("cp").arg("-r").arg(place.journal()).arg(successor.journal()).status();
    assert!(copied.expect("`cp` is there").success(), "the journal can be copied");
    successor.lift_rate();
    successor.start(&["run", "--once"]).finish(Duration::from_secs(300)).assert_done();
    let written = kafka.written(TOPIC);
    zombie.signal("CONT");
    wait_until("the zombie is fenced", || zombie.log().contains(FENCED));
    zombie.kill();

    let delivered = read(&kafka, &site, &[place.output(), successor.output()]);
    let summary = site.expect_all(&delivered);
    println!("{summary}; {written} places written, none of them since the zombie went on");
    assert!(summary.sent >= ALERTS as usize, "{summary}");
    assert_eq!(kafka.written(TOPIC), written, "the zombie has written");
    assert_eq!(delivered.copies(), 0);
}

const FENCED: &str = "fenced off by another instance";
