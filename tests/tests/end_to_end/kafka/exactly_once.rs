//! Exactly once, whoever dies.

use std::time::{Duration, Instant};

use end_to_end::{Kafka, Place};

use super::{
    PARTITIONS, REBUILT, TOPIC, TRANSACTIONS, kill_under_load, read, settings, site, suspend_in_a_transaction,
    wait_for_more, wait_for_updates,
};

const ALERTS: u32 = 100_000;
const UPDATES: u32 = 4_000;
/// How long alerts are updated.
const UPDATED_WITHIN: Duration = Duration::from_secs(40);
const KILLS: usize = 20;

/// Scenario: 100,000 alerts, some of them updated meanwhile, go to a broker in transactions; our process is killed
/// twenty times while they do, ten of them in an open transaction for certain, and the broker ten times, and each is
/// started again.
/// Guarantee: everything is there, nothing twice, the revisions of each alert in their order.
#[test]
fn kills_on_both_sides_change_nothing() {
    let place = Place::empty();
    let Some(mut kafka) = Kafka::start(place.folder()) else { return };
    kafka.create_topic(TOPIC, PARTITIONS, &[]);
    let (site, tenants) = site(ALERTS, UPDATES, UPDATED_WITHIN);
    let began = Instant::now();
    place.set_up(&site.simulator, &tenants, &settings(&kafka, "max_rate: 4000/s,", TRANSACTIONS));

    let (step, mut in_a_transaction, mut committed) = (ALERTS as usize / (KILLS * 4), 0, 0);
    for kill in 0..KILLS {
        let mut running = place.start(&["run"]);
        wait_for_more(&kafka, &mut running, step);
        if kill % 2 == 0 {
            suspend_in_a_transaction(&kafka, &mut running);
        } else {
            kill_under_load(&mut kafka, kill / 2);
            kafka.restart(0);
            wait_for_more(&kafka, &mut running, 1);
        }
        let killed = running.kill();
        site.killed();
        assert_eq!(killed.signal(), Some(9), "{}", killed.log);
        committed = kafka.committed(TOPIC);
        in_a_transaction += usize::from(committed < kafka.written(TOPIC));
        assert!(committed < ALERTS as usize, "kill {kill} came under load");
    }
    wait_for_updates(began, UPDATED_WITHIN);
    let last = place.start(&["run", "--once"]).finish(Duration::from_secs(600));
    last.assert_done();

    let delivered = read(&kafka, &site, &[place.output()]);
    let summary = site.expect_all(&delivered);
    let (rebuilds, rest) = (last.log.matches(REBUILT).count(), kafka.written(TOPIC) - delivered.records.len());
    println!(
        "{summary}; {KILLS} kills of ours, {in_a_transaction} of them in a transaction, {} of the broker, by record \
         {committed}; {rebuilds} producers rebuilt; {rest} places hold markers or what was not committed",
        KILLS / 2
    );
    assert!(summary.sent >= ALERTS as usize && summary.superseded > 0, "{summary}");
    assert!(in_a_transaction >= KILLS / 2, "{in_a_transaction} kills came in a transaction");
    assert_eq!(delivered.copies(), 0);
    delivered.assert_order(&site);
}
