//! One case for each promise of the contract.

use std::task::{Context, Poll, Waker};

use super::{Harness, drain, entry, feed_name, lane, next, nothing_settled, numbers, page, settles};
use crate::{Append, EntryRef, LanePlan, LaneStart, Place, QueueKind, Reader, Settlement};

pub(super) async fn run(harness: &mut impl Harness) {
    appends_all_or_nothing(harness).await;
    says_which_keys_are_new(harness).await;
    reads_on_from_the_mark(harness).await;
    takes_turns(harness).await;
    reads_live_before_back_fill(harness).await;
    wakes_a_waiting_reader(harness).await;
    requeues_until_settled(harness).await;
    trims_after_all_lanes_only(harness).await;
    begins_new_lanes_where_the_plan_says(harness).await;
    takes_over_marks_of_an_old_name(harness).await;
    renames_to_a_name_that_is_free_again(harness).await;
}

/// Guarantee (rule 1): entries, keys and checkpoint are there together after a crash, and no checkpoint without them.
async fn appends_all_or_nothing(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a")]).await;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens");
    assert!(feed.checkpoints.is_empty() && feed.reread_from.is_none(), "a new feed has no past");
    let checkpoints = vec![("live".to_owned(), vec![1, 2, 3]), ("sweep".to_owned(), vec![])];
    let append = Append { checkpoints, ..page(feed.id, 0..10) };
    journal.append(append.clone()).await.expect("a page is taken");
    drop(journal);

    let journal = harness.open(vec![lane("a")]).await;
    let again = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens");
    assert_eq!(again.id, feed.id, "a feed keeps its number");
    assert_eq!(again.checkpoints, append.checkpoints.into_iter().collect(), "a feed keeps its checkpoints");
    let mut reader = journal.reader(journal.lanes()[0].id);
    assert_eq!(drain(reader.as_mut(), 10).await, Vec::from_iter(0..10), "entries keep their order");
}

/// Guarantee: a key that is known, from an earlier page or from the same one, brings no second entry.
async fn says_which_keys_are_new(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a")]).await;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    let other = journal.open_feed(&feed_name(1), "kind").await.expect("a feed opens").id;
    let new = |numbers: Vec<u64>| page(feed, numbers);
    let first = journal.append(new(vec![1, 2, 1])).await.expect("a page is taken");
    assert_eq!(first.new, [true, true, false], "the second of two equal keys is known");
    drop(journal);

    let journal = harness.open(vec![lane("a")]).await;
    let second = journal.append(new(vec![2, 3, 1])).await.expect("a page is taken");
    assert_eq!(second.new, [false, true, false], "keys are known after a crash");
    let back_fill = Append { queue: QueueKind::BackFill, ..new(vec![3, 4]) };
    let third = journal.append(back_fill).await.expect("a page is taken");
    assert_eq!(third.new, [false, true], "the ledger is the feed's, not the queue's");
    let fourth = journal.append(page(other, [1])).await.expect("a page is taken");
    assert_eq!(fourth.new, [true], "each feed has its own ledger");
}

/// Guarantee (rules 2 and 3): what was not settled comes again, and only that; marks never move back.
async fn reads_on_from_the_mark(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a"), lane("b")]).await;
    let (a, b) = (journal.lanes()[0].id, journal.lanes()[1].id);
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    journal.append(page(feed, 0..100)).await.expect("a page is taken");
    assert_eq!((journal.backlog(a), journal.backlog(b)), (100, 100), "what is ahead of a mark is the backlog");
    let mut reader = journal.reader(a);
    let run = next(reader.as_mut(), 20_000).await;
    let settled = numbers(&run);
    assert!(settled.len() > 1 && settled.len() < 100, "a run has about the bytes that were asked for");
    journal.settle(settles(a, &run)).await.expect("a settlement is taken");
    let backwards = Settlement { marks: vec![(run.queue, Place(0))], ..nothing_settled(a) };
    journal.settle(backwards).await.expect("a settlement is taken");
    drop((reader, journal));

    let journal = harness.open(vec![lane("a"), lane("b")]).await;
    let rest = 100 - settled.len();
    assert_eq!(journal.backlog(a), rest as u64, "a mark survives a crash and does not move back");
    let mut reader = journal.reader(a);
    let read = drain(reader.as_mut(), rest).await;
    assert_eq!(read, Vec::from_iter(settled.len() as u64..100), "reading goes on at the mark");
    let mut reader = journal.reader(b);
    assert_eq!(drain(reader.as_mut(), 100).await.len(), 100, "a lane's marks are its own");
}

