//! A lane in small: it keeps what is not settled, sends it again, and halves what is too large.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fault::{Fault, Verdict};
use secrecy::SecretString;
use sink::{Batch, BatchId, Fate, Fates, Record, Sink};
use sink_splunk_hec::stand_in::{Event, StandIn};
use sink_splunk_hec::{Acknowledgement, HecOptions, HecSink, Payload};
use tokio::time::timeout;

/// Options for some collectors. Questions come quickly, and nothing is given up by the clock: what hangs is seen.
pub(crate) fn options(collectors: &[&StandIn], acknowledge: bool) -> HecOptions {
    let urls = collectors.iter().map(|collector| collector.url()).collect();
    let rule = Acknowledgement { ask_after: Duration::from_millis(3), give_up_after: Duration::from_secs(3_600) };
    let token = Arc::new(|| Ok(SecretString::from("token")));
    HecOptions::new(urls, token, Payload::JsonObject, acknowledge.then_some(rule))
}

/// What became of some records.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Payloads that were refused, with the reasons.
    pub(crate) refused: BTreeMap<String, String>,
    /// Faults that kept batches open.
    pub(crate) faults: Vec<Fault>,
    /// Answers that asked for ease.
    pub(crate) eased: usize,
    /// Batches that went on in halves.
    pub(crate) halved: usize,
}

/// Delivers records in batches of this many, until each has its end. Ends at once with a Halt.
pub(crate) async fn deliver(sink: &mut HecSink, records: &[Record], batch: usize) -> Outcome {
    deliver_until(sink, records, batch, true).await
}

/// The same, going on after a Halt as if a person had mended what it asked for.
pub(crate) async fn deliver_past_halts(sink: &mut HecSink, records: &[Record], batch: usize) -> Outcome {
    deliver_until(sink, records, batch, false).await
}

async fn deliver_until(sink: &mut HecSink, records: &[Record], batch: usize, ends_with_halt: bool) -> Outcome {
    let mut waiting: VecDeque<Arc<[Record]>> = records.chunks(batch).map(Arc::from).collect();
    let mut outstanding = HashMap::new();
    let mut outcome = Outcome::default();
    let mut next = 0;
    while !waiting.is_empty() || !outstanding.is_empty() {
        while outstanding.len() < sink.limits().outstanding
            && let Some(records) = waiting.pop_front()
        {
            next += 1;
            outstanding.insert(BatchId(next), Arc::clone(&records));
            sink.send(Batch::new(BatchId(next), records)).await.unwrap();
        }
        let answer = timeout(Duration::from_secs(90), sink.answer()).await.expect("every batch is answered");
        let records = outstanding.remove(&answer.batch).expect("a batch is answered once");
        outcome.eased += usize::from(answer.ease.is_some());
        match answer.fates {
            Fates::Settled => {}
            Fates::Open(fault) if ends_with_halt && fault.verdict() == Verdict::Halt => {
                outcome.faults.push(fault);
                return outcome;
            }
            Fates::Open(fault) if fault.verdict() == Verdict::Reject => match &records[..] {
                [alone] => drop(outcome.refused.insert(text(alone), fault.to_string())),
                several => {
                    outcome.halved += 1;
                    let (first, rest) = several.split_at(several.len() / 2);
                    waiting.push_front(rest.into());
                    waiting.push_front(first.into());
                }
            },
            Fates::Open(fault) => {
                outcome.faults.push(fault);
                waiting.push_front(records);
            }
            Fates::Each(fates) => {
                assert_eq!(fates.len(), records.len(), "one fate for each record");
                let mut open = Vec::new();
                for (record, fate) in records.iter().zip(fates) {
                    match fate {
                        Fate::Settled => {}
                        Fate::Refused(reason) => drop(outcome.refused.insert(text(record), reason)),
                        Fate::Open(fault) => {
                            assert_ne!(fault.verdict(), Verdict::Reject, "this would make a dead letter");
                            outcome.faults.push(fault);
                            open.push(record.clone());
                        }
                    }
                }
                if !open.is_empty() {
                    waiting.push_front(open.into());
                }
            }
        }
    }
    outcome
}

/// Records with these payloads.
pub(crate) fn records(payloads: impl IntoIterator<Item = String>) -> Vec<Record> {
    payloads.into_iter().map(|payload| sink::suite::record(&payload)).collect()
}

/// This many records that can be told apart.
pub(crate) fn numbered(count: usize) -> Vec<Record> {
    records((0..count).map(|number| format!("{{\"number\":{number}}}")))
}

/// Guarantee, checked: each record but the refused is among the events. Returns how many copies there are beside.
pub(crate) fn copies(records: &[Record], events: &[Event], refused: &BTreeMap<String, String>) -> usize {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for event in events {
        *times.entry(&event.event).or_default() += 1;
    }
    let expected = records.iter().map(text).filter(|payload| !refused.contains_key(payload));
    let mut wanted = 0;
    for payload in expected {
        assert!(times.contains_key(&*payload), "lost: {payload}");
        wanted += 1;
    }
    events.len() - wanted
}

fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.payload).into_owned()
}
