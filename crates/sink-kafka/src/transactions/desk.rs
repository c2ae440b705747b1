//! The work on transactions, one after the other, on a thread that may block.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fault::Fault;
use sink::{Batch, Fate, Fates, Mark, Record};

use super::names::{Keys, Owner, Word};
use super::session::{Content, Ended, Session};
use super::topic::{self, Values};
use crate::KNOWN_FOR;
use crate::config::{self, Sets};
use crate::message::Composer;
use crate::options::{KafkaOptions, Transactions};
use crate::topics::{self, Limits};

/// A transactional producer, and what is known of its last transaction.
pub(super) struct Desk {
    options: Arc<KafkaOptions>,
    transactions: Transactions,
    composer: Composer,
    keys: Keys,
    me: Owner,
    session: Option<Session>,
    is_replicated: bool,
    /// What the topics were said to take, and when.
    known: Option<(Arc<Limits>, Instant)>,
    /// How many transactions and beginnings there were.
    count: u64,
    /// Somebody has begun under this transactional id before, as far as this sink knows: itself.
    has_begun: bool,
    /// Another has begun after this sink, and owns the transactional id now.
    taken_over: Option<Fault>,
    in_doubt: Option<InDoubt>,
    /// The first records of what the lane sends next that turned out to be written.
    written: VecDeque<RecordId>,
    sets: Sets,
    /// Producers that were thrown away for a failure.
    rebuilds: u64,
}

type RecordId = [u8; 16];

