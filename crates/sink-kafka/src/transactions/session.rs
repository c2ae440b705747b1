//! A transactional producer, from its fencing of older ones to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fault::Fault;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use sink::{Mark, Record};
use tokio::sync::mpsc::unbounded_channel;

use super::names::Keys;
use super::topic::PARTITION;
use crate::classify::{self, Asks, classify};
use crate::config::{self, Sets};
use crate::flights::{Flights, number};
use crate::message::{Composer, Parts};
use crate::options::{KafkaOptions, Transactions};
use crate::topics::TopicLimits;
use crate::watch::Watch;

/// A producer whose transactional id is its own until another begins with it.
pub(super) struct Session {
    inner: ThreadedProducer<Watch>,
    pub(super) limits: Arc<TopicLimits>,
}

/// How a transaction ended that was not committed.
pub(super) enum Ended {
    /// None of it will ever be seen.
    Aborted(Fault),
    /// Nobody knows whether it was committed. The producer is to be thrown away.
    Unknown(Fault),
}

/// What one transaction writes.
#[derive(Default)]
pub(super) struct Content<'a> {
    pub(super) records: &'a [Record],
    pub(super) marks: &'a [Mark],
    /// A key and a value of our own.
    pub(super) name: (&'a [u8], &'a [u8]),
}

impl Session {
    /// Makes a producer, and ends what any other with this transactional id has under way. It blocks.
    ///
    /// # Errors
    /// No broker answers, or a setting or a right is missing.
    pub(super) fn open(
        options: &KafkaOptions,
        transactions: &Transactions,
        limits: Arc<TopicLimits>,
    ) -> Result<Self, Fault> {
        let config = config::transactional(config::connection(options)?, options, &transactions.id, &limits);
        // Nobody listens: a transaction is waited for as a whole.
        let (told, _) = unbounded_channel();
        let watch = Watch::new(Flights::new(1, Sets::Large, told), config::tokens(options));
        let inner = config.create_with_context(watch).map_err(|error| config::not_taken(&error))?;
        let session = Self { inner, limits };
        let until = Instant::now() + INITIALISED_WITHIN;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match session.inner.init_transactions(left) {
                Ok(()) => return Ok(session),
                Err(error) if is_retriable(&error) && !left.is_zero() => {}
                Err(error) => return Err(session.fault("failed to initialise transactions", &error)),
            }
        }
    }

    /// Writes all or nothing. It blocks.
    pub(super) fn write(
        &self,
        content: &Content<'_>,
        composer: &Composer,
        keys: &Keys,
        topic: &str,
    ) -> Result<(), Ended> {
        let begun = self.inner.begin_transaction();
        begun.map_err(|error| Ended::Unknown(self.fault("failed to begin a transaction", &error)))?;
        let records = content.records.len();
        if let Err(error) = self.send(content, composer, keys, topic) {
            return Err(self.abort(records, &error));
        }
        let until = Instant::now() + COMMITTED_WITHIN;
        if let Err(error) = self.wait_for_outcomes(until) {
            return Err(self.abort(records, &error));
        }
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let error = match self.inner.commit_transaction(left) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            return Err(match &error {
                KafkaError::Flush(_) => self.abort(records, &error),
                KafkaError::Transaction(inner) if !inner.is_fatal() && inner.txn_requires_abort() => {
                    self.abort(records, &error)
                }
                error if is_retriable(error) && !left.is_zero() => continue,
                _ => Ended::Unknown(self.fault(COMMIT, &error)),
            });
        }
    }

    fn send(&self, content: &Content<'_>, composer: &Composer, keys: &Keys, topic: &str) -> Result<(), KafkaError> {
        let flights = &self.inner.context().flights;
        flights.take_off(0, content.records.len() + content.marks.len() + 1);
        for (index, record) in content.records.iter().enumerate() {
            let parts = Parts::new(record);
            self.inner.send(composer.message(record, &parts, number(0, index))).map_err(|(error, _)| error)?;
        }
        let mut index = content.records.len();
        let mut keep = |key: &[u8], value: &[u8]| {
            let message = BaseRecord::with_opaque_to(topic, number(0, index));
            index += 1;
            let message = message.partition(PARTITION).key(key).payload(value);
            self.inner.send(message).map_err(|(error, _)| error)
        };
        for mark in content.marks {
            keep(&keys.mark(&mark.key), &mark.value)?;
        }
        keep(content.name.0, content.name.1)
    }

    /// Waits until each message is written. Nothing is committed where one is not.
    fn wait_for_outcomes(&self, until: Instant) -> Result<(), KafkaError> {
        let flights = &self.inner.context().flights;
        self.inner.flush(until.saturating_duration_since(Instant::now()))?;
        // The thread that polls may still be at the last of them.
        while flights.open() > 0 {
            if Instant::now() >= until {
                return Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        match flights.failed(0).first() {
            Some(failure) => Err(KafkaError::MessageProduction(failure.code)),
            None => Ok(()),
        }
    }

    fn abort(&self, records: usize, error: &KafkaError) -> Ended {
        let until = Instant::now() + ABORTED_WITHIN;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.inner.abort_transaction(left) {
                Ok(()) => return Ended::Aborted(self.why_aborted(records, error)),
                Err(error) if is_retriable(&error) && !left.is_zero() => {}
                // It cannot have been committed by us; but whether another has taken over is to be found out.
                Err(_) => return Ended::Unknown(self.why_aborted(records, error)),
            }
        }
    }

    /// The fault of the first message that failed by itself, else that of the transaction. The first so many messages
    /// are records; those behind are marks.
    fn why_aborted(&self, records: usize, error: &KafkaError) -> Fault {
        // What is purged has fallen with something else.
        let is_purged = |code| matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight);
        let failed = self.inner.context().flights.failed(0);
        let guilty = failed.iter().find(|failure| !is_purged(failure.code));
        let code = guilty.map_or_else(|| code(error), |guilty| guilty.code);
        match classify(code) {
            Asks::Refuse if guilty.is_some_and(|guilty| guilty.record >= records) => {
                let advice = "Look at `max.message.bytes` and `cleanup.policy` of `marks_topic`.";
                Fault::halt("failed to write to the topic of marks").caused_by(code.to_string()).advise(advice)
            }
            // One of a set is to blame: the lane sends halves, down to the one.
            Asks::Refuse => Fault::reject(format!("the broker refuses it: {code}")),
            _ if guilty.is_some() => classify::fault(COMMIT, code, code.to_string()),
            _ => self.fault(COMMIT, error),
        }
    }

    fn fault(&self, what: &str, error: &KafkaError) -> Fault {
        let code = code(error);
        match (self.inner.client().fatal_error(), self.inner.context().last_complaint()) {
            (Some((code, reason)), _) => classify::fault(what, code, reason),
            // That time is over says less than what connections fail of.
            (None, Some(complaint)) if code == RDKafkaErrorCode::OperationTimedOut => {
                classify::fault(what, complaint.code, complaint.reason)
            }
            _ => classify::fault(what, code, error.to_string()),
        }
    }
}

fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_retriable() && !error.is_fatal())
}

const COMMIT: &str = "failed to commit a transaction";
const INITIALISED_WITHIN: Duration = Duration::from_secs(30);
/// Longer than a part of it may take, shorter than the brokers wait for it.
const COMMITTED_WITHIN: Duration = Duration::from_secs(50);
const ABORTED_WITHIN: Duration = Duration::from_secs(10);
