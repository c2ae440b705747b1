//! What every journal must do, as functions over the contract: `run` with a [`Harness`] for the journal at hand.
//!
//! Each case panics with what it expected, so that it is called from a test.

mod cases;
mod dead_letters;
mod lanes;
mod model;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Append, EntryRef, FeedId, FeedName, Journal, Key, LaneJournal, LanePlan, LaneStart, NewEntry, Reader, Run,
    Settlement, Taken, Takes, Target,
};

/// Makes, crashes and reopens the journal under test.
#[async_trait]
pub trait Harness: Send {
    /// Begins with nothing: the next opening makes a new journal.
    async fn reset(&mut self);

    /// Opens the journal as it was left when it was last used, as after a crash: it was not closed, and whatever was
    /// acknowledged must be there. Settled entries are kept until they are trimmed, and not longer. Its lanes are not set
    /// yet.
    async fn open(&mut self) -> Arc<dyn Journal>;
}

/// Runs the whole suite.
pub async fn run(mut harness: impl Harness) {
    cases::run(&mut harness).await;
    lanes::run(&mut harness).await;
    dead_letters::run(&mut harness).await;
    for seed in 0..12 {
        harness.reset().await;
        model::run(&mut harness, seed).await;
    }
}

/// Opens the journal with these lanes.
async fn open(harness: &mut impl Harness, plan: &[LanePlan]) -> Arc<dyn Journal> {
    let journal = harness.open().await;
    journal.set_lanes(plan).await.expect("the lanes are set");
    journal
}

/// A lane that takes everything and begins with everything.
fn lane(name: &str) -> LanePlan {
    LanePlan { name: name.into(), renamed_from: None, start: LaneStart::Oldest, takes: Takes::all() }
}

/// A lane that takes some feeds.
fn lane_of(name: &str, feeds: &'static [usize]) -> LanePlan {
    let takes = Takes::new(|feed| feeds.iter().any(|number| feed_name(*number) == feed.name));
    LanePlan { takes, ..lane(name) }
}

/// A lane of the plan by its name.
fn of(journal: &Arc<dyn Journal>, name: &str) -> Arc<dyn LaneJournal> {
    journal.lane(name).expect("the lane is in the plan")
}

fn feed_name(number: usize) -> FeedName {
    FeedName { tenant_id: format!("11111111-2222-3333-4444-{number:012}"), source: "alerts".into() }
}

async fn open_feed(journal: &Arc<dyn Journal>, number: usize) -> FeedId {
    journal.open_feed(&feed_name(number), "kind").await.expect("a feed opens").id
}

fn key(number: u64) -> Key {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    Key { time: number.cast_signed(), id }
}

/// The entry of a number: what it holds follows from the number, so that each can be checked when it is read.
fn entry(number: u64) -> NewEntry {
    NewEntry { key: key(number), flags: number.to_le_bytes()[0], bytes: payload(number) }
}

fn payload(number: u64) -> Bytes {
    let size = usize::try_from(number % 7 * 400).unwrap_or_default();
    Bytes::from(format!("{{\"alert\":{number},\"text\":\"{}\"}}", "x".repeat(size)))
}

fn page(feed: FeedId, numbers: impl IntoIterator<Item = u64>) -> Append {
    let entries = numbers.into_iter().map(entry).collect();
    Append { feed, to: Target::Live, entries, checkpoints: Vec::new(), reread: false, server_time: None }
}

async fn append(journal: &Arc<dyn Journal>, page: Append) -> Vec<bool> {
    journal.append(page).await.expect("a page is taken").new
}

/// Settles a run whole.
fn settles(run: &Run) -> Settlement {
    let last = run.entries.last().expect("a run has an entry");
    Settlement { marks: vec![EntryRef { queue: run.queue, place: last.place }], ..Settlement::default() }
}

/// Checks that a run is one: in order, whole. Returns its numbers.
fn numbers(run: &Run) -> Vec<u64> {
    assert!(!run.entries.is_empty(), "a run has at least one entry");
    for pair in run.entries.windows(2) {
        assert!(pair[0].place < pair[1].place, "the places of a run rise");
    }
    run.entries.iter().map(entry_number).collect()
}

fn entry_number(entry: &crate::Entry) -> u64 {
    let number = entry.key.time.cast_unsigned();
    assert_eq!(entry.key, key(number), "an entry keeps its key");
    assert_eq!(entry.flags, number.to_le_bytes()[0], "an entry keeps its flags");
    assert_eq!(entry.bytes, payload(number), "an entry keeps its bytes");
    number
}

/// The next run, where the journal must have one.
async fn next(reader: &mut dyn Reader, max_bytes: usize) -> Run {
    let wait = Duration::from_secs(30);
    let next = tokio::time::timeout(wait, reader.next(max_bytes)).await;
    match next.expect("there is a run").expect("it can be read") {
        Taken::Run(run) => run,
        Taken::Revoked(queues) => panic!("{queues:?} were revoked, by nobody"),
    }
}

/// All that a reader has, as numbers, each of which comes once. Its end is known by a count, not by waiting.
async fn drain(reader: &mut dyn Reader, count: usize) -> Vec<u64> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(numbers(&next(reader, 3_000).await));
    }
    assert_eq!(all.len(), count, "a reader hands out no more than there is");
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), count, "a reader hands out each entry once");
    all
}

/// Whether a reader has nothing to hand out. Dropping the call loses nothing.
async fn is_idle(reader: &mut dyn Reader) -> bool {
    tokio::time::timeout(Duration::from_millis(50), reader.next(1_000)).await.is_err()
}
