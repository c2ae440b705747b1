//! Three brokers, one of which is always coming or going.

use std::time::{Duration, Instant};

use end_to_end::{Kafka, Place, count};

use super::{PARTITIONS, REBUILT, TOPIC, read, settings, site, wait_for_more, wait_until};

const ALERTS: u32 = 100_000;
/// Clean stops, and as many kills.
const STOPS: usize = 20;
/// How long brokers come and go, at most: on a slow machine fewer of them do.
const WITHIN: Duration = Duration::from_secs(300);

/// Scenario, in the long run only: 100,000 alerts go to three brokers, two of which must have each; one after the other
/// is stopped or killed and started again.
/// Guarantee: everything is there, nothing twice.
#[test]
fn rolling_restarts_lose_nothing() {
    if count(0, 1) == 0 {
        println!("not shown: the long run (./tests/run --full) alone starts three brokers");
        return;
    }
    let (site, tenants) = site(ALERTS, 0, Duration::ZERO);
    let place = Place::empty();
    let Some(mut kafka) = Kafka::cluster(place.folder(), 3) else { return };
    kafka.create_topic(TOPIC, PARTITIONS, &[]);
    place.set_up(&site.simulator, &tenants, &settings(&kafka, "max_rate: 250/s,", ""));

    let mut running = place.start(&["run"]);
    let (began, mut stops) = (Instant::now(), [0, 0]);
    while stops.iter().sum::<usize>() < 2 * STOPS && began.elapsed() < WITHIN {
        wait_for_more(&kafka, &mut running, 100);
        let stop = stops.iter().sum::<usize>();
        let (kind, broker) = (stop % 2, stop % kafka.len());
        if kind == 0 {
            kafka.terminate(broker)
        } else {
            kafka.kill(broker)
        };
        stops[kind] += 1;
        kafka.restart(broker);
        wait_until("all replicas are in sync again", || kafka.is_in_sync());
        assert!(kafka.written(TOPIC) < ALERTS as usize, "stop {stop} came under load");
    }
    place.lift_rate();
    running.terminate(Duration::from_secs(120)).assert_done();
    let last = place.start(&["run", "--once"]).finish(Duration::from_secs(600));
    last.assert_done();

    let delivered = read(&kafka, &site, &[place.output()]);
    let summary = site.expect_all(&delivered);
    let rebuilds = last.log.matches(REBUILT).count();
    let [clean, hard] = stops;
    println!("{summary}; {clean} clean stops and {hard} kills of three brokers, {rebuilds} rebuilds");
    assert!(summary.sent >= ALERTS as usize && clean >= 3 && hard >= 3, "{summary}");
    assert_eq!((delivered.copies(), rebuilds), (0, 0), "a producer outlives its brokers: {}", last.log);
}
