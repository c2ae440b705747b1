//! What is written, how often, and how long it stays.

use std::time::Duration;

use bytes::Bytes;
use journal::{
    Append, DeadLetter, DeadLetters, EmbeddedJournal, EmbeddedOptions, EntryRef, FeedName, Journal, JournalError,
    LARGEST_ENTRY, NewEntry, Settlement, Target,
};

use crate::fixture::{DAY, Folder, entry, forward, lane, next, numbers, of, open_feed, page, settles, siem};

/// Guarantee: a page that brings nothing new and moves nothing writes nothing.
#[tokio::test]
async fn a_page_that_brings_nothing_writes_nothing() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    let checkpoints = vec![("live".to_owned(), vec![1])];
    let append = Append { checkpoints, ..page(open_feed(&journal).await, 0..10) };
    journal.append(append.clone()).await.unwrap();
    let before = journal.syncs();
    for _ in 0..5 {
        assert_eq!(journal.append(append.clone()).await.unwrap().new, vec![false; 10]);
    }
    assert_eq!(journal.syncs(), before);
    let moved = Append { checkpoints: vec![("live".to_owned(), vec![2])], ..append };
    journal.append(moved).await.unwrap();
    assert!(journal.syncs() > before, "a checkpoint that moves is written");
}

/// Guarantee: a thousand feeds with a page each share their syncs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_feeds_cost_at_most_fifty_syncs() {
    let folder = Folder::new();
    let journal = EmbeddedJournal::open(folder.options()).await.unwrap();
    journal.set_lanes(&[lane("siem")]).await.unwrap();
    let feeds: Vec<_> = (0..1_000_u64)
        .map(|number| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let name = FeedName { tenant_id: number.to_string(), source: "alerts".into() };
                let feed = journal.open_feed(&name, "mde_alerts").await.unwrap().id;
                (feed, number)
            })
        })
        .collect();
    let mut opened = Vec::new();
    for feed in feeds {
        opened.push(feed.await.unwrap());
    }
    let before = journal.syncs();
    let appends: Vec<_> = opened
        .into_iter()
        .map(|(feed, number)| {
            let journal = journal.clone();
            let checkpoints = vec![("live".to_owned(), number.to_be_bytes().to_vec())];
            tokio::spawn(async move {
                journal.append(Append { checkpoints, ..page(feed, number * 10..number * 10 + 10) }).await
            })
        })
        .collect();
    for append in appends {
        append.await.unwrap().unwrap();
    }
    let syncs = journal.syncs() - before;
    assert!(syncs <= 50, "{syncs} syncs");
    assert_eq!(siem(&journal).waiting(), 10_000);
}

fn of_size(number: u64, size: usize) -> NewEntry {
    // Bytes that do not compress, so that sizes on disk are real.
    let mut random = fastrand::Rng::with_seed(number);
    NewEntry { bytes: Bytes::from_iter(std::iter::repeat_with(|| random.u8(..)).take(size)), ..entry(number) }
}

/// Guarantee: entries of every size up to the largest come back whole, in order; a larger one is refused with its
/// place in the page, and the page with it.
#[tokio::test]
async fn entries_may_be_as_large_as_the_limit() {
    let folder = Folder::new();
    let options = EmbeddedOptions { max_size: 1 << 30, ..folder.options() };
    let journal = folder.open(options).await.unwrap();
    let feed = open_feed(&journal).await;
    let chunk = 256 * 1024;
    let sizes = [0, 1, chunk - 30, chunk - 29, chunk - 28, chunk, 5, 3 * chunk, chunk * 2 - 29, LARGEST_ENTRY, 7];
    let entries: Vec<_> = (0..).zip(sizes).map(|(number, size)| of_size(number, size)).collect();
    let too_large = [entries[0].clone(), NewEntry { bytes: vec![0; LARGEST_ENTRY + 1].into(), ..entry(99) }];
    let append = Append { entries: too_large.into(), ..page(feed, []) };
    match journal.append(append).await {
        Err(JournalError::EntryTooLarge { index: 1, size, limit: LARGEST_ENTRY }) => {
            assert_eq!(size, LARGEST_ENTRY + 1)
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(siem(&journal).waiting(), 0);

    journal.append(Append { entries: entries.clone(), ..page(feed, []) }).await.unwrap();
    for max_bytes in [1, chunk, usize::MAX] {
        let mut reader = siem(&journal).reader();
        let mut read = Vec::new();
        while read.len() < entries.len() {
            read.extend(next(reader.as_mut(), max_bytes).await.unwrap().entries);
        }
        assert!(read.iter().zip(&entries).all(|(read, entry)| read.bytes == entry.bytes && read.key == entry.key));
    }
}

/// Guarantee: an alert of the largest answer is journaled, read, and kept as a dead letter, in a journal that has room
/// for it compressed only.
#[tokio::test]
async fn a_huge_alert_is_taken() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    let huge = NewEntry { bytes: Bytes::from("evidence ".repeat((50 << 20) / 9)), ..entry(0) };
    let append = Append { entries: vec![huge.clone(), entry(1)], ..page(open_feed(&journal).await, []) };
    journal.append(append).await.unwrap();
    journal.close().await;
    let journal = folder.open(folder.options()).await.unwrap();
    let siem = of(&journal, "siem");
    let run = next(siem.reader().as_mut(), 1).await.unwrap();
    assert!(run.entries.len() == 1 && run.entries[0].bytes == huge.bytes);
    let place = run.entries[0].place;
    let letter = DeadLetter { entry: EntryRef { queue: run.queue, place }, reason: "too long".into() };
    siem.settle(Settlement { dead_letters: vec![letter], ..settles(&run) }).await.unwrap();
    journal.trim().await.unwrap();
    assert_eq!(forward(&*siem).await.unwrap(), [1]);
    assert!(journal.dead_letters(siem.id(), 0, 9).await.unwrap()[0].entry.bytes == huge.bytes);
}

/// Guarantee: a run has about the bytes that were asked for, and at least one entry.
#[tokio::test]
async fn a_run_is_as_large_as_asked_for() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    journal.append(page(open_feed(&journal).await, 0..2_000)).await.unwrap();
    for max_bytes in [0, 5_000, 300_000, usize::MAX] {
        let run = next(siem(&journal).reader().as_mut(), max_bytes).await.unwrap();
        let bytes: usize = run.entries.iter().map(|entry| entry.bytes.len()).sum();
        let least = max_bytes.min(2_000 * 500) / 2;
        assert!(bytes >= least && (bytes <= max_bytes || run.entries.len() == 1), "{bytes} of {max_bytes}");
    }
}

