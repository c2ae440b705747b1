//! Queues that a fault holds back, each by itself: what is wrong for one tenant costs no other.

use std::collections::BTreeMap;
use std::time::Duration;

use fault::{BackOff, Fault, Verdict, Waits};
use journal::QueueId;
use tokio::time::Instant;

/// The queues that are held back, or were until a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    queues: BTreeMap<QueueId, Hold>,
}

/// A queue that a fault holds back.
#[derive(Debug)]
struct Hold {
    waits: Waits,
    fault: Fault,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The reader is to be told.
    New(Instant),
    /// It is not read before.
    Until(Instant),
    /// It is read again, and nothing was heard of it yet.
    Tried,
}

impl Holds {
    /// Holds a queue back. Says whether that is news, and for how long; `None` where it is held already.
    pub(crate) fn hold(&mut self, queue: QueueId, fault: &Fault, now: Instant) -> Option<Duration> {
        let hold = self.queues.entry(queue).or_insert_with(|| Hold {
            waits: BACK_OFF.waits(),
            fault: fault.clone(),
            stage: Stage::Tried,
        });
        if hold.stage != Stage::Tried {
            return None;
        }
        let wait = hold.waits.next(fault);
        hold.stage = Stage::New(now + wait);
        hold.fault = fault.clone();
        Some(wait)
    }

    /// Whether nothing of a queue is to be sent.
    pub(crate) fn is_held(&self, queue: QueueId) -> bool {
        self.queues.get(&queue).is_some_and(|hold| hold.stage != Stage::Tried)
    }

    /// A queue whose reading is to be held back now.
    pub(crate) fn next_new(&mut self) -> Option<QueueId> {
        let (queue, hold) = self.queues.iter_mut().find(|(_, hold)| matches!(hold.stage, Stage::New(_)))?;
        if let Stage::New(until) = hold.stage {
            hold.stage = Stage::Until(until);
        }
        Some(*queue)
    }

    /// A queue whose time has come and that `may_go`.
    pub(crate) fn next_due(&mut self, now: Instant, may_go: impl Fn(QueueId) -> bool) -> Option<QueueId> {
        let is_due = |(queue, hold): &(&QueueId, &mut Hold)| match hold.stage {
            Stage::Until(until) => until <= now && may_go(**queue),
            Stage::New(_) | Stage::Tried => false,
        };
        let (queue, hold) = self.queues.iter_mut().find(is_due)?;
        hold.stage = Stage::Tried;
        Some(*queue)
    }

    /// When the next one's time comes.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        let times = self.queues.values().filter_map(|hold| match hold.stage {
            // What is due already waits for an answer, not for time.
            Stage::Until(until) => Some(until).filter(|until| *until > now),
            Stage::New(_) | Stage::Tried => None,
        });
        times.min()
    }

    /// Something of a queue has arrived. Says whether it was held back until then.
    pub(crate) fn release(&mut self, queue: QueueId) -> bool {
        if self.queues.get(&queue).is_some_and(|hold| hold.stage == Stage::Tried) {
            self.queues.remove(&queue);
            return true;
        }
        false
    }

    /// Forgets a queue that is not this process's any more.
    pub(crate) fn forget(&mut self, queue: QueueId) {
        self.queues.remove(&queue);
    }

    /// The queues that nothing is sent of.
    pub(crate) fn held(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.queues.iter().filter(|(_, hold)| hold.stage != Stage::Tried).map(|(queue, _)| *queue)
    }

    /// Whether some are held, and a person must act for each of them.
    pub(crate) fn are_all_halted(&self) -> bool {
        !self.queues.is_empty() && self.queues.values().all(|hold| hold.fault.verdict() == Verdict::Halt)
    }

    /// The worst of what holds queues back.
    pub(crate) fn worst(&self) -> Option<&Fault> {
        let faults = || self.queues.values().map(|hold| &hold.fault);
        faults().find(|fault| fault.verdict() == Verdict::Halt).or_else(|| faults().next())
    }
}

const BACK_OFF: BackOff = BackOff::new(Duration::from_millis(250), Duration::from_secs(30));

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: QueueId = QueueId(1);

    /// Guarantee: a queue is held for one failure however many records it leaves open, is tried again when its time has
    /// come, and waits longer where that fails.
    #[test]
    fn a_queue_is_held_once_for_each_attempt() {
        let now = Instant::now();
        let mut holds = Holds::default();
        let fault = Fault::retry("no such topic");
        let first = holds.hold(ONE, &fault, now).expect("it is news");
        assert!(holds.hold(ONE, &fault, now).is_none() && holds.is_held(ONE));
        assert_eq!((holds.next_new(), holds.next_new()), (Some(ONE), None));
        assert_eq!((holds.until(now), holds.next_due(now, |_| true)), (Some(now + first), None));
        let later = now + first;
        assert_eq!(holds.next_due(later, |_| false), None, "something of it is under way");
        assert_eq!(holds.next_due(later, |_| true), Some(ONE));
        assert!(!holds.is_held(ONE));
        assert!(holds.hold(ONE, &fault, later).is_some(), "it failed again");
        assert!(!holds.release(ONE), "what was sent before says nothing");
        holds.next_new();
        holds.next_due(later + Duration::from_secs(60), |_| true);
        assert!(holds.release(ONE) && holds.worst().is_none());
    }
}
