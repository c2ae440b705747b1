//! Kafka against Apache Kafka itself: brokers that die, a network that fails, processes of ours that are killed or left
//! behind.
//!
//! Beside the Kafka sink each run writes the same alerts to a file, and the value of every record in the topic must be
//! its alert of that file, byte for byte, under the key, the time and the headers that the alert calls for.

mod apparatus;
mod bad_days;
mod broker;
mod broker_kills;
mod cluster;
mod exactly_once;
mod zombie;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use atp_sim::{Clock, Options, Population, TenantOptions};
use end_to_end::{Delivered, Kafka, Meant, Running, Settings, Site};

const TOPIC: &str = "alerts";
const PARTITIONS: usize = 3;
/// How long an update takes to be shown.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);
/// What the program says when it throws a producer away and makes another.
const REBUILT: &str = "a Kafka producer has failed and is made anew";
/// What makes the sink write in transactions.
const TRANSACTIONS: &str = "exactly_once: true";
/// Records that a producer has handed over and not heard of, at most: what the sink takes without an answer.
const IN_FLIGHT: usize = 8 * 500;

/// A simulator whose two tenants have so many alerts, hostile ones among them, and update some of them while this span
/// passes.
fn site(alerts: u32, updates: u32, within: Duration) -> (Site, Vec<TenantOptions>) {
    let population = Population {
        hostile: 0.05,
        live_updates: updates / 2,
        live_updates_within: within,
        usual_delay: SHOWN_WITHIN,
        ..Population::at_rest(alerts / 2)
    };
    let tenants = vec![
        TenantOptions::named("contoso").with_alerts(population.clone()),
        TenantOptions::named("fabrikam").with_alerts(population),
    ];
    // Brokers compare the times of records with their own.
    (Site::start(Options { tenants: tenants.clone(), clock: Clock::real(), ..Options::default() }), tenants)
}

/// A pipeline whose sink `lake` writes to the topic, `keys` among its keys and `kafka_keys` under `kafka:`. It tries a
/// broker that is down every second, where librdkafka would do so every ten.
fn settings(kafka: &Kafka, keys: &str, kafka_keys: &str) -> Settings {
    let brokers = kafka.addresses().replace(',', "\", \"");
    let sink = format!(
        "lake: {{ format: {{ json: {{ envelope: none }} }}, {keys} \
         kafka: {{ brokers: [\"{brokers}\"], topic: {TOPIC}, \
         options: {{ reconnect.backoff.max.ms: 1000 }}, {kafka_keys} }} }}"
    );
    Settings { sinks: vec![sink], ..Settings::mde("page_size: 2500, start: 7d, poll_every: 1s") }
}

/// Reads the topic with kcat, holds each record to what it must be, and what kcat sees to what Kafka's own consumer
/// sees.
///
/// # Panics
/// Where a record is not as it must be, or the consumer sees other ones.
fn read(kafka: &Kafka, site: &Site, files: &[PathBuf]) -> Delivered {
    // A broker says that a transaction is committed before it has told the partitions, which then show it.
    wait_until("no transaction is open", || kafka.committed(TOPIC) == kafka.written(TOPIC));
    let meant = Meant::read(site, files);
    let (mut delivered, mut places) = (Delivered::default(), Vec::new());
    kafka.read(TOPIC, |record| {
        delivered.records.push(meant.check(&record).to_owned());
        places.push((record.partition, record.offset));
    });
    places.sort_unstable();
    let seen_by_java = kafka.read_with_java(TOPIC, places.len());
    let first = seen_by_java.iter().zip(&places).find(|(java, kcat)| java != kcat);
    assert_eq!((seen_by_java.len(), first), (places.len(), None), "Kafka's own consumer and kcat differ");
    delivered
}

/// Waits until a simulator that began then shows all that it updates within this span.
fn wait_for_updates(began: Instant, within: Duration) {
    std::thread::sleep((within + 2 * SHOWN_WITHIN).saturating_sub(began.elapsed()));
}

/// Waits until the broker has taken so many records more.
///
/// # Panics
/// Where the program ends instead.
fn wait_for_more(kafka: &Kafka, running: &mut Running, records: usize) {
    let written = kafka.written(TOPIC) + records;
    wait_until("the broker has taken more", || {
        assert!(!running.has_ended(), "the program has ended:\n{}", running.log());
        kafka.written(TOPIC) >= written
    });
}

/// Kills a broker; every other time it stands still first until it has something on its way to it for certain.
fn kill_under_load(kafka: &mut Kafka, kill: usize) {
    if kill.is_multiple_of(2) {
        kafka.suspend(0);
        wait_until("something is on its way", || kafka.unread(0) > 0);
    }
    kafka.kill(0);
}

/// Lets the program stand still while a transaction of its own is open.
fn suspend_in_a_transaction(kafka: &Kafka, running: &mut Running) {
    wait_until("a transaction is open while the program stands still", || {
        assert!(!running.has_ended(), "the program has ended:\n{}", running.log());
        running.signal("STOP");
        // What was on its way to the broker arrives meanwhile.
        std::thread::sleep(Duration::from_millis(100));
        let is_open = kafka.committed(TOPIC) < kafka.written(TOPIC);
        if !is_open {
            running.signal("CONT");
        }
        is_open
    });
}

/// Waits until something has come to pass.
///
/// # Panics
/// Where it does not within five minutes.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(300), "waited in vain until {what}");
        // Most questions start a kcat, which is not for nothing.
        std::thread::sleep(Duration::from_millis(100));
    }
}
