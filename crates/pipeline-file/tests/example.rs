//! The annotated example explains every key that exists, and is a file that loads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline_file::plan::{
    DestinationPlan, EnvelopePlan, FormatPlan, FramingPlan, HeaderPlan, KafkaProfilePlan, LeefVersionPlan, SourceKind,
    Start, TokenEndpoint, TopicsPlan, TransportPlan,
};
use pipeline_file::{Plan, SecretSource, load, schema};
use serde_json::Value;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/pipeline.example.yaml")
}

fn plan() -> Plan {
    load(&example()).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The example has no fault, and means what its comments say.
#[test]
fn the_example_loads() {
    let plan = plan();
    let tenants: Vec<_> = plan.tenants.iter().map(|tenant| (tenant.name.as_str(), tenant.enabled)).collect();
    assert_eq!(tenants, [("contoso", true), ("contoso-uk", true), ("fabrikam", true), ("lab", false)]);
    let sinks: Vec<&str> = plan.sinks.iter().map(|sink| sink.name.as_str()).collect();
    let kafka = ["event-hub", "event-hub-by-entra", "messages", "messages-by-token", "messages-once"];
    let others = ["arcsight", "lake", "old-siem", "qradar", "siem", "splunk", "splunk-lab", "terminal"];
    let mut expected = [&kafka[..], &others[..]].concat();
    expected.sort_unstable();
    assert_eq!(sinks, expected);
    let sink = |name| plan.sinks.iter().find(|sink| sink.name == name).expect("it is in the example");
    assert!(plan.journal.path.is_absolute() && plan.journal.path.ends_with("deploy/data"));
    assert_eq!(sink("arcsight").from, Start::Since(Duration::from_secs(86_400)));
    assert_eq!(sink("lake").format, FormatPlan::Json { envelope: EnvelopePlan::Wrap });
    let FormatPlan::Leef(leef) = &sink("qradar").format else { panic!("LEEF") };
    assert_eq!(leef.version, LeefVersionPlan::V2 { delimiter: '^' });
    let DestinationPlan::Syslog(siem) = &sink("siem").destination else { panic!("syslog") };
    assert_eq!((siem.transport, siem.addresses.len(), siem.header), (TransportPlan::Tls, 3, HeaderPlan::Rfc5424));
    assert_eq!((siem.framing, siem.max_bytes), (Some(FramingPlan::OctetCounting), Some(32 << 10)));
    let hosts: Vec<&str> = siem.hosts.values().map(String::as_str).collect();
    assert_eq!(hosts, ["atp-contoso", "atp-contoso-uk", "atp-fabrikam", "atp-lab"]);
    let DestinationPlan::SplunkHec(splunk) = &sink("splunk").destination else { panic!("Splunk") };
    assert_eq!((splunk.urls.len(), splunk.acknowledge, splunk.indexes["contoso"].as_str()), (2, true, "edr"));
    let DestinationPlan::Kafka(messages) = &sink("messages").destination else { panic!("Kafka") };
    let TopicsPlan::ByTenant(topics) = &messages.topics else { panic!("topics by tenant") };
    assert_eq!((messages.brokers[0].port, topics["contoso"].as_str()), (9_093, "defender.Contoso"));
    let DestinationPlan::Kafka(once) = &sink("messages-once").destination else { panic!("Kafka") };
    assert!(once.transactions.is_some() && messages.transactions.is_none());
    let DestinationPlan::Kafka(hub) = &sink("event-hub").destination else { panic!("Kafka") };
    assert_eq!((hub.profile, hub.tls.is_some()), (KafkaProfilePlan::EventHubs, true));
    assert_eq!(sink("terminal").destination, DestinationPlan::StandardOutput);
    assert_eq!(plan.admin.map(|admin| admin.listen.port()), Some(8_686));
}

/// The smallest useful file, which stands in the example's first comment, loads as well.
#[test]
fn the_smallest_file_loads() {
    let text = std::fs::read_to_string(example()).unwrap();
    let smallest: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#   ")).take(9).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    std::fs::write(&file, smallest.join("\n")).unwrap();
    let plan = load(&file).unwrap_or_else(|faults| panic!("{faults}"));
    let source = &plan.tenants[0].sources[0];
    assert_eq!((source.kind, source.token_endpoint), (SourceKind::MdeAlerts, TokenEndpoint::V2));
    assert!(matches!(&plan.tenants[0].client_secret, SecretSource::Env(name) if name == "CONTOSO_SECRET"));
}

/// Every key of the schema stands in the example, and so does every word that a key takes.
#[test]
fn the_example_has_every_key() {
    let schema = schema();
    let text = std::fs::read_to_string(example()).unwrap();
    let written: Value = serde_yaml::from_str(&text).unwrap();
    let mut explained = BTreeSet::new();
    collect_written(&written, &schema, &schema, &mut explained);
    let mut known = BTreeSet::new();
    collect_known(&schema, &mut known);
    assert!(known.len() > 50, "{known:?}");
    let missing: Vec<_> = known.difference(&explained).collect();
    assert!(missing.is_empty(), "not in the example: {missing:?}");

    for word in words(&schema) {
        let stands = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|found| found == word);
        assert!(stands, "not in the example: {word}");
    }
}

/// A key is known by the mapping that it belongs to, which its neighbours tell, and its name.
type Key = (String, String);

fn keys_of(schema: &Value) -> Vec<Key> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let names: Vec<&String> = properties.into_iter().flatten().map(|(key, _)| key).collect();
    let mapping = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    names.into_iter().map(|name| (mapping.clone(), name.clone())).collect()
}

/// All keys of a schema, its definitions included.
fn collect_known(schema: &Value, known: &mut BTreeSet<Key>) {
    known.extend(keys_of(schema));
    let inside: Vec<&Value> = match schema {
        Value::Object(members) => members.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    inside.into_iter().for_each(|inside| collect_known(inside, known));
}

/// The keys of a schema that a value has.
fn collect_written(value: &Value, schema: &Value, root: &Value, written: &mut BTreeSet<Key>) {
    if let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
        return collect_written(
            value,
            root.pointer(&pointer[1..]).expect("a reference leads to a definition"),
            root,
            written,
        );
    }
    for choice in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        collect_written(value, choice, root, written);
    }
    for item in value.as_array().into_iter().flatten() {
        schema.get("items").into_iter().for_each(|items| collect_written(item, items, root, written));
    }
    for (key, inside) in value.as_object().into_iter().flatten() {
        written.extend(keys_of(schema).into_iter().filter(|(_, name)| name == key));
        let named = schema.get("patternProperties").and_then(Value::as_object).and_then(|names| names.values().next());
        let property = schema.get("properties").and_then(|properties| properties.get(key)).or(named);
        property.into_iter().for_each(|property| collect_written(inside, property, root, written));
    }
}

/// All words of enumerations.
fn words(schema: &Value) -> Vec<&str> {
    let mut words: Vec<&str> = schema.get("const").and_then(Value::as_str).into_iter().collect();
    words.extend(schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
    match schema {
        Value::Object(members) => words.extend(members.values().flat_map(self::words)),
        Value::Array(items) => words.extend(items.iter().flat_map(self::words)),
        _ => {}
    }
    words
}
