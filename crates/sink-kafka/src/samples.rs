//! Options for tests.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::options::{KafkaOptions, Key, Profile};

/// Plain text to one broker and one topic.
pub(crate) fn options(broker: &str, topic: &str) -> KafkaOptions {
    KafkaOptions {
        brokers: vec![broker.to_owned()],
        profile: Profile::Kafka,
        topics: HashMap::new(),
        topic: Some(topic.to_owned()),
        key: Key::Tenant,
        compression: None,
        tls: None,
        sasl: None,
        client_id: "atp-forwarder".to_owned(),
        give_up_after: Duration::from_secs(120),
        flush_within: Duration::from_secs(8),
        transactions: None,
        properties: BTreeMap::new(),
    }
}
