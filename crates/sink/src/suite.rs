//! The suite that every sink runs against itself, with the feature `suite`.
//!
//! A sink's own test makes a [`Harness`] around its destination and calls [`run`]. Each check names the guarantee that
//! it holds the sink to, and panics where it is broken.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;

use crate::{Answer, Batch, BatchId, Fate, Fates, Record, Severity, Sink};

/// A destination under test.
#[async_trait]
pub trait Harness: Send {
    /// Opens a sink onto the destination, as a fresh start of the process would.
    async fn open(&mut self) -> Box<dyn Sink>;

    /// The payloads that arrived so far, in the order of their arrival.
    async fn arrived(&mut self) -> Vec<Vec<u8>>;

    /// Makes the destination refuse everything, or take everything again.
    async fn set_broken(&mut self, broken: bool);

    /// Whether the sink can know that its destination is broken. A datagram is gone once it is sent.
    fn breaks_visibly(&self) -> bool {
        true
    }
}

/// Holds a sink to its contract.
///
/// # Panics
/// Where a guarantee is broken.
pub async fn run(harness: &mut dyn Harness) {
    settled_records_have_arrived_once_and_in_order(harness).await;
    flush_answers_everything_outstanding(harness).await;
    an_answer_is_not_lost_with_the_call_for_it(harness).await;
    no_answer_comes_unasked(harness).await;
    payloads_arrive_byte_for_byte(harness).await;
    if harness.breaks_visibly() {
        nothing_is_settled_while_the_destination_is_broken(harness).await;
    }
}

/// Guarantee: what is answered as settled has arrived, once, in the order in which it was handed over.
async fn settled_records_have_arrived_once_and_in_order(harness: &mut dyn Harness) {
    let before = harness.arrived().await.len();
    let mut sink = harness.open().await;
    let mut handed = Vec::new();
    let mut numbers = 0..;
    for round in 0..20_u64 {
        let records: Vec<Record> = numbers.by_ref().take(7).map(|n: u64| record(&format!("ordered {n}"))).collect();
        handed.extend(records.iter().map(|record| record.payload.to_vec()));
        assert_settled(&mut *sink, batch(round, records)).await;
    }
    assert_eq!(harness.arrived().await.split_off(before), handed, "settled records are those that arrived");
}

/// Guarantee: after a flush every batch handed over has its answer ready, and each has exactly one.
async fn flush_answers_everything_outstanding(harness: &mut dyn Harness) {
    let mut sink = harness.open().await;
    let outstanding = sink.limits().outstanding as u64;
    for id in 0..outstanding {
        sink.send(batch(id, vec![record("flushed")])).await.expect("a whole destination takes a batch");
    }
    sink.flush().await;
    let mut answers = HashMap::new();
    for _ in 0..outstanding {
        let answer = ready_answer(&mut *sink).await.expect("a flushed batch has its answer ready");
        *answers.entry(answer.batch).or_insert(0) += 1;
    }
    assert_eq!(answers.len() as u64, outstanding, "each batch is answered");
    assert!(answers.values().all(|count| *count == 1), "no batch is answered twice");
}

/// Guarantee: a call for an answer that is dropped, which the lane does at every turn, loses none.
async fn an_answer_is_not_lost_with_the_call_for_it(harness: &mut dyn Harness) {
    let mut sink = harness.open().await;
    sink.send(batch(1, vec![record("asked for twice")])).await.expect("a whole destination takes a batch");
    if tokio::time::timeout(Duration::ZERO, sink.answer()).await.is_ok() {
        return;
    }
    sink.flush().await;
    let answer = ready_answer(&mut *sink).await.expect("a flushed batch has its answer ready");
    assert_eq!(answer.batch, BatchId(1));
}

