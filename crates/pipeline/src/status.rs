//! What a running instance knows of itself: written by feeds and lanes, read by progress and the closing report.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fault::{Fault, Verdict};
use journal::FeedName;
use sink::Word;

/// All feeds and lanes of an instance, which come and go while it runs.
#[derive(Debug, Default)]
pub(crate) struct Status {
    feeds: Mutex<BTreeMap<FeedName, Arc<FeedStatus>>>,
    lanes: Mutex<BTreeMap<String, Arc<LaneStatus>>>,
}

impl Status {
    /// Every feed, in the order of tenants.
    pub(crate) fn feeds(&self) -> Vec<Arc<FeedStatus>> {
        let mut feeds: Vec<_> = lock(&self.feeds).values().cloned().collect();
        feeds.sort_by(|one, other| one.name.cmp(&other.name));
        feeds
    }

    /// Every lane, in the order of names.
    pub(crate) fn lanes(&self) -> Vec<Arc<LaneStatus>> {
        lock(&self.lanes).values().cloned().collect()
    }

    /// A feed, made where there is none yet: one that is started again keeps its counts.
    pub(crate) fn feed(&self, name: &FeedName, new: impl FnOnce() -> FeedStatus) -> Arc<FeedStatus> {
        Arc::clone(lock(&self.feeds).entry(name.clone()).or_insert_with(|| Arc::new(new())))
    }

    /// A lane, made where there is none yet: one that is started again keeps its counts.
    pub(crate) fn lane(&self, name: &str) -> Arc<LaneStatus> {
        let new = || Arc::new(LaneStatus { name: name.to_owned(), ..LaneStatus::default() });
        Arc::clone(lock(&self.lanes).entry(name.to_owned()).or_insert_with(new))
    }

    /// A feed or a lane is gone.
    pub(crate) fn remove(&self, feed: Option<&FeedName>, lane: Option<&str>) {
        if let Some(feed) = feed {
            lock(&self.feeds).remove(feed);
        }
        if let Some(lane) = lane {
            lock(&self.lanes).remove(lane);
        }
    }

    /// A feed or a lane has failed and is tried again.
    pub(crate) fn set_waiting(&self, feed: Option<&FeedName>, lane: Option<&str>, why: &str) {
        if let Some(status) = feed.and_then(|feed| lock(&self.feeds).get(feed).cloned()) {
            status.condition.set(Condition::Waiting(why.to_owned()));
        }
        if let Some(status) = lane.and_then(|lane| lock(&self.lanes).get(lane).cloned()) {
            status.condition.set(Condition::Waiting(why.to_owned()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// It has as many dead letters as it may have; the sentence says what to do.
    TooManyDeadLetters(String),
    /// It tries again by itself.
    Waiting(String),
}

impl Condition {
    /// Whether a person must act.
    pub(crate) fn is_halted(&self) -> bool {
        matches!(self, Self::Halted(_) | Self::TooManyDeadLetters(_))
    }

    /// The condition that a fault leads to.
    pub(crate) fn after(fault: &Fault) -> Self {
        let sentence = Self::sentence(fault);
        match fault.verdict() {
            Verdict::Halt => Self::Halted(sentence),
            Verdict::Reject | Verdict::Retry => Self::Waiting(sentence),
        }
    }
}

impl Condition {
    /// What a fault says to a person.
    pub(crate) fn sentence(fault: &Fault) -> String {
        match fault.advice() {
            Some(advice) => format!("{fault:#}. {advice}"),
            None => format!("{fault:#}"),
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
        lock(&self.0)
    }
}
