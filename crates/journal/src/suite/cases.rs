//! One case for each promise of the intake's half, and of reading.

use super::{Harness, append, drain, feed_name, key, lane, lane_of, next, numbers, of, open, open_feed, page, settles};
use crate::{Append, EntryRef, Place, SHARE_OF_THE_SLOW, Settlement, Target};

pub(super) async fn run(harness: &mut impl Harness) {
    appends_all_or_nothing(harness).await;
    says_which_keys_are_new(harness).await;
    finds_keys(harness).await;
    reads_on_from_the_mark(harness).await;
    takes_turns(harness).await;
    shares_between_fresh_and_slow(harness).await;
    wakes_a_waiting_reader(harness).await;
    holds_and_releases_a_queue(harness).await;
    trims_after_all_lanes_only(harness).await;
    repairs_one_lane(harness).await;
    forgets_a_tenant(harness).await;
}

/// Guarantee (rule 1): entries, keys and checkpoint are there together after a crash, and no checkpoint without them.
async fn appends_all_or_nothing(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens");
    assert!(feed.checkpoints.is_empty() && feed.reread_from.is_none(), "a new feed has no past");
    let checkpoints = vec![("live".to_owned(), vec![1, 2, 3]), ("sweep".to_owned(), vec![])];
    append(&journal, Append { checkpoints: checkpoints.clone(), ..page(feed.id, 0..10) }).await;
    drop(journal);

    let journal = open(harness, &[lane("a")]).await;
    let again = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens");
    assert_eq!(again.id, feed.id, "a feed keeps its number");
    assert_eq!(again.checkpoints, checkpoints.into_iter().collect(), "a feed keeps its checkpoints");
    assert_eq!(drain(of(&journal, "a").reader().as_mut(), 10).await, Vec::from_iter(0..10), "entries keep their order");
}

/// Guarantee: a key that is known, from an earlier page or from the same one, brings no second entry.
async fn says_which_keys_are_new(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let (feed, other) = (open_feed(&journal, 0).await, open_feed(&journal, 1).await);
    let first = append(&journal, page(feed, [1, 2, 1])).await;
    assert_eq!(first, [true, true, false], "the second of two equal keys is known");
    drop(journal);

    let journal = open(harness, &[lane("a")]).await;
    assert_eq!(append(&journal, page(feed, [2, 3, 1])).await, [false, true, false], "keys are known after a crash");
    let back_fill = Append { to: Target::BackFill, ..page(feed, [3, 4]) };
    assert_eq!(append(&journal, back_fill).await, [false, true], "the ledger is the feed's, not the queue's");
    assert_eq!(append(&journal, page(other, [1])).await, [true], "each feed has its own ledger");
    assert_eq!(of(&journal, "a").waiting(), 5);
}

/// Guarantee: what is known can be asked for: single keys with the place of their entries, and all keys of a span.
async fn finds_keys(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let (feed, other) = (open_feed(&journal, 0).await, open_feed(&journal, 1).await);
    let day = 864_000_000_000;
    append(&journal, Append { server_time: Some(5 * day + 77), ..page(feed, 10..20) }).await;
    append(&journal, page(other, [15])).await;
    let found = journal.find(feed, &[key(12), key(99), key(10)]).await.expect("keys are found");
    let run = next(of(&journal, "a").reader().as_mut(), 100_000).await;
    let at = |index: usize| Some(EntryRef { queue: run.queue, place: run.entries[index].place });
    assert_eq!(found.iter().map(|found| found.map(|found| found.at)).collect::<Vec<_>>(), [at(2), None, at(0)]);
    assert_eq!(found[0].and_then(|found| found.seen), Some(5 * day), "when it was seen is the server's day");
    let first = journal.keys(feed, 12..18, None, 4).await.expect("keys are listed");
    assert_eq!(first, [12, 13, 14, 15].map(key));
    let rest = journal.keys(feed, 12..18, first.last().copied(), 4).await.expect("keys are listed");
    assert_eq!(rest, [16, 17].map(key));
}

