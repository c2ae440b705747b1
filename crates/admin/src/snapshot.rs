//! What a running instance tells of itself at one moment: numbers, and the names that the operator gave.

use async_trait::async_trait;

/// Where snapshots come from.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// How everything stands now. `None` where that cannot be told at the moment: no instance runs, or its disk buffer
    /// does not answer.
    async fn snapshot(&self) -> Option<Snapshot>;
}

/// How an instance stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Its sinks; no two have the same name.
    pub sinks: Vec<Sink>,
    /// The dead letters in its disk buffer. Sinks that have left the file may be among them, and a name may come more
    /// than once: what it has is the sum.
    pub dead_letters: Vec<DeadLetters>,
    /// Its tenants' sources; no two have the same tenant and name.
    pub sources: Vec<Source>,
    /// The room that its disk buffer takes.
    pub buffer: Buffer,
    /// Its share of the tenants, where these are spread over several processes.
    pub shard: Option<Shard>,
}

/// A sink. Counts are of alerts since the start of the instance; an update of an alert counts as one more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sink {
    /// Its name in the file.
    pub name: String,
    /// What an acknowledgement of its destination is worth, where that is known.
    pub guarantee: Option<String>,
    /// Those that the destination has acknowledged.
    pub delivered: u64,
    /// Those that its filter left out.
    pub filtered: u64,
    /// Those that were refused and became dead letters.
    pub refused: u64,
    /// Those that wait for it in the disk buffer, of whatever time.
    pub waiting: u64,
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
pub struct Source {
    /// The tenant's name in the file.
    pub tenant: String,
    /// The source's name in the file.
    pub name: String,
    /// Alerts that the API has sent, those seen before among them.
    pub alerts_received: u64,
    /// Updates of alerts that were new, the first of each alert among them.
    pub updates: u64,
    /// Spans and alerts that the API shows but does not give, now.
    pub known_gaps: u64,
    /// How it fares.
    pub condition: Condition,
}

/// How a sink or a source fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// A person must act.
    ActionRequired,
    /// It tries again by itself.
    Retrying,
    /// Neither of these.
    #[default]
    Well,
}

/// The room that a disk buffer takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// Bytes on disk, all of its files together.
    pub used_bytes: u64,
    /// The bytes that it may use.
    pub max_bytes: u64,
    /// It refuses new alerts for want of room.
    pub is_full: bool,
}

/// One process's share of the tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// Which share it is, counted from 0.
    pub index: u32,
    /// How many shares there are.
    pub of: u32,
    /// How many tenants belong to it.
    pub tenants: u64,
}
