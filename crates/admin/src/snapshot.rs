//! What a running instance tells of itself at one moment: numbers, and the names that the operator gave.

use async_trait::async_trait;

/// Where snapshots come from.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// How everything stands now. `None` where that cannot be told at the moment: no instance runs, or its journal does
    /// not answer.
    async fn snapshot(&self) -> Option<Snapshot>;
}

/// How an instance stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Its sinks; no two have the same name.
    pub sinks: Vec<Sink>,
    /// The dead letters in its journal. Sinks that have left the file may be among them, and a name may come more than
    /// once: what it has is the sum.
    pub dead_letters: Vec<DeadLetters>,
    /// Its feeds; no two have the same tenant and source.
    pub feeds: Vec<Feed>,
    /// The room that its journal takes.
    pub journal: JournalSpace,
}

/// A sink and its way from the journal. Counts are of alert revisions since the start of the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sink {
    /// Its name in the file.
    pub name: String,
    /// Those that the destination has taken.
    pub delivered: u64,
    /// Those that its filter left out.
    pub filtered: u64,
    /// Those that were refused and became dead letters.
    pub set_aside: u64,
    /// Those that it has still to account for, of whatever time.
    pub backlog: u64,
    /// How it fares.
    pub condition: Condition,
}

/// The dead letters of a sink, of whatever time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetters {
    /// The sink's name.
    pub sink: String,
    /// All of them.
    pub kept: u64,
    /// Those of them that wait to be sent again.
    pub replaying: u64,
}

/// A tenant's one source. Counts are since the start of the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// The tenant's name in the file.
    pub tenant: String,
    /// The source's name in the file.
    pub source: String,
    /// Rows that the API has sent, those seen before among them.
    pub rows: u64,
    /// Alert revisions that were new.
    pub revisions: u64,
    /// Spans and ids that the API shows but does not give, now.
    pub owed: u64,
    /// How it fares.
    pub condition: Condition,
}

/// How a sink or a feed fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It needs a person.
    Halted,
    /// It tries again by itself.
    Waiting,
    /// Neither of these.
    #[default]
    Well,
}

/// The room that a journal takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalSpace {
    /// Bytes on disk, all of its files together.
    pub used_bytes: u64,
    /// The bytes that it may use.
    pub max_bytes: u64,
    /// It refuses new alerts for want of room.
    pub is_full: bool,
}
