//! Kafka clusters.

mod settings;
mod transactions;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Build;
use super::syslog::in_words;
use crate::faults::Told;
use crate::file::{Kafka, KafkaProfile, KafkaTls, defaults};
use crate::place::KeyPath;
use crate::plan::{
    AddressPlan, DestinationPlan, KafkaKeyPlan, KafkaPlan, KafkaProfilePlan, KafkaTlsPlan, TenantPlan, TopicsPlan,
};
use crate::template::Template;
use crate::tree::Node;
use crate::written::{Broker, Form as _, KafkaName, Written};

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
        let transactions = self.transactions(&kafka, profile.ok(), sink, topics.as_ref().ok(), path);
        let options = self.settings(kafka.options, &path.key("options"));
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
    let host = host.to_ascii_lowercase();
    match EVENT_HUBS.iter().any(|domain| host.ends_with(domain)) {
        true => KafkaProfilePlan::EventHubs,
        false => KafkaProfilePlan::Kafka,
    }
}

fn is_this_machine(broker: &AddressPlan) -> bool {
    broker.host == "localhost" || broker.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name of a topic, as the rest of a sentence where it is none.
fn topic(text: &str) -> Result<String, String> {
    KafkaName::read(text).map_err(|expected| format!("it becomes no name of a topic; {expected}"))
}
