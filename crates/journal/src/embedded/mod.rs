//! The embedded journal: the contract on SQLite.

mod append;
mod aside;
mod chunk;
mod dead_letter;
mod folder;
mod forget;
mod lane;
mod lanes;
mod ledger;
mod open;
mod pace;
mod reader;
mod reads;
mod row;
mod schema;
mod settle;
mod shared;
mod space;
mod standing;
mod store;
mod trim;
mod trouble;
mod waiting;
mod writer;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use std::{fmt, thread};

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};

pub use self::chunk::LARGEST_ENTRY;

use self::lane::EmbeddedLane;
use self::shared::Shared;
use self::store::{Job, Store};
use self::trouble::Trouble;
use self::writer::{Request, Writer};
use crate::{
    Append, Appended, DeadLetterCount, DeadLetters, EntryRef, FeedId, FeedName, Forgotten, Found, Journal,
    JournalError, Key, LaneId, LaneJournal, LanePlan, LaneStanding, OpenFeed, Room, StoredDeadLetter,
};

/// The journal of one process, in a folder of its own.
///
/// One thread writes. What callers ask for between two syncs goes into one commit, each in a savepoint of its own, and
/// is answered after it. A caller that goes away meanwhile has its work done all the same.
pub struct EmbeddedJournal {
    desk: Desk,
    writer: Mutex<Option<JoinHandle<()>>>,
    identity: [u8; 16],
    damage: Option<String>,
}

/// Where the writer is asked.
#[derive(Clone)]
struct Desk {
    requests: Sender<Request>,
    shared: Arc<Shared>,
}

/// Where the journal is, and how much it may take.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Its folder, made with mode 0700 where there is none.
    pub path: PathBuf,
    /// Bytes on disk: database, write-ahead log and ballast together. A journal of less than 1 MiB holds little.
    pub max_size: u64,
    /// How long settled entries stay, as long as there is room, and how long the marks of lanes that left the plan.
    pub retention: Duration,
    /// How long the ledger remembers a revision, at least, in the server's time; at most two days longer.
    pub dedup_window: Duration,
}

/// What tests and measurements set, and nobody else.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// The database's page size in bytes, a power of two from 512 to 65,536; for new journals.
    pub page_size: u32,
    /// Where the time comes from.
    pub clock: Clock,
    /// How far apart syncs are, at least, while there is more to write than one takes.
    pub sync_spacing: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        // Measured: see the README.
        Self { page_size: 16 * 1024, clock: Clock::default(), sync_spacing: pace::SPACING }
    }
}

/// Where the time comes from that is stored with entries, and that `retention` is held against.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that is read by calling `now`.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for Clock {
    /// The system's clock.
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

impl EmbeddedJournal {
    /// Whether there is a journal in a folder, or what is left of one.
    pub fn is_in(path: &Path) -> bool {
        path.join("lock").exists()
    }

    /// Opens the journal in a folder, or makes one. A damaged one is set aside and begun anew: see
    /// [`Journal::damage`].
    ///
    /// # Errors
    /// [`JournalError::InUse`] while another has it open, in this process or elsewhere, and
    /// [`JournalError::NewerFormat`]; both leave it untouched. [`JournalError::Io`] where the system fails.
    pub async fn open(options: EmbeddedOptions) -> Result<Arc<Self>, JournalError> {
        Self::open_tuned(options, Tuning::default()).await
    }

    /// Opens the journal as [`Self::open`] does, tuned for a test or a measurement.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_tuned(options: EmbeddedOptions, tuning: Tuning) -> Result<Arc<Self>, JournalError> {
        tokio::task::spawn_blocking(move || Self::start(&options, &tuning)).await.unwrap_or(Err(JournalError::Closed))
    }

    fn start(options: &EmbeddedOptions, tuning: &Tuning) -> Result<Arc<Self>, JournalError> {
        let opened = open::open(options, tuning)?;
        let shared = Arc::clone(&opened.store.shared);
        let identity = opened.store.identity;
        let (sender, requests) = mpsc::channel();
        let writer = Writer::new(opened.store, requests, opened.folder, tuning.sync_spacing);
        let writer = thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run())
            .map_err(|error| JournalError::Io { doing: "start the journal's writer", source: error.into() })?;
        let writer = Mutex::new(Some(writer));
        let desk = Desk { requests: sender, shared };
        Ok(Arc::new(Self { desk, writer, identity, damage: opened.damage }))
    }

    /// Does what was asked for before, writes the log back and lets go of the folder. Everything that is asked for
    /// afterwards is answered [`JournalError::Closed`].
    pub async fn close(self: &Arc<Self>) {
        // Where nobody is there to hear it, the writer has ended.
        let _ = self.desk.requests.send(Request::Close);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A writer that panicked has said so, and holds nothing any more.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }

    /// How often the journal has synced since it was opened: commits, the beginnings of logs, and writing them back.
    pub fn syncs(&self) -> u64 {
        self.desk.shared.syncs()
    }
}

