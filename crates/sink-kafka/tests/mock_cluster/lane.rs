//! A lane as the contract asks for it: what is open goes again, first and in its old order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sink::{Batch, BatchId, Fate, Fates, Record, Sink};
use tokio::time::{sleep, timeout};

/// What became of records that were all brought to an end.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    pub(crate) settled: usize,
    /// Payloads of those that were refused, with the reasons.
    pub(crate) refused: Vec<(Vec<u8>, String)>,
    /// Answers that left something open.
    pub(crate) failures: usize,
}

/// Hands over records until each is settled or refused.
pub(crate) async fn deliver(sink: &mut dyn Sink, batches: Vec<Vec<Record>>) -> Delivered {
    let mut ready: VecDeque<Vec<Record>> = batches.into();
    let (mut outstanding, mut failed) = (BTreeMap::new(), BTreeMap::new());
    let mut delivered = Delivered::default();
    for id in 0.. {
        while !outstanding.is_empty()
            && (!failed.is_empty() || outstanding.len() == sink.limits().outstanding || ready.is_empty())
        {
            let answer = timeout(Duration::from_secs(60), sink.answer()).await.expect("a batch is answered");
            let records: Vec<Record> = outstanding.remove(&answer.batch).expect("a batch is answered once");
            let open = delivered.account(records, answer.fates);
            if !open.is_empty() {
                failed.insert(answer.batch, open);
            }
        }
        if outstanding.is_empty() && !failed.is_empty() {
            sleep(Duration::from_millis(10)).await;
            for records in std::mem::take(&mut failed).into_values().rev() {
                ready.push_front(records);
            }
        }
        let Some(records) = ready.pop_front() else { break };
        let batch = Batch::new(BatchId(id), records.clone().into());
        match sink.send(batch).await {
            Ok(()) => drop(outstanding.insert(BatchId(id), records)),
            Err(_) => drop(failed.insert(BatchId(id), records)),
        }
    }
    delivered
}

impl Delivered {
    /// Returns what is open.
    fn account(&mut self, records: Vec<Record>, fates: Fates) -> Vec<Record> {
        let fates = match fates {
            Fates::Each(fates) => fates,
            Fates::Open(_) => {
                self.failures += 1;
                return records;
            }
            Fates::Settled => records.iter().map(|_| Fate::Settled).collect(),
        };
        assert_eq!(fates.len(), records.len(), "one fate for each record");
        let mut open = Vec::new();
        for (record, fate) in records.into_iter().zip(fates) {
            match fate {
                Fate::Open(_) => open.push(record),
                Fate::Refused(reason) => self.refused.push((record.payload.to_vec(), reason)),
                Fate::Settled => self.settled += 1,
            }
        }
        self.failures += usize::from(!open.is_empty());
        open
    }
}
