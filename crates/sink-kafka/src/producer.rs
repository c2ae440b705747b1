//! A producer from its making to its end.

use std::sync::Arc;
use std::time::Duration;

use fault::Fault;
use rdkafka::error::KafkaError;
use rdkafka::producer::{Producer as _, PurgeConfig, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use sink::Batch;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::classify::{self, Asks, classify};
use crate::config::{self, Sets};
use crate::flights::{Event, Failure, Flights, number};
use crate::message::{Composer, Parts};
use crate::options::KafkaOptions;
use crate::topics::{self, TopicLimits};
use crate::watch::Watch;

/// A producer, and what it tells.
pub(crate) struct Producer {
    inner: ThreadedProducer<Watch>,
    pub(crate) events: UnboundedReceiver<Event>,
    pub(crate) limits: Arc<TopicLimits>,
    pub(crate) sets: Sets,
    free: Vec<usize>,
}

impl Producer {
    /// Connects to the cluster. What its topics take is asked for unless it is known. It blocks, and must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// No broker answers, or a setting is not taken.
    pub(crate) fn connect(
        options: &KafkaOptions,
        topics: &[&str],
        known: Option<Arc<TopicLimits>>,
        sets: Sets,
    ) -> Result<Self, Fault> {
        let connection = config::connection(options)?;
        let limits = known.unwrap_or_else(|| Arc::new(topics::describe(options, &connection, topics)));
        let (told, events) = unbounded_channel();
        let watch = Watch::new(Flights::new(PLACES, sets, told), config::tokens(options));
        let config = config::producer(connection, options, &limits, sets);
        let inner = config.create_with_context(watch).map_err(|error| config::not_taken(&error))?;
        let producer = Self { inner, events, limits, sets, free: (0..PLACES).collect() };
        producer.ask(topics.first().copied().unwrap_or_default())?;
        Ok(producer)
    }

    /// Asks whether the cluster has a topic. It blocks.
    ///
    /// # Errors
    /// No broker answers, or the topic is not there or not ours to see.
    pub(crate) fn ask_for(&self, topic: &str) -> Result<(), Fault> {
        match self.ask(topic)? {
            None | Some(RDKafkaErrorCode::LeaderNotAvailable) => Ok(()),
            Some(code) => Err(classify::fault(&format!("failed to find the topic {topic}"), code, code.to_string())),
        }
    }

    /// What the cluster says of a topic, if anything is wrong with it.
    fn ask(&self, topic: &str) -> Result<Option<RDKafkaErrorCode>, Fault> {
        match self.inner.client().fetch_metadata(Some(topic), ANSWER_WITHIN) {
            Ok(metadata) => Ok(metadata.topics().iter().find_map(|topic| topic.error().map(RDKafkaErrorCode::from))),
            Err(error) => Err(self.complaint("failed to reach the Kafka brokers", Some(&error))),
        }
    }

    /// Hands a batch to librdkafka, and returns its place. What cannot be handed over fails there.
    pub(crate) fn send(&mut self, batch: &Batch, composer: &Composer) -> Option<usize> {
        let place = self.free.pop()?;
        let flights = &self.watch().flights;
        flights.take_off(place, batch.records.len());
        for (index, record) in batch.records.iter().enumerate() {
            let refused = |record| Failure { record, code: RDKafkaErrorCode::MessageSizeTooLarge, refused: true };
            if composer.unfit(record, &self.limits).is_some() {
                flights.note(place, refused(index));
                flights.land_some(place, 1);
                continue;
            }
            let parts = Parts::new(record);
            if let Err((error, _)) = self.inner.send(composer.message(record, &parts, number(place, index))) {
                // Neither this record nor those behind it are on their way.
                flights.fail(number(place, index), error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
                flights.land_some(place, batch.records.len() - index);
                break;
            }
        }
        Some(place)
    }

    /// Whether all records of a batch have their outcome.
    pub(crate) fn is_landed(&self, place: usize) -> bool {
        self.watch().flights.is_landed(place)
    }

    /// The records of a batch that were not written, in their order.
    pub(crate) fn failed(&self, place: usize) -> Vec<Failure> {
        self.watch().flights.failed(place)
    }

    /// The place of a batch is free again.
    pub(crate) fn release(&mut self, place: usize) {
        self.free.push(place);
    }

    /// Records without an outcome.
    pub(crate) fn open(&self) -> usize {
        self.watch().flights.open()
    }

    /// Whether librdkafka has given this producer up.
    pub(crate) fn is_fatal(&self) -> bool {
        self.inner.client().fatal_error().is_some()
    }

    /// Whether a broker has refused a set of several records, so that the guilty one is to be found.
    pub(crate) fn is_refused(&self) -> bool {
        self.sets == Sets::Large && self.watch().flights.cause().is_some_and(|code| classify(code) == Asks::Refuse)
    }

    /// Why this producer is thrown away: its own fatal error before the first record's. `None` where neither is known.
    pub(crate) fn why(&self) -> Option<Fault> {
        let what = "failed to write to Kafka";
        match (self.inner.client().fatal_error(), self.watch().flights.cause()) {
            // That nothing may follow a record that has failed is our own wish; what it has failed of is the cause.
            (Some((RDKafkaErrorCode::GaplessGuarantee, reason)), Some(code)) => {
                Some(classify::fault(what, code, reason))
            }
            (Some((code, reason)), _) => Some(classify::fault(what, code, reason)),
            (None, Some(code)) => Some(classify::fault(what, code, code.to_string())),
            (None, None) => None,
        }
    }

    /// Why nothing moves: what was last complained of.
    pub(crate) fn why_stalled(&self, waited: Duration) -> Fault {
        self.complaint(&format!("failed to hear from the Kafka brokers for {} s", waited.as_secs()), None)
    }

    /// Something was written: what connections failed of before has passed.
    pub(crate) fn moves(&self) {
        self.watch().forget_complaint();
    }

    /// Whether connections fail of what a person must mend.
    pub(crate) fn complains_of_us(&self) -> bool {
        let complaint = self.watch().last_complaint();
        complaint.is_some_and(|complaint| matches!(classify(complaint.code), Asks::Halt(_)))
    }

    fn complaint(&self, what: &str, error: Option<&KafkaError>) -> Fault {
        let code = error.and_then(KafkaError::rdkafka_error_code);
        let fault = match (self.watch().last_complaint(), code) {
            (Some(complaint), _) => classify::fault(what, complaint.code, complaint.reason),
            (None, Some(code)) => classify::fault(what, code, code.to_string()),
            (None, None) => Fault::retry(what),
        };
        match fault.advice() {
            Some(_) => fault,
            None => fault.advise("Look at the brokers and at the network on the way to them, or correct `brokers`."),
        }
    }

    fn watch(&self) -> &Watch {
        self.inner.context()
    }

    /// Fails what this producer holds, on a thread that may block. When it comes back all of that has its outcome.
    pub(crate) fn retire(self) -> JoinHandle<Self> {
        spawn_blocking(move || {
            self.inner.purge(PurgeConfig::default().queue().inflight());
            // What has no outcome after that stays open.
            let _ = self.inner.flush(PURGED_WITHIN);
            self
        })
    }
}

/// Batches on their way, at most: what fills brokers' windows for as long as an answer takes.
pub(crate) const PLACES: usize = 8;
/// How long a broker may take to answer a question.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const PURGED_WITHIN: Duration = Duration::from_secs(2);
