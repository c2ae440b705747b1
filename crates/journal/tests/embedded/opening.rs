//! Opening and closing: who may, and what is found.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use journal::{EmbeddedOptions, Journal, JournalError, LanePlan, LaneStart};

use crate::fixture::{Folder, forward, lane, next, of, open_feed, page, settles, siem};

/// Guarantee: one process has the journal, and one opening in it; the refusal says what to do.
#[tokio::test]
async fn a_second_opening_is_refused() {
    let folder = Folder::new();
    let first = folder.open(folder.options()).await.unwrap();
    let error = folder.open(folder.options()).await.err().unwrap();
    assert!(matches!(error, JournalError::InUse { .. }));
    assert!(error.to_string().contains("another process uses the journal"), "{error}");

    let elsewhere = || Command::new("flock").arg("--nonblock").arg(folder.path().join("lock")).arg("true").status();
    assert!(!elsewhere().unwrap().success(), "another process sees that it is taken");
    first.close().await;
    assert!(elsewhere().unwrap().success(), "closing lets go of it");
    folder.open(folder.options()).await.unwrap();
}

/// Guarantee: a journal of a later format, and one of a format that was never released, is refused with a sentence and
/// left untouched.
#[tokio::test]
async fn other_formats_are_refused_and_left_alone() {
    for (format, sentence) in [(3, "run the newer version"), (1, "no released version wrote")] {
        let folder = Folder::new();
        folder.open(folder.options()).await.unwrap().close().await;
        let changes = format!("PRAGMA user_version = {format}; UPDATE meta SET format = {format}");
        folder.raw().execute_batch(&changes).unwrap();
        let before = std::fs::read(folder.database()).unwrap();
        let error = folder.open(folder.options()).await.err().unwrap();
        let is_named = match &error {
            JournalError::NewerFormat { found, known: 2 } | JournalError::OldFormat { found } => *found == format,
            _ => false,
        };
        assert!(is_named && error.to_string().contains(sentence), "{error}");
        assert_eq!(std::fs::read(folder.database()).unwrap(), before);
        assert!(folder.set_aside().is_empty());
    }
}

/// Guarantee: alerts are nobody else's to read, whatever the umask.
#[tokio::test]
async fn files_are_their_owners_alone() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    journal.append(page(open_feed(&journal).await, 0..3)).await.unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(path.clone()), 0o600, "{}", path.display());
    }
}

/// Guarantee: a closed journal says so, to callers, readers that wait, and readers that come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_journal_says_so() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    let feed = open_feed(&journal).await;
    let mut reader = siem(&journal).reader();
    let waits = tokio::spawn(async move { next(reader.as_mut(), 1).await });
    journal.close().await;
    assert!(matches!(waits.await.unwrap(), Err(JournalError::Closed)));
    assert!(matches!(journal.append(page(feed, 0..1)).await, Err(JournalError::Closed)));
    assert!(matches!(next(siem(&journal).reader().as_mut(), 1).await, Err(JournalError::Closed)));
    assert!(matches!(journal.trim().await, Err(JournalError::Closed)));
    journal.close().await;
}

/// Guarantee: what was asked for before the closing is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_does_what_was_asked_for_before() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    let feed = open_feed(&journal).await;
    let appends = (0..20).map(|number| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(page(feed, [number])).await.is_ok() })
    });
    let appends: Vec<_> = appends.collect();
    tokio::task::yield_now().await;
    journal.close().await;
    let mut acknowledged = Vec::new();
    for (number, append) in (0..).zip(appends) {
        if append.await.unwrap() {
            acknowledged.push(number);
        }
    }
    let journal = folder.open(folder.options()).await.unwrap();
    let mut held = forward(&*siem(&journal)).await.unwrap();
    held.sort_unstable();
    assert_eq!(held, acknowledged);
}

