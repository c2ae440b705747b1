//! A journal in a folder of its own, and an API whose alerts are the numbers 0, 1, 2, … in the order of time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use journal::{
    Append, Clock, DeadLetters, EmbeddedJournal, EmbeddedOptions, EntryRef, FeedId, FeedName, Journal, JournalError,
    Key, LaneJournal, LanePlan, LaneStart, NewEntry, Reader, Run, Settlement, Taken, Takes, Target, Tuning,
};
use tempfile::TempDir;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder with a journal in it, and the journal's clock, which stands still.
pub(crate) struct Folder {
    folder: TempDir,
    now: Arc<Mutex<SystemTime>>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_000_000);
        Self { folder, now: Arc::new(Mutex::new(now)) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("journal.db")
    }

    /// Entries are kept until they are settled.
    pub(crate) fn options(&self) -> EmbeddedOptions {
        let (retention, dedup_window) = (Duration::ZERO, 30 * DAY);
        EmbeddedOptions { path: self.path(), max_size: 64 << 20, retention, dedup_window }
    }

    /// Opens the journal with one lane, `siem`, which begins with everything.
    pub(crate) async fn open(&self, options: EmbeddedOptions) -> Result<Arc<EmbeddedJournal>, JournalError> {
        self.open_for(options, &[lane("siem")]).await
    }

    /// Opens the journal with these lanes.
    pub(crate) async fn open_for(
        &self,
        options: EmbeddedOptions,
        lanes: &[LanePlan],
    ) -> Result<Arc<EmbeddedJournal>, JournalError> {
        let journal = self.open_bare(options).await?;
        journal.set_lanes(lanes).await?;
        Ok(journal)
    }

    /// Opens the journal; its lanes are not set yet.
    pub(crate) async fn open_bare(&self, options: EmbeddedOptions) -> Result<Arc<EmbeddedJournal>, JournalError> {
        let now = Arc::clone(&self.now);
        let clock = Clock::new(move || *now.lock().expect("nobody panics with the time in hand"));
        let tuning = Tuning { clock, sync_spacing: Duration::ZERO, ..Tuning::default() };
        EmbeddedJournal::open_tuned(options, tuning).await
    }

    pub(crate) fn pass(&self, time: Duration) {
        *self.now.lock().expect("nobody panics with the time in hand") += time;
    }

    /// A copy of the journal's files as they are at one moment: the journal may be at work in the background, so they
    /// are read until they stand still.
    pub(crate) fn image(&self) -> Self {
        let read = || ["journal.db-wal", "journal.db"].map(|name| std::fs::read(self.path().join(name)).ok());
        let mut files = read();
        loop {
            let again = read();
            if again == files {
                break;
            }
            files = again;
        }
        let image = Self { folder: Self::new().folder, now: Arc::clone(&self.now) };
        std::fs::create_dir(image.path()).expect("a folder can be made");
        for (name, bytes) in ["journal.db-wal", "journal.db"].iter().zip(files) {
            if let Some(bytes) = bytes {
                std::fs::write(image.path().join(name), bytes).expect("a file can be written");
            }
        }
        image
    }

    /// The database, open beside the journal's back.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).expect("the database opens")
    }

    /// The folders that damaged journals were set aside in.
    pub(crate) fn set_aside(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path()).expect("the folder can be read");
        let paths = entries.map(|entry| entry.expect("the folder can be read").path());
        paths.filter(|path| path.to_string_lossy().contains("journal.damaged-")).collect()
    }
}

pub(crate) fn lane(name: &str) -> LanePlan {
    LanePlan { name: name.into(), renamed_from: None, start: LaneStart::Oldest, takes: Takes::all() }
}

pub(crate) fn feed_name() -> FeedName {
    FeedName { tenant_id: "11111111-2222-3333-4444-555555555555".into(), source: "alerts".into() }
}

/// A lane of the plan by its name.
pub(crate) fn of(journal: &EmbeddedJournal, name: &str) -> Arc<dyn LaneJournal> {
    journal.lane(name).expect("the lane is in the plan")
}

pub(crate) fn siem(journal: &EmbeddedJournal) -> Arc<dyn LaneJournal> {
    of(journal, "siem")
}

/// The next run.
pub(crate) async fn next(reader: &mut dyn Reader, max_bytes: usize) -> Result<Run, JournalError> {
    match reader.next(max_bytes).await? {
        Taken::Run(run) => Ok(run),
        Taken::Revoked(queues) => panic!("{queues:?} were revoked, by nobody"),
    }
}

pub(crate) async fn open_feed(journal: &EmbeddedJournal) -> FeedId {
    journal.open_feed(&feed_name(), "mde_alerts").await.expect("a feed opens").id
}

pub(crate) fn entry(number: u64) -> NewEntry {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    NewEntry { key: Key { time: number.cast_signed(), id }, flags: 1, bytes: payload(number) }
}

