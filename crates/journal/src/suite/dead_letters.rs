//! What becomes of entries that were refused: kept, replayed, dropped.

use super::{Harness, entry_number, feed_name, lane, next, nothing_settled, numbers, page, settles};
use crate::{DeadLetter, EntryRef, Journal, LaneId, Place, Settlement};

pub(super) async fn run(harness: &mut impl Harness) {
    keeps_dead_letters_once(harness).await;
    replays_dead_letters_until_settled(harness).await;
    drops_dead_letters(harness).await;
}

/// Guarantee (rule 4): a dead letter is kept with its entry and reason, once however often it is settled, in the same
/// commit as the mark, and outlives the entry.
async fn keeps_dead_letters_once(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a")]).await;
    let a = journal.lanes()[0].id;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    journal.append(page(feed, 0..5)).await.expect("a page is taken");
    let run = next(journal.reader(a).as_mut(), 100_000).await;
    let refused = EntryRef { queue: run.queue, place: Place(3) };
    let letter = DeadLetter { entry: refused, reason: "too long".into() };
    let settlement = Settlement { dead_letters: vec![letter.clone(), letter], ..settles(a, &run) };
    journal.settle(settlement.clone()).await.expect("a settlement is taken");
    journal.settle(settlement.clone()).await.expect("the same settlement is taken");
    journal.trim().await.expect("it trims");
    journal.settle(settlement).await.expect("the same settlement is taken after the entry went");
    let missing = DeadLetter { entry: EntryRef { queue: run.queue, place: Place(99) }, reason: String::new() };
    let impossible = Settlement { dead_letters: vec![missing], ..nothing_settled(a) };
    journal.settle(impossible).await.expect_err("an entry that is not there cannot be kept");
    drop(journal);

    let journal = harness.open(vec![lane("a")]).await;
    let letters = journal.dead_letters(a, 0, 10).await.expect("dead letters can be read");
    assert_eq!(letters.len(), 1, "one refusal is one dead letter");
    assert_eq!(entry_number(&letters[0].entry), 3, "a dead letter keeps its entry");
    assert_eq!((letters[0].reason.as_str(), &letters[0].feed.name), ("too long", &feed_name(0)));
    assert_eq!(journal.backlog(a), 0, "marks and dead letters are one commit");
}

/// Guarantee: a dead letter that is replayed comes again, whether its entry is still there or not, also after a crash; it
/// stays until it is settled, and with its new reason where it is refused again.
async fn replays_dead_letters_until_settled(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a"), lane("b")]).await;
    let (a, b) = (journal.lanes()[0].id, journal.lanes()[1].id);
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    journal.append(page(feed, 0..6)).await.expect("a page is taken");
    let run = next(journal.reader(a).as_mut(), 100_000).await;
    let refused = |place| DeadLetter { entry: EntryRef { queue: run.queue, place: Place(place) }, reason: "no".into() };
    let settlement = Settlement { dead_letters: [1, 2, 3, 5].map(refused).into(), ..settles(a, &run) };
    journal.settle(settlement).await.expect("a settlement is taken");
    let ids: Vec<i64> = letters(&*journal, a).await.iter().map(|(id, ..)| *id).collect();
    let again = [&ids[..3], &[9_999]].concat();
    for _ in 0..2 {
        assert_eq!(journal.replay(a, &again).await.expect("it replays"), 3);
        assert_eq!(journal.backlog(a), 3, "what is replayed is backlog, once");
    }
    assert_eq!(journal.replay(b, &ids).await.expect("it replays"), 0, "another lane's letters are not its own");
    journal.settle(settles(b, &run)).await.expect("a settlement is taken");
    journal.trim().await.expect("it trims, whatever is replayed");
    drop(journal);

    let journal = harness.open(vec![lane("a"), lane("b")]).await;
    let mut reader = journal.reader(a);
    let run = next(reader.as_mut(), 100_000).await;
    assert_eq!((run.requeued, numbers(&run)), (true, vec![1, 2, 3]));
    let entries: Vec<_> = run.entries.iter().map(|entry| EntryRef { queue: run.queue, place: entry.place }).collect();
    let worse = DeadLetter { entry: entries[1], reason: "never".into() };
    let requeued = entries[..2].to_vec();
    let settlement = Settlement { requeued, dead_letters: vec![worse], delivered: 1, ..nothing_settled(a) };
    for _ in 0..2 {
        journal.settle(settlement.clone()).await.expect("a settlement is taken");
        let left = [(ids[1], 2, "never", false), (ids[2], 3, "no", true), (ids[3], 5, "no", false)];
        assert_eq!(
            letters(&*journal, a).await,
            left.map(|(id, number, reason, again)| (id, number, reason.to_owned(), again))
        );
    }
    assert_eq!(journal.backlog(a), 1);
    journal.append(page(feed, [6])).await.expect("a page is taken");
    assert_eq!(numbers(&next(reader.as_mut(), 100_000).await), [6], "what was handed out does not come again");
}

