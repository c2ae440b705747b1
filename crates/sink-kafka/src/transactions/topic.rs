//! The topic of marks: compacted, so that of each key the latest value stays.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fault::Fault;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use tokio::runtime::Handle;

use crate::classify::{self, Asks, classify};
use crate::config;
use crate::options::{KafkaOptions, Sasl};
use crate::watch::{Quiet, Reading};

/// The latest value of each key of a topic.
pub(super) type Values = HashMap<Vec<u8>, Vec<u8>>;

/// The partition that everything goes to.
pub(super) const PARTITION: i32 = 0;

/// Creates the topic where it is missing. It blocks, and must be called within a tokio runtime.
///
/// # Errors
/// It is missing and cannot be created.
pub(super) fn ensure(options: &KafkaOptions, topic: &str) -> Result<(), Fault> {
    // No client of ours that administers is given tokens: then the topic must be there.
    if let Some(Sasl::OauthBearer(_)) = options.sasl {
        return Ok(());
    }
    let connection = config::connection(options)?;
    let admin: AdminClient<Quiet> = connection.create_with_context(Quiet).map_err(|error| config::not_taken(&error))?;
    if exists(&admin, topic)? {
        return Ok(());
    }
    match Handle::current().block_on(create(&admin, topic)) {
        // Another lane was quicker.
        Ok(()) | Err(RDKafkaErrorCode::TopicAlreadyExists) => {
            tracing::info!(topic, "the topic of marks was created");
            Ok(())
        }
        Err(code) => {
            let fault =
                classify::fault(&format!("failed to create the topic of marks {topic}"), code, code.to_string());
            Err(fault.advise(CREATE))
        }
    }
}

/// All topics are asked for, since brokers may create one that is asked for by its name, and not as it must be.
fn exists(admin: &AdminClient<Quiet>, topic: &str) -> Result<bool, Fault> {
    match admin.inner().fetch_metadata(None, ANSWER_WITHIN) {
        Ok(metadata) => Ok(metadata.topics().iter().any(|known| known.name() == topic)),
        Err(error) => Err(classify::fault("failed to reach the Kafka brokers", code(&error), error.to_string())),
    }
}

async fn create(admin: &AdminClient<Quiet>, topic: &str) -> Result<(), RDKafkaErrorCode> {
    // Small segments, for the one that is written to is never compacted. -1 is the cluster's own number of replicas.
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1))
        .set("cleanup.policy", "compact")
        .set("segment.bytes", "16777216")
        .set("segment.ms", "3600000");
    let options = AdminOptions::new().request_timeout(Some(ANSWER_WITHIN)).operation_timeout(Some(ANSWER_WITHIN));
    let unknown = |error: KafkaError| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
    let created = admin.create_topics([&new], &options).await.map_err(unknown)?;
    created.into_iter().try_for_each(|topic| topic.map(drop).map_err(|(_, code)| code))
}

/// Reads what was committed up to a message of our own, and shows each message on the way. It blocks.
///
/// # Errors
/// The topic cannot be read, or the message did not come.
pub(super) fn read_up_to(
    options: &KafkaOptions,
    topic: &str,
    own: (&[u8], &[u8]),
    mut show: impl FnMut(&[u8], &[u8]),
) -> Result<Values, Fault> {
    let mut values = Values::new();
    let consumer = consumer(options, "read_committed")?;
    let reading = read(&consumer, topic, false, |message| {
        let (key, value) = (message.key().unwrap_or_default(), message.payload());
        show(key, value.unwrap_or_default());
        match value {
            Some(value) => values.insert(key.to_vec(), value.to_vec()),
            None => values.remove(key),
        };
        (key, value) == (own.0, Some(own.1))
    });
    reading.map_err(|error| fault(topic, &error)).map(|()| values)
}

/// Shows each message to the end, whether or not it was committed. It blocks.
///
/// # Errors
/// The topic cannot be read.
pub(super) fn read_all(options: &KafkaOptions, topic: &str, mut show: impl FnMut(&[u8], &[u8])) -> Result<(), Fault> {
    let consumer = consumer(options, "read_uncommitted")?;
    let reading = read(&consumer, topic, true, |message| {
        show(message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        false
    });
    reading.map_err(|error| fault(topic, &error))
}

fn consumer(options: &KafkaOptions, isolation: &str) -> Result<BaseConsumer<Reading>, Fault> {
    let mut config = config::connection(options)?;
    // Nothing is kept for the group: every reading begins at the beginning.
    config.set("group.id", "atp-forwarder-marks").set("enable.auto.commit", "false");
    config.set("auto.offset.reset", "earliest").set("isolation.level", isolation).set("enable.partition.eof", "true");
    let reading = Reading { tokens: config::tokens(options) };
    config.create_with_context(reading).map_err(|error| config::not_taken(&error))
}

/// Reads until a message is the one that is looked for, or until the end where that is enough. Committed messages may
/// end before an open transaction of another lane; that passes.
fn read(
    consumer: &BaseConsumer<Reading>,
    topic: &str,
    to_the_end: bool,
    mut is_last: impl FnMut(&BorrowedMessage<'_>) -> bool,
) -> KafkaResult<()> {
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, PARTITION, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let mut until = Instant::now() + SILENT_FOR;
    loop {
        match consumer.poll(until.saturating_duration_since(Instant::now())) {
            Some(Ok(message)) if is_last(&message) => return Ok(()),
            Some(Ok(_)) => until = Instant::now() + SILENT_FOR,
            Some(Err(KafkaError::PartitionEOF(_))) if to_the_end => return Ok(()),
            Some(Err(error)) if is_final(&error) => return Err(error),
            // A connection that was lost is made anew.
            Some(Err(_)) => {}
            None => return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)),
        }
        if Instant::now() >= until {
            return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
        }
    }
}

fn is_final(error: &KafkaError) -> bool {
    matches!(classify(code(error)), Asks::Halt(_))
}

fn fault(topic: &str, error: &KafkaError) -> Fault {
    let fault = classify::fault(&format!("failed to read the topic of marks {topic}"), code(error), error.to_string());
    match code(error) {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => fault.advise(CREATE),
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            fault.advise("Give this user the right to read and write it (ACL: Read, Write and Describe on the topic).")
        }
        _ => fault,
    }
}

fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}

const CREATE: &str = "Create it with one partition and `cleanup.policy=compact`, or give this user the right to (ACL: \
                      Create on the cluster).";
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long nothing may come. An open transaction of another lane is ended by the brokers within its own time.
const SILENT_FOR: Duration = Duration::from_secs(config::TRANSACTION_WITHIN.as_secs() + 30);