/// Guarantee: settled entries stay for `retention`, unsettled ones until they are settled.
#[tokio::test]
async fn settled_entries_stay_for_retention() {
    let folder = Folder::new();
    let retention = Duration::from_secs(3_600);
    let journal = folder.open(EmbeddedOptions { retention, ..folder.options() }).await.unwrap();
    let siem = siem(&journal);
    let feed = open_feed(&journal).await;
    // A lane that begins with the oldest says how many are held.
    let held = async |name: &str| {
        journal.set_lanes(&[lane("siem"), lane(name)]).await.unwrap();
        let held = of(&journal, name).waiting();
        journal.skip(of(&journal, name).id(), "it only looked").await.unwrap();
        journal.set_lanes(&[lane("siem")]).await.unwrap();
        held
    };
    journal.append(page(feed, 0..10)).await.unwrap();
    folder.pass(retention * 2);
    journal.trim().await.unwrap();
    assert_eq!(held("one").await, 10, "they are not settled");
    journal.append(page(feed, 10..11)).await.unwrap();
    forward(&*siem).await.unwrap();
    journal.trim().await.unwrap();
    assert_eq!(held("two").await, 1, "ten were appended longer ago than they are kept");
    journal.append(page(feed, 11..12)).await.unwrap();
    forward(&*siem).await.unwrap();
    folder.pass(retention / 2);
    journal.trim().await.unwrap();
    assert_eq!(held("three").await, 2, "they are kept a while");
}

/// Guarantee: the ledger remembers a key for `dedup_window` from when it was first seen, and at most two days longer, by
/// the server's time of its own feed: neither our clock nor another tenant's server can make it forget.
#[tokio::test]
async fn the_ledger_remembers_and_forgets() {
    let folder = Folder::new();
    let journal = folder.open(EmbeddedOptions { dedup_window: 3 * DAY, ..folder.options() }).await.unwrap();
    let feed = open_feed(&journal).await;
    let other = FeedName { source: "other".into(), ..crate::fixture::feed_name() };
    let other = journal.open_feed(&other, "mde_alerts").await.unwrap().id;
    const TICKS_OF_A_DAY: i64 = 864_000_000_000;
    let on = |day: i64, page: Append| Append { server_time: Some(day * TICKS_OF_A_DAY), ..page };
    journal.append(on(100, page(feed, 0..5_000))).await.unwrap();
    journal.append(on(500, page(other, 0..1))).await.unwrap();
    folder.pass(400 * DAY);
    let known = async || {
        journal.trim().await.unwrap();
        let keys = journal.keys(feed, i64::MIN..i64::MAX, None, usize::MAX).await.unwrap();
        keys.len()
    };
    assert_eq!(known().await, 5_000, "neither our clock nor another server's counts");
    journal.append(on(103, page(feed, 5_000..5_001))).await.unwrap();
    assert_eq!(known().await, 5_001);
    journal.append(on(90, page(feed, 5_001..5_002))).await.unwrap();
    assert_eq!(known().await, 5_002, "a server whose clock is set back makes nothing older");
    journal.append(on(104, page(feed, 5_002..5_003))).await.unwrap();
    assert_eq!(known().await, 3);
    let new = journal.append(page(feed, 0..5_001)).await.unwrap().new;
    assert!(new[..5_000].iter().all(|new| *new) && !new[5_000]);
}

/// Guarantee: two lanes of one journal read at their own pace, while pages come in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_do_not_wait_for_each_other() {
    let folder = Folder::new();
    let lanes = [lane("fast"), lane("slow")];
    let journal = folder.open_for(folder.options(), &lanes).await.unwrap();
    let feed = open_feed(&journal).await;
    let readers: Vec<_> = [("fast", 100_000), ("slow", 700)]
        .into_iter()
        .map(|(name, max_bytes)| {
            let lane = of(&journal, name);
            tokio::spawn(async move {
                let mut reader = lane.reader();
                let mut read = Vec::new();
                while read.len() < 1_000 {
                    read.extend(numbers(&next(reader.as_mut(), max_bytes).await.unwrap()));
                }
                read
            })
        })
        .collect();
    for part in 0..20 {
        let append = Append { to: Target::Live, ..page(feed, part * 50..part * 50 + 50) };
        journal.append(append).await.unwrap();
    }
    for reader in readers {
        assert!(reader.await.unwrap().into_iter().eq(0..1_000));
    }
}