/// Guarantee: a dead letter that is dropped is gone, and does not come again where it was to be replayed; those of a
/// lane that has left the plan are counted, and can be dropped.
async fn drops_dead_letters(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = harness.open(vec![lane("a")]).await;
    let a = journal.lanes()[0].id;
    let feed = journal.open_feed(&feed_name(0), "kind").await.expect("a feed opens").id;
    journal.append(page(feed, 0..3)).await.expect("a page is taken");
    let run = next(journal.reader(a).as_mut(), 100_000).await;
    let refused = |place| DeadLetter { entry: EntryRef { queue: run.queue, place: Place(place) }, reason: "no".into() };
    let settlement = Settlement { dead_letters: [0, 1, 2].map(refused).into(), ..settles(a, &run) };
    journal.settle(settlement).await.expect("a settlement is taken");
    let ids: Vec<i64> = letters(&*journal, a).await.iter().map(|(id, ..)| *id).collect();
    assert_eq!(journal.replay(a, &ids[..2]).await.expect("it replays"), 2);
    assert_eq!(counts(&*journal).await, [("a".to_owned(), true, 3, 2)]);
    assert_eq!(journal.drop_dead_letters(a, &[ids[0], ids[0], 9_999]).await.expect("it drops"), 1);
    assert_eq!((journal.backlog(a), counts(&*journal).await), (1, vec![("a".to_owned(), true, 2, 1)]));
    assert_eq!(numbers(&next(journal.reader(a).as_mut(), 100_000).await), [1]);
    drop(journal);

    let journal = harness.open(vec![lane("b")]).await;
    assert_eq!(counts(&*journal).await, [("b".to_owned(), true, 0, 0), ("a".to_owned(), false, 2, 1)]);
    journal.replay(a, &ids).await.expect_err("nobody would get them");
    assert_eq!(journal.drop_dead_letters(a, &ids).await.expect("it drops"), 2);
    assert_eq!(counts(&*journal).await, [("b".to_owned(), true, 0, 0)]);
}

/// Dead letters: number, number of the entry, reason, whether they are replayed. Read one by one, as in pages.
async fn letters(journal: &dyn Journal, lane: LaneId) -> Vec<(i64, u64, String, bool)> {
    let mut all: Vec<(i64, u64, String, bool)> = Vec::new();
    loop {
        let after = all.last().map_or(0, |(id, ..)| *id);
        let page = journal.dead_letters(lane, after, 1).await.expect("dead letters can be read");
        let Some(letter) = page.into_iter().next() else { return all };
        all.push((letter.id, entry_number(&letter.entry), letter.reason, letter.replaying));
    }
}

async fn counts(journal: &dyn Journal) -> Vec<(String, bool, u64, u64)> {
    let counts = journal.dead_letter_counts().await.expect("dead letters are counted");
    counts.into_iter().map(|count| (count.lane.name, count.in_plan, count.kept, count.replaying)).collect()
}
