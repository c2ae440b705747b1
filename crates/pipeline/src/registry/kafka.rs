//! From the plan of a Kafka sink to the options of the crate that does it.

mod tokens;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use atp_source::{ClientCredentials, HttpClient, HttpOptions};
use fault::Fault;
use pipeline_file::SecretSource;
use pipeline_file::plan::{
    AddressPlan, KafkaCompressionPlan, KafkaKeyPlan, KafkaPlan, KafkaProfilePlan, KafkaSaslPlan, LoginPlan,
    OauthBearerPlan, TopicsPlan, TransactionsPlan,
};
use secrecy::SecretString;
use sink::Sink;
use sink_kafka::{Compression, KafkaOptions, Key, Login, Password, Profile, Sasl, TlsOptions, Transactions};

use self::tokens::Tokens;
use super::{ReferredSecret, USER_AGENT};

/// The sink that a lane sends to. Where it signs in with tokens, a task fetches them for as long as it lives: it must be
/// called within a tokio runtime.
///
/// # Errors
/// A setting is not taken.
pub(crate) fn sink(plan: &KafkaPlan) -> Result<Box<dyn Sink>, Fault> {
    sink_kafka::open(&KafkaOptions { sasl: plan.sasl.as_ref().map(sasl).transpose()?, ..options(plan) })
}

/// Finds what librdkafka would not take, without signing in or connecting.
///
/// # Errors
/// A setting is not taken.
pub(crate) fn check(plan: &KafkaPlan) -> Result<(), Fault> {
    sink_kafka::open(&options(plan)).map(drop)
}

/// Where records go, over what, and in what form; all but how we sign in.
fn options(plan: &KafkaPlan) -> KafkaOptions {
    let (topics, topic) = match &plan.topics {
        TopicsPlan::ByTenant(topics) => (topics.clone().into_iter().collect(), None),
        TopicsPlan::One(topic) => (HashMap::new(), Some(topic.clone())),
    };
    KafkaOptions {
        brokers: plan.brokers.iter().map(broker).collect(),
        profile: match plan.profile {
            KafkaProfilePlan::EventHubs => Profile::EventHubs,
            KafkaProfilePlan::Kafka => Profile::Kafka,
        },
        topics,
        topic,
        key: match plan.key {
            KafkaKeyPlan::Alert => Key::Alert,
            KafkaKeyPlan::Device => Key::Device,
            KafkaKeyPlan::Tenant => Key::Tenant,
        },
        compression: plan.compression.map(compression),
        tls: plan.tls.clone().map(|tls| TlsOptions { ca: tls.ca, identity: tls.identity }),
        sasl: None,
        client_id: plan.client_id.clone(),
        give_up_after: plan.give_up_after,
        flush_within: FLUSH_WITHIN,
        transactions: plan.transactions.as_ref().map(transactions),
        properties: plan.options.clone(),
    }
}

fn transactions(plan: &TransactionsPlan) -> Transactions {
    Transactions { id: plan.id.clone(), marks_topic: plan.marks_topic.clone() }
}

fn broker(address: &AddressPlan) -> String {
    if address.host.contains(':') {
        format!("[{}]:{}", address.host, address.port)
    } else {
        format!("{}:{}", address.host, address.port)
    }
}

fn compression(plan: KafkaCompressionPlan) -> Compression {
    match plan {
        KafkaCompressionPlan::Gzip => Compression::Gzip,
        KafkaCompressionPlan::Lz4 => Compression::Lz4,
        KafkaCompressionPlan::None => Compression::None,
        KafkaCompressionPlan::Snappy => Compression::Snappy,
        KafkaCompressionPlan::Zstd => Compression::Zstd,
    }
}

fn sasl(plan: &KafkaSaslPlan) -> Result<Sasl, Fault> {
    Ok(match plan {
        KafkaSaslPlan::OauthBearer(plan) => Sasl::OauthBearer(Arc::new(tokens(plan)?)),
        KafkaSaslPlan::Plain(plan) => Sasl::Plain(login(plan)),
        KafkaSaslPlan::ScramSha256(plan) => Sasl::ScramSha256(login(plan)),
        KafkaSaslPlan::ScramSha512(plan) => Sasl::ScramSha512(login(plan)),
    })
}

fn login(plan: &LoginPlan) -> Login {
    Login { user: plan.user.clone(), password: Arc::new(ReferredPassword(plan.password.clone())) }
}