/// Guarantee: a lane that left the plan holds nothing back, goes on where it was when it comes back within `retention`,
/// and begins like a new one after that.
#[tokio::test]
async fn lanes_that_left_are_remembered_for_a_while() {
    let folder = Folder::new();
    let retention = Duration::from_secs(1_000);
    let new = |name| LanePlan { start: LaneStart::Now, ..lane(name) };
    let (only, both) = ([new("siem")], [new("siem"), new("other")]);
    let options = EmbeddedOptions { retention, ..folder.options() };
    let journal = folder.open_for(options, &both).await.unwrap();
    let feed = open_feed(&journal).await;
    journal.append(page(feed, 0..10)).await.unwrap();
    forward(&*of(&journal, "other")).await.unwrap();
    journal.set_lanes(&only).await.unwrap();
    journal.append(page(feed, 10..20)).await.unwrap();
    journal.set_lanes(&both).await.unwrap();
    assert_eq!(of(&journal, "other").waiting(), 10, "it goes on where it was");
    forward(&*of(&journal, "other")).await.unwrap();

    journal.set_lanes(&only).await.unwrap();
    forward(&*siem(&journal)).await.unwrap();
    folder.pass(retention * 2);
    journal.trim().await.unwrap();
    journal.append(page(feed, 20..23)).await.unwrap();
    journal.set_lanes(&both).await.unwrap();
    assert_eq!(of(&journal, "other").waiting(), 3, "what was trimmed meanwhile is gone for it");
    forward(&*of(&journal, "other")).await.unwrap();

    journal.set_lanes(&only).await.unwrap();
    folder.pass(retention * 2);
    journal.set_lanes(&only).await.unwrap();
    journal.set_lanes(&both).await.unwrap();
    assert_eq!(of(&journal, "other").waiting(), 0, "forgotten, it begins with what comes from now on");
}

/// Guarantee: a lane that took the name of one that had left is the lane of that name from then on, also when it has left
/// itself and comes back; the other's marks are not used again.
#[tokio::test]
async fn two_lanes_of_a_name_do_not_meet() {
    let folder = Folder::new();
    let options = EmbeddedOptions { retention: Duration::from_secs(1_000), ..folder.options() };
    let journal = folder.open_for(options, &[lane("a"), lane("b")]).await.unwrap();
    let a = of(&journal, "a").id();
    journal.append(page(open_feed(&journal).await, 0..10)).await.unwrap();
    forward(&*of(&journal, "b")).await.unwrap();
    journal.set_lanes(&[lane("a")]).await.unwrap();
    let renamed = LanePlan { renamed_from: Some("a".into()), ..lane("b") };
    journal.set_lanes(std::slice::from_ref(&renamed)).await.unwrap();
    assert_eq!((of(&journal, "b").id(), of(&journal, "b").waiting()), (a, 10));
    forward(&*of(&journal, "b")).await.unwrap();
    for (plan, is_a) in [(renamed, true), (lane("c"), false), (lane("b"), true), (lane("b"), true)] {
        folder.pass(Duration::from_secs(1));
        let name = plan.name.clone();
        journal.set_lanes(&[plan]).await.unwrap();
        assert_eq!(of(&journal, &name).id() == a, is_a, "{name}");
        forward(&*of(&journal, &name)).await.unwrap();
    }
}

/// Guarantee: a lane may begin with what was appended at most so long ago.
#[tokio::test]
async fn a_lane_can_begin_some_time_ago() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    let feed = open_feed(&journal).await;
    for numbers in [0..10, 10..15, 15..18] {
        journal.append(page(feed, numbers)).await.unwrap();
        folder.pass(Duration::from_secs(60));
    }
    let since = |seconds| LaneStart::Since(Duration::from_secs(seconds));
    let late = |name, seconds| LanePlan { start: since(seconds), ..lane(name) };
    let lanes = [lane("siem"), late("two", 130), late("none", 10), late("all", 9_999)];
    journal.set_lanes(&lanes).await.unwrap();
    assert_eq!(["siem", "two", "none", "all"].map(|name| of(&journal, name).waiting()), [18, 8, 0, 18]);
}

/// Guarantee: the counts of a lane survive, as do its marks.
#[tokio::test]
async fn a_lane_is_counted() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    let siem = siem(&journal);
    journal.append(page(open_feed(&journal).await, 0..5)).await.unwrap();
    let run = next(siem.reader().as_mut(), usize::MAX).await.unwrap();
    let settlement = journal::Settlement { delivered: 3, filtered: 2, ..settles(&run) };
    siem.settle(settlement).await.unwrap();
    journal.close().await;
    let journal = folder.open(folder.options()).await.unwrap();
    let standing = journal.standings().await.unwrap().swap_remove(0);
    assert_eq!((standing.delivered, standing.filtered, standing.waiting), (3, 2, 0));
}
