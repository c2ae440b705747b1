//! A network of bad days.

use std::thread::sleep;
use std::time::{Duration, Instant};

use end_to_end::{Kafka, Network, NetworkFault, Place};

use super::{PARTITIONS, REBUILT, TOPIC, read, settings, site, wait_for_more, wait_for_updates, wait_until};

const ALERTS: u32 = 100_000;
const UPDATES: u32 = 4_000;
/// How long alerts are updated.
const UPDATED_WITHIN: Duration = Duration::from_secs(30);
const STORMS: usize = 5;

/// Scenario: 100,000 alerts, some of them updated meanwhile, go to a broker behind a network that loses a tenth of all
/// packets for five seconds, swallows all for five more, resets every connection in five storms, and whose host stands
/// still for three seconds.
/// Guarantee: everything is there, nothing twice, the revisions of each alert in their order.
#[test]
fn bad_days_lose_repeat_and_reorder_nothing() {
    let place = Place::empty();
    let Some(network) = Network::make() else { return };
    let Some(mut kafka) = Kafka::behind(place.folder(), network) else { return };
    kafka.create_topic(TOPIC, PARTITIONS, &[]);
    let (site, tenants) = site(ALERTS, UPDATES, UPDATED_WITHIN);
    let began = Instant::now();
    place.set_up(&site.simulator, &tenants, &settings(&kafka, "max_rate: 3000/s,", ""));

    let mut running = place.start(&["run"]);
    wait_for_more(&kafka, &mut running, 5_000);
    let lost = strike(&kafka, |network| network.lose(10), Duration::from_secs(5));
    wait_for_more(&kafka, &mut running, 5_000);
    let swallowed = strike(&kafka, Network::swallow, Duration::from_secs(5));
    let mut reset = 0;
    for _ in 0..STORMS {
        wait_for_more(&kafka, &mut running, 2_000);
        let connections = kafka.connections(0);
        assert!(!connections.is_empty(), "something is connected");
        let storm = kafka.network().reset();
        wait_until("every connection has ended", || kafka.connections(0).is_disjoint(&connections));
        sleep(Duration::from_millis(300));
        reset += storm.packets();
    }
    wait_for_more(&kafka, &mut running, 2_000);
    kafka.suspend(0);
    wait_until("something is on its way to the host that stands still", || kafka.unread(0) > 0);
    sleep(Duration::from_secs(3));
    kafka.resume(0);
    let meanwhile = kafka.written(TOPIC);
    assert!(meanwhile < ALERTS as usize, "all of it came under load");
    wait_until("all has arrived", || kafka.written(TOPIC) >= ALERTS as usize);
    wait_for_updates(began, UPDATED_WITHIN);
    running.terminate(Duration::from_secs(120)).assert_done();
    let last = place.start(&["run", "--once"]).finish(Duration::from_secs(300));
    last.assert_done();

    let delivered = read(&kafka, &site, &[place.output()]);
    let summary = site.expect_all(&delivered);
    println!(
        "{summary}; {lost} packets lost, {swallowed} swallowed, {reset} reset in {STORMS} storms, by record {meanwhile}"
    );
    assert!(summary.sent >= ALERTS as usize && summary.superseded > 0, "{summary}");
    let rebuilds = last.log.matches(REBUILT).count();
    assert_eq!((delivered.copies(), rebuilds), (0, 0), "a producer outlives bad days: {}", last.log);
    delivered.assert_order(&site);
}

/// Lets a fault strike for so long after its first packet; says how many it has hit.
fn strike(kafka: &Kafka, fault: impl Fn(&Network) -> NetworkFault<'_>, span: Duration) -> u64 {
    let fault = fault(kafka.network());
    wait_until("the fault strikes", || fault.packets() > 0);
    sleep(span);
    fault.packets()
}
