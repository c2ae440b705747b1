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
use crate::flights::{Failure, Flights, number};
use crate::message::{Composer, Parts};
use crate::options::{KafkaOptions, Transactions};
use crate::topics::Limits;
use crate::watch::Watch;

/// A producer whose transactional id is its own until another begins with it.
pub(super) struct Session {
    inner: ThreadedProducer<Watch>,
    pub(super) limits: Arc<Limits>,
    sets: Sets,
}

/// How a transaction ended that was not committed.
pub(super) enum Ended {
    /// None of it will ever be seen. The producer goes on.
    Aborted(Fault),
    /// Brokers refuse these records of it, and none of it will ever be seen.
    Refused(Vec<Failure>),
    /// Brokers refuse a set of its records, and none of it will ever be seen. One of them is to blame.
    SetRefused(Fault),
    /// Nobody knows whether it was committed. The producer is to be thrown away.
    Unknown(Fault),
}

/// What one transaction writes.
#[derive(Default)]
pub(super) struct Content<'a> {
    pub(super) records: &'a [Record],
    pub(super) marks: &'a [Mark],
    /// A key and a value of our own.
    pub(super) word: (&'a [u8], &'a [u8]),
}

impl Session {
    /// Makes a producer, and ends what any other with this transactional id has under way. It blocks.
    ///
    /// # Errors
    /// No broker answers, or a setting or a right is missing.
    pub(super) fn open(
        options: &KafkaOptions,
        transactions: &Transactions,
        limits: Arc<Limits>,
        sets: Sets,
    ) -> Result<Self, Fault> {
        let config = config::transactional(config::connection(options)?, options, &transactions.id, &limits, sets);
        // Nobody listens: a transaction is waited for as a whole.
        let (told, _) = unbounded_channel();
        let watch = Watch::new(Flights::new(1, sets, told), config::tokens(options));
        let inner = config.create_with_context(watch).map_err(|error| config::not_taken(&error))?;
        let session = Self { inner, limits, sets };
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
        if let Err(error) = self.send(content, composer, keys, topic) {
            return Err(self.abort(&error));
        }
        let until = Instant::now() + COMMITTED_WITHIN;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // It waits for all of it to be written first. What was not cannot be committed.
            let error = match self.inner.commit_transaction(left) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            return Err(match &error {
                KafkaError::Flush(_) => self.abort(&error),
                KafkaError::Transaction(inner) if !inner.is_fatal() && inner.txn_requires_abort() => self.abort(&error),
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
        keep(content.word.0, content.word.1)
    }

    fn abort(&self, error: &KafkaError) -> Ended {
        let flights = &self.inner.context().flights;
        let cause = flights.cause();
        let fault = match cause {
            Some(code) => classify::fault(COMMIT, code, code.to_string()),
            None => self.fault(COMMIT, error),
        };
        let until = Instant::now() + ABORTED_WITHIN;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.inner.abort_transaction(left) {
                Ok(()) => break,
                Err(error) if is_retriable(&error) && !left.is_zero() => {}
                // What is not committed by us is by nobody; but whether another has taken over is to be found out.
                Err(_) => return Ended::Unknown(fault),
            }
        }
        let refused: Vec<Failure> = flights.failed(0).into_iter().filter(|failure| failure.refused).collect();
        match cause.map(classify) {
            _ if !refused.is_empty() => Ended::Refused(refused),
            Some(Asks::Refuse) if self.sets == Sets::Large => Ended::SetRefused(fault),
            _ => Ended::Aborted(fault),
        }
    }

    fn fault(&self, what: &str, error: &KafkaError) -> Fault {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
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

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_retriable() && !error.is_fatal())
}

const COMMIT: &str = "failed to commit a transaction";
const INITIALISED_WITHIN: Duration = Duration::from_secs(30);
/// Longer than a part of it may take, shorter than the brokers wait for it.
const COMMITTED_WITHIN: Duration = Duration::from_secs(50);
const ABORTED_WITHIN: Duration = Duration::from_secs(10);
