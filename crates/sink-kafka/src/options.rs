//! What a Kafka sink is told.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

/// Where records go, over what, and in what form.
#[derive(Clone)]
pub struct KafkaOptions {
    /// Brokers to begin with, each as `host:port`; at least one. The cluster tells of the others.
    pub brokers: Vec<String>,
    /// What the cluster is.
    pub profile: Profile,
    /// The topic of each tenant, by its name in the pipeline file.
    pub topics: HashMap<String, String>,
    /// The topic of a tenant that is not among those; where there is none, its records are refused.
    pub topic: Option<String>,
    /// What goes to the same partition.
    pub key: Key,
    /// How record batches are compressed; `None` for what suits the profile.
    pub compression: Option<Compression>,
    /// How brokers are known over TLS, and how we are; `None` for plain text.
    pub tls: Option<TlsOptions>,
    /// How we sign in.
    pub sasl: Option<Sasl>,
    /// The name under which brokers log us and count our quota.
    pub client_id: String,
    /// What is outstanding is given up after this time without any progress. What was in flight then may arrive twice.
    pub give_up_after: Duration,
    /// How long a flush waits.
    pub flush_within: Duration,
    /// Each record is to be there once, for whoever reads `read_committed`; `None` for an idempotent producer alone.
    pub transactions: Option<Transactions>,
    /// Settings of librdkafka by their names, for what has no option here. Those that would break the sink's word are
    /// refused.
    pub properties: BTreeMap<String, String>,
}

/// How records and the lane's marks are written together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transactions {
    /// The transactional id, one for each lane: whoever begins with it last ends what others have under way with it.
    pub id: String,
    /// The compacted topic that the marks go to, which many lanes may share. It is created where it is missing.
    pub marks_topic: String,
}

/// What a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Azure Event Hubs: no record above 1,000,000 bytes, no compression unless it is asked for (only `gzip`, and not in
    /// the Standard tier), and connections that live shorter than the 240 s after which Azure drops idle ones.
    EventHubs,
    /// Apache Kafka, and what behaves like it.
    Kafka,
}

/// What goes to the same partition, where order is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The revisions of one alert; an alert without an id goes by itself.
    Alert,
    /// All alerts about one device; what is about none goes by its alert.
    Device,
    /// All of a tenant.
    Tenant,
}

/// How record batches are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip; the one that Event Hubs knows.
    Gzip,
    /// LZ4, for the least CPU time.
    Lz4,
    /// Not at all.
    None,
    /// Snappy.
    Snappy,
    /// Zstandard.
    Zstd,
}

/// How brokers are known over TLS, and how we are.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// A PEM file of authorities that are believed instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate with its chain, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How we sign in.
#[derive(Clone)]
pub enum Sasl {
    /// OAUTHBEARER (RFC 7628), with tokens that somebody else gets.
    OauthBearer(Arc<dyn TokenSupplier>),
    /// PLAIN (RFC 4616): the password goes as it is, so over TLS only.
    Plain(Login),
    /// SCRAM (RFC 5802) with SHA-256.
    ScramSha256(Login),
    /// SCRAM (RFC 5802) with SHA-512.
    ScramSha512(Login),
}

/// A name and a password.
#[derive(Clone)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password, read again for every new producer, so that a rotated one is found by itself.
    pub password: Arc<dyn Password>,
}

/// Where a password is kept.
pub trait Password: Send + Sync {
    /// Reads the password. It may block.
    ///
    /// # Errors
    /// Why it cannot be read, in words without the password.
    fn read(&self) -> Result<SecretString, String>;
}

/// Who gets tokens for OAUTHBEARER.
pub trait TokenSupplier: Send + Sync {
    /// A token that is good now. It is called on a thread of librdkafka that has other work: hand out what was fetched
    /// before, and wait, for seconds at most, for the first one alone.
    ///
    /// # Errors
    /// Why there is none, in words without a secret.
    fn token(&self) -> Result<Token, String>;
}

/// A token for OAUTHBEARER.
pub struct Token {
    /// The token as brokers take it.
    pub secret: SecretString,
    /// Whose it is; brokers that read this from the token itself ignore it.
    pub principal: String,
    /// Until when it is good. Another is asked for once four fifths of its life are over.
    pub expires_at: DateTime<Utc>,
}
