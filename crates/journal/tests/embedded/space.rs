//! A journal that is full, by its own measure or the disk's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use journal::{Append, EmbeddedJournal, EmbeddedOptions, FeedId, Journal, JournalError, NewEntry};

use crate::fixture::{DAY, Folder, bytes_on_disk, entry, lane, next, open_feed, page, settles, siem};

/// A page of about 100 KiB that does not compress.
fn bulky(feed: FeedId, number: u64) -> Append {
    let entries = (0..10).map(|part| {
        let number = number * 10 + part;
        let mut random = fastrand::Rng::with_seed(number);
        let bytes = Bytes::from_iter(std::iter::repeat_with(|| random.u8(..)).take(10_000));
        NewEntry { bytes, ..entry(number) }
    });
    let checkpoints = vec![("live".to_owned(), number.to_be_bytes().to_vec())];
    Append { entries: entries.collect(), checkpoints, ..page(feed, []) }
}

/// Appends until the journal is full; returns how many pages it took.
async fn fill(journal: &EmbeddedJournal, feed: FeedId, from: u64, each: impl Fn()) -> u64 {
    for number in from.. {
        match journal.append(bulky(feed, number)).await {
            Ok(_) => each(),
            Err(JournalError::Full(room)) => {
                assert!(room.full_since.is_some() && room.used <= room.max, "{room:?}");
                return number - from;
            }
            Err(error) => panic!("{error}: {error:?}"),
        }
    }
    unreachable!("a journal is full some time");
}

/// Reads and settles everything there is; returns the numbers of the entries.
async fn drain(journal: &EmbeddedJournal) -> Vec<u64> {
    let siem = siem(journal);
    let mut reader = siem.reader();
    let mut read = Vec::new();
    while siem.waiting() > 0 {
        let run = next(reader.as_mut(), 100_000).await.expect("the journal is whole");
        read.extend(run.entries.iter().map(|entry| entry.key.time.cast_unsigned()));
        siem.settle(settles(&run)).await.expect("the journal is whole");
    }
    read
}

/// Guarantee: the files never take more than `max_size`; what is not settled is never given up for room, what is
/// settled goes first whatever `retention` says, and the room is told as it changes.
#[tokio::test]
async fn a_full_journal_refuses_pages_until_there_is_room() {
    let folder = Folder::new();
    let max_size = 4 << 20;
    let journal = folder.open(EmbeddedOptions { max_size, retention: DAY, ..folder.options() }).await.unwrap();
    let feed = open_feed(&journal).await;
    let mut room = journal.room();
    assert_eq!((room.borrow().max, room.borrow().full_since), (max_size, None));
    let check = || assert!(bytes_on_disk(&folder.path()) <= max_size);
    let first = fill(&journal, feed, 0, check).await;
    assert!(first > 15, "most of the room is for entries: {first} pages");
    assert!(room.borrow_and_update().full_since.is_some());
    let again = journal.append(bulky(feed, first)).await;
    assert!(matches!(again, Err(JournalError::Full(_))), "it stays full");
    let known = journal.append(Append { checkpoints: Vec::new(), ..bulky(feed, 0) }).await.unwrap();
    assert!(!known.new.contains(&true), "what brings nothing needs no room");

    assert!(drain(&journal).await.into_iter().eq(0..first * 10));
    room.wait_for(|room| room.full_since.is_none()).await.unwrap();
    let second = fill(&journal, feed, first, check).await;
    assert!(second > 15, "what was settled made room, although it would have been kept: {second} pages");
    journal.close().await;
    let journal = folder.open(EmbeddedOptions { max_size, retention: DAY, ..folder.options() }).await.unwrap();
    assert!(drain(&journal).await.into_iter().eq(first * 10..(first + second) * 10), "nothing is lost");
    check();
}

/// Guarantee: settled entries make room at once for the page that needs it, which is not refused.
#[tokio::test]
async fn settled_entries_go_for_a_page_that_needs_room() {
    let folder = Folder::new();
    let options = EmbeddedOptions { max_size: 4 << 20, retention: DAY, ..folder.options() };
    let journal = folder.open(options).await.unwrap();
    let feed = open_feed(&journal).await;
    for number in 0..200 {
        journal.append(bulky(feed, number)).await.unwrap();
        assert_eq!(drain(&journal).await.len(), 10);
    }
    assert_eq!(journal.room().borrow().full_since, None);
}

