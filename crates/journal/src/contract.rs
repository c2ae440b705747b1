//! The journal's contract, which the embedded journal and later Kafka meet.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

/// The durable buffer between the intake and the lanes: what the intake asks of it, and what concerns the whole.
#[async_trait]
pub trait Journal: DeadLetters + Send + Sync {
    /// Opens a feed: makes it known where it is new, and says where its walks stand.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn open_feed(&self, name: &FeedName, kind: &str) -> Result<OpenFeed, JournalError>;

    /// Appends a page: its entries, their keys and the checkpoints of its walk, all or nothing, on disk before this
    /// returns. Entries whose keys are known are left out, unless they go to one lane. A page that brings nothing new and
    /// moves no checkpoint writes nothing.
    ///
    /// # Errors
    /// [`JournalError::Full`] and [`JournalError::EntryTooLarge`] leave everything as it was.
    async fn append(&self, page: Append) -> Result<Appended, JournalError>;

    /// What the ledger knows of keys of a feed, in the order asked for.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn find(&self, feed: FeedId, keys: &[Key]) -> Result<Vec<Option<Found>>, JournalError>;

    /// The keys of a feed that the ledger knows with times in `span`, in order, those behind `after` and at most `most`.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn keys(
        &self,
        feed: FeedId,
        span: Range<i64>,
        after: Option<Key>,
        most: usize,
    ) -> Result<Vec<Key>, JournalError>;

    /// Drops everything of a tenant: its feeds with their checkpoints and ledgers, what waits in its queues, its dead
    /// letters. Whoever opens one of its feeds again begins anew.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn forget(&self, tenant_id: &str) -> Result<Forgotten, JournalError>;

    /// Sets the lanes of the plan; may be called again at any time, while lanes run. A lane keeps its marks. Where it
    /// comes to take a feed that it did not take before, it begins behind what the feed's queues hold; where it takes one
    /// no longer, what waited there for it counts as filtered out. Nothing is trimmed before the first call.
    ///
    /// # Errors
    /// [`JournalError::LeftWaiting`] where a lane for which something waits is not in the plan, and
    /// [`JournalError::NoFormerLane`] where [`LanePlan::renamed_from`] names nothing; both leave everything as it was.
    async fn set_lanes(&self, plan: &[LanePlan]) -> Result<(), JournalError>;

    /// A lane of the plan; `None` where the plan has none of this name.
    fn lane(&self, name: &str) -> Option<Arc<dyn LaneJournal>>;

    /// Every lane that the journal knows: those of the plan in its order, then those that have left it.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn standings(&self) -> Result<Vec<LaneStanding>, JournalError>;

    /// Gives up what waits for a lane, which may have left the plan: its marks move behind everything that is there, its
    /// dead letters stay. Recorded with the reason. Returns how many entries were given up.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn skip(&self, lane: LaneId, why: &str) -> Result<u64, JournalError>;

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

/// One lane's half of the journal. It sees the feeds that the lane takes ([`LanePlan::takes`]); all others count as
/// passed.
#[async_trait]
pub trait LaneJournal: Send + Sync {
    /// The journal's number of the lane.
    fn id(&self) -> LaneId;

    /// A reader that starts at the lane's marks.
    fn reader(&self) -> Box<dyn Reader>;

    /// Moves marks and takes dead letters, all or nothing, on disk before this returns.
    ///
    /// # Errors
    /// [`JournalError::NotOwner`] for a queue that was revoked leaves everything as it was.
    async fn settle(&self, settlement: Settlement) -> Result<(), JournalError>;

    /// How many entries the lane has still to account for: those behind its marks. 0 once it has left the plan.
    fn waiting(&self) -> u64;

    /// How many of these are in one queue.
    fn waiting_in(&self, queue: QueueId) -> u64;

    /// Whether an entry that a mark names is this journal's: the queue is there, the place lies before its end, and where
    /// the journal still holds the entry, its key has this digest.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn knows(&self, entry: EntryRef, id: [u8; 16]) -> Result<bool, JournalError>;
}

/// Dead letters: entries that a destination refused, copied out of the queues.
#[async_trait]
pub trait DeadLetters: Send + Sync {
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