/// Guarantee: a sink with nothing outstanding says nothing, and waiting for it loses nothing.
async fn no_answer_comes_unasked(harness: &mut dyn Harness) {
    let mut sink = harness.open().await;
    assert!(ready_answer(&mut *sink).await.is_none(), "nothing is outstanding, yet there is an answer");
    assert_settled(&mut *sink, batch(1, vec![record("after waiting")])).await;
}

/// Guarantee: a payload of any one line arrives byte for byte.
async fn payloads_arrive_byte_for_byte(harness: &mut dyn Harness) {
    let before = harness.arrived().await.len();
    let mut sink = harness.open().await;
    let payloads =
        ["", " leading and trailing ", "tab\there", "zażółć 🚨 \u{202e}gpj", "%s %d \\n \"]|=^", "<134>1 - - - - -"];
    let payloads: Vec<&str> = payloads.into_iter().filter(|payload| !payload.is_empty()).collect();
    let records = payloads.iter().map(|payload| record(payload)).collect();
    assert_settled(&mut *sink, batch(1, records)).await;
    let arrived = harness.arrived().await.split_off(before);
    assert_eq!(arrived, payloads.iter().map(|payload| payload.as_bytes().to_vec()).collect::<Vec<_>>());
}

/// Guarantee: a broken destination settles nothing and refuses nothing; once it is whole, sending again arrives.
async fn nothing_is_settled_while_the_destination_is_broken(harness: &mut dyn Harness) {
    let mut sink = harness.open().await;
    let before = harness.arrived().await.len();
    harness.set_broken(true).await;
    let lost = batch(1, vec![record("through a broken destination")]);
    if sink.send(lost.clone()).await.is_ok() {
        sink.flush().await;
        let answer = ready_answer(&mut *sink).await.expect("a flushed batch has its answer ready");
        assert!(matches!(answer.fates, Fates::Open(_)), "a broken destination leaves all open: {answer:?}");
    }
    harness.set_broken(false).await;
    for attempt in 2..50 {
        if sink.send(Batch::new(BatchId(attempt), Arc::clone(&lost.records))).await.is_ok() {
            sink.flush().await;
            let answer = ready_answer(&mut *sink).await.expect("a flushed batch has its answer ready");
            if matches!(answer.fates, Fates::Settled) {
                assert!(harness.arrived().await.len() > before, "a settled record has arrived");
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the destination is whole again, yet the sink settles nothing");
}

/// A record for a suite or a test of a sink.
pub fn record(payload: &str) -> Record {
    Record {
        id: [7; 16],
        tenant: Arc::from("contoso"),
        alert: Bytes::from_static(b"da637472900382838869_1364969609"),
        device: Bytes::from_static(b"desktop-2.contoso.com"),
        updated: DateTime::from_timestamp_millis(1_605_917_000_000).expect("a time in range"),
        time: DateTime::from_timestamp_millis(1_605_917_000_000).expect("a time in range"),
        severity: Severity::Medium,
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

/// A batch for a suite or a test of a sink.
pub fn batch(id: u64, records: Vec<Record>) -> Batch {
    Batch::new(BatchId(id), records.into())
}

async fn assert_settled(sink: &mut dyn Sink, batch: Batch) {
    let (id, count) = (batch.id, batch.records.len());
    sink.send(batch).await.expect("a whole destination takes a batch");
    sink.flush().await;
    let answer = ready_answer(sink).await.expect("a flushed batch has its answer ready");
    assert_eq!(answer.batch, id, "the answer names the batch that was handed over");
    match answer.fates {
        Fates::Settled => {}
        Fates::Each(fates) => {
            assert_eq!(fates.len(), count, "one fate for each record");
            assert!(fates.iter().all(|fate| matches!(fate, Fate::Settled)), "all are settled: {fates:?}");
        }
        Fates::Open(fault) => panic!("a whole destination settles: {fault:?}"),
    }
}

/// The answer that is there already, if any.
async fn ready_answer(sink: &mut dyn Sink) -> Option<Answer> {
    tokio::time::timeout(Duration::from_millis(50), sink.answer()).await.ok()
}
