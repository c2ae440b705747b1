//! The work on transactions, one after the other, on a thread that may block.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fault::{Fault, Verdict};
use sink::{Batch, Fates, Mark, Record};

use super::names::{Keys, Name, Owner};
use super::session::{Content, Ended, Session};
use super::topic::{self, Values};
use crate::KNOWN_FOR;
use crate::config::{self, Sets};
use crate::message::Composer;
use crate::options::{KafkaOptions, Transactions};
use crate::producer::Producer;
use crate::topics::{self, TopicLimits};

/// A transactional producer, and what is known of its last transaction.
pub(super) struct Desk {
    options: Arc<KafkaOptions>,
    transactions: Transactions,
    composer: Composer,
    keys: Keys,
    /// Who this is, once it has begun.
    me: Option<Owner>,
    /// Another has begun after this one, and the transactional id is its own now.
    taken_over: Option<Fault>,
    session: Option<Session>,
    /// What the topics were said to take, and when.
    known: Option<(Arc<TopicLimits>, Instant)>,
    /// How many names were given.
    count: u64,
    in_doubt: Option<InDoubt>,
    /// Records that the lane sends again next, and that turned out to be written.
    written: VecDeque<RecordId>,
    /// Producers that were thrown away with a transaction whose outcome nobody knew.
    rebuilds: u64,
}

type RecordId = [u8; 16];

/// A transaction of which nobody knows whether it was committed.
struct InDoubt {
    name: Name,
    records: VecDeque<RecordId>,
}

/// What was worked on.
pub(super) enum Done {
    Batch(Fates),
    Marks(Result<Vec<Mark>, Fault>),
}

impl Desk {
    pub(super) fn new(options: Arc<KafkaOptions>, transactions: &Transactions) -> Self {
        Self {
            composer: Composer::new(&options),
            options,
            keys: Keys::new(&transactions.id),
            transactions: transactions.clone(),
            me: None,
            taken_over: None,
            session: None,
            known: None,
            count: 0,
            in_doubt: None,
            written: VecDeque::new(),
            rebuilds: 0,
        }
    }

    /// Whether what is committed is on two replicas or more; `None` without a producer.
    pub(super) fn is_replicated(&self) -> Option<bool> {
        self.session.as_ref().map(|session| session.limits.is_replicated())
    }

    /// The marks that were committed last.
    pub(super) fn marks(&mut self) -> Result<Vec<Mark>, Fault> {
        self.session = None;
        let values = self.begin()?;
        let mark = |(key, value): (Vec<u8>, Vec<u8>)| {
            let key = Bytes::copy_from_slice(self.keys.lane_key(&key)?);
            Some(Mark { key, value: value.into() })
        };
        Ok(values.into_iter().filter_map(mark).collect())
    }

    /// Writes a batch with its marks, all or nothing.
    pub(super) fn deliver(&mut self, batch: &Batch) -> Fates {
        if self.session.is_none()
            && let Err(fault) = self.begin()
        {
            return Fates::Open(fault);
        }
        if self.is_written(&batch.records) {
            return Fates::Settled;
        }
        let Some(session) = &self.session else { return Fates::Open(Fault::retry("failed to keep a Kafka producer")) };
        // The lane sends halves of what is refused, down to the one record, without a wait.
        if let Some(reason) = batch.records.iter().find_map(|record| self.composer.unfit(record, &session.limits)) {
            return Fates::Open(Fault::reject(reason));
        }
        self.write(batch)
    }

    fn write(&mut self, batch: &Batch) -> Fates {
        let (Some(session), Some(me)) = (&self.session, self.me) else {
            return Fates::Open(Fault::retry("failed to keep a Kafka producer"));
        };
        self.count += 1;
        let (key, name) = (self.keys.last(), me.name(self.count));
        let content = Content { records: &batch.records, marks: &batch.marks, name: (&key, &name) };
        match session.write(&content, &self.composer, &self.keys, &self.transactions.marks_topic) {
            Ok(()) => Fates::Settled,
            Err(Ended::Aborted(fault)) => {
                // It has gaps in its numbers, or outcomes that come late: another is begun with. What was refused may be
                // since its topic takes less than it did.
                self.session = None;
                self.known = self.known.take().filter(|_| fault.verdict() != Verdict::Reject);
                Fates::Open(fault)
            }
            Err(Ended::Unknown(fault)) => {
                self.throw_away(&fault);
                self.in_doubt = Some(InDoubt { name, records: ids(&batch.records) });
                self.find_out(&batch.records, fault)
            }
        }
    }

    /// Looks at once whether a transaction was committed; where that cannot be, before anything else is written.
    fn find_out(&mut self, records: &[Record], fault: Fault) -> Fates {
        match self.begin() {
            Ok(_) if self.is_written(records) => Fates::Settled,
            Ok(_) => Fates::Open(fault),
            Err(fault) => Fates::Open(fault),
        }
    }

    fn throw_away(&mut self, fault: &Fault) {
        self.session = None;
        self.rebuilds += 1;
        let error = format!("{fault:#}");
        tracing::warn!(rebuilds = self.rebuilds, error, "a Kafka producer has failed and is made anew");
    }