/// A transaction of which nobody knows whether it was committed.
struct InDoubt {
    word: Word,
    records: Vec<RecordId>,
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
            me: Owner::new(),
            session: None,
            is_replicated: false,
            known: None,
            count: 0,
            has_begun: false,
            taken_over: None,
            in_doubt: None,
            written: VecDeque::new(),
            sets: Sets::Large,
            rebuilds: 0,
        }
    }

    /// Whether what is committed is on two replicas or more.
    pub(super) fn is_replicated(&self) -> bool {
        self.is_replicated
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
        if let Err(fault) = self.begin_where_needed() {
            return Fates::Open(fault);
        }
        let skipped = self.skip_written(&batch.records);
        let records = &batch.records[skipped..];
        if records.is_empty() {
            return Fates::Settled;
        }
        let unfit = self.unfit(records);
        if !unfit.is_empty() {
            return refusing(records.len(), skipped, &unfit);
        }
        self.write(records, skipped, &batch.marks)
    }

    fn write(&mut self, records: &[Record], skipped: usize, marks: &[Mark]) -> Fates {
        let Some(session) = &self.session else { return Fates::Open(Fault::retry("failed to keep a Kafka producer")) };
        self.count += 1;
        let word = self.me.word(self.count);
        let content = Content { records, marks, word: (&self.keys.last(), &word) };
        match session.write(&content, &self.composer, &self.keys, &self.transactions.marks_topic) {
            Ok(()) => {
                self.send_in_large_sets();
                Fates::Settled
            }
            Err(Ended::Aborted(fault)) => Fates::Open(fault),
            Err(Ended::Refused(failures)) => {
                let reason = |code| format!("the broker refuses it: {code}");
                let refused: Vec<_> = failures.iter().map(|failure| (failure.record, reason(failure.code))).collect();
                refusing(records.len(), skipped, &refused)
            }
            Err(Ended::SetRefused(fault)) => {
                // One record at a time, the guilty one shows.
                // A topic may take less than it did.
                (self.sets, self.session, self.known) = (Sets::Single, None, None);
                Fates::Open(fault)
            }
            Err(Ended::Unknown(fault)) => {
                self.throw_away(&fault);
                self.in_doubt = Some(InDoubt { word, records: records.iter().map(|record| record.id).collect() });
                self.find_out(records, fault)
            }
        }
    }

    /// Looks at once whether a transaction was committed; where that cannot be, before anything else is written.
    fn find_out(&mut self, records: &[Record], fault: Fault) -> Fates {
        match self.begin() {
            Ok(_) if self.skip_written(records) == records.len() => Fates::Settled,
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

    /// A record that was refused has gone: sets may be large again.
    fn send_in_large_sets(&mut self) {
        if self.sets == Sets::Single {
            (self.sets, self.session) = (Sets::Large, None);
        }
    }

    fn begin_where_needed(&mut self) -> Result<(), Fault> {
        if self.session.is_some() { Ok(()) } else { self.begin().map(drop) }
    }

    /// Makes a producer, which ends whatever has this transactional id, and finds out what was committed under it.
    fn begin(&mut self) -> Result<Values, Fault> {
        self.see_whether_another_has_begun()?;
        let topic = self.transactions.marks_topic.clone();
        if !self.has_begun {
            topic::ensure(&self.options, &topic)?;
        }
        let limits = self.limits()?;
        self.is_replicated = limits.is_replicated();
        let session = Session::open(&self.options, &self.transactions, limits, self.sets)?;
        // What was committed under this id stands before this word, and nothing can be added any more.
        self.count += 1;
        let (key, word) = (self.keys.owner(), self.me.word(self.count));
        let content = Content { word: (&key, &word), ..Content::default() };
        session.write(&content, &self.composer, &self.keys, &topic).map_err(Ended::into_fault)?;
        self.has_begun = true;
        let values = topic::read_up_to(&self.options, &topic, (&key, &word))?;
        self.resolve(&values);
        self.session = Some(session);
        Ok(values)
    }

    /// What the topics take.
    fn limits(&mut self) -> Result<Arc<Limits>, Fault> {
        if let Some((limits, _)) = self.known.as_ref().filter(|(_, since)| since.elapsed() < KNOWN_FOR) {
            return Ok(Arc::clone(limits));
        }
        let connection = config::connection(&self.options)?;
        let marks_topic = self.transactions.marks_topic.as_str();
        let topics: Vec<&str> = self.composer.topics().into_iter().chain([marks_topic]).collect();
        let limits = Arc::new(topics::describe(&self.options, &connection, &topics));
        if limits.only_deletes(marks_topic) {
            // In time it would forget what was written, which then went again.
            let advice = "Set `cleanup.policy=compact` on it, or name another topic in `marks_topic`.";
            let what = format!("failed to rely on the topic of marks {marks_topic}: it deletes what is old");
            return Err(Fault::halt(what).advise(advice));
        }
        self.known = Some((Arc::clone(&limits), Instant::now()));
        Ok(limits)
    }

    /// A sink that was stopped for long must not push out the one that took over from it.
    fn see_whether_another_has_begun(&mut self) -> Result<(), Fault> {
        if let Some(fault) = &self.taken_over {
            return Err(fault.clone());
        }
        if !self.has_begun {
            return Ok(());
        }
        let last = topic::last(&self.options, &self.transactions.marks_topic, &self.keys.owner())?;
        if last.as_deref().and_then(Owner::of).is_none_or(|owner| owner <= self.me) {
            return Ok(());
        }
        let what = format!(
            "failed to write: fenced off by another instance with the transactional id {}",
            self.transactions.id
        );
        let advice = "Let one instance alone write to this sink, or give each a `transactional_id` of its own; then start \
                      this one again.";
        let fault = Fault::halt(what).advise(advice);
        self.taken_over = Some(fault.clone());
        Err(fault)
    }

    /// Decides what was in doubt, by the word of the last transaction.
    fn resolve(&mut self, values: &Values) {
        let Some(doubt) = self.in_doubt.take() else { return };
        if values.get(&self.keys.last()).is_some_and(|last| *last == doubt.word) {
            self.written = doubt.records.into();
        }
    }

    /// These records were written, though the lane was told that they are open.
    pub(super) fn has_written(&mut self, records: &[Record]) {
        self.written = records.iter().map(|record| record.id).collect();
    }

    /// How many of the first records are written already. The lane sends again what is open in its old order.
    fn skip_written(&mut self, records: &[Record]) -> usize {
        let mut skipped = 0;
        while let (Some(record), Some(written)) = (records.get(skipped), self.written.front()) {
            if record.id != *written {
                tracing::error!("a lane has not sent again what was open, some of it may be there twice");
                self.written.clear();
                break;
            }
            self.written.pop_front();
            skipped += 1;
        }
        skipped
    }

    /// Which records no topic takes, and why.
    fn unfit(&self, records: &[Record]) -> Vec<(usize, String)> {
        let Some(session) = &self.session else { return Vec::new() };
        let unfit = |(index, record)| Some((index, self.composer.unfit(record, &session.limits)?));
        records.iter().enumerate().filter_map(unfit).collect()
    }
}

impl Ended {
    fn into_fault(self) -> Fault {
        match self {
            Self::Aborted(fault) | Self::SetRefused(fault) | Self::Unknown(fault) => fault,
            Self::Refused(_) => {
                Fault::halt("failed to write to the topic of marks: its brokers refuse what stands there")
            }
        }
    }
}

/// Some records are refused; the others were not written with them. The leading ones were before.
fn refusing(records: usize, skipped: usize, refused: &[(usize, String)]) -> Fates {
    let open = || Fate::Open(Fault::retry("failed to write what was to be committed with a record that is refused"));
    let mut fates: Vec<Fate> = (0..skipped).map(|_| Fate::Settled).collect();
    fates.extend((0..records).map(|_| open()));
    for (index, reason) in refused {
        if let Some(fate) = fates.get_mut(skipped + index) {
            *fate = Fate::Refused(reason.clone());
        }
    }
    Fates::Each(fates)
}
