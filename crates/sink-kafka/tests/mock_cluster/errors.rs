//! Every error that a broker can answer to what a producer asks.

use std::collections::HashSet;
use std::sync::OnceLock;

use rdkafka::types::RDKafkaApiKey;
use rdkafka::types::RDKafkaRespErr::{self, *};
use sink::Record;
use sink::suite::record;
use sink_kafka::IdempotentSink;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, TOPIC};
use crate::lane::{Delivered, deliver};

/// Codes that pass by themselves (Kafka protocol, error codes, retriable), and a connection that is cut.
const RETRIABLE: [RDKafkaRespErr; 17] = [
    RD_KAFKA_RESP_ERR__TRANSPORT,
    RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
    RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
    RD_KAFKA_RESP_ERR_INVALID_MSG,
    RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
    RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
    RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
];

/// Codes that end a set, a transaction or a producer. With DUPLICATE_SEQUENCE_NUMBER a broker says that it has the set
/// already, and the mock would say so of what it has not.
const FINAL: [RDKafkaRespErr; 21] = [
    RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
    RD_KAFKA_RESP_ERR_INVALID_REQUEST,
    RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS,
    RD_KAFKA_RESP_ERR_INVALID_TXN_STATE,
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
    RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
    RD_KAFKA_RESP_ERR_SECURITY_DISABLED,
    RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
    RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_UNKNOWN,
    RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE,
    RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
    RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION,
];

/// Codes that refuse a set for the fault of a record.
const REFUSING: [RDKafkaRespErr; 5] = [
    RD_KAFKA_RESP_ERR_INVALID_RECORD,
    RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
    RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
];

const BATCHES: usize = 12;
const RECORDS: usize = 5;

fn batches() -> Vec<Vec<Record>> {
    let batch = |number| (0..RECORDS).map(|place| record(&format!("{:04}", number * RECORDS + place))).collect();
    (0..BATCHES).map(batch).collect()
}

/// Delivers while the cluster answers the next requests of a kind so.
async fn deliver_through(api: RDKafkaApiKey, errors: Vec<RDKafkaRespErr>) -> (Delivered, Vec<Vec<u8>>, u64) {
    let cluster = Cluster::start(TOPIC, 1).await;
    let mut sink = IdempotentSink::new(&cluster.options()).unwrap();
    cluster.ask(move |mock| mock.request_errors(api, &errors)).await;
    let delivered = deliver(&mut sink, batches()).await;
    (delivered, cluster.arrived().await, sink.rebuilds())
}

/// All are there, and none of them came for the first time after one that stands behind it.
fn assert_whole(what: &str, arrived: &[Vec<u8>], rebuilds: u64) {
    let mut seen = HashSet::new();
    let first_sights: Vec<&Vec<u8>> = arrived.iter().filter(|payload| seen.insert(payload.to_vec())).collect();
    assert_eq!(first_sights.len(), BATCHES * RECORDS, "{what}: none is lost");
    assert!(first_sights.is_sorted(), "{what}: none has overtaken another");
    assert!(rebuilds > 0 || arrived.len() == first_sights.len(), "{what}: none is there twice without a new producer");
}

/// Scenario: each error, on one request, on two in a row and again after a success, while batches are on their way.
/// Guarantee: nothing is lost, refused or reordered; nothing is there twice but what a failed producer had in flight.
async fn nothing_is_lost_through(api: RDKafkaApiKey, errors: &'static [RDKafkaRespErr]) {
    let mut clusters = JoinSet::new();
    for error in errors {
        clusters.spawn(async move {
            let errors = vec![*error, *error, RD_KAFKA_RESP_ERR_NO_ERROR, *error];
            let what = format!("{api:?} {error:?}");
            let (delivered, arrived, rebuilds) = deliver_through(api, errors).await;
            assert_eq!((delivered.settled, delivered.refused.len()), (BATCHES * RECORDS, 0), "{what}");
            assert_whole(&what, &arrived, rebuilds);
        });
    }
    clusters.join_all().await;
}

/// Scenario: each error in each step of a transaction, as above. Guarantee: nothing is lost, refused or reordered. (The
/// mock shows what was aborted, so it cannot say that nothing is there twice.)
async fn no_transaction_loses_a_record_through(api: RDKafkaApiKey, errors: &'static [RDKafkaRespErr]) {
    let mut clusters = JoinSet::new();
    for error in errors {
        clusters.spawn(async move {
            let what = format!("{api:?} {error:?}");
            let cluster = Cluster::start(TOPIC, 1).await;
            let mut sink = sink_kafka::open(&cluster.transactional()).unwrap();
            sink.marks().await.unwrap();
            let errors = vec![*error, *error, RD_KAFKA_RESP_ERR_NO_ERROR, *error];
            cluster.ask(move |mock| mock.request_errors(api, &errors)).await;
            let delivered = deliver(&mut *sink, batches()).await;
            assert_eq!((delivered.settled, delivered.refused.len()), (BATCHES * RECORDS, 0), "{what}");
            assert_whole(&what, &cluster.arrived().await, 1);
        });
    }
    clusters.join_all().await;
}

/// What a step of a transaction can be answered with.
fn all_errors() -> &'static [RDKafkaRespErr] {
    static ALL: OnceLock<Vec<RDKafkaRespErr>> = OnceLock::new();
    ALL.get_or_init(|| RETRIABLE.iter().chain(&FINAL).copied().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_of_produce_loses_a_record_of_a_transaction() {
    no_transaction_loses_a_record_through(RDKafkaApiKey::Produce, all_errors()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_of_init_loses_a_record_of_a_transaction() {
    no_transaction_loses_a_record_through(RDKafkaApiKey::InitProducerId, all_errors()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_of_adding_partitions_loses_a_record_of_a_transaction() {
    no_transaction_loses_a_record_through(RDKafkaApiKey::AddPartitionsToTxn, all_errors()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_of_commit_loses_a_record_of_a_transaction() {
    no_transaction_loses_a_record_through(RDKafkaApiKey::EndTxn, all_errors()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_retriable_error_of_produce_loses_a_record() {
    nothing_is_lost_through(RDKafkaApiKey::Produce, &RETRIABLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_final_error_of_produce_loses_a_record() {
    nothing_is_lost_through(RDKafkaApiKey::Produce, &FINAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_retriable_error_of_init_loses_a_record() {
    nothing_is_lost_through(RDKafkaApiKey::InitProducerId, &RETRIABLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_final_error_of_init_loses_a_record() {
    nothing_is_lost_through(RDKafkaApiKey::InitProducerId, &FINAL).await;
}

/// Scenario: a broker refuses the set that a record is in, and then the record alone. Guarantee: one record is refused,
/// with the broker's reason, and all others arrive once, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_set_costs_one_record() {
    let mut clusters = JoinSet::new();
    for error in REFUSING {
        clusters.spawn(async move {
            let (delivered, arrived, rebuilds) = deliver_through(RDKafkaApiKey::Produce, vec![error, error]).await;
            assert_eq!(delivered.refused.len(), 1, "{error:?}: {:?}", delivered.refused);
            assert!(!delivered.refused[0].1.is_empty());
            assert_eq!(delivered.settled, BATCHES * RECORDS - 1, "{error:?}");
            let mut whole = arrived.clone();
            whole.push(delivered.refused[0].0.clone());
            whole.sort();
            assert_whole(&format!("{error:?}"), &whole, rebuilds);
            assert!(arrived.is_sorted(), "{error:?}: order is kept");
        });
    }
    clusters.join_all().await;
}
