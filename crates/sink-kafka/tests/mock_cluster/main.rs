//! The sink against librdkafka's own mock cluster: the suite of the contract, and every error that a broker can answer.
//!
//! The mock knows neither transactions nor what a topic's settings are; what it is good at is errors.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod cluster;
mod errors;
mod lane;

use std::time::Duration;

use async_trait::async_trait;
use fault::Verdict;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use sink::suite::{Harness, batch, record};
use sink::{Batch, Fate, Fates, Mark, Sink, Word};
use sink_kafka::{IdempotentSink, KafkaOptions, Transactions};

use crate::cluster::{Cluster, TOPIC};

struct Mock {
    cluster: Cluster,
    options: KafkaOptions,
}

#[async_trait]
impl Harness for Mock {
    async fn open(&mut self) -> Box<dyn Sink> {
        sink_kafka::open(&self.options).unwrap()
    }

    async fn arrived(&mut self) -> Vec<Vec<u8>> {
        self.cluster.arrived().await
    }

    async fn set_broken(&mut self, broken: bool) {
        self.cluster.set_broken(broken).await;
    }
}

/// Guarantee: the idempotent sink keeps the contract.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_idempotent_sink_passes_the_suite() {
    let cluster = Cluster::start(TOPIC, 1).await;
    sink::suite::run(&mut Mock { options: cluster.options(), cluster }).await;
}

/// Guarantee: the transactional sink keeps the contract.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transactional_sink_passes_the_suite() {
    let cluster = Cluster::start(TOPIC, 1).await;
    sink::suite::run(&mut Mock { options: cluster.transactional(), cluster }).await;
}

/// Scenario: a batch with a record that is too large, or that the broker refuses, and one behind it. Guarantee: the lane
/// is told to send halves of it, with the reason; nothing of it is written, nor of what stands behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_refused_is_halved_and_holds_back_what_is_behind() {
    for is_too_large in [true, false] {
        let cluster = Cluster::start(TOPIC, 1).await;
        let mut sink = sink_kafka::open(&cluster.transactional()).unwrap();
        sink.marks().await.unwrap();
        let guilty = if is_too_large { record(&"x".repeat(1_000_000)) } else { record("guilty") };
        if !is_too_large {
            let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD];
            cluster.ask(move |mock| mock.request_errors(RDKafkaApiKey::Produce, &refusals)).await;
        }
        sink.send(batch(1, vec![record("before"), guilty])).await.unwrap();
        sink.send(batch(2, vec![record("behind")])).await.unwrap();
        let Fates::Open(fault) = sink.answer().await.fates else { panic!("nothing of it is written") };
        assert_eq!(fault.verdict(), Verdict::Reject, "{fault:?}");
        let reason = if is_too_large { "max.message.bytes" } else { "the broker refuses it" };
        assert!(fault.what().contains(reason), "{fault:?}");
        let Fates::Open(fault) = sink.answer().await.fates else { panic!("it stood behind another") };
        assert_eq!(fault.verdict(), Verdict::Retry, "{fault:?}");
        if is_too_large {
            // What the mock was sent it shows, though it was aborted.
            assert_eq!(cluster.arrived().await, Vec::<Vec<u8>>::new());
        }
        sink.send(batch(3, vec![record("again")])).await.unwrap();
        let fates = sink.answer().await.fates;
        assert!(matches!(fates, Fates::Settled), "{fates:?}");
    }
}

/// Guarantee: a transactional sink that finds no broker says which, and what to look at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_finds_no_broker_says_which() {
    let mut cluster = Cluster::start(TOPIC, 1).await;
    cluster.set_broken(true).await;
    let options = cluster.transactional();
    let fault = sink_kafka::open(&options).unwrap().marks().await.unwrap_err();
    assert!(fault.advice().is_some() && format!("{fault:#}").contains(&options.brokers[0]), "{fault:?}");
}

/// Guarantee: marks are given back as they were written last, to whoever begins with the same transactional id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_come_back() {
    let cluster = Cluster::start(TOPIC, 1).await;
    let options = cluster.transactional();
    let mark = |key: &'static str, value: &'static str| Mark { key: key.into(), value: value.into() };
    let mut sink = sink_kafka::open(&options).unwrap();
    assert_eq!(sink.marks().await.unwrap(), Some(vec![]));
    for (id, marks) in [(1, vec![mark("queue 1", "a"), mark("queue 2", "b")]), (2, vec![mark("queue 1", "c")])] {
        sink.send(Batch { marks: marks.into(), ..batch(id, vec![record("x")]) }).await.unwrap();
        assert!(matches!(sink.answer().await.fates, Fates::Settled));
    }
    let mut marks = sink_kafka::open(&options).unwrap().marks().await.unwrap().unwrap();
    marks.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(marks, [mark("queue 1", "c"), mark("queue 2", "b")]);
    let other = Transactions { id: "other lane".to_owned(), marks_topic: TOPIC.to_owned() };
    let other = KafkaOptions { transactions: Some(other), ..options };
    assert_eq!(sink_kafka::open(&other).unwrap().marks().await.unwrap(), Some(vec![]));
}