fn tokens(plan: &OauthBearerPlan) -> Result<Tokens, Fault> {
    let ca_files = plan.ca.iter().cloned().collect();
    let http = HttpClient::new(HttpOptions { ca_files, user_agent: USER_AGENT.to_owned(), ..HttpOptions::default() })?;
    let credentials = ClientCredentials {
        token_url: plan.token_url.clone(),
        client_id: plan.client_id.clone(),
        secret: Arc::new(ReferredSecret(plan.client_secret.clone())),
        scope: plan.scope.clone(),
    };
    Ok(Tokens::fetch(http, credentials))
}

/// A password that is read where it is kept, for every producer.
struct ReferredPassword(SecretSource);

impl Password for ReferredPassword {
    fn read(&self) -> Result<SecretString, String> {
        self.0.read().map_err(|error| error.to_string())
    }
}

/// Shorter than a lane waits for its sink when the process stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pipeline_file::Environment;
    use pipeline_file::plan::DestinationPlan;
    use secrecy::ExposeSecret;

    use super::*;

    fn written(keys: &str) -> KafkaPlan {
        let yaml = format!(
            "tenants: {{ contoso: {{ tenant_id: 11111111-2222-3333-4444-555555555555, \
             client_id: 66666666-7777-8888-9999-000000000000, client_secret: {{ env: NONE }} }} }}\n\
             sources: {{ alerts: {{ mde_alerts: {{}} }} }}\n\
             sinks: {{ lake: {{ format: json, kafka: {{ {keys} }} }} }}\n"
        );
        let environment = Environment { folder: "/".into(), state_directory: None };
        let plan = pipeline_file::check(&yaml, Path::new("pipeline.yaml"), &environment).expect("nothing is wrong");
        match plan.sinks.into_iter().next().map(|sink| sink.destination) {
            Some(DestinationPlan::Kafka(kafka)) => *kafka,
            other => panic!("{other:?}"),
        }
    }

    /// Guarantee: brokers, topic, key, name, time and settings of the file are those of the sink, and nobody else's alerts
    /// go to a tenant's topic.
    #[test]
    fn the_sink_is_told_what_the_file_says() {
        let told = options(&written(
            "brokers: ['[::1]:19092', kafka], topic: 'a.{{ tenant.name }}', key: device, client_id: soc, \
             give_up_after: 5m, compression: lz4, options: { linger.ms: 7 }",
        ));
        assert_eq!(told.brokers, ["[::1]:19092", "kafka:9092"]);
        assert_eq!((told.topics["contoso"].as_str(), told.topics.len(), told.topic), ("a.contoso", 1, None));
        assert_eq!((told.key, told.compression), (Key::Device, Some(Compression::Lz4)));
        assert_eq!((told.client_id.as_str(), told.give_up_after), ("soc", Duration::from_secs(300)));
        assert_eq!(told.properties["linger.ms"], "7");
        assert_eq!(told.transactions, None);
    }

    /// Guarantee: who asks for every record once gets transactions, under the id and with the topic that the file says.
    #[test]
    fn exactly_once_is_by_transactions() {
        let told = options(&written("brokers: kafka, topic: a, exactly_once: true, marks_topic: marks"));
        let expected = Transactions { id: "atp-forwarder-lake".to_owned(), marks_topic: "marks".to_owned() };
        assert_eq!(told.transactions, Some(expected));
        assert_eq!((told.topic.as_deref(), told.topics.len()), (Some("a"), 0));
    }

    /// Guarantee: a password is read where it is kept, and each time anew.
    #[test]
    fn passwords_are_read_where_they_are_kept() {
        let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
        let file = folder.path().join("password");
        let keys = format!(
            "brokers: localhost, topic: a, sasl: {{ scram_sha_256: {{ user: soc, password: {{ file: {file:?} }} }} }}"
        );
        let plan = written(&keys);
        let Some(Ok(Sasl::ScramSha256(login))) = plan.sasl.as_ref().map(sasl) else { panic!("SCRAM") };
        for password in ["one", "two"] {
            std::fs::write(&file, password).expect("the folder is writable");
            assert_eq!(login.password.read().expect("it is there").expose_secret(), password);
        }
        std::fs::remove_file(&file).expect("it was just written");
        assert!(login.password.read().is_err());
        assert_eq!(login.user, "soc");
    }
}