/// Guarantee: queues take turns, so that a long one delays a short one by a run.
async fn takes_turns(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a")]).await;
    for (number, numbers) in [(0, 0..500), (1, 1_000..1_002), (2, 2_000..2_002)] {
        let feed = journal.open_feed(&feed_name(number), "kind").await.expect("a feed opens").id;
        journal.append(page(feed, numbers)).await.expect("a page is taken");
    }
    let mut reader = journal.reader(journal.lanes()[0].id);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(next(reader.as_mut(), 5_000).await.feed.name.clone());
    }
    seen.sort();
    assert_eq!(seen, [feed_name(0), feed_name(1), feed_name(2)], "each queue has its turn");
}

/// Guarantee (rule 5): a back-fill never delays what is fresh by more than the run in hand.
async fn reads_live_before_back_fill(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a")]).await;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    let old = Append { queue: QueueKind::BackFill, ..page(feed, 0..500) };
    journal.append(old).await.expect("a page is taken");
    let mut reader = journal.reader(journal.lanes()[0].id);
    assert!(numbers(&next(reader.as_mut(), 2_000).await)[0] < 500, "a back-fill is read where nothing is fresh");
    journal.append(page(feed, 1_000..1_010)).await.expect("a page is taken");
    assert!(numbers(&next(reader.as_mut(), 2_000).await)[0] >= 1_000, "what is fresh comes next");
}

/// Guarantee: a reader that waits is woken by an append, and one that is dropped while it waits has lost nothing.
async fn wakes_a_waiting_reader(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a")]).await;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    let mut reader = journal.reader(journal.lanes()[0].id);
    for round in 0..5 {
        poll_once(reader.as_mut());
        let (run, appended) = tokio::join!(next(reader.as_mut(), 1_000), journal.append(page(feed, [round])));
        appended.expect("a page is taken");
        assert_eq!(numbers(&run), [round]);
    }
}

/// Polls for a run once and drops the call.
fn poll_once(reader: &mut dyn Reader) {
    let mut dropped = reader.next(1_000);
    let poll = dropped.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Pending), "there is nothing to read yet");
}

/// Guarantee: requeued entries come again, first, to that lane alone, also after a crash, until they are settled; until
/// then they are not trimmed.
async fn requeues_until_settled(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a"), lane("b")]).await;
    let (a, b) = (journal.lanes()[0].id, journal.lanes()[1].id);
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    journal.append(page(feed, 0..10)).await.expect("a page is taken");
    let mut reader = journal.reader(a);
    let run = next(reader.as_mut(), 100_000).await;
    for lane in [a, b] {
        journal.settle(settles(lane, &run)).await.expect("a settlement is taken");
    }
    let again = [3, 7, 42].map(|place| EntryRef { queue: run.queue, place: Place(place) });
    for _ in 0..2 {
        let held = journal.requeue(a, &again).await.expect("entries are requeued");
        assert_eq!(held, 2, "what is not there is not requeued");
        assert_eq!((journal.backlog(a), journal.backlog(b)), (2, 0), "what comes again is backlog, and comes once");
    }
    journal.append(page(feed, [10])).await.expect("a page is taken");
    let run = next(reader.as_mut(), 100_000).await;
    assert!(run.requeued, "requeued entries come first");
    assert_eq!(numbers(&run), [3, 7]);
    assert_eq!(numbers(&next(reader.as_mut(), 100_000).await), [10]);
    journal.trim().await.expect("it trims");
    drop((reader, journal));

    let journal = harness.open(vec![lane("a"), lane("b")]).await;
    assert_eq!((journal.backlog(a), journal.backlog(b)), (3, 1), "it is backlog after a crash too");
    assert_eq!(numbers(&next(journal.reader(b).as_mut(), 100_000).await), [10], "only one lane gets it again");
    let mut reader = journal.reader(a);
    let run = next(reader.as_mut(), 1).await;
    assert_eq!((run.requeued, numbers(&run)), (true, vec![3]), "what was not settled comes again");
    let settlement = Settlement { requeued: again[..1].to_vec(), ..nothing_settled(a) };
    for _ in 0..2 {
        journal.settle(settlement.clone()).await.expect("a settlement is taken");
        assert_eq!(journal.backlog(a), 2, "what is settled is no backlog any more");
    }
    drop((reader, journal));

    let journal = harness.open(vec![lane("a"), lane("b")]).await;
    let mut reader = journal.reader(a);
    assert_eq!(numbers(&next(reader.as_mut(), 100_000).await), [7], "what was settled does not");
    let settled = again[1..2].to_vec();
    journal.settle(Settlement { requeued: settled, ..nothing_settled(a) }).await.expect("a settlement is taken");
    journal.trim().await.expect("it trims");
    assert_eq!(journal.requeue(a, &again).await.expect("requeueing is answered"), 0, "what was let go is trimmed");
}