/// Guarantee: a cluster that does not say how many replicas must have a record is not called durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_known_to_be_replicated_is_accepted() {
    let cluster = Cluster::start(TOPIC, 1).await;
    let mut sink = IdempotentSink::new(&cluster.options()).unwrap();
    sink.send(batch(1, vec![record("x")])).await.unwrap();
    sink.answer().await;
    assert_eq!(sink.word(), Word::Accepted);
}

/// Scenario: a record larger than the topic takes, between two that fit. Guarantee: it alone is refused, with both sizes
/// in the reason, and it is never sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_is_refused_alone() {
    let cluster = Cluster::start(TOPIC, 1).await;
    let mut sink = IdempotentSink::new(&cluster.options()).unwrap();
    let records = vec![record("before"), record(&"x".repeat(1_000_000)), record("after")];
    sink.send(batch(1, records)).await.unwrap();
    let Fates::Each(fates) = sink.answer().await.fates else { panic!("one of them is refused") };
    assert!(matches!(&fates[..], [Fate::Settled, Fate::Refused(reason), Fate::Settled] if reason.contains("1000000")));
    assert_eq!(cluster.arrived().await, [b"before".to_vec(), b"after".to_vec()]);
    assert_eq!(sink.rebuilds(), 0);
}

/// Scenario: brokers go away and come back before the sink gives up. Guarantee: everything arrives once, in order, and
/// no producer is thrown away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_passes_costs_nothing() {
    let mut cluster = Cluster::start(TOPIC, 1).await;
    let mut sink =
        IdempotentSink::new(&KafkaOptions { flush_within: Duration::from_secs(30), ..cluster.options() }).unwrap();
    sink.send(batch(0, vec![record("first")])).await.unwrap();
    sink.answer().await;
    cluster.set_broken(true).await;
    for id in 1..5 {
        sink.send(batch(id, vec![record(&format!("{id}"))])).await.unwrap();
    }
    assert!(tokio::time::timeout(Duration::from_millis(500), sink.answer()).await.is_err(), "nothing is written now");
    cluster.set_broken(false).await;
    sink.flush().await;
    for _ in 1..5 {
        assert!(matches!(sink.answer().await.fates, Fates::Settled));
    }
    assert_eq!(cluster.arrived().await, ["first", "1", "2", "3", "4"].map(|text| text.as_bytes().to_vec()));
    assert_eq!(sink.rebuilds(), 0);
}

/// Scenario: brokers stay away. Guarantee: the sink gives up what is outstanding and says what connections fail of; what
/// is sent before that is heard is left open as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_stays_leaves_all_open() {
    let mut cluster = Cluster::start(TOPIC, 1).await;
    let mut sink =
        IdempotentSink::new(&KafkaOptions { give_up_after: Duration::from_secs(2), ..cluster.options() }).unwrap();
    sink.send(batch(0, vec![record("first")])).await.unwrap();
    sink.answer().await;
    cluster.set_broken(true).await;
    for id in 1..4 {
        sink.send(batch(id, vec![record("through a broken destination")])).await.unwrap();
    }
    let first = sink.answer().await;
    sink.send(batch(4, vec![record("in ignorance")])).await.unwrap();
    let mut answers = vec![first];
    for _ in 0..3 {
        answers.push(sink.answer().await);
    }
    for (id, answer) in (1..).zip(&answers) {
        assert_eq!(answer.batch.0, id);
        let Fates::Open(fault) = &answer.fates else { panic!("it is open: {answer:?}") };
        assert!(fault.advice().is_some() && format!("{fault:#}").contains("127.0.0.1"), "{fault:?}");
    }
    assert_eq!(sink.rebuilds(), 1);
}

/// Guarantee: a probe of brokers that answer passes, and one of brokers that do not says why, with advice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_says_what_is_wrong() {
    let mut cluster = Cluster::start(TOPIC, 1).await;
    let mut sink = IdempotentSink::new(&cluster.options()).unwrap();
    sink.probe().await.unwrap();
    cluster.set_broken(true).await;
    let fault = sink.probe().await.unwrap_err();
    assert!(fault.advice().is_some(), "{fault:?}");
    assert!(cluster.arrived_nothing().await);
}