    /// How many dead letters one lane has.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn dead_letter_count(&self, lane: LaneId) -> Result<DeadLetterCount, JournalError>;

    /// Gives dead letters to their lane again, by their numbers: they come to it in a queue of its own, whether or not
    /// the journal still holds their entries in other queues. Each stays a dead letter until a mark of the lane moves
    /// over it: then it goes, or stays with its new reason and time where it was refused again. Takes no room in the
    /// sense of [`JournalError::Full`]. Returns how many of them there are.
    ///
    /// # Errors
    /// See [`JournalError`]. The lane is in the plan.
    async fn replay(&self, lane: LaneId, letters: &[i64]) -> Result<u64, JournalError>;

    /// Drops dead letters of a lane for good, by their numbers, those that wait to be replayed as well. The lane may have
    /// left the plan. Returns how many of them there were.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn drop_dead_letters(&self, lane: LaneId, letters: &[i64]) -> Result<u64, JournalError>;
}

/// Reads the entries of one lane. Holds no transaction between calls.
#[async_trait]
pub trait Reader: Send {
    /// What comes next for the lane. Waits while there is nothing; dropping it loses nothing.
    ///
    /// Queues take turns. Live queues come first, but where others (back-fill, repairs, replays) have something, one run
    /// in [`SHARE_OF_THE_SLOW`] is theirs, so that neither starves.
    ///
    /// # Errors
    /// See [`JournalError`].
    async fn next(&mut self, max_bytes: usize) -> Result<Taken, JournalError>;

    /// Hands out nothing more of a queue, until it is released.
    fn hold(&mut self, queue: QueueId);

    /// Hands out a queue again, from this place on.
    fn release(&mut self, queue: QueueId, from: Place);
}

/// One run in so many is of a queue that is not live, while both have something.
pub const SHARE_OF_THE_SLOW: u32 = 8;

/// What a reader hands out.
#[derive(Clone, Debug)]
pub enum Taken {
    /// Entries of one queue that follow what this reader has handed out before, of at most about `max_bytes`.
    Run(Run),
    /// These queues are no longer this process's: nothing of them is to be sent or settled any more. Should one come
    /// back, its reading starts again at its mark.
    Revoked(Vec<QueueId>),
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

/// A place in a queue. Places rise from one entry to the next, not always by one, and are never used twice within one
/// identity.
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

/// Where the entries of a page go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// To every lane that takes the feed, as what is read as it comes.
    Live,
    /// To every lane that takes the feed, as an old span that was asked for.
    BackFill,
    /// To one lane alone, past the ledger: a repair of what it has lost. Keys that are new to the ledger become known.
    Lane(LaneId),
}

/// One page of a feed.
#[derive(Clone, Debug)]
pub struct Append {
    /// The feed, whose one owner the caller is.
    pub feed: FeedId,
    /// Where its entries go.
    pub to: Target,
    /// The entries, in the order in which they are to be read. Keys may repeat and may be known.
    pub entries: Vec<NewEntry>,
    /// The new checkpoint of each walk that this page moves.
    pub checkpoints: Vec<(String, Vec<u8>)>,
    /// The checkpoints heed [`OpenFeed::reread_from`], which may now be forgotten.
    pub reread: bool,
    /// The server's time when it answered, as in [`Key::time`]. A feed's ledger forgets by the latest of these, and by no
    /// clock of ours; where none was ever given, it forgets nothing.
    pub server_time: Option<i64>,
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// For each entry of the page, whether its key was new.
    pub new: Vec<bool>,
}

/// What the ledger knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where its entry lies, or lay before it was trimmed.
    pub at: EntryRef,
    /// When it was first seen, in the server's time as in [`Key::time`], to the day; `None` where that was not known.
    pub seen: Option<i64>,
}

/// What [`Journal::forget`] has dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Feeds.
    pub feeds: u64,
    /// Entries that some lane had still to account for, once for each of these lanes.
    pub waiting: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

/// A lane as the plan names it.
#[derive(Clone)]
pub struct LanePlan {
    /// The sink's name.
    pub name: String,
    /// The name it had before: its marks and dead letters are taken over, unless the journal knows a lane by the present
    /// name, for then that has been done. A journal that never had a lane lets it pass.
    pub renamed_from: Option<String>,
    /// Where it begins in queues that exist when it is first seen.
    pub start: LaneStart,
    /// The feeds that it takes.
    pub takes: Takes,
}

