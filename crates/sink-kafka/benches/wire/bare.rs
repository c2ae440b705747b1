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

use crate::{BATCH, TOPIC, WINDOW};

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
    let producer: ThreadedProducer<Count> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("enable.gapless.guarantee", "true")
        .set("compression.type", "zstd")
        .set("linger.ms", "50")
        .set("batch.size", "1000000")
        .set("partitioner", "murmur2_random")
        .create_with_context(Count(Arc::clone(&open)))
        .expect("the settings are right");
    for records in records {
        while open.load(Ordering::Acquire) > WINDOW - BATCH {
            sleep(Duration::from_millis(1));
        }
        open.fetch_add(records.len(), Ordering::AcqRel);
        for record in records.iter() {
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
    producer.flush(Duration::from_secs(60)).expect("the cluster takes everything");
}
