//! Where records go as Kafka messages.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::AddressPlan;
use crate::secret::SecretSource;

/// Where records go as Kafka messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaPlan {
    /// Brokers to begin with, at least one.
    pub brokers: Vec<AddressPlan>,
    /// What the cluster is.
    pub profile: KafkaProfilePlan,
    /// The topics.
    pub topics: TopicsPlan,
    /// The key of a message.
    pub key: KafkaKeyPlan,
    /// Every record arrives once, by transactions; `None` where it may arrive twice after a failure.
    pub transactions: Option<TransactionsPlan>,
    /// How sets of messages are compressed; `None` for what suits the cluster.
    pub compression: Option<KafkaCompressionPlan>,
    /// How long nothing may move before what is on its way is given up.
    pub give_up_after: Duration,
    /// The name under which brokers log us and count our quota.
    pub client_id: String,
    /// How brokers are known over TLS, and how we are; `None` for plain text.
    pub tls: Option<KafkaTlsPlan>,
    /// How we sign in.
    pub sasl: Option<KafkaSaslPlan>,
    /// Settings of librdkafka by their names, none of them one that a key of the file sets.
    pub options: BTreeMap<String, String>,
}

/// What a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaProfilePlan {
    /// Azure Event Hubs.
    EventHubs,
    /// Apache Kafka, and what behaves like it.
    Kafka,
}

/// Topics, by names that Kafka takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicsPlan {
    /// The topic of each tenant that the sink takes, by its name. There is none for a tenant that has left the file.
    ByTenant(BTreeMap<String, String>),
    /// One for all.
    One(String),
}

/// The key of a message: what has the same one goes to the same partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaKeyPlan {
    /// The alert's id.
    Alert,
    /// The device that the alert is about.
    Device,
    /// The tenant's name.
    Tenant,
}

/// Transactions, which keep how far the sink has come beside what they write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionsPlan {
    /// The transactional id, which no other sink of the file has.
    pub id: String,
    /// The compacted topic for the marks; no alert goes there.
    pub marks_topic: String,
}

/// How sets of messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaCompressionPlan {
    /// gzip.
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

/// How brokers are known over TLS, and how we are. All paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaTlsPlan {
    /// A PEM file of authorities that are believed instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate with its chain, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How we sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaSaslPlan {
    /// OAUTHBEARER (RFC 7628).
    OauthBearer(Box<OauthBearerPlan>),
    /// PLAIN (RFC 4616).
    Plain(LoginPlan),
    /// SCRAM with SHA-256 (RFC 7677).
    ScramSha256(LoginPlan),
    /// SCRAM (RFC 5802) with SHA-512.
    ScramSha512(LoginPlan),
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginPlan {
    /// The name.
    pub user: String,
    /// The password.
    pub password: SecretSource,
}

/// Tokens by client credentials (RFC 6749, section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthBearerPlan {
    /// The token endpoint: `https`, or on loopback.
    pub token_url: Url,
    /// Who we are there.
    pub client_id: String,
    /// How we prove it.
    pub client_secret: SecretSource,
    /// What the token is asked for; `None` where the endpoint decides.
    pub scope: Option<String>,
    /// A PEM file of authorities that are believed beside the system's, absolute.
    pub ca: Option<PathBuf>,
}
