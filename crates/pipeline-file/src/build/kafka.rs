//! Kafka clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Build;
use super::syslog::in_words;
use crate::faults::Told;
use crate::file::{Kafka, KafkaProfile, KafkaTls, SettingValue, defaults};
use crate::place::KeyPath;
use crate::plan::{
    AddressPlan, DestinationPlan, KafkaKeyPlan, KafkaPlan, KafkaProfilePlan, KafkaTlsPlan, SinkPlan, TenantPlan,
    TopicsPlan, TransactionsPlan,
};
use crate::template::Template;
use crate::tree::Node;
use crate::written::{Broker, Form as _, KafkaName, Name, Written};

/// What the keys of a cluster are read beside.
pub(super) struct ForKafka<'a> {
    /// The sink's name.
    pub(super) name: &'a str,
    /// Whether it had another name before.
    pub(super) renamed: bool,
    /// The tenants whose alerts it gets.
    pub(super) tenants: &'a [&'a TenantPlan],
}

impl Build<'_> {
    /// The cluster of a sink.
    pub(super) fn kafka(&mut self, mut kafka: Kafka, sink: &ForKafka, path: &KeyPath) -> Result<DestinationPlan, Told> {
        let brokers = self.required(kafka.brokers.take(), &path.key("brokers")).map(|brokers| brokers.0);
        let profile = self.kafka_profile(kafka.profile, brokers.as_deref().unwrap_or_default(), path);
        let brokers = brokers.map(|brokers| addresses(brokers, profile.unwrap_or(KafkaProfilePlan::Kafka)));
        let topics = self.required(kafka.topic.take(), &path.key("topic"));
        let topics = topics.and_then(|topic| self.topics(&topic.0, sink.tenants, &path.key("topic")));
        let options = self.settings(std::mem::take(&mut kafka.options), &path.key("options"));
        let transactions = self.transactions(&kafka, profile.ok(), sink, topics.as_ref().ok(), path);
        let tls = self.kafka_tls(kafka.tls.take(), profile.ok());
        let event_hub = brokers.as_deref().ok().and_then(|brokers| event_hub(profile.ok()?, brokers));
        let sasl = kafka.sasl.take().map(|sasl| self.sasl(sasl, event_hub, &path.key("sasl"))).transpose();
        let profile = profile?;
        let brokers = brokers?;
        if tls.is_none() && !brokers.iter().all(is_this_machine) {
            self.check_signing_in(path);
        }
        Ok(DestinationPlan::Kafka(Box::new(KafkaPlan {
            brokers,
            profile,
            topics: topics?,
            key: kafka.key.map_or(KafkaKeyPlan::Alert, KafkaKeyPlan::from),
            transactions,
            compression: kafka.compression.map(Into::into),
            give_up_after: kafka.give_up_after.map_or(defaults::KAFKA_GIVE_UP_AFTER, |span| span.0),
            client_id: kafka.client_id.map_or_else(|| defaults::APP_NAME.to_owned(), |name| name.0),
            tls,
            sasl: sasl?,
            options,
        })))
    }

    /// What is written, or what the first broker's name says. Where either has a fault there is nothing to go by.
    fn kafka_profile(
        &mut self,
        written: Option<KafkaProfile>,
        brokers: &[Written<Broker>],
        path: &KeyPath,
    ) -> Result<KafkaProfilePlan, Told> {
        let faulty = self.entry_of(&path.key("profile")).is_some() || self.items(&path.key("brokers")) != brokers.len();
        match (written, self.report.told()) {
            (Some(profile), _) => Ok(profile.into()),
            (None, Some(told)) if faulty => Err(told),
            (None, _) => Ok(profile_of(brokers.first().map_or("", |broker| &broker.0.0))),
        }
    }

    /// The topic for each tenant, or the one for all. Tenants with the same trouble share a fault.
    fn topics(&mut self, template: &Template, tenants: &[&TenantPlan], path: &KeyPath) -> Result<TopicsPlan, Told> {
        if let Some(text) = template.fixed() {
            return topic(&text).map(TopicsPlan::One).map_err(|trouble| self.tell(path, trouble));
        }
        let mut topics = BTreeMap::new();
        let mut troubles: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for tenant in tenants {
            match template.fill(tenant).and_then(|text| topic(&text)) {
                Ok(topic) => drop(topics.insert(tenant.name.clone(), topic)),
                Err(trouble) => troubles.entry(trouble).or_default().push(&tenant.name),
            }
        }
        let mut told = Ok(TopicsPlan::ByTenant(topics));
        for (trouble, tenants) in troubles {
            told = Err(self.tell(path, format!("for {}: {trouble}", in_words(&tenants))));
        }
        told
    }

    /// Settings by librdkafka's names. What it takes for their values is known to it alone, and is found out by the sink.
    fn settings(&mut self, written: BTreeMap<Written<Name>, SettingValue>, path: &KeyPath) -> BTreeMap<String, String> {
        for name in written.keys() {
            if let Some(instead) = instead_of(&name.0) {
                self.tell(&path.key(&name.0), instead);
            }
        }
        written.into_iter().map(|(name, value)| (name.0, value.0.0)).collect()
    }

    /// Transactions, where they are asked for.
    fn transactions(
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

    fn kafka_tls(&mut self, written: Option<KafkaTls>, profile: Option<KafkaProfilePlan>) -> Option<KafkaTlsPlan> {
        // Event Hubs has no other way in.
        let written = written.or((profile == Some(KafkaProfilePlan::EventHubs)).then(KafkaTls::default))?;
        Some(KafkaTlsPlan {
            ca: written.ca.map(|file| self.resolved(&file.0)),
            identity: written.cert.zip(written.key).map(|(cert, key)| (self.resolved(&cert.0), self.resolved(&key.0))),
        })
    }

    /// SCRAM shows no password, but without TLS anybody on the way may then write in our name.
    fn check_signing_in(&mut self, path: &KeyPath) {
        let written = |key: &str| self.entry_of(&path.key(key)).map(Node::entries);
        if written("sasl").is_some() && written("tls").is_none() {
            let message =
                "signing in to another machine needs TLS: write `tls: {}`, or more where brokers ask for more";
            self.tell(&path.key("sasl"), message);
        }
    }

    /// Whoever comes later with the same transactional id fences who came before.
    pub(super) fn check_transactions(&mut self, sinks: &[SinkPlan]) {
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

/// Their ports are the usual ones where none is written.
fn addresses(brokers: Vec<Written<Broker>>, profile: KafkaProfilePlan) -> Vec<AddressPlan> {
    let usual = match profile {
        KafkaProfilePlan::EventHubs => 9093,
        KafkaProfilePlan::Kafka => 9092,
    };
    let address = |(host, port): (String, Option<u16>)| AddressPlan { host, port: port.unwrap_or(usual) };
    brokers.into_iter().map(|broker| address(broker.0)).collect()
}

fn event_hub(profile: KafkaProfilePlan, brokers: &[AddressPlan]) -> Option<&str> {
    let host = brokers.first()?.host.as_str();
    Some(host).filter(|_| profile == KafkaProfilePlan::EventHubs)
}

fn profile_of(host: &str) -> KafkaProfilePlan {
    /// Where Azure's clouds have Event Hubs.
    const EVENT_HUBS: [&str; 3] =
        [".servicebus.windows.net", ".servicebus.usgovcloudapi.net", ".servicebus.chinacloudapi.cn"];
    match EVENT_HUBS.iter().any(|domain| host.ends_with(domain)) {
        true => KafkaProfilePlan::EventHubs,
        false => KafkaProfilePlan::Kafka,
    }
}

fn is_this_machine(broker: &AddressPlan) -> bool {
    broker.host == "localhost" || broker.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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

/// The name of a topic, as the rest of a sentence where it is none.
fn topic(text: &str) -> Result<String, String> {
    KafkaName::read(text).map_err(|expected| format!("it becomes no name of a topic; {expected}"))
}

/// What to write instead of a setting that cannot be set; `None` where it can be.
fn instead_of(setting: &str) -> Option<&'static str> {
    let ours = OURS.iter().find(|(_, settings)| {
        settings.iter().any(|ours| match ours.strip_suffix('*') {
            Some(beginning) => setting.starts_with(beginning),
            None => setting == *ours,
        })
    });
    ours.map(|(instead, _)| *instead)
}

/// Settings that follow from the keys of the file, and those that the sink's word hangs on.
const OURS: [(&str, &[&str]); 10] = [
    ("write `brokers` beside `options`", &["bootstrap.servers", "metadata.broker.list"]),
    ("write `client_id` beside `options`", &["client.id"]),
    ("write `compression` beside `options`", &["compression.codec", "compression.type"]),
    ("write `exactly_once` beside `options`", &["transaction*"]),
    ("write `sasl` beside `options`", &["sasl.*"]),
    ("write `tls` beside `options`", &["ssl.*"]),
    ("write `tls` and `sasl` beside `options`", &["security.protocol"]),
    ("it cannot be set: certificates are always checked", &["enable.ssl.certificate.verification"]),
    ("it cannot be set: the log level of this program decides", &["debug", "log_level"]),
    (
        "it cannot be set: what the sink promises hangs on it",
        &[
            "acks",
            "batch.num.messages",
            "delivery.timeout.ms",
            "enable.gapless.guarantee",
            "enable.idempotence",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "message.send.max.retries",
            "message.timeout.ms",
            "plugin.library.paths",
            "request.required.acks",
            "retries",
        ],
    ),
];
