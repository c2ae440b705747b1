//! Transactions of Kafka.

use std::collections::BTreeSet;

use super::ForKafka;
use crate::build::Build;
use crate::file::{Kafka, defaults};
use crate::place::KeyPath;
use crate::plan::{DestinationPlan, KafkaProfilePlan, SinkPlan, TopicsPlan, TransactionsPlan};

impl Build<'_> {
    /// Transactions, where they are asked for.
    pub(super) fn transactions(
        &mut self,
        kafka: &Kafka,
        profile: Option<KafkaProfilePlan>,
        sink: &ForKafka,
        topics: Option<&TopicsPlan>,
        path: &KeyPath,
    ) -> Option<TransactionsPlan> {
        if kafka.exactly_once != Some(true) {
            let guessed = kafka.exactly_once.is_none() && self.entry_of(&path.key("exactly_once")).is_some();
            self.check_needless(kafka, guessed, path);
            return None;
        }
        if profile == Some(KafkaProfilePlan::EventHubs) {
            self.tell(
                &path.key("exactly_once"),
                "Event Hubs has transactions as a preview, in two of its tiers only, and this sink does not use them; \
                 leave it out: copies carry the same record id",
            );
        }
        self.check_times(kafka, path);
        let id_path = path.key("transactional_id");
        if kafka.transactional_id.is_none() && sink.renamed && self.entry_of(&id_path).is_none() {
            let message = "a sink that was renamed keeps its id: write `transactional_id: atp-forwarder-OLD_NAME`";
            self.tell(&path.key("exactly_once"), message);
        }
        let marks_topic = kafka.marks_topic.as_ref().map_or(defaults::KAFKA_MARKS_TOPIC, |name| &name.0);
        if topics.is_some_and(|topics| has(topics, marks_topic)) {
            self.tell(&path.key("topic"), format!("alerts cannot go to `{marks_topic}`, which is `marks_topic`"));
        }
        let id = kafka.transactional_id.as_ref().map(|id| id.0.clone());
        let id = id.unwrap_or_else(|| transactional_id(sink.name));
        Some(TransactionsPlan { id, marks_topic: marks_topic.to_owned() })
    }

    /// A key that only transactions need would do nothing.
    fn check_needless(&mut self, kafka: &Kafka, guessed: bool, path: &KeyPath) {
        let there =
            [("transactional_id", kafka.transactional_id.is_some()), ("marks_topic", kafka.marks_topic.is_some())];
        for (key, _) in there.into_iter().filter(|(_, there)| *there && !guessed) {
            self.tell(&path.key(key), "it is for `exactly_once: true`");
        }
    }

    /// A transaction is sent as soon as it is whole, and ends with its batch or by brokers' time.
    fn check_times(&mut self, kafka: &Kafka, path: &KeyPath) {
        if kafka.give_up_after.is_some() {
            self.tell(&path.key("give_up_after"), "transactions end by times of their own; leave it out");
        }
        if kafka.options.keys().any(|name| name.0 == LINGER) {
            let message = "a transaction is sent as soon as it is whole; leave it out";
            self.tell(&path.key("options").key(LINGER), message);
        }
    }

    /// Whoever comes later with the same transactional id fences who came before.
    pub(in crate::build) fn check_transactions(&mut self, sinks: &[SinkPlan]) {
        let mut ids = BTreeSet::new();
        for sink in sinks {
            let DestinationPlan::Kafka(kafka) = &sink.destination else { continue };
            if kafka.transactions.as_ref().is_some_and(|transactions| !ids.insert(&transactions.id)) {
                let path = KeyPath::of(&["sinks", &sink.name, "kafka", "transactional_id"]);
                self.tell(&path, "another sink has this id");
            }
        }
    }
}

fn transactional_id(sink: &str) -> String {
    format!("{}-{sink}", defaults::APP_NAME)
}

fn has(topics: &TopicsPlan, name: &str) -> bool {
    match topics {
        TopicsPlan::ByTenant(topics) => topics.values().any(|topic| topic == name),
        TopicsPlan::One(topic) => topic == name,
    }
}

/// How long librdkafka waits for a set to grow.
const LINGER: &str = "linger.ms";
