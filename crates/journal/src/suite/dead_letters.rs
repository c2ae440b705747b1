//! What becomes of entries that were refused: kept, replayed, dropped.

use std::sync::Arc;

use super::{Harness, append, entry_number, feed_name, lane, next, numbers, of, open, open_feed, page, settles};
use crate::{DeadLetter, EntryRef, Journal, LaneId, Place, Run, SHARE_OF_THE_SLOW, Settlement};

pub(super) async fn run(harness: &mut impl Harness) {
    keeps_dead_letters_once(harness).await;
    replays_dead_letters_until_settled(harness).await;
    drops_dead_letters(harness).await;
    replays_do_not_delay_what_is_fresh(harness).await;
}

fn refused(run: &Run, index: usize, reason: &str) -> DeadLetter {
    DeadLetter { entry: EntryRef { queue: run.queue, place: run.entries[index].place }, reason: reason.into() }
}

/// Guarantee (rule 4): a dead letter is kept with its entry and reason, once however often it is settled, in the same
/// commit as the mark, or before it, and outlives the entry.
async fn keeps_dead_letters_once(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let lane_a = of(&journal, "a");
    append(&journal, page(open_feed(&journal, 0).await, 0..5)).await;
    let run = next(lane_a.reader().as_mut(), 100_000).await;
    let early = Settlement { dead_letters: vec![refused(&run, 4, "early")], ..Settlement::default() };
    lane_a.settle(early).await.expect("a letter may come before the mark");
    assert_eq!(lane_a.waiting(), 5);
    let letter = refused(&run, 3, "too long");
    let settlement = Settlement { dead_letters: vec![letter.clone(), letter], ..settles(&run) };
    lane_a.settle(settlement.clone()).await.expect("a settlement is taken");
    lane_a.settle(settlement.clone()).await.expect("the same settlement is taken");
    journal.trim().await.expect("it trims");
    lane_a.settle(settlement).await.expect("the same settlement is taken after the entry went");
    let missing = DeadLetter { entry: EntryRef { queue: run.queue, place: Place(1 << 40) }, reason: String::new() };
    let impossible = Settlement { dead_letters: vec![missing], ..Settlement::default() };
    lane_a.settle(impossible).await.expect_err("an entry that is not there cannot be kept");
    let a = lane_a.id();
    drop((lane_a, journal));

    let journal = open(harness, &[lane("a")]).await;
    let letters = journal.dead_letters(a, 0, 10).await.expect("dead letters can be read");
    let told: Vec<_> = letters.iter().map(|letter| (entry_number(&letter.entry), letter.reason.as_str())).collect();
    assert_eq!(told, [(4, "early"), (3, "too long")], "one refusal is one dead letter");
    assert_eq!(letters[0].entry.feed.name, feed_name(0));
    assert_eq!(of(&journal, "a").waiting(), 0, "marks and dead letters are one commit");
}

/// Guarantee: a dead letter that is replayed comes again, whether its entry is still there or not, also after a crash; it
/// stays until a mark moves over it, and with its new reason where it is refused again.
async fn replays_dead_letters_until_settled(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a"), lane("b")]).await;
    let (a, b) = (of(&journal, "a"), of(&journal, "b"));
    let feed = open_feed(&journal, 0).await;
    append(&journal, page(feed, 0..6)).await;
    let run = next(a.reader().as_mut(), 100_000).await;
    let dead_letters = [1, 2, 3, 5].map(|index| refused(&run, index, "no")).into();
    a.settle(Settlement { dead_letters, ..settles(&run) }).await.expect("a settlement is taken");
    let ids: Vec<i64> = letters(&journal, a.id()).await.iter().map(|(id, ..)| *id).collect();
    let again = [&ids[..3], &[9_999]].concat();
    for _ in 0..2 {
        assert_eq!(journal.replay(a.id(), &again).await.expect("it replays"), 3);
        assert_eq!(a.waiting(), 3, "what is replayed waits, once");
    }
    assert_eq!(journal.replay(b.id(), &ids).await.expect("it replays"), 0, "another lane's letters are not its own");
    b.settle(settles(&run)).await.expect("a settlement is taken");
    journal.trim().await.expect("it trims, whatever is replayed");
    let id = a.id();
    drop((a, b, journal));

    let journal = open(harness, &[lane("a"), lane("b")]).await;
    let a = of(&journal, "a");
    assert_eq!((a.id(), a.waiting()), (id, 3));
    let mut reader = a.reader();
    let run = next(reader.as_mut(), 100_000).await;
    assert_eq!(numbers(&run), [1, 2, 3]);
    assert_eq!(run.entries[0].feed.name, feed_name(0));
    let marks = vec![EntryRef { queue: run.queue, place: run.entries[1].place }];
    let settlement = Settlement { marks, dead_letters: vec![refused(&run, 1, "never")], ..Settlement::default() };
    for _ in 0..2 {
        a.settle(settlement.clone()).await.expect("a settlement is taken");
        let left = [(ids[1], 2, "never", false), (ids[2], 3, "no", true), (ids[3], 5, "no", false)];
        let left = left.map(|(id, number, reason, again)| (id, number, reason.to_owned(), again));
        assert_eq!(letters(&journal, id).await, left);
    }
    assert_eq!(a.waiting(), 1);
    append(&journal, page(feed, [6])).await;
    assert_eq!(numbers(&next(reader.as_mut(), 100_000).await), [6], "what was handed out does not come again");
    a.settle(settles(&run)).await.expect("a settlement is taken");
    assert_eq!((a.waiting(), letters(&journal, id).await.len()), (1, 2));
    assert_eq!(journal.replay(id, &ids).await.expect("it replays"), 2, "a letter can be replayed again");
    let run = next(reader.as_mut(), 100_000).await;
    assert_eq!(numbers(&run), [2, 5]);
    a.settle(settles(&run)).await.expect("a settlement is taken");
    assert!(letters(&journal, id).await.is_empty());
}