/// Guarantee (rules 2 and 3): what was not settled comes again, and only that; marks never move back.
async fn reads_on_from_the_mark(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a"), lane("b")]).await;
    let feed = open_feed(&journal, 0).await;
    append(&journal, page(feed, 0..100)).await;
    let (a, b) = (of(&journal, "a"), of(&journal, "b"));
    assert_eq!((a.waiting(), b.waiting()), (100, 100), "what is behind a mark waits");
    let run = next(a.reader().as_mut(), 20_000).await;
    let settled = numbers(&run);
    assert!(settled.len() > 1 && settled.len() < 100, "a run has about the bytes that were asked for");
    a.settle(settles(&run)).await.expect("a settlement is taken");
    let back = EntryRef { queue: run.queue, place: run.entries[0].place };
    a.settle(Settlement { marks: vec![back], ..Settlement::default() }).await.expect("a settlement is taken");
    let first = (back, run.entries[0].key.id);
    drop((a, b, journal));

    let journal = open(harness, &[lane("a"), lane("b")]).await;
    let (a, b) = (of(&journal, "a"), of(&journal, "b"));
    let rest = 100 - settled.len();
    assert_eq!(a.waiting(), rest as u64, "a mark survives a crash and does not move back");
    assert_eq!(drain(a.reader().as_mut(), rest).await, Vec::from_iter(settled.len() as u64..100));
    assert_eq!(drain(b.reader().as_mut(), 100).await.len(), 100, "a lane's marks are its own");
    assert!(b.knows(first.0, first.1).await.expect("it is looked up"), "an entry is known by its place and digest");
    assert!(!b.knows(first.0, [9; 16]).await.expect("it is looked up"), "another entry at its place is not");
    let beyond = EntryRef { place: Place(u64::from(u32::MAX)), ..first.0 };
    assert!(!b.knows(beyond, first.1).await.expect("it is looked up"), "nor one that is yet to come");
}

/// Guarantee: feeds take turns, so that a long one delays a short one by a run.
async fn takes_turns(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    for (number, numbers) in [(0, 0..500), (1, 1_000..1_002), (2, 2_000..2_002)] {
        append(&journal, page(open_feed(&journal, number).await, numbers)).await;
    }
    let mut reader = of(&journal, "a").reader();
    let all = drain(reader.as_mut(), 504).await;
    let first = |from: u64| all.iter().position(|number| *number >= from && *number < from + 1_000);
    if all.iter().position(|number| *number == 499) == Some(499) {
        // One queue holds these feeds, in the order in which they came.
        return;
    }
    assert!(first(1_000) < Some(300) && first(2_000) < Some(300), "each queue has its turn");
}

/// Guarantee (rule 5): what is fresh is delayed by old spans by no more than a run, and these are not starved by it.
async fn shares_between_fresh_and_slow(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let feed = open_feed(&journal, 0).await;
    append(&journal, Append { to: Target::BackFill, ..page(feed, 0..500) }).await;
    let mut reader = of(&journal, "a").reader();
    assert!(numbers(&next(reader.as_mut(), 2_000).await)[0] < 500, "old spans are read where nothing is fresh");
    append(&journal, page(feed, 1_000..1_500)).await;
    let mut kinds = Vec::new();
    for _ in 0..3 * SHARE_OF_THE_SLOW {
        kinds.push(numbers(&next(reader.as_mut(), 2_000).await)[0] >= 1_000);
    }
    assert!(kinds[..2].contains(&true), "what is fresh comes next");
    let slow = kinds.iter().filter(|is_fresh| !**is_fresh).count();
    assert!((2..=4).contains(&slow), "one run in {SHARE_OF_THE_SLOW} is of old spans: {kinds:?}");
}

/// Guarantee: a reader that waits is woken by an append, and one that is dropped while it waits has lost nothing.
async fn wakes_a_waiting_reader(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let feed = open_feed(&journal, 0).await;
    let mut reader = of(&journal, "a").reader();
    for round in 0..5 {
        assert!(super::is_idle(reader.as_mut()).await, "there is nothing to read yet");
        let (run, ()) = tokio::join!(next(reader.as_mut(), 1_000), async {
            append(&journal, page(feed, [round])).await;
        });
        assert_eq!(numbers(&run), [round]);
    }
}

/// Guarantee: a queue that is held hands out nothing, others go on; released, it goes on where it is told to.
async fn holds_and_releases_a_queue(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let (one, other) = (open_feed(&journal, 0).await, open_feed(&journal, 1).await);
    append(&journal, page(one, 0..10)).await;
    let a = of(&journal, "a");
    let mut reader = a.reader();
    let run = next(reader.as_mut(), 1).await;
    let queue = run.queue;
    reader.hold(queue);
    append(&journal, page(one, 10..12)).await;
    append(&journal, page(other, 50..53)).await;
    if !super::is_idle(reader.as_mut()).await {
        // The call that was dropped has lost nothing.
        let mut reader = a.reader();
        reader.hold(queue);
        assert_eq!(drain(reader.as_mut(), 3).await, [50, 51, 52], "other queues go on");
        assert!(super::is_idle(reader.as_mut()).await, "a held queue hands out nothing");
        reader.release(queue, run.entries[0].place);
        assert_eq!(drain(reader.as_mut(), 12).await, Vec::from_iter(0..12), "it goes on where it is told to");
    }
}

