//! A mock cluster, and what arrived there.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sink_kafka::{KafkaOptions, Key, Profile, Transactions};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// The topic of most tests.
pub(crate) const TOPIC: &str = "alerts";

type Question = Box<dyn FnOnce(&Mock) + Send>;
type Mock = MockCluster<'static, DefaultProducerContext>;

/// A cluster of one broker, which lives on a thread of its own.
pub(crate) struct Cluster {
    asked: Sender<Question>,
    brokers: String,
    partitions: i32,
}

impl Cluster {
    /// A cluster with one topic.
    pub(crate) async fn start(topic: &'static str, partitions: i32) -> Self {
        let (asked, questions) = channel::<Question>();
        std::thread::spawn(move || {
            let mock = MockCluster::new(1).unwrap();
            questions.into_iter().for_each(|question| question(&mock));
        });
        let mut cluster = Self { asked, brokers: String::new(), partitions };
        cluster.brokers = cluster.ask(|mock| mock.bootstrap_servers()).await;
        cluster.ask(move |mock| mock.create_topic(topic, partitions, 1).unwrap()).await;
        cluster
    }

    /// Does something to the cluster.
    pub(crate) async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Mock) -> T + Send + 'static) -> T {
        let (told, answer) = oneshot::channel();
        self.asked.send(Box::new(move |mock| drop(told.send(question(mock))))).unwrap();
        answer.await.unwrap()
    }

    /// Options for a sink onto the topic, impatient for tests.
    pub(crate) fn options(&self) -> KafkaOptions {
        let quick = ["retry.backoff.ms", "reconnect.backoff.ms", "reconnect.backoff.max.ms", "linger.ms"];
        let mut properties: BTreeMap<_, _> = quick.map(|name| (name.to_owned(), "5".to_owned())).into();
        properties.insert("retry.backoff.max.ms".to_owned(), "20".to_owned());
        KafkaOptions {
            brokers: vec![self.brokers.clone()],
            profile: Profile::Kafka,
            topics: HashMap::new(),
            topic: Some(TOPIC.to_owned()),
            key: Key::Tenant,
            compression: None,
            tls: None,
            sasl: None,
            client_id: "atp-forwarder".to_owned(),
            give_up_after: Duration::from_secs(20),
            flush_within: Duration::from_secs(3),
            transactions: None,
            properties,
        }
    }

    /// Lets the broker go away, or come back.
    pub(crate) async fn set_broken(&mut self, broken: bool) {
        self.ask(move |mock| if broken { mock.broker_down(1) } else { mock.broker_up(1) }.unwrap()).await;
    }

    /// Whether nothing has arrived at all, once the broker is back.
    pub(crate) async fn arrived_nothing(&mut self) -> bool {
        self.set_broken(false).await;
        self.arrived().await.is_empty()
    }

    /// Options for a sink that is transactional. Its marks go to the topic of the records, which has one partition: the
    /// mock shows what was aborted as well, and so what comes last stands behind all that came before it, or is not
    /// there.
    pub(crate) fn transactional(&self) -> KafkaOptions {
        let transactions = Transactions { id: "lane".to_owned(), marks_topic: TOPIC.to_owned() };
        // The first of them waits for what the mock does not say: what its topics take.
        KafkaOptions { transactions: Some(transactions), flush_within: Duration::from_secs(30), ..self.options() }
    }

    /// The payloads of the records in the topic, partition after partition.
    pub(crate) async fn arrived(&self) -> Vec<Vec<u8>> {
        let (brokers, partitions) = (self.brokers.clone(), self.partitions);
        spawn_blocking(move || read(&brokers, partitions)).await.unwrap()
    }
}

fn read(brokers: &str, partitions: i32) -> Vec<Vec<u8>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut payloads = vec![Vec::new(); partitions as usize];
    let mut ended = 0;
    while ended < partitions {
        match consumer.poll(Duration::from_secs(10)).expect("the cluster answers") {
            // Marks have no headers.
            Ok(message) if message.headers().is_none() => {}
            Ok(message) => {
                payloads[message.partition() as usize].push(message.payload().unwrap_or_default().to_vec());
            }
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{error}"),
        }
    }
    payloads.into_iter().flatten().collect()
}
