//! Where alerts go as Kafka messages.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{Sasl, defaults, shown};
use crate::plan::{KafkaCompressionPlan, KafkaKeyPlan, KafkaProfilePlan};
use crate::template::TemplateText;
use crate::written::{Broker, Form as _, KafkaName, Name, NonEmpty, OneOrSeveral, SettingText, Span, Written};

/// A Kafka cluster.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["brokers", "topic"]))]
pub(crate) struct Kafka {
    /// One broker or some, which tell of the others: a host with or without a port. The port that is not written is
    /// 9092, and for Event Hubs 9093.
    pub(crate) brokers: Option<OneOrSeveral<Written<Broker>>>,
    /// What the cluster is. Unset it is `event_hubs` where the first broker's name says so, and else `kafka`.
    pub(crate) profile: Option<KafkaProfile>,
    /// The topic, a template over `tenant.name` and `tenant.labels.NAME`.
    pub(crate) topic: Option<Written<TemplateText>>,
    /// The key of a message: what has the same one goes to the same partition, where order is kept.
    #[schemars(extend("default" = "alert"))]
    pub(crate) key: Option<MessageKey>,
    /// Whether every record arrives once whatever dies in between: written in transactions that also keep how far this
    /// sink has come. Only readers with `isolation.level=read_committed` see it so.
    #[schemars(extend("default" = false))]
    pub(crate) exactly_once: Option<bool>,
    /// The name under which brokers know the sink's transactions: nobody else on the cluster may have it. Unset it is
    /// `atp-forwarder-` and the sink's name.
    pub(crate) transactional_id: Option<Written<KafkaName>>,
    /// The compacted topic in which transactions keep how far sinks have come; several may share it. It is created where
    /// it is missing, unless we sign in with `oauth_bearer`.
    #[schemars(extend("default" = defaults::KAFKA_MARKS_TOPIC))]
    pub(crate) marks_topic: Option<Written<KafkaName>>,
    /// How sets of messages are compressed. Unset it is `zstd`, and for Event Hubs `none`.
    pub(crate) compression: Option<Compression>,
    /// How long nothing may move before what is on its way is given up and sent again, by which it may arrive twice.
    /// Longer than brokers take to start anew. It is not for `exactly_once`.
    #[schemars(extend("default" = shown(defaults::KAFKA_GIVE_UP_AFTER), "x-minimum" = "10s", "x-maximum" = "1h"))]
    pub(crate) give_up_after: Option<Written<Span>>,
    /// The name under which brokers log us and count our quota.
    #[schemars(extend("default" = defaults::APP_NAME))]
    pub(crate) client_id: Option<Written<KafkaName>>,
    /// How brokers are known over TLS, and how we are; `{}` is TLS with the system's authorities. Unset there is no TLS,
    /// but for Event Hubs.
    pub(crate) tls: Option<KafkaTls>,
    /// How we sign in. Unset we do not.
    pub(crate) sasl: Option<Sasl>,
    /// Settings of librdkafka by their names, such as `linger.ms: 100`, but for those that the sink's word hangs on and
    /// those that have a key here.
    #[serde(default)]
    pub(crate) options: BTreeMap<Written<Name>, SettingValue>,
}

/// What a cluster is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KafkaProfile {
    /// Azure Event Hubs.
    EventHubs,
    /// Apache Kafka, and what behaves like it.
    Kafka,
}

impl From<KafkaProfile> for KafkaProfilePlan {
    fn from(profile: KafkaProfile) -> Self {
        match profile {
            KafkaProfile::EventHubs => Self::EventHubs,
            KafkaProfile::Kafka => Self::Kafka,
        }
    }
}

/// The key of a message.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageKey {
    /// The alert's id: its revisions stay in order.
    Alert,
    /// The device that the alert is about.
    Device,
    /// The tenant's name: all of a tenant stays in order.
    Tenant,
}

impl From<MessageKey> for KafkaKeyPlan {
    fn from(key: MessageKey) -> Self {
        match key {
            MessageKey::Alert => Self::Alert,
            MessageKey::Device => Self::Device,
            MessageKey::Tenant => Self::Tenant,
        }
    }
}

/// How sets of messages are compressed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compression {
    /// gzip, the one that Event Hubs knows.
    Gzip,
    /// LZ4.
    Lz4,
    /// Not at all.
    None,
    /// Snappy.
    Snappy,
    /// Zstandard.
    Zstd,
}

impl From<Compression> for KafkaCompressionPlan {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::Gzip => Self::Gzip,
            Compression::Lz4 => Self::Lz4,
            Compression::None => Self::None,
            Compression::Snappy => Self::Snappy,
            Compression::Zstd => Self::Zstd,
        }
    }
}

/// How brokers are known over TLS, and how we are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "cert": ["key"], "key": ["cert"] }))]
pub(crate) struct KafkaTls {
    /// A file of CA certificates (PEM) that are believed instead of the system's.
    pub(crate) ca: Option<Written<NonEmpty>>,
    /// A file of our certificate and its chain (PEM), for brokers that ask for one.
    pub(crate) cert: Option<Written<NonEmpty>>,
    /// A file of the certificate's key (PEM).
    pub(crate) key: Option<Written<NonEmpty>>,
}

/// The value of a setting of librdkafka, which knows texts alone: a number or `true` needs no quotes here.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct SettingValue(pub(crate) Written<SettingText>);

impl JsonSchema for SettingValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SettingValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "format": SettingText::FORMAT, "pattern": SettingText::PATTERN },
                { "type": "integer" },
                { "type": "boolean" }
            ]
        })
    }
}