pub(crate) fn payload(number: u64) -> Bytes {
    Bytes::from(format!("{{\"id\":{number},\"description\":\"{}\"}}", "word ".repeat(100)))
}

pub(crate) fn page(feed: FeedId, numbers: impl IntoIterator<Item = u64>) -> Append {
    let entries = numbers.into_iter().map(entry).collect();
    Append { feed, to: Target::Live, entries, checkpoints: Vec::new(), reread: false, server_time: None }
}

pub(crate) fn settles(run: &Run) -> Settlement {
    let last = run.entries.last().expect("a run has an entry").place;
    Settlement { marks: vec![EntryRef { queue: run.queue, place: last }], ..Settlement::default() }
}

pub(crate) fn numbers(run: &Run) -> Vec<u64> {
    run.entries
        .iter()
        .map(|entry| {
            let number = entry.key.time.cast_unsigned();
            assert_eq!(entry.bytes, payload(number), "an entry keeps its bytes");
            number
        })
        .collect()
}

/// What a lane has still to account for, settled as it is read.
pub(crate) async fn forward(lane: &dyn LaneJournal) -> Result<Vec<u64>, JournalError> {
    let mut reader = lane.reader();
    let mut delivered = Vec::new();
    while lane.waiting() > 0 {
        let run = next(reader.as_mut(), 10_000).await?;
        delivered.extend(numbers(&run));
        lane.settle(settles(&run)).await?;
    }
    Ok(delivered)
}

/// The API, which shows `shown` alerts, and what has arrived of them at the other end.
pub(crate) struct World {
    pub(crate) shown: u64,
    pub(crate) arrived: BTreeSet<u64>,
    /// What the journal said of damage, in the order of its openings.
    pub(crate) sentences: Vec<String>,
}

/// How many alerts a walk that has no checkpoint looks back.
const FRESH: u64 = 10;

static ROUNDS: AtomicU64 = AtomicU64::new(0);

impl World {
    pub(crate) fn new(shown: u64) -> Self {
        Self { shown, arrived: BTreeSet::new(), sentences: Vec::new() }
    }

    /// Reads the API to its end and forwards everything, opening the journal again whenever it is found damaged.
    pub(crate) async fn go_on(&mut self, folder: &Folder) {
        for _ in 0..4 {
            let journal = folder.open(folder.options()).await.expect("a damaged journal opens");
            self.sentences.extend(journal.damage().map(str::to_owned));
            let outcome = self.work(&journal).await;
            journal.close().await;
            match outcome {
                Ok(()) => return,
                Err(JournalError::Damaged { .. }) => {}
                Err(error) => panic!("{error}: {error:?}"),
            }
        }
        panic!("the journal is found damaged again and again: {:?}", self.sentences);
    }

    async fn work(&mut self, journal: &EmbeddedJournal) -> Result<(), JournalError> {
        let lane = siem(journal);
        self.read_api(journal).await?;
        self.arrived.extend(forward(&*lane).await?);
        let letters = journal.dead_letters(lane.id(), 0, usize::MAX).await?;
        self.arrived.extend(letters.iter().map(|letter| letter.entry.key.time.cast_unsigned()));
        // A look over everything that is left: what is remembered as seen must not be damaged either.
        journal.trim().await
    }

    /// Goes on at the checkpoint, or before it where the journal says so.
    async fn read_api(&self, journal: &EmbeddedJournal) -> Result<(), JournalError> {
        let feed = journal.open_feed(&feed_name(), "mde_alerts").await?;
        let checkpoint = feed.checkpoints.get("live").and_then(|state| state.as_slice().try_into().ok());
        // As the source does, a walk without a checkpoint begins a short while ago.
        let from = checkpoint.map_or(self.shown.saturating_sub(FRESH), u64::from_be_bytes);
        let reread = feed.reread_from.map_or(u64::MAX, |from| from.max(0).cast_unsigned());
        let numbers: Vec<u64> = (from.min(reread)..self.shown).collect();
        // The look at the end shows that a round writes, so that damage in what is written over is met too.
        let round = ROUNDS.fetch_add(1, Ordering::Relaxed).to_be_bytes().to_vec();
        let last = vec![("live".to_owned(), self.shown.to_be_bytes().to_vec()), ("round".to_owned(), round)];
        for part in numbers.chunks(40) {
            journal.append(page(feed.id, part.iter().copied())).await?;
        }
        journal.append(Append { checkpoints: last, reread: true, ..page(feed.id, []) }).await?;
        Ok(())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.arrived.iter().copied().eq(0..self.shown)
    }
}

/// Bytes of all the journal's files but the lock.
pub(crate) fn bytes_on_disk(path: &Path) -> u64 {
    let names = ["journal.db", "journal.db-wal", "ballast"];
    names.iter().filter_map(|name| std::fs::metadata(path.join(name)).ok()).map(|metadata| metadata.len()).sum()
}
