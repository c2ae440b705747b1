//! What a running instance knows of itself: written by feeds and lanes, read by progress and the closing report.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fault::{Fault, Verdict};
use sink::Word;

/// All feeds and lanes of an instance.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(crate) feeds: Vec<Arc<FeedStatus>>,
    pub(crate) lanes: Vec<Arc<LaneStatus>>,
}

/// One feed.
#[derive(Debug, Default)]
pub(crate) struct FeedStatus {
    /// `tenant/source`, by the names of the file.
    pub(crate) name: String,
    pub(crate) tenant: String,
    pub(crate) source: String,
    pub(crate) condition: Mutexed<Condition>,
    /// Rows that the API has sent.
    pub(crate) rows: Count,
    /// Rows that were new to the ledger.
    pub(crate) revisions: Count,
    /// What the API shows but does not give, as sentences.
    pub(crate) owed: Mutexed<Vec<String>>,
}

impl FeedStatus {
    pub(crate) fn new(tenant: &str, source: &str) -> Self {
        let name = format!("{tenant}/{source}");
        Self { name, tenant: tenant.to_owned(), source: source.to_owned(), ..Self::default() }
    }
}

/// One lane.
#[derive(Debug, Default)]
pub(crate) struct LaneStatus {
    pub(crate) name: String,
    /// What the destination's acknowledgement is worth, once the sink is open.
    pub(crate) guarantee: Mutexed<Option<Word>>,
    pub(crate) condition: Mutexed<Condition>,
    pub(crate) delivered: Count,
    pub(crate) filtered: Count,
    pub(crate) dead_letters: Count,
}

/// How a feed or a lane fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It has done what it was asked to do once.
    Done,
    /// It needs a person; the sentence says what for.
    Halted(String),
    #[default]
    Running,
    /// It tries again by itself.
    Waiting(String),
}

impl Condition {
    /// The condition that a fault leads to.
    pub(crate) fn after(fault: &Fault) -> Self {
        let sentence = match fault.advice() {
            Some(advice) => format!("{fault:#}. {advice}"),
            None => format!("{fault:#}"),
        };
        match fault.verdict() {
            Verdict::Halt => Self::Halted(sentence),
            Verdict::Reject | Verdict::Retry => Self::Waiting(sentence),
        }
    }
}

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// A value that is set whole and read whole.
#[derive(Debug, Default)]
pub(crate) struct Mutexed<T>(Mutex<T>);

impl<T: Clone + PartialEq> Mutexed<T> {
    /// Sets the value; says whether it was another before.
    pub(crate) fn set(&self, value: T) -> bool {
        let mut held = self.lock();
        let changed = *held != value;
        *held = value;
        changed
    }

    pub(crate) fn get(&self) -> T {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