/// Guarantee: a dead letter that is dropped is gone, and does not come again where it was to be replayed; those of a
/// lane that has left the plan are counted, and can be dropped.
async fn drops_dead_letters(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let lane_a = of(&journal, "a");
    let a = lane_a.id();
    append(&journal, page(open_feed(&journal, 0).await, 0..3)).await;
    let run = next(lane_a.reader().as_mut(), 100_000).await;
    let dead_letters = [0, 1, 2].map(|index| refused(&run, index, "no")).into();
    lane_a.settle(Settlement { dead_letters, ..settles(&run) }).await.expect("a settlement is taken");
    let ids: Vec<i64> = letters(&journal, a).await.iter().map(|(id, ..)| *id).collect();
    assert_eq!(journal.replay(a, &ids[..2]).await.expect("it replays"), 2);
    assert_eq!(counts(&journal).await, [("a".to_owned(), true, 3, 2)]);
    assert_eq!(journal.drop_dead_letters(a, &[ids[0], ids[0], 9_999]).await.expect("it drops"), 1);
    assert_eq!((lane_a.waiting(), counts(&journal).await), (1, vec![("a".to_owned(), true, 2, 1)]));
    let mut reader = lane_a.reader();
    assert_eq!(numbers(&next(reader.as_mut(), 100_000).await), [1]);
    assert_eq!(journal.drop_dead_letters(a, &ids[1..2]).await.expect("it drops"), 1);
    assert_eq!(lane_a.waiting(), 0, "nothing waits for what was dropped last");
    assert_eq!(journal.replay(a, &ids[2..]).await.expect("it replays"), 1);
    let run = next(reader.as_mut(), 100_000).await;
    let again = Settlement { dead_letters: vec![refused(&run, 0, "no")], ..settles(&run) };
    lane_a.settle(again).await.expect("a settlement is taken");
    drop((reader, lane_a));
    journal.set_lanes(&[lane("b")]).await.expect("nothing waits for a");
    drop(journal);

    let journal = open(harness, &[lane("b")]).await;
    assert_eq!(counts(&journal).await, [("b".to_owned(), true, 0, 0), ("a".to_owned(), false, 1, 0)]);
    journal.replay(a, &ids).await.expect_err("nobody would get them");
    assert_eq!(journal.drop_dead_letters(a, &ids).await.expect("it drops"), 1);
    assert_eq!(counts(&journal).await, [("b".to_owned(), true, 0, 0)]);
}

/// Guarantee (rule 5): many replays delay what is fresh by no more than a run.
async fn replays_do_not_delay_what_is_fresh(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    let a = of(&journal, "a");
    let feed = open_feed(&journal, 0).await;
    append(&journal, page(feed, 0..300)).await;
    let mut reader = a.reader();
    while a.waiting() > 0 {
        let run = next(reader.as_mut(), 100_000).await;
        let dead_letters = (0..run.entries.len()).map(|index| refused(&run, index, "no")).collect();
        a.settle(Settlement { dead_letters, ..settles(&run) }).await.expect("a settlement is taken");
    }
    let ids: Vec<i64> = letters(&journal, a.id()).await.iter().map(|(id, ..)| *id).collect();
    assert_eq!(journal.replay(a.id(), &ids).await.expect("it replays"), 300);
    assert!(numbers(&next(reader.as_mut(), 2_000).await)[0] < 300, "replays are read where nothing is fresh");
    append(&journal, page(feed, 1_000..1_300)).await;
    let mut fresh = Vec::new();
    for _ in 0..2 * SHARE_OF_THE_SLOW {
        fresh.push(numbers(&next(reader.as_mut(), 2_000).await)[0] >= 1_000);
    }
    assert!(fresh[..2].contains(&true) && fresh.contains(&false), "both have their share: {fresh:?}");
}

/// Dead letters: number, number of the entry, reason, whether they are replayed. Read one by one, as in pages.
async fn letters(journal: &Arc<dyn Journal>, lane: LaneId) -> Vec<(i64, u64, String, bool)> {
    let mut all: Vec<(i64, u64, String, bool)> = Vec::new();
    loop {
        let after = all.last().map_or(0, |(id, ..)| *id);
        let page = journal.dead_letters(lane, after, 1).await.expect("dead letters can be read");
        let Some(letter) = page.into_iter().next() else { return all };
        all.push((letter.id, entry_number(&letter.entry), letter.reason, letter.replaying));
    }
}

async fn counts(journal: &Arc<dyn Journal>) -> Vec<(String, bool, u64, u64)> {
    let counts = journal.dead_letter_counts().await.expect("dead letters are counted");
    counts.into_iter().map(|count| (count.lane.name, count.in_plan, count.kept, count.replaying)).collect()
}
