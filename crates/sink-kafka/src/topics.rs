//! What a cluster says of topics: the largest record that they take, and how many replicas have what is acknowledged.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaResult;

use tokio::runtime::Handle;

use crate::options::{KafkaOptions, Sasl};
use crate::watch::Quiet;

/// What is known of the topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicLimits {
    known: HashMap<String, Topic>,
    /// All topics that are asked for are known, and are kept by two replicas or more once acknowledged.
    replicated: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Topic {
    /// `max.message.bytes`.
    largest: Option<usize>,
    /// `min.insync.replicas`.
    in_sync: Option<u32>,
    /// `cleanup.policy` is known, and `delete` is in it.
    deletes: bool,
}

impl TopicLimits {
    /// The most bytes of a set of records for a topic, a single record included.
    pub(crate) fn largest(&self, topic: &str) -> usize {
        self.known.get(topic).and_then(|topic| topic.largest).unwrap_or(LARGEST_UNLESS_KNOWN)
    }

    /// The most bytes that any of the topics takes.
    pub(crate) fn largest_of_all(&self) -> usize {
        let known = self.known.values().filter_map(|topic| topic.largest);
        known.max().unwrap_or(LARGEST_UNLESS_KNOWN).clamp(LEAST, LARGEST_REQUEST)
    }

    /// The most bytes that each of the topics takes.
    pub(crate) fn largest_for_each(&self) -> usize {
        let known = self.known.values().filter_map(|topic| topic.largest);
        known.chain([LARGEST_UNLESS_KNOWN]).min().unwrap_or(LARGEST_UNLESS_KNOWN).max(LEAST)
    }

    /// Whether what is acknowledged is on two replicas or more, whatever the topic.
    pub(crate) fn is_replicated(&self) -> bool {
        self.replicated
    }

    /// Whether a topic is known to keep no value for good, not even the latest of a key.
    pub(crate) fn deletes(&self, topic: &str) -> bool {
        self.known.get(topic).is_some_and(|topic| topic.deletes)
    }

    fn from_answer(topics: &[&str], resources: Vec<ConfigResource>) -> Self {
        let mut known = HashMap::new();
        for resource in resources {
            let word = |name| resource.get(name).and_then(|entry| entry.value.as_deref());
            let topic = Topic {
                largest: word("max.message.bytes").and_then(|value| value.parse().ok()),
                in_sync: word("min.insync.replicas").and_then(|value| value.parse().ok()),
                deletes: word("cleanup.policy").is_some_and(|policy| policy.contains("delete")),
            };
            if let OwnedResourceSpecifier::Topic(name) = &resource.specifier {
                known.insert(name.clone(), topic);
            }
        }
        let replicated = |name: &&str| known.get(*name).and_then(|topic: &Topic| topic.in_sync) >= Some(2);
        let replicated = topics.iter().all(replicated);
        Self { known, replicated }
    }
}

/// Asks the cluster. It blocks, and must be called within a tokio runtime.
///
/// A user may lack the right (ACL: DescribeConfigs on the topic), and some services do not answer: then nothing is known,
/// and nothing beyond Kafka's defaults is relied on.
pub(crate) fn describe(options: &KafkaOptions, config: &ClientConfig, topics: &[&str]) -> TopicLimits {
    // Only producers and consumers are given tokens.
    if let Some(Sasl::OauthBearer(_)) = options.sasl {
        return TopicLimits::default();
    }
    match Handle::current().block_on(ask(config, topics)) {
        Ok(resources) => TopicLimits::from_answer(topics, resources),
        Err(error) => {
            tracing::debug!(error = error.to_string(), "the settings of topics are not known");
            TopicLimits::default()
        }
    }
}

async fn ask(config: &ClientConfig, topics: &[&str]) -> KafkaResult<Vec<ConfigResource>> {
    let client: AdminClient<Quiet> = config.create_with_context(Quiet)?;
    let asked: Vec<ResourceSpecifier<'_>> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER_WITHIN));
    let answers = client.describe_configs(&asked, &options).await?;
    // A topic that is not there, or not ours to ask, is one of which nothing is known.
    Ok(answers.into_iter().filter_map(Result::ok).collect())
}

/// The default of `message.max.bytes` in librdkafka and a little below that of brokers.
const LARGEST_UNLESS_KNOWN: usize = 1_000_000;
/// What librdkafka takes for `message.max.bytes`.
const LEAST: usize = 1_000;
const LARGEST_REQUEST: usize = 1_000_000_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use rdkafka::admin::{ConfigEntry, ConfigSource};

    use super::*;

    fn resource(topic: &str, in_sync: &str, largest: &str) -> ConfigResource {
        let entry = |name: &str, value: &str| ConfigEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            source: ConfigSource::Default,
            is_read_only: false,
            is_default: true,
            is_sensitive: false,
        };
        ConfigResource {
            specifier: OwnedResourceSpecifier::Topic(topic.to_owned()),
            entries: vec![
                entry("min.insync.replicas", in_sync),
                entry("max.message.bytes", largest),
                entry("cleanup.policy", if topic == "marks" { "compact" } else { "compact,delete" }),
            ],
        }
    }

    /// Guarantee: a topic that deletes what is old is known; nothing is held against one that is not known.
    #[test]
    fn a_topic_that_deletes_is_known() {
        let limits =
            TopicLimits::from_answer(&["marks", "a"], vec![resource("marks", "2", "1"), resource("a", "2", "1")]);
        assert_eq!(["marks", "a", "unknown"].map(|topic| limits.deletes(topic)), [false, true, false]);
    }

    /// Guarantee: records are durable only where every topic is known to keep two replicas or more.
    #[test]
    fn one_topic_with_one_replica_is_enough_to_be_not_durable() {
        let two = || resource("two", "2", "2000000");
        assert!(TopicLimits::from_answer(&["two"], vec![two()]).is_replicated());
        assert!(!TopicLimits::from_answer(&["one", "two"], vec![two(), resource("one", "1", "5")]).is_replicated());
        assert!(!TopicLimits::from_answer(&["two", "unknown"], vec![two()]).is_replicated());
        assert!(!TopicLimits::default().is_replicated());
    }

    /// Guarantee: each topic's own limit counts, and Kafka's default where it is not known.
    #[test]
    fn each_topic_has_its_limit() {
        let limits =
            TopicLimits::from_answer(&["a", "b"], vec![resource("a", "1", "2000000"), resource("b", "1", "5000")]);
        assert_eq!([limits.largest("a"), limits.largest("b"), limits.largest("c")], [2_000_000, 5_000, 1_000_000]);
        assert_eq!((limits.largest_of_all(), limits.largest_for_each()), (2_000_000, 5_000));
    }
}