/// A small file system in memory, unmounted in the end.
struct SmallDisk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where it cannot be mounted and the run does not insist on it.
    fn mount(megabytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let path = folder.path().to_owned();
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
        let output = mount.expect("the command mount is there");
        if output.status.success() {
            return Some(Self { path, _folder: folder });
        }
        let why = format!("cannot mount a tmpfs (this needs root): {}", String::from_utf8_lossy(&output.stderr));
        assert!(std::env::var_os("ATP_TESTS_REQUIRE_ROOT").is_none(), "{why}");
        println!("skipped: {why}");
        None
    }

    fn remount(&self, megabytes: u64) {
        let size = format!("remount,size={megabytes}m");
        assert!(
            Command::new("mount")
                .args(["-o", &size])
                .arg(&self.path)
                .status()
                .expect("the command mount is there")
                .success()
        );
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.path).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "a tmpfs stays mounted at {}", self.path.display());
    }
}

async fn open_on(disk: &Path) -> Arc<EmbeddedJournal> {
    // The disk is smaller than what the journal may take, as with a default `max_size` on a small volume.
    let path = disk.join("journal");
    let options = EmbeddedOptions { path, max_size: 4 << 30, retention: DAY, dedup_window: 30 * DAY };
    let journal = EmbeddedJournal::open(options).await.expect("the journal opens, however full the disk is");
    journal.set_lanes(&[lane("siem")]).await.expect("its lanes are set, however full the disk is");
    journal
}

/// Guarantee: on a full disk appends are refused as full and nothing else happens: lanes read and settle, that makes
/// room, appends go on, also over a restart in the middle, and nothing is lost.
#[tokio::test]
async fn a_full_disk_is_survived() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let mut journal = open_on(&disk.path).await;
    let feed = open_feed(&journal).await;
    let mut next = 0;
    for round in 0..3 {
        let taken = fill(&journal, feed, next, || ()).await;
        assert!(taken > 20, "round {round}: {taken} pages");
        if round == 1 {
            journal.close().await;
            journal = open_on(&disk.path).await;
            assert_eq!(journal.damage(), None);
            assert!(matches!(journal.append(bulky(feed, next + taken)).await, Err(JournalError::Full(_))));
        }
        let mut room = journal.room();
        assert!(drain(&journal).await.into_iter().eq(next * 10..(next + taken) * 10), "round {round}: nothing is lost");
        let has_room = room.wait_for(|room| room.full_since.is_none());
        tokio::time::timeout(Duration::from_secs(30), has_room).await.expect("settling makes room").unwrap();
        next += taken;
    }
    journal.close().await;
}

/// Guarantee: a disk that others filled is survived too; room that comes from outside is found.
#[tokio::test]
async fn a_disk_that_others_fill_is_survived() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let journal = open_on(&disk.path).await;
    let feed = open_feed(&journal).await;
    journal.append(bulky(feed, 0)).await.unwrap();
    let other = disk.path.join("other");
    std::fs::write(&other, vec![1; 8 << 20]).unwrap_err();
    let taken = 1 + fill(&journal, feed, 1, || ()).await;
    assert!(drain(&journal).await.into_iter().eq(0..taken * 10));
    journal.trim().await.unwrap();
    let mut room = journal.room();
    disk.remount(16);
    let has_room = room.wait_for(|room| room.full_since.is_none());
    tokio::time::timeout(Duration::from_secs(30), has_room).await.expect("room is found").unwrap();
    journal.append(bulky(feed, taken)).await.unwrap();
    journal.close().await;
}

/// Guarantee: the ballast follows `max_size` from one opening to the next.
#[tokio::test]
async fn the_ballast_follows_the_size() {
    let folder = Folder::new();
    for (max_size, ballast) in [(64 << 20, 8 << 20), (16 << 20, 2 << 20), (512 << 20, 16 << 20)] {
        let journal = folder.open(EmbeddedOptions { max_size, ..folder.options() }).await.unwrap();
        assert_eq!(std::fs::metadata(folder.path().join("ballast")).unwrap().len(), ballast);
        let room = *journal.room().borrow();
        assert!(room.used >= ballast && room.used <= ballast + (1 << 20) && room.max == max_size, "{room:?}");
        journal.close().await;
    }
}
