//! From our options to the settings of librdkafka.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fault::Fault;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use secrecy::ExposeSecret;

use crate::options::{Compression, KafkaOptions, Login, Profile, Sasl, TokenSupplier};
use crate::topics::TopicLimits;

/// How sets of records are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sets {
    /// Large ones.
    Large,
    /// One record each, so that a broker's refusal of a set is the refusal of a record.
    Single,
}

/// What every client of the cluster is told: whom to ask, and how to be known. It reads the password.
///
/// # Errors
/// The password cannot be read.
pub(crate) fn connection(options: &KafkaOptions) -> Result<ClientConfig, Fault> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    config.set("bootstrap.servers", options.brokers.join(","));
    config.set("client.id", &options.client_id);
    config.set("socket.keepalive.enable", "true");
    config.set("security.protocol", security_protocol(options));
    if options.profile == Profile::EventHubs {
        // Azure's load balancers drop a connection that is idle for 240 s, without a word.
        config.set("connections.max.idle.ms", "180000");
        config.set("metadata.max.age.ms", "180000");
    }
    if let Some(tls) = &options.tls {
        // Where OpenSSL was built into the program it does not know where this system keeps its authorities.
        config.set("ssl.ca.location", tls.ca.as_deref().map_or("probe", path));
        if let Some((certificate, key)) = &tls.identity {
            config.set("ssl.certificate.location", path(certificate));
            config.set("ssl.key.location", path(key));
        }
    }
    match &options.sasl {
        None => {}
        Some(Sasl::OauthBearer(_)) => {
            config.set("sasl.mechanisms", "OAUTHBEARER");
        }
        Some(Sasl::Plain(login)) => sign_in(&mut config, "PLAIN", login)?,
        Some(Sasl::ScramSha256(login)) => sign_in(&mut config, "SCRAM-SHA-256", login)?,
        Some(Sasl::ScramSha512(login)) => sign_in(&mut config, "SCRAM-SHA-512", login)?,
    }
    for (name, value) in &options.properties {
        config.set(name, value);
    }
    Ok(config)
}

/// Adds what a producer is told.
pub(crate) fn producer(
    mut config: ClientConfig,
    options: &KafkaOptions,
    limits: &TopicLimits,
    sets: Sets,
) -> ClientConfig {
    let mut default = |name: &str, value: &str| {
        if !options.properties.contains_key(name) {
            config.set(name, value);
        }
    };
    default("compression.type", compression(options));
    default("linger.ms", "50");
    default("message.max.bytes", &limits.largest_of_all().to_string());
    // A set of several records is never too large for a topic that takes each of them.
    default("batch.size", &limits.largest_for_each().to_string());
    // As Java's clients do, so that a key finds the same partition whoever writes.
    default("partitioner", "murmur2_random");
    if options.profile == Profile::EventHubs {
        default("request.timeout.ms", "60000");
    }
    // Acknowledged by all replicas in sync; each record once and in order while the producer lives.
    config.set("enable.idempotence", "true");
    // The journal keeps what waits, and this sink watches the progress: a record that librdkafka gave up alone would be
    // overtaken by those behind it.
    config.set("delivery.timeout.ms", "0");
    match sets {
        // A set that is refused ends the producer before anything behind it in the partition is written.
        Sets::Large => config.set("enable.gapless.guarantee", "true"),
        // A refused record leaves its gap.
        Sets::Single => config.set("batch.num.messages", "1"),
    };
    config
}

/// Adds what a transactional producer is told.
pub(crate) fn transactional(
    connection: ClientConfig,
    options: &KafkaOptions,
    id: &str,
    limits: &TopicLimits,
) -> ClientConfig {
    let mut config = producer(connection, options, limits, Sets::Large);
    config.set("transactional.id", id);
    config.set("transaction.timeout.ms", millis(TRANSACTION_WITHIN));
    // A transaction is all or nothing, so nothing is gained by writing a part of it for longer.
    config.set("delivery.timeout.ms", millis(DELIVERED_WITHIN));
    config.remove("enable.gapless.guarantee");
    // A transaction is sent as soon as it is whole.
    config.set("linger.ms", "5");
    config
}

/// Who gets tokens, where they are asked for.
pub(crate) fn tokens(options: &KafkaOptions) -> Option<Arc<dyn TokenSupplier>> {
    match &options.sasl {
        Some(Sasl::OauthBearer(tokens)) => Some(Arc::clone(tokens)),
        _ => None,
    }
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

/// Finds what is wrong with the settings before anything is connected to.
///
/// # Errors
/// A setting that librdkafka does not know or take, or that would break the sink's word.
pub(crate) fn check(options: &KafkaOptions) -> Result<(), Fault> {
    if let Some(name) = options.properties.keys().find(|name| is_ours(name)) {
        let advice =
            "This setting follows from the sink's own keys, or its word hangs on it: take it out of `options`.";
        return Err(Fault::halt(format!("failed to set `{name}`, which is not to be changed")).advise(advice));
    }
    let mut config = ClientConfig::new();
    for (name, value) in &options.properties {
        config.set(name, value);
    }
    config.create_native_config().map(drop).map_err(|error| not_taken(&error))
}

/// A setting was not taken.
pub(crate) fn not_taken(error: &KafkaError) -> Fault {
    // The value may be a secret, and librdkafka's own words repeat it.
    let what = match error {
        KafkaError::ClientConfig(_, _, name, _) => format!("failed to set `{name}`: librdkafka does not take it so"),
        _ => "failed to make a Kafka client".to_owned(),
    };
    let fault = Fault::halt(what);
    match error {
        KafkaError::ClientCreation(reason) => fault.caused_by(reason.clone()),
        _ => fault.advise("The names and values that it takes are in CONFIGURATION.md of librdkafka 2.12."),
    }
}

fn is_ours(name: &str) -> bool {
    OURS.contains(&name) || name.starts_with("sasl.") || name.starts_with("ssl.") || name.starts_with("transaction")
}

fn security_protocol(options: &KafkaOptions) -> &'static str {
    match (&options.tls, &options.sasl) {
        (None, None) => "plaintext",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), None) => "ssl",
        (Some(_), Some(_)) => "sasl_ssl",
    }
}

