//! The bare producer: librdkafka with the sink's settings, and a number of what is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use sink::Record;

use crate::{BATCH, MARKS_TOPIC, TOPIC, WINDOW};

struct Count(Arc<AtomicUsize>);

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "the cluster takes everything");
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Sends all records and waits until the cluster has them.
pub(crate) fn send(brokers: &str, records: &[Arc<[Record]>]) {
    let open = Arc::new(AtomicUsize::new(0));
    let producer = producer(brokers, &open, &[("enable.gapless.guarantee", "true"), ("linger.ms", "50")]);
    for records in records {
        while open.load(Ordering::Acquire) > WINDOW - BATCH {
            sleep(Duration::from_millis(1));
        }
        open.fetch_add(records.len(), Ordering::AcqRel);
        produce(&producer, records);
    }
    producer.flush(WITHIN).expect("the cluster takes everything");
}

/// Sends all records in transactions, each with one mark, and waits until the cluster has them.
pub(crate) fn send_in_transactions(brokers: &str, records: &[Arc<[Record]>]) {
    let open = Arc::new(AtomicUsize::new(0));
    let producer = producer(brokers, &open, &[("transactional.id", "bare"), ("linger.ms", "5")]);
    producer.init_transactions(WITHIN).expect("the cluster gives an id");
    for records in records {
        open.fetch_add(records.len() + 1, Ordering::AcqRel);
        producer.begin_transaction().expect("a transaction begins");
        produce(&producer, records);
        let mark = BaseRecord::to(MARKS_TOPIC).partition(0).key("queue 1").payload(&[7; 28][..]);
        producer.send(mark).map_err(|(error, _)| error).expect("there is room");
        producer.commit_transaction(WITHIN).expect("the cluster commits");
    }
}

fn producer(brokers: &str, open: &Arc<AtomicUsize>, settings: &[(&str, &str)]) -> ThreadedProducer<Count> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("compression.type", "zstd");
    config.set("batch.size", "1000000").set("partitioner", "murmur2_random");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config.create_with_context(Count(Arc::clone(open))).expect("the settings are right")
}

fn produce(producer: &ThreadedProducer<Count>, records: &[Record]) {
    for record in records {
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(Header { key: "recordId", value: Some("00000000000000000000000000000000") })
            .insert(Header { key: "tenant", value: Some(&*record.tenant) })
            .insert(Header { key: "updated", value: Some("2026-11-01T00:00:00.000Z") });
        let message = BaseRecord::to(TOPIC)
            .key(&*record.tenant)
            .payload(&record.payload[..])
            .timestamp(record.time.timestamp_millis())
            .headers(headers);
        producer.send(message).map_err(|(error, _)| error).expect("there is room");
    }
}

const WITHIN: Duration = Duration::from_secs(60);
