#![doc = include_str!("../README.md")]

#[cfg(feature = "suite")]
pub mod suite;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use fault::Fault;

/// One destination. The lane owns it and calls it from one task.
#[async_trait]
pub trait Sink: Send {
    /// What one call of [`Sink::send`] may carry, and how many may be unanswered.
    fn limits(&self) -> Limits;

    /// What *settled* is worth at this destination.
    fn word(&self) -> Word;

    /// The marks of the last batches that were settled, of each key the latest: a sink that writes [`Batch::marks`] and
    /// records together, all or nothing, gives them back, and by that ends whatever another instance has under way. It
    /// is asked once, before the first batch. `None` where it keeps no marks.
    ///
    /// What stands behind a batch that was not settled whole is left open by such a sink: the lane has something to do
    /// before a mark may stand behind it.
    ///
    /// # Errors
    /// What keeps the sink from knowing them, with advice for a person. It is asked again.
    async fn marks(&mut self) -> Result<Option<Vec<Mark>>, Fault> {
        Ok(None)
    }

    /// Hands over a batch. Called again before the first is answered, up to [`Limits::outstanding`].
    ///
    /// It may wait until the destination takes bytes, and it may be dropped while it waits: what was handed over
    /// stays the lane's, which sends it again.
    ///
    /// # Errors
    /// The batch was not taken; the sink holds nothing of it and will not answer for it. Batches taken before are
    /// still answered.
    async fn send(&mut self, batch: Batch) -> Result<(), Fault>;

    /// The next answer, in any order of batches. A sink that keeps an order leaves everything open that was handed over
    /// behind an open record, so that the lane can send it again in that order. Waits for ever while nothing is
    /// outstanding; dropping it loses nothing.
    async fn answer(&mut self) -> Answer;

    /// Settles or gives up everything outstanding, within the sink's own time limit. Afterwards every outstanding
    /// batch has its answer ready.
    async fn flush(&mut self);

    /// Asks the destination without sending a record.
    ///
    /// # Errors
    /// What keeps records from getting there, with advice for a person.
    async fn probe(&mut self) -> Result<(), Fault>;
}

/// What one call of [`Sink::send`] may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records in a batch, at most.
    pub records: usize,
    /// Bytes of payload in a batch, at most; one record alone may exceed it.
    pub bytes: usize,
    /// Batches without an answer, at most.
    pub outstanding: usize,
}

/// What *settled* is worth at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Taken by the receiver's input.
    Accepted,
    /// Written and not refused: it may still be lost on the way.
    BestEffort,
    /// On the destination's disks.
    Durable,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::BestEffort => "best_effort",
            Self::Durable => "durable",
        })
    }
}

/// Names one batch in its answer. The lane never uses a number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// Records that go out together. Cloning is cheap: the lane keeps one to send again.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Names the batch in its answer.
    pub id: BatchId,
    /// The records, in the order in which they must reach an ordered destination.
    pub records: Arc<[Record]>,
    /// What is to be found again once these records are settled. Only sinks that keep marks are given any.
    pub marks: Arc<[Mark]>,
}

impl Batch {
    /// A batch without marks.
    pub fn new(id: BatchId, records: Arc<[Record]>) -> Self {
        Self { id, records, marks: Arc::default() }
    }
}

/// What the lane keeps at the destination; the sink does not look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// A later mark with the same key replaces this one.
    pub key: Bytes,
    /// What is kept.
    pub value: Bytes,
}

/// An entry rendered for one destination.
#[derive(Clone, Debug)]
pub struct Record {
    /// The record id: equal on every machine and for every copy.
    pub id: [u8; 16],
    /// The tenant's name in the pipeline file.
    pub tenant: Arc<str>,
    /// The id of the alert that this is a revision of, in UTF-8; empty where it has none.
    pub alert: Bytes,
    /// The device that the alert is about, by the fullest name it is given, in UTF-8; empty where it names none.
    pub device: Bytes,
    /// When this revision of the alert was made.
    pub updated: DateTime<Utc>,
    /// The record's time, in headers and envelopes.
    pub time: DateTime<Utc>,
    /// The alert's severity, in headers.
    pub severity: Severity,
    /// The rendered bytes, without framing.
    pub payload: Bytes,
}

/// How severe an alert is, in the words of the normalised view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Absent, unspecified or a word that is not known yet.
    Unknown,
    /// `Informational`.
    Informational,
    /// `Low`.
    Low,
    /// `Medium`.
    Medium,
    /// `High`.
    High,
}

/// What became of one batch.
#[derive(Debug)]
pub struct Answer {
    /// The batch.
    pub batch: BatchId,
    /// What became of its records.
    pub fates: Fates,
    /// The destination took it and asks the lane to wait this long before the next batch.
    pub ease: Option<Duration>,
}

/// What became of the records of one batch.
#[derive(Debug)]
pub enum Fates {
    /// One fate for each record, in the order of the batch.
    Each(Vec<Fate>),
    /// All stay open, for one reason.
    Open(Fault),
    /// All are settled.
    Settled,
}

/// What became of one record.
#[derive(Debug)]
pub enum Fate {
    /// Not settled and not refused: the fault says what the lane does next.
    Open(Fault),
    /// The destination will never take it; the reason goes with it into the dead letters.
    Refused(String),
    /// Settled, as far as the sink's [`Word`] goes.
    Settled,
}