fn sign_in(config: &mut ClientConfig, mechanism: &str, login: &Login) -> Result<(), Fault> {
    let password = login.password.read().map_err(|reason| {
        Fault::halt("failed to read the password for Kafka").caused_by(reason).advise("Look at `sasl` of this sink.")
    })?;
    config.set("sasl.mechanisms", mechanism);
    config.set("sasl.username", &login.user);
    config.set("sasl.password", password.expose_secret());
    Ok(())
}

fn compression(options: &KafkaOptions) -> &'static str {
    match (options.compression, options.profile) {
        (Some(Compression::Gzip), _) => "gzip",
        (Some(Compression::Lz4), _) => "lz4",
        (Some(Compression::None), _) | (None, Profile::EventHubs) => "none",
        (Some(Compression::Snappy), _) => "snappy",
        (Some(Compression::Zstd), _) | (None, Profile::Kafka) => "zstd",
    }
}

/// A path as librdkafka takes it. It takes text only; what is none is not found there, and said so.
fn path(path: &Path) -> &str {
    path.to_str().unwrap_or("a path that is not UTF-8")
}

/// When brokers give a transaction up by themselves.
pub(crate) const TRANSACTION_WITHIN: Duration = Duration::from_secs(60);
/// When a part of a transaction that no broker takes ends it.
pub(crate) const DELIVERED_WITHIN: Duration = Duration::from_secs(40);

/// What the sink's word hangs on, and what has a key of its own.
const OURS: [&str; 23] = [
    "acks",
    "batch.num.messages",
    "bootstrap.servers",
    "client.id",
    "compression.codec",
    "compression.type",
    "debug",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.ssl.certificate.verification",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "plugin.library.paths",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "request.required.acks",
    "retries",
    "security.protocol",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::options;

    /// Guarantee: whatever else is set, every producer is idempotent, waits for all replicas, and gives nothing up
    /// by itself unless it aborts the whole transaction; librdkafka takes the settings of both profiles.
    #[test]
    fn every_producer_keeps_the_word() {
        for profile in [Profile::EventHubs, Profile::Kafka] {
            for sets in [Sets::Large, Sets::Single] {
                let options = KafkaOptions { profile, ..options("localhost:1", "alerts") };
                let config = producer(connection(&options).unwrap(), &options, &TopicLimits::default(), sets);
                assert_eq!(config.get("enable.idempotence"), Some("true"));
                assert_eq!(config.get("delivery.timeout.ms"), Some("0"));
                config.create_native_config().unwrap();
            }
            let options = KafkaOptions { profile, ..options("localhost:1", "alerts") };
            let config = transactional(connection(&options).unwrap(), &options, "lane", &TopicLimits::default());
            assert_eq!(
                (config.get("enable.idempotence"), config.get("transactional.id")),
                (Some("true"), Some("lane"))
            );
            config.create_native_config().unwrap();
        }
    }

    /// Guarantee: what would break the sink's word, let anybody pass as a broker or load code is refused by its name.
    #[test]
    fn what_breaks_the_word_is_refused() {
        for name in ["acks", "enable.idempotence", "ssl.endpoint.identification.algorithm", "plugin.library.paths"] {
            let mut options = options("localhost:1", "alerts");
            options.properties.insert(name.to_owned(), "none".to_owned());
            assert!(check(&options).unwrap_err().what().contains(name));
        }
    }

    /// Guarantee: an error names the setting and never its value.
    #[test]
    fn a_setting_that_is_not_known_is_named_without_its_value() {
        let mut options = options("localhost:1", "alerts");
        options.properties.insert("linger.mss".to_owned(), "hunter2".to_owned());
        let said = format!("{:?}", check(&options).unwrap_err());
        assert!(said.contains("linger.mss") && !said.contains("hunter2"), "{said}");
    }

    /// Guarantee: Event Hubs is spoken to as Microsoft asks for.
    #[test]
    fn event_hubs_has_its_own_settings() {
        let options = KafkaOptions { profile: Profile::EventHubs, ..options("localhost:1", "alerts") };
        let config = producer(connection(&options).unwrap(), &options, &TopicLimits::default(), Sets::Large);
        assert_eq!(config.get("compression.type"), Some("none"));
        assert_eq!(config.get("connections.max.idle.ms"), Some("180000"));
        assert_eq!(config.get("request.timeout.ms"), Some("60000"));
    }
}