impl Desk {
    /// Has the writer do a task, and waits until it is on disk.
    async fn ask<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnMut(&mut Store) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (job, answered) = Job::new(work, bytes);
        self.send(Request::Task(Box::new(job)), answered).await
    }

    async fn send<T>(
        &self,
        request: Request,
        answered: oneshot::Receiver<Result<T, JournalError>>,
    ) -> Result<T, JournalError> {
        self.shared.check_open()?;
        // Where it cannot be sent, the answer's other half is gone with it.
        let _ = self.requests.send(request);
        match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(self.reason().await),
        }
    }

    /// Why there is no answer any more. The writer says it, at the latest when it ends.
    async fn reason(&self) -> JournalError {
        let mut ended = self.shared.ended();
        loop {
            if let Err(error) = self.shared.check_open() {
                return error;
            }
            if ended.changed().await.is_err() {
                return JournalError::Closed;
            }
        }
    }
}

#[async_trait]
impl Journal for EmbeddedJournal {
    async fn open_feed(&self, name: &FeedName, kind: &str) -> Result<OpenFeed, JournalError> {
        let (name, kind) = (name.clone(), kind.to_owned());
        self.desk.ask(0, move |store| store.open_feed(&name, &kind)).await
    }

    async fn append(&self, page: Append) -> Result<Appended, JournalError> {
        let bytes = page.entries.iter().map(|entry| entry.bytes.len()).sum();
        self.desk.ask(bytes, move |store| store.append(&page)).await
    }

    async fn find(&self, feed: FeedId, keys: &[Key]) -> Result<Vec<Option<Found>>, JournalError> {
        let (shared, keys) = (Arc::clone(&self.desk.shared), keys.to_vec());
        let find =
            move || shared.read(|db| keys.iter().map(|key| found(ledger::find(db, feed.0.into(), key)?)).collect());
        self.desk.shared.reads().read(find).await
    }

    async fn keys(
        &self,
        feed: FeedId,
        span: Range<i64>,
        after: Option<Key>,
        most: usize,
    ) -> Result<Vec<Key>, JournalError> {
        let shared = Arc::clone(&self.desk.shared);
        let keys = move || shared.read(|db| ledger::keys(db, feed.0.into(), span, after, most));
        self.desk.shared.reads().read(keys).await
    }

    async fn forget(&self, tenant_id: &str) -> Result<Forgotten, JournalError> {
        let tenant_id = tenant_id.to_owned();
        self.desk.ask(0, move |store| store.forget(&tenant_id)).await
    }

    async fn set_lanes(&self, plan: &[LanePlan]) -> Result<(), JournalError> {
        let plan = plan.to_vec();
        self.desk.ask(0, move |store| store.set_lanes(&plan)).await
    }

    fn lane(&self, name: &str) -> Option<Arc<dyn LaneJournal>> {
        let standing = self.desk.shared.standing();
        let lane = standing.lanes().iter().find(|state| state.in_plan && state.lane.name == name)?;
        Some(Arc::new(EmbeddedLane::new(self.desk.clone(), lane.lane.id)))
    }

    async fn standings(&self) -> Result<Vec<LaneStanding>, JournalError> {
        let shared = Arc::clone(&self.desk.shared);
        self.desk.shared.reads().read(move || lane::standings(&shared)).await
    }

    async fn skip(&self, lane: LaneId, why: &str) -> Result<u64, JournalError> {
        let why = why.to_owned();
        self.desk.ask(0, move |store| store.skip(lane, &why)).await
    }

    fn room(&self) -> watch::Receiver<Room> {
        self.desk.shared.room()
    }

    async fn trim(&self) -> Result<(), JournalError> {
        let (answer, answered) = oneshot::channel();
        self.desk.send(Request::Trim(answer), answered).await
    }

    fn identity(&self) -> [u8; 16] {
        self.identity
    }

    fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }
}

#[async_trait]
impl DeadLetters for EmbeddedJournal {
    async fn dead_letters(
        &self,
        lane: LaneId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredDeadLetter>, JournalError> {
        let shared = Arc::clone(&self.desk.shared);
        let read = move || dead_letter::dead_letters(&shared, lane, after, i64::try_from(limit).unwrap_or(i64::MAX));
        self.desk.shared.reads().read(read).await
    }

    async fn dead_letter_counts(&self) -> Result<Vec<DeadLetterCount>, JournalError> {
        let shared = Arc::clone(&self.desk.shared);
        self.desk.shared.reads().read(move || dead_letter::counts(&shared)).await
    }

    async fn dead_letter_count(&self, lane: LaneId) -> Result<DeadLetterCount, JournalError> {
        let shared = Arc::clone(&self.desk.shared);
        self.desk.shared.reads().read(move || dead_letter::count(&shared, lane)).await
    }

    async fn replay(&self, lane: LaneId, letters: &[i64]) -> Result<u64, JournalError> {
        let letters = letters.to_vec();
        self.desk.ask(0, move |store| store.replay(lane, &letters)).await
    }

    async fn drop_dead_letters(&self, lane: LaneId, letters: &[i64]) -> Result<u64, JournalError> {
        let letters = letters.to_vec();
        self.desk.ask(0, move |store| store.drop_dead_letters(lane, &letters)).await
    }
}

/// What the ledger knows of a key, in the contract's words.
fn found(line: Option<ledger::Line>) -> Result<Option<Found>, Trouble> {
    let Some(line) = line else { return Ok(None) };
    let at = EntryRef { queue: store::queue_id(line.queue)?, place: chunk::place_out(line.place)? };
    Ok(Some(Found { at, seen: line.day.map(|day| day.saturating_mul(ledger::TICKS_OF_A_DAY)) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(folder: &tempfile::TempDir) -> EmbeddedOptions {
        let (path, day) = (folder.path().join("journal"), Duration::from_secs(24 * 60 * 60));
        EmbeddedOptions { path, max_size: 64 << 20, retention: day, dedup_window: day }
    }

    fn name(tenant_id: &str) -> FeedName {
        FeedName { tenant_id: tenant_id.into(), source: "alerts".into() }
    }

    /// Guarantee: when the disk fails, nothing of the commit is acknowledged, and nothing is taken any more: a sync that
    /// failed is not tried again, for the system may have dropped what it did not write.
    #[tokio::test]
    async fn a_failing_disk_ends_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let journal = EmbeddedJournal::open(options(&folder)).await.unwrap();
        journal.open_feed(&name("before"), "kind").await.unwrap();
        let other = name("together");
        let (together, failing) = tokio::join!(
            journal.open_feed(&other, "kind"),
            journal.desk.ask(0, |_| Err::<(), _>(Trouble::io("write to the journal", "input/output error"))),
        );
        assert!(matches!(failing, Err(JournalError::Io { .. })), "{failing:?}");
        assert!(matches!(together, Err(JournalError::Io { .. })), "{together:?}");
        let after = journal.open_feed(&name("after"), "kind").await;
        assert!(matches!(after, Err(JournalError::Io { .. })), "{after:?}");
        journal.close().await;

        let journal = EmbeddedJournal::open(options(&folder)).await.unwrap();
        assert_eq!(journal.damage(), None, "a failing disk is no damage");
        let known: Vec<_> =
            ["before", "together", "after"].map(|feed| journal.desk.shared.standing().feed_id(&name(feed))).into();
        assert!(matches!(known[..], [Some(_), None, None]), "{known:?}");
    }

    /// Guarantee: a writer that panics leaves nobody waiting, and nothing of its commit.
    #[tokio::test]
    async fn a_panic_leaves_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let journal = EmbeddedJournal::open(options(&folder)).await.unwrap();
        let panics = |store: &mut Store| -> Result<(), Trouble> {
            store.open_feed(&name("lost"), "kind")?;
            panic!("this panic belongs to the test")
        };
        assert!(matches!(journal.desk.ask(0, panics).await, Err(JournalError::Closed)));
        assert!(matches!(journal.trim().await, Err(JournalError::Closed)));
        journal.close().await;
        let journal = EmbeddedJournal::open(options(&folder)).await.unwrap();
        assert_eq!(journal.desk.shared.standing().feed_id(&name("lost")), None);
    }
}