/// Guarantee: an entry stays until every lane of the plan has settled it, and no lane outside of the plan holds it.
async fn trims_after_all_lanes_only(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a"), lane("b"), lane("gone")]).await;
    let (a, b) = (journal.lanes()[0].id, journal.lanes()[1].id);
    drop(journal);
    let journal = harness.open(vec![lane("a"), lane("b")]).await;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    journal.append(page(feed, 0..10)).await.expect("a page is taken");
    let run = next(journal.reader(a).as_mut(), 100_000).await;
    let whole: Vec<_> = run.entries.iter().map(|entry| EntryRef { queue: run.queue, place: entry.place }).collect();
    journal.settle(settles(a, &run)).await.expect("a settlement is taken");
    journal.trim().await.expect("it trims");
    assert_eq!(drain(journal.reader(b).as_mut(), 10).await.len(), 10, "one lane still needs them");
    journal.settle(settles(b, &run)).await.expect("a settlement is taken");
    journal.trim().await.expect("it trims");
    assert_eq!(journal.requeue(a, &whole).await.expect("requeueing is answered"), 0, "nobody needs them any more");
    let appended = journal.append(page(feed, [5, 10])).await.expect("a page is taken");
    assert_eq!(appended.new, [false, true], "the ledger remembers longer than the queue");
    let run = next(journal.reader(a).as_mut(), 100_000).await;
    assert_eq!(run.entries[0].place, Place(10), "a place is never used twice");
}

/// Guarantee: a new lane begins with everything or with nothing that is there, as the plan says, and with everything
/// of a feed that comes later.
async fn begins_new_lanes_where_the_plan_says(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a")]).await;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    journal.append(page(feed, 0..10)).await.expect("a page is taken");
    drop(journal);
    let plan = vec![lane("a"), LanePlan { from: LaneStart::Now, ..lane("now") }, lane("all")];
    let journal = harness.open(plan.clone()).await;
    assert_eq!(journal.lanes().iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>(), ["a", "now", "all"]);
    let (now, all) = (journal.lanes()[1].id, journal.lanes()[2].id);
    assert_eq!((journal.backlog(now), journal.backlog(all)), (0, 10));
    drop(journal);
    let journal = harness.open(plan).await;
    assert_eq!((journal.backlog(now), journal.backlog(all)), (0, 10), "a lane begins only once");
    let later = journal.open_feed(&feed_name(1), "kind").await.expect("a feed opens").id;
    journal.append(page(later, [20])).await.expect("a page is taken");
    assert_eq!((journal.backlog(now), journal.backlog(all)), (1, 11));
    assert_eq!(numbers(&next(journal.reader(now).as_mut(), 1_000).await), [20]);
}

/// Guarantee: a lane that was renamed goes on where it was.
async fn takes_over_marks_of_an_old_name(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("old")]).await;
    let old = journal.lanes()[0].id;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    journal.append(Append { entries: vec![entry(0)], ..page(feed, []) }).await.expect("a page is taken");
    let run = next(journal.reader(old).as_mut(), 1_000).await;
    journal.settle(settles(old, &run)).await.expect("a settlement is taken");
    drop(journal);
    let journal = harness.open(vec![LanePlan { was: Some("old".into()), ..lane("new") }]).await;
    assert_eq!((journal.lanes()[0].id, journal.backlog(old)), (old, 0));
}

/// Guarantee: a lane that takes the name of one that had left goes on where it was itself.
async fn renames_to_a_name_that_is_free_again(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a"), lane("b")]).await;
    let (a, b) = (journal.lanes()[0].id, journal.lanes()[1].id);
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    journal.append(page(feed, 0..100)).await.expect("a page is taken");
    let queue = next(journal.reader(a).as_mut(), 1).await.queue;
    for (lane, place) in [(a, 50), (b, 100)] {
        let settlement = Settlement { marks: vec![(queue, Place(place))], ..nothing_settled(lane) };
        journal.settle(settlement).await.expect("a settlement is taken");
    }
    drop(journal);
    drop(harness.open(vec![lane("a")]).await);
    for _ in 0..2 {
        let journal = harness.open(vec![LanePlan { was: Some("a".into()), ..lane("b") }]).await;
        assert_eq!((journal.lanes()[0].id, journal.backlog(a)), (a, 50), "nothing is skipped");
    }
}
