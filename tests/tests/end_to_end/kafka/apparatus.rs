//! The brokers and their readers themselves. Where this fails, no other test of Kafka shows anything.

use std::collections::BTreeMap;

use end_to_end::{Kafka, Network, NetworkFault, Place};

use super::{TOPIC, wait_until};

fn lines(of: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("{of} {number} \"\\ \u{1F600}"))
}

/// What a topic holds, by the first word of each value, its header checked.
fn read(kafka: &Kafka) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    kafka.read(TOPIC, |record| {
        let word = record.value.split(' ').next().unwrap_or_default().to_owned();
        assert_eq!(record.header("from"), word);
        let next = next.entry(record.partition).or_default();
        assert!(record.offset >= *next, "the records of a partition come in order");
        *next = record.offset + 1;
        *counts.entry(word).or_insert(0) += 1;
    });
    counts
}

/// Guarantee: what was acknowledged is there after a kill and a restart on the same storage and port; of a transaction
/// that was not committed no reader sees anything; both readers see the same.
#[test]
fn brokers_keep_what_they_acknowledged() {
    let place = Place::empty();
    let Some(mut kafka) = Kafka::start(place.folder()) else { return };
    kafka.create_topic(TOPIC, 3, &["max.message.bytes=2000000"]);
    let mut before = kafka.writer(TOPIC, "from=before", &[]);
    before.write(lines("before", 1_000));
    before.finish();

    kafka.kill(0);
    kafka.restart(0);
    let open = kafka.open_transaction(TOPIC, "one");
    wait_until("the open transaction is written", || kafka.written(TOPIC) >= 1_100);
    open.kill();
    let mut after = kafka.writer(TOPIC, "from=after", &["transactional.id=one"]);
    after.write(lines("after", 200));
    after.finish();

    assert_eq!(read(&kafka), BTreeMap::from([("after".to_owned(), 200), ("before".to_owned(), 1_000)]));
    let mut places = Vec::new();
    kafka.read(TOPIC, |record| places.push((record.partition, record.offset)));
    places.sort_unstable();
    assert_eq!(kafka.read_with_java(TOPIC, places.len()), places);
}

/// Guarantee: each fault of a network, and a broker that is stopped, strikes a writer and loses nothing of it.
#[test]
fn a_network_fails_as_told_and_recovers() {
    let place = Place::empty();
    let Some(network) = Network::make() else { return };
    let Some(mut kafka) = Kafka::behind(place.folder(), network) else { return };
    kafka.create_topic(TOPIC, 1, &[]);
    let mut expected = BTreeMap::new();
    for (name, strike) in FAULTS {
        let (before, mut count) = (kafka.written(TOPIC), 100);
        let mut writer = kafka.writer(TOPIC, &format!("from={name}"), &[]);
        writer.write(lines(name, count));
        wait_until("the writer is connected", || kafka.written(TOPIC) > before);
        let fault = strike(kafka.network());
        wait_until("the fault strikes", || {
            writer.write(lines(name, 100));
            count += 100;
            fault.packets() > 0
        });
        drop(fault);
        writer.finish();
        expected.insert(name.to_owned(), count);
    }
    let mut writer = kafka.writer(TOPIC, "from=stopped", &[]);
    kafka.suspend(0);
    writer.write(lines("stopped", 1_000));
    kafka.resume(0);
    writer.finish();
    expected.insert("stopped".to_owned(), 1_000);
    assert_eq!(read(&kafka), expected);
}

type Strike = fn(&Network) -> NetworkFault<'_>;

const FAULTS: [(&str, Strike); 3] =
    [("loss", |network| network.lose(30)), ("black_hole", Network::swallow), ("resets", Network::reset)];