/// Guarantee: an entry stays until every lane that takes it has settled it; no lane that takes it not, or that has left
/// the plan, holds it, and nothing goes before the lanes are set.
async fn trims_after_all_lanes_only(harness: &mut impl Harness) {
    harness.reset().await;
    let plan = [lane("a"), lane_of("b", &[0]), lane_of("other", &[1])];
    let journal = open(harness, &[plan.as_slice(), &[lane("gone")]].concat()).await;
    let feed = open_feed(&journal, 0).await;
    journal.set_lanes(&plan).await.expect("a lane with nothing to do may leave");
    append(&journal, page(feed, 0..10)).await;
    assert_eq!(of(&journal, "other").waiting(), 0, "what it does not take does not wait for it");
    let run = next(of(&journal, "a").reader().as_mut(), 100_000).await;
    of(&journal, "a").settle(settles(&run)).await.expect("a settlement is taken");
    journal.trim().await.expect("it trims");
    drop(journal);
    let journal = harness.open().await;
    journal.trim().await.expect("it trims");
    journal.set_lanes(&plan).await.expect("the lanes are set");
    assert_eq!(drain(of(&journal, "b").reader().as_mut(), 10).await.len(), 10, "one lane still needs them");
    of(&journal, "b").settle(settles(&run)).await.expect("a settlement is taken");
    journal.trim().await.expect("it trims");
    let late = [plan.as_slice(), &[lane("late")]].concat();
    journal.set_lanes(&late).await.expect("the lanes are set");
    assert_eq!(of(&journal, "late").waiting(), 0, "nobody needed them any more");
    assert_eq!(
        append(&journal, page(feed, [5, 10])).await,
        [false, true],
        "the ledger remembers longer than the queue"
    );
    let next = next(of(&journal, "a").reader().as_mut(), 100_000).await;
    assert!(next.entries[0].place > run.entries[9].place, "a place is never used twice");
}

/// Guarantee: what one lane has lost can be given to it alone, past the ledger, after everything was trimmed.
async fn repairs_one_lane(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a"), lane("b")]).await;
    let feed = open_feed(&journal, 0).await;
    append(&journal, page(feed, 0..5)).await;
    for name in ["a", "b"] {
        let run = next(of(&journal, name).reader().as_mut(), 100_000).await;
        of(&journal, name).settle(settles(&run)).await.expect("a settlement is taken");
    }
    journal.trim().await.expect("it trims");
    let to = Target::Lane(of(&journal, "a").id());
    let new = append(&journal, Append { to, ..page(feed, [1, 3, 7]) }).await;
    assert_eq!(new, [false, false, true], "what the ledger did not know is known from now on");
    assert_eq!(append(&journal, page(feed, [7])).await, [false]);
    drop(journal);
    let journal = open(harness, &[lane("a"), lane("b")]).await;
    assert_eq!((of(&journal, "a").waiting(), of(&journal, "b").waiting()), (3, 0), "one lane gets it");
    let run = next(of(&journal, "a").reader().as_mut(), 100_000).await;
    assert_eq!((numbers(&run), &run.entries[0].feed.name), (vec![1, 3, 7], &feed_name(0)));
    of(&journal, "a").settle(settles(&run)).await.expect("a settlement is taken");
    assert_eq!(of(&journal, "a").waiting(), 0);
}

/// Guarantee: a tenant that is forgotten leaves nothing behind, and comes back as a new one; others notice nothing.
async fn forgets_a_tenant(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let (one, other) = (open_feed(&journal, 0).await, open_feed(&journal, 1).await);
    append(&journal, Append { checkpoints: vec![("live".into(), vec![1])], ..page(one, 0..10) }).await;
    append(&journal, page(other, 20..25)).await;
    let forgotten = journal.forget(&feed_name(0).tenant_id).await.expect("a tenant is forgotten");
    assert_eq!((forgotten.feeds, forgotten.waiting), (1, 10));
    assert_eq!(of(&journal, "a").waiting(), 5, "nobody waits for it any more");
    assert_eq!(drain(of(&journal, "a").reader().as_mut(), 5).await, Vec::from_iter(20..25));
    drop(journal);
    let journal = open(harness, &[lane("a")]).await;
    let again = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens");
    assert!(again.checkpoints.is_empty(), "it begins anew");
    assert_eq!(append(&journal, page(again.id, [3])).await, [true]);
    assert_eq!(of(&journal, "a").waiting(), 6);
    let nobody = journal.forget("nobody").await.expect("a tenant is forgotten");
    assert_eq!(nobody.feeds, 0);
}
