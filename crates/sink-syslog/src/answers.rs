//! The way back to the lane, and what a failure means for batches that are handed over before it is heard of.

use fault::Fault;
use sink::{Answer, Batch, Fates};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedSender;

/// A batch that is handed over.
pub(crate) struct Handed {
    pub(crate) batch: Batch,
    /// The failures that the lane had heard of when it sent this: what it sent in ignorance of one must not overtake
    /// what that failure has left open.
    pub(crate) failures_heard: u64,
    /// Let go once there is room for another batch.
    pub(crate) room: OwnedSemaphorePermit,
}

/// An answer, with the number of failures up to it.
pub(crate) struct Told {
    pub(crate) answer: Answer,
    pub(crate) failures: u64,
}

/// The way back to the lane.
pub(crate) struct Answers {
    told: UnboundedSender<Told>,
    failures: u64,
    last_fault: Option<Fault>,
}

impl Answers {
    pub(crate) fn new(told: UnboundedSender<Told>) -> Self {
        Self { told, failures: 0, last_fault: None }
    }

    pub(crate) fn tell(&self, answer: Answer) {
        // A sink that is gone needs no answer.
        let _ = self.told.send(Told { answer, failures: self.failures });
    }

    /// Tells what a failure has left open, behind what was settled before it. The lane has heard of the failure only
    /// with the first open answer: what it sends after a settled one could otherwise overtake what is open.
    pub(crate) fn fail(&mut self, fault: &Fault, answers: Vec<Answer>) {
        let mut answers = answers.into_iter().peekable();
        while let Some(settled) = answers.next_if(|answer| matches!(answer.fates, Fates::Settled)) {
            self.tell(settled);
        }
        if answers.peek().is_some() {
            self.failures += 1;
            self.last_fault = Some(fault.clone());
        }
        answers.for_each(|answer| self.tell(answer));
    }

    /// The batch, unless it was sent in ignorance of a failure: then it is left open as well.
    pub(crate) fn admit(&self, handed: Handed) -> Option<(Batch, OwnedSemaphorePermit)> {
        match &self.last_fault {
            Some(fault) if handed.failures_heard < self.failures => {
                self.tell(Answer { batch: handed.batch.id, fates: Fates::Open(fault.clone()), ease: None });
                None
            }
            _ => Some((handed.batch, handed.room)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sink::BatchId;
    use sink::suite::{batch, record};
    use tokio::sync::Semaphore;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn handed(id: u64, failures_heard: u64) -> Handed {
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Handed { batch: batch(id, vec![record("x")]), failures_heard, room }
    }

    /// Scenario: a failure leaves the second of two batches open. The lane hears that the first is settled, and sends a
    /// third before it hears of the second.
    /// Guarantee: the third is left open too, so that it does not overtake the second.
    #[test]
    fn what_is_sent_after_a_settled_answer_does_not_overtake_an_open_one() {
        let (telling, mut told) = unbounded_channel();
        let mut answers = Answers::new(telling);
        let lost = Fault::retry("lost");
        let answer = |id, fates| Answer { batch: BatchId(id), fates, ease: None };
        answers.fail(&lost, vec![answer(0, Fates::Settled), answer(1, Fates::Open(lost.clone()))]);
        let settled = told.try_recv().unwrap();
        assert!(answers.admit(handed(2, settled.failures)).is_none());
        let open = told.try_recv().unwrap();
        assert_eq!(open.answer.batch.0, 1);
        assert!(answers.admit(handed(3, open.failures)).is_some(), "the failure was heard of");
    }
}
