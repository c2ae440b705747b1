//! The journal's contract, which the embedded journal and later Kafka meet.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

/// The durable buffer between the intake and the lanes.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Opens a feed: makes it known where it is new, and says where its walks stand.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn open_feed(&self, name: &FeedName, kind: &str) -> Result<OpenFeed, JournalError>;

    /// Appends a page: its entries whose keys are new, those keys, and the checkpoints of its walk, all or nothing,
    /// on disk before this returns. A page that brings nothing new and moves no checkpoint writes nothing.
    ///
    /// # Errors
    /// [`JournalError::Full`] and [`JournalError::EntryTooLarge`] leave everything as it was.
    async fn append(&self, append: Append) -> Result<Appended, JournalError>;

    /// Moves marks, takes dead letters and crosses off requeued entries, all or nothing, on disk before this returns.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn settle(&self, settlement: Settlement) -> Result<(), JournalError>;

    /// Gives entries that the journal still holds to one lane again, whatever its marks say.
    /// Returns how many of them it still holds.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn requeue(&self, lane: LaneId, entries: &[EntryRef]) -> Result<u64, JournalError>;

    /// A reader for a lane, starting at its marks, requeued entries first.
    fn reader(&self, lane: LaneId) -> Box<dyn Reader>;

    /// How many entries a lane has still to account for: those ahead of its marks, and those that were requeued for it
    /// and are not settled. One that is both comes twice and counts twice. 0 for a lane that is not in the plan.
    fn backlog(&self, lane: LaneId) -> u64;

    /// The place that the next entry of a queue gets; `None` where there is no such queue.
    fn tail(&self, queue: QueueId) -> Option<Place>;

    /// The key of an entry; `None` where the journal does not hold it, or not any more.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn key(&self, entry: EntryRef) -> Result<Option<Key>, JournalError>;

    /// The lanes of the plan, in the order in which the plan named them.
    fn lanes(&self) -> &[Lane];

    /// The dead letters of a lane, in the order of their numbers, those above `after` and at most `limit`. The lane may
    /// have left the plan.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn dead_letters(&self, lane: LaneId, after: i64, limit: usize)
    -> Result<Vec<StoredDeadLetter>, JournalError>;

    /// How many dead letters there are, for each lane of the plan and each that has left it with some.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn dead_letter_counts(&self) -> Result<Vec<DeadLetterCount>, JournalError>;

    /// Gives dead letters to their lane again, by their numbers, whether or not the journal still holds their entries in
    /// its queues. Each stays a dead letter until the lane settles it by [`Settlement::requeued`]: then it goes, or
    /// stays with its new reason and time where it was refused again. Returns how many of them there are.
    ///
    /// # Errors
    /// See [`JournalError`]. The lane is in the plan.
    async fn replay(&self, lane: LaneId, letters: &[i64]) -> Result<u64, JournalError>;

    /// Drops dead letters of a lane for good, by their numbers, those that are to be replayed as well. The lane may have
    /// left the plan. Returns how many of them there were.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn drop_dead_letters(&self, lane: LaneId, letters: &[i64]) -> Result<u64, JournalError>;

    /// How full the journal is, as it changes.
    fn room(&self) -> watch::Receiver<Room>;

    /// Drops what every lane of the plan has settled and what is older than it must be kept. It also runs by itself.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn trim(&self) -> Result<(), JournalError>;

    /// The identity that marks carry: new for each journal, and after damage.
    fn identity(&self) -> [u8; 16];

    /// What was found damaged when the journal was opened, as one sentence for the operator.
    fn damage(&self) -> Option<&str>;
}

/// Reads the entries of one lane. Holds no transaction between calls.
#[async_trait]
pub trait Reader: Send {
    /// The next run: entries of one queue that follow what this reader has handed out before, in order, of at most
    /// about `max_bytes` (at least one entry). Queues take turns. Waits while there is none; dropping it loses nothing.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn next(&mut self, max_bytes: usize) -> Result<Run, JournalError>;
}

/// A tenant's one source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedName {
    /// The Entra tenant id, lower case.
    pub tenant_id: String,
    /// The source's name in the pipeline file.
    pub source: String,
}

impl fmt::Display for FeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant_id, self.source)
    }
}

/// The journal's own number of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedId(pub u32);

/// The journal's own number of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u32);

/// The journal's own number of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub u32);

/// A place in a queue. Places count up by one from 0 and are never used twice within one identity. A dead letter that is
/// replayed has a place of its own, which no queue reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(pub u64);

/// A feed as the journal found it.
#[derive(Clone, Debug)]
pub struct OpenFeed {
    /// Its number.
    pub id: FeedId,
    /// The checkpoint of each walk, by the walk's name.
    pub checkpoints: HashMap<String, Vec<u8>>,
    /// After damage: the feed must be read again from this time (as in [`Key::time`]); `i64::MIN` where nothing is
    /// known. It stands until an [`Append`] says `reread: true`.
    pub reread_from: Option<i64>,
}

/// What the ledger knows a revision by. Keys sort by time, so that fresh keys lie together on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The revision's update time, in 100 ns ticks. The journal only compares it.
    pub time: i64,
    /// A digest of the rest of the revision's identity.
    pub id: [u8; 16],
}

/// One revision to append.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// What the ledger knows it by.
    pub key: Key,
    /// Bits that belong to the caller and come back with the entry.
    pub flags: u8,
    /// What the API sent.
    pub bytes: Bytes,
}

/// Which of a feed's queues an entry goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueKind {
    /// Old spans, read on request; never ahead of live entries.
    BackFill,
    /// What is read as it comes.
    Live,
}