    /// Makes a producer, which ends whatever has this transactional id, and finds out what was committed under it.
    fn begin(&mut self) -> Result<Values, Fault> {
        if let Some(fault) = &self.taken_over {
            return Err(fault.clone());
        }
        let topic = self.transactions.marks_topic.clone();
        let me = self.introduce(&topic)?;
        let limits = self.limits()?;
        let session = Session::open(&self.options, &self.transactions, limits)?;
        // What was committed under this id stands before this name, and nothing can be added any more.
        self.count += 1;
        let (key, name) = (self.keys.owner(), me.name(self.count));
        let content = Content { name: (&key, &name), ..Content::default() };
        session.write(&content, &self.composer, &self.keys, &topic).map_err(Ended::into_fault)?;
        let mut latest = me;
        let values = topic::read_up_to(&self.options, &topic, (&key, &name), |shown, value| {
            if shown == key {
                latest = Owner::of(value).map_or(latest, |owner| latest.max(owner));
            }
        })?;
        self.step_back(me, Some(latest))?;
        self.resolve(&values);
        self.session = Some(session);
        Ok(values)
    }

    /// Who this is: the latest of all when it first begins. Later it looks first whether another has begun since: one
    /// that was stopped for long must not push out the one that took over from it.
    fn introduce(&mut self, topic: &str) -> Result<Owner, Fault> {
        if self.me.is_none() {
            // It says best what keeps it from the brokers.
            drop(Producer::connect(&self.options, &self.composer.topics(), Some(Arc::default()), Sets::Large)?);
            topic::ensure(&self.options, topic)?;
        }
        let (key, mut latest) = (self.keys.owner(), None);
        topic::read_all(&self.options, topic, |shown, value| {
            if shown == key {
                latest = latest.max(Owner::of(value));
            }
        })?;
        let me = *self.me.get_or_insert_with(|| Owner::after(latest));
        self.step_back(me, latest)?;
        Ok(me)
    }

    /// Halts for good where another has begun after this one.
    fn step_back(&mut self, me: Owner, latest: Option<Owner>) -> Result<(), Fault> {
        if latest.is_none_or(|latest| latest <= me) {
            return Ok(());
        }
        let id = &self.transactions.id;
        let what = format!("failed to write: fenced off by another instance with the transactional id {id}");
        let advice = "Let one instance alone write to this sink, or give each a `transactional_id` of its own; then start \
                      this one again.";
        let fault = Fault::halt(what).advise(advice);
        self.taken_over = Some(fault.clone());
        Err(fault)
    }

    /// What the topics take.
    fn limits(&mut self) -> Result<Arc<TopicLimits>, Fault> {
        if let Some((limits, _)) = self.known.as_ref().filter(|(_, since)| since.elapsed() < KNOWN_FOR) {
            return Ok(Arc::clone(limits));
        }
        let connection = config::connection(&self.options)?;
        let marks_topic = self.transactions.marks_topic.as_str();
        let topics: Vec<&str> = self.composer.topics().into_iter().chain([marks_topic]).collect();
        let limits = Arc::new(topics::describe(&self.options, &connection, &topics));
        if limits.deletes(marks_topic) {
            // In time it would forget what was written, which then went again.
            let advice = "Set `cleanup.policy=compact` on it, or name another topic in `marks_topic`.";
            let what = format!("failed to rely on the topic of marks {marks_topic}: it deletes what is old");
            return Err(Fault::halt(what).advise(advice));
        }
        self.known = Some((Arc::clone(&limits), Instant::now()));
        Ok(limits)
    }

    /// Decides what was in doubt, by the name of the last transaction.
    fn resolve(&mut self, values: &Values) {
        let Some(doubt) = self.in_doubt.take() else { return };
        if values.get(&self.keys.last()).is_some_and(|last| *last == doubt.name) {
            self.written = doubt.records;
        }
    }

    /// These records were written, though the lane was told that they are open.
    pub(super) fn has_written(&mut self, records: &[Record]) {
        let later = std::mem::replace(&mut self.written, ids(records));
        self.written.extend(later);
    }

    /// Whether all of a batch is written already. The lane sends again what is open in its old order, in the same
    /// batches or in parts of them.
    fn is_written(&mut self, records: &[Record]) -> bool {
        if self.written.is_empty() {
            return false;
        }
        let is_next = self.written.len() >= records.len()
            && records.iter().zip(&self.written).all(|(record, written)| record.id == *written);
        if is_next {
            self.written.drain(..records.len());
        } else {
            tracing::error!("a lane has not sent again what was open, some of it may be there twice");
            self.written.clear();
        }
        is_next
    }
}

impl Ended {
    fn into_fault(self) -> Fault {
        let (Self::Aborted(fault) | Self::Unknown(fault)) = self;
        fault
    }
}

fn ids(records: &[Record]) -> VecDeque<RecordId> {
    records.iter().map(|record| record.id).collect()
}
