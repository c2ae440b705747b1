//! Opening and closing: who may, and what is found.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use journal::{EmbeddedOptions, Journal, JournalError, LanePlan, LaneStart};

use crate::fixture::{Folder, first_lane, forward, lane, open_feed, page, settles};

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

/// Guarantee: a journal of a later format is refused with a sentence and left untouched.
#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let folder = Folder::new();
    folder.open(folder.options()).await.unwrap().close().await;
    folder.raw().execute_batch("PRAGMA user_version = 2; UPDATE meta SET format = 2").unwrap();
    let before = std::fs::read(folder.database()).unwrap();
    let error = folder.open(folder.options()).await.err().unwrap();
    assert!(matches!(error, JournalError::NewerFormat { found: 2, known: 1 }), "{error:?}");
    assert!(error.to_string().contains("run the newer version"), "{error}");
    assert_eq!(std::fs::read(folder.database()).unwrap(), before);
    assert!(folder.set_aside().is_empty());
}

/// Guarantee: a journal of an earlier format is opened with what it holds, and is then of this format.
#[tokio::test]
async fn an_older_format_is_opened() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    journal.append(page(open_feed(&journal).await, 0..3)).await.unwrap();
    journal.close().await;
    folder.raw().execute_batch("PRAGMA user_version = 0; UPDATE meta SET format = 0").unwrap();
    let journal = folder.open(folder.options()).await.unwrap();
    assert_eq!(forward(&journal, first_lane(&journal)).await.unwrap(), [0, 1, 2]);
    journal.close().await;
    let version: i64 = folder.raw().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
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
    let mut reader = journal.reader(first_lane(&journal));
    let waits = tokio::spawn(async move { reader.next(1).await });
    journal.close().await;
    assert!(matches!(waits.await.unwrap(), Err(JournalError::Closed)));
    assert!(matches!(journal.append(page(feed, 0..1)).await, Err(JournalError::Closed)));
    assert!(matches!(journal.reader(first_lane(&journal)).next(1).await, Err(JournalError::Closed)));
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
    let mut held = forward(&journal, first_lane(&journal)).await.unwrap();
    held.sort_unstable();
    assert_eq!(held, acknowledged);
}

/// Guarantee: a lane that left the plan holds nothing back, goes on where it was when it comes back within `keep`, and
/// begins like a new one after that.
#[tokio::test]
async fn lanes_that_left_are_remembered_for_a_while() {
    let folder = Folder::new();
    let keep = Duration::from_secs(1_000);
    let only = |name| EmbeddedOptions {
        keep,
        lanes: vec![LanePlan { from: LaneStart::Now, ..lane(name) }],
        ..folder.options()
    };
    let both = || EmbeddedOptions { lanes: [only("siem").lanes, only("other").lanes].concat(), ..only("siem") };
    let journal = folder.open(both()).await.unwrap();
    let (siem, other) = (journal.lanes()[0].id, journal.lanes()[1].id);
    let feed = open_feed(&journal).await;
    journal.append(page(feed, 0..10)).await.unwrap();
    journal.close().await;

    let journal = folder.open(only("siem")).await.unwrap();
    forward(&journal, siem).await.unwrap();
    journal.close().await;
    let journal = folder.open(both()).await.unwrap();
    assert_eq!((journal.backlog(siem), journal.backlog(other)), (0, 10), "it goes on where it was");
    journal.close().await;

    let journal = folder.open(only("siem")).await.unwrap();
    folder.pass(keep * 2);
    journal.trim().await.unwrap();
    journal.append(page(feed, 10..13)).await.unwrap();
    journal.close().await;
    let journal = folder.open(both()).await.unwrap();
    assert_eq!(journal.backlog(other), 3, "what was trimmed meanwhile is gone for it");
    journal.close().await;

    folder.open(only("siem")).await.unwrap().close().await;
    folder.pass(keep * 2);
    folder.open(only("siem")).await.unwrap().close().await;
    let journal = folder.open(both()).await.unwrap();
    assert_eq!(journal.backlog(journal.lanes()[1].id), 0, "forgotten, it begins with what comes from now on");
}

/// Guarantee: a lane that took the name of one that had left is the lane of that name from then on, also when it has left
/// itself and comes back; the other's marks are not used again.
#[tokio::test]
async fn two_lanes_of_a_name_do_not_meet() {
    let folder = Folder::new();
    let keep = Duration::from_secs(1_000);
    let open = |lanes: Vec<LanePlan>| {
        folder.pass(Duration::from_secs(1));
        folder.open(EmbeddedOptions { keep, lanes, ..folder.options() })
    };
    let journal = open(vec![lane("a"), lane("b")]).await.unwrap();
    let a = first_lane(&journal);
    journal.append(page(open_feed(&journal).await, 0..10)).await.unwrap();
    forward(&journal, journal.lanes()[1].id).await.unwrap();
    journal.close().await;
    let renamed = LanePlan { was: Some("a".into()), ..lane("b") };
    let elsewhere = lane("c");
    let plans = [lane("a"), renamed.clone(), renamed, elsewhere, lane("b"), lane("b")];
    for (plan, is_a) in plans.into_iter().zip([true, true, true, false, true, true]) {
        let journal = open(vec![plan.clone()]).await.unwrap();
        assert_eq!((first_lane(&journal) == a, journal.backlog(first_lane(&journal))), (is_a, 10), "{plan:?}");
        journal.close().await;
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
    journal.close().await;
    let since = |seconds| LaneStart::Since(Duration::from_secs(seconds));
    let late = |name, seconds| LanePlan { from: since(seconds), ..lane(name) };
    let lanes = vec![lane("siem"), late("two", 130), late("none", 10), late("all", 9_999)];
    let journal = folder.open(EmbeddedOptions { lanes, ..folder.options() }).await.unwrap();
    let backlogs: Vec<u64> = journal.lanes().iter().map(|lane| journal.backlog(lane.id)).collect();
    assert_eq!(backlogs, [18, 8, 0, 18]);
}

/// Guarantee: the counts of a lane survive, as do its marks.
#[tokio::test]
async fn a_lane_is_counted() {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.unwrap();
    let siem = first_lane(&journal);
    journal.append(page(open_feed(&journal).await, 0..5)).await.unwrap();
    let run = journal.reader(siem).next(usize::MAX).await.unwrap();
    let settlement = journal::Settlement { delivered: 3, filtered: 2, ..settles(siem, &run) };
    journal.settle(settlement).await.unwrap();
    journal.close().await;
    let journal = folder.open(folder.options()).await.unwrap();
    let count = journal.count(siem).unwrap();
    assert_eq!((count.delivered, count.filtered), (3, 2));
    assert_eq!(journal.count(journal::LaneId(99)), None);
}