/// One page of a feed.
#[derive(Clone, Debug)]
pub struct Append {
    /// The feed, whose one owner the caller is.
    pub feed: FeedId,
    /// The queue that its entries go to.
    pub queue: QueueKind,
    /// The entries, in the order in which they are to be read. Keys may repeat and may be known.
    pub entries: Vec<NewEntry>,
    /// The new checkpoint of each walk that this page moves.
    pub checkpoints: Vec<(String, Vec<u8>)>,
    /// The checkpoints heed [`OpenFeed::reread_from`], which may now be forgotten.
    pub reread: bool,
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// For each entry of the page, whether its key was new.
    pub new: Vec<bool>,
}

/// A lane as the plan names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanePlan {
    /// The sink's name.
    pub name: String,
    /// The name it had before: its marks are taken over, unless the journal knows a lane by the present name. One that
    /// had left the plan when the lane of the former name had not does not count.
    pub was: Option<String>,
    /// Where it begins in queues that exist when it is first seen.
    pub from: LaneStart,
}

/// Where a new lane begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneStart {
    /// With everything the journal still holds.
    Journal,
    /// With what comes from now on.
    Now,
    /// With what was appended at most this long ago.
    Since(Duration),
}

/// A lane of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// The sink's name.
    pub name: String,
}

/// Entries of one queue, in order.
#[derive(Clone, Debug)]
pub struct Run {
    /// The queue.
    pub queue: QueueId,
    /// The feed that the queue belongs to.
    pub feed: Arc<FeedInfo>,
    /// The entries were requeued for this lane: settle them by [`Settlement::requeued`], not by a mark.
    pub requeued: bool,
    /// The entries, at least one.
    pub entries: Vec<Entry>,
}

/// What a lane needs to know of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedInfo {
    /// The feed.
    pub name: FeedName,
    /// What kind of source it is, as given when it was opened.
    pub kind: String,
}

/// A revision as the journal keeps it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place in its queue.
    pub place: Place,
    /// What the ledger knows it by.
    pub key: Key,
    /// The caller's bits.
    pub flags: u8,
    /// What the API sent.
    pub bytes: Bytes,
}

/// Names one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryRef {
    /// Its queue.
    pub queue: QueueId,
    /// Its place there.
    pub place: Place,
}

/// What a lane has accounted for.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The lane.
    pub lane: LaneId,
    /// New marks: everything *before* the place is accounted for. A mark never moves back.
    pub marks: Vec<(QueueId, Place)>,
    /// Requeued entries that are accounted for.
    pub requeued: Vec<EntryRef>,
    /// Entries that the destination will never take. The journal copies them out of its queues.
    pub dead_letters: Vec<DeadLetter>,
    /// Entries that were delivered, for the lane's count.
    pub delivered: u64,
    /// Entries that the lane's filter left out, for the lane's count.
    pub filtered: u64,
}

/// An entry that a destination refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The entry.
    pub entry: EntryRef,
    /// Why it was refused.
    pub reason: String,
}

/// A dead letter as it is kept: the entry itself, its reason, its time. Settling the same one twice keeps one.
#[derive(Clone, Debug)]
pub struct StoredDeadLetter {
    /// Its number, for replay and drop.
    pub id: i64,
    /// The feed that it came from.
    pub feed: Arc<FeedInfo>,
    /// The entry.
    pub entry: Entry,
    /// Why it was refused.
    pub reason: String,
    /// When it was set aside.
    pub at: SystemTime,
    /// It waits to be given to its lane again.
    pub replaying: bool,
}

/// How many dead letters a lane has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterCount {
    /// The lane.
    pub lane: Lane,
    /// It is in the plan.
    pub in_plan: bool,
    /// All of them.
    pub kept: u64,
    /// Those of them that wait to be given to it again.
    pub replaying: u64,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes on disk: database, write-ahead log and ballast.
    pub used: u64,
    /// The bytes it may use.
    pub max: u64,
    /// Since when appends are refused; `None` while there is room.
    pub full_since: Option<SystemTime>,
}

/// What can go wrong with a journal.
#[derive(Debug)]
pub enum JournalError {
    /// It was closed, or its writer has ended.
    Closed,
    /// A checksum or the database itself does not hold. Opening it again sets it aside and goes on.
    Damaged {
        /// What was found, and where.
        what: String,
    },
    /// An entry is larger than the journal takes.
    EntryTooLarge {
        /// Which entry of the append.
        index: usize,
        /// Its size in bytes.
        size: usize,
        /// The largest that is taken.
        limit: usize,
    },
    /// There is no room, neither under `max_size` nor on the disk; nothing was written.
    Full(Room),
    /// Another process has it open.
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// The operating system or the database failed.
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It was written by a later version.
    NewerFormat {
        /// Its format.
        found: i64,
        /// The newest format that this program reads.
        known: i64,
    },
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the journal is closed"),
            Self::Damaged { what } => write!(f, "the journal is damaged: {what}"),
            Self::EntryTooLarge { size, limit, .. } => {
                write!(f, "an alert of {size} bytes is larger than the journal takes ({limit} bytes)")
            }
            Self::Full(room) => write!(f, "the journal is full: {} of {} bytes", room.used, room.max),
            Self::InUse { path } => {
                write!(f, "another process uses the journal in {}: stop it, or choose another path", path.display())
            }
            Self::Io { doing, .. } => write!(f, "failed to {doing}"),
            Self::NewerFormat { found, known } => write!(
                f,
                "the journal has format {found}, this version reads up to {known}: run the newer version, or choose another path"
            ),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}