/// Whether a lane takes a feed. Asked once for each feed at each [`Journal::set_lanes`], and for each feed that is new.
#[derive(Clone)]
pub struct Takes(Arc<dyn Fn(&FeedInfo) -> bool + Send + Sync>);

impl Takes {
    /// What `takes` says.
    pub fn new(takes: impl Fn(&FeedInfo) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(takes))
    }

    /// Every feed.
    pub fn all() -> Self {
        Self::new(|_| true)
    }

    /// Whether the lane takes a feed.
    pub fn takes(&self, feed: &FeedInfo) -> bool {
        (self.0)(feed)
    }
}

/// Where a new lane begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneStart {
    /// With what comes from now on.
    Now,
    /// With everything the journal still holds.
    Oldest,
    /// With what was appended at most this long ago.
    Since(Duration),
}

/// A lane that the journal knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// The sink's name.
    pub name: String,
}

/// Where a lane stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStanding {
    /// The lane.
    pub lane: Lane,
    /// It is in the plan.
    pub in_plan: bool,
    /// How many entries it has still to account for.
    pub waiting: u64,
    /// When the first of these was appended; `None` where nothing waits.
    pub waiting_since: Option<SystemTime>,
    /// How many entries it has delivered, in all its life.
    pub delivered: u64,
    /// How many entries its filter has left out, in all its life.
    pub filtered: u64,
    /// How many entries were given up by [`Journal::skip`], in all its life.
    pub skipped: u64,
}

/// Entries of one queue, in order. They may be of several feeds.
#[derive(Clone, Debug)]
pub struct Run {
    /// The queue.
    pub queue: QueueId,
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
    /// The feed that it came from.
    pub feed: Arc<FeedInfo>,
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
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    /// New marks: this entry and all before it are accounted for. A mark never moves back.
    pub marks: Vec<EntryRef>,
    /// Entries that the destination will never take. The journal copies them out of its queues. They may stand behind the
    /// marks, and are then to be told by no later settlement again.
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
    /// Lanes for which something waits have left the plan.
    LeftWaiting {
        /// These lanes.
        lanes: Vec<LaneStanding>,
    },
    /// A lane was to be renamed from a name that the journal does not know.
    NoFormerLane {
        /// The present name.
        name: String,
        /// The name that is not known.
        renamed_from: String,
    },
    /// The queue is not this process's, or not any more.
    NotOwner(QueueId),
    /// It was written by a version that was never released.
    OldFormat {
        /// Its format.
        found: i64,
    },
    /// It does not answer for now.
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// When it may be worth another try.
        retry_after: Duration,
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
            Self::LeftWaiting { lanes } => left_waiting(lanes, f),
            Self::NoFormerLane { name, renamed_from } => {
                write!(f, "sink {name}: `was` names {renamed_from}, and the disk buffer knows no sink of that name")
            }
            Self::NotOwner(queue) => write!(f, "queue {} of the buffer belongs to another process", queue.0),
            Self::OldFormat { found } => write!(
                f,
                "the disk buffer has format {found}, which no released version wrote: choose another path, or remove it"
            ),
            Self::Unavailable { doing, .. } => write!(f, "failed to {doing}: the buffer does not answer for now"),
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

fn left_waiting(lanes: &[LaneStanding], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, standing) in lanes.iter().enumerate() {
        let (name, waiting) = (&standing.lane.name, standing.waiting);
        let separator = if index == 0 { "" } else { "; " };
        let alerts = if waiting == 1 { "alert waits" } else { "alerts wait" };
        write!(f, "{separator}sink {name} is not in the file any more, and {waiting} {alerts} for it")?;
    }
    f.write_str(
        ": put it back, or name it by `was` in the sink that takes its place, or give its alerts up with \
         `atp-forwarder lanes skip NAME`",
    )
}

impl JournalError {
    /// Whether it may pass without anybody's doing: it then ends one feed or one lane for a while, never the process.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Full(_) | Self::NotOwner(_) | Self::Unavailable { .. })
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
