//! What Kafka sinks without faults mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline_file::plan::{
    AddressPlan, DestinationPlan, EnvelopePlan, FormatPlan, KafkaCompressionPlan, KafkaKeyPlan, KafkaPlan,
    KafkaProfilePlan, KafkaSaslPlan, KafkaTlsPlan, LoginPlan, SinkPlan, TopicsPlan, TransactionsPlan,
};
use pipeline_file::{Environment, SecretSource, check};

/// The sink with these keys, in a file of two tenants.
fn sink(keys: &str) -> SinkPlan {
    let tenant = |name: &str, first: u8| {
        format!(
            "{name}: {{ tenant_id: {first}1111111-2222-3333-4444-555555555555, labels: {{ at: {name}-soc }}, \
             client_id: 66666666-7777-8888-9999-000000000000, client_secret: {{ env: SECRET }} }}"
        )
    };
    let text = format!(
        "tenants: {{ {}, {} }}\nsources: {{ alerts: {{ mde_alerts: {{}} }} }}\nsinks: {{ lake: {{ {keys} }} }}\n",
        tenant("contoso", 1),
        tenant("fabrikam", 2)
    );
    let environment = Environment { folder: PathBuf::from("/etc/atp-forwarder"), state_directory: None };
    let plan = check(&text, Path::new("pipeline.yaml"), &environment).unwrap_or_else(|faults| panic!("{faults}"));
    plan.sinks.into_iter().next().expect("the file has one sink")
}

/// The cluster with these keys beside `topic`, where JSON goes.
fn kafka(keys: &str) -> KafkaPlan {
    match sink(&format!("format: json, kafka: {{ topic: alerts, {keys} }}")).destination {
        DestinationPlan::Kafka(kafka) => *kafka,
        other => panic!("{other:?}"),
    }
}

fn broker(host: &str, port: u16) -> AddressPlan {
    AddressPlan { host: host.to_owned(), port }
}

/// What a Kafka sink does not say is what its documentation says: the revisions of an alert stay in order, and nothing
/// is given up while a broker starts anew.
#[test]
fn defaults_hold() {
    let expected = KafkaPlan {
        brokers: vec![broker("kafka.example", 9_092)],
        profile: KafkaProfilePlan::Kafka,
        topics: TopicsPlan::One("alerts".to_owned()),
        key: KafkaKeyPlan::Alert,
        transactions: None,
        compression: None,
        give_up_after: Duration::from_secs(120),
        client_id: "atp-forwarder".to_owned(),
        tls: None,
        sasl: None,
        options: BTreeMap::new(),
    };
    assert_eq!(kafka("brokers: kafka.example"), expected);
    let spoken = "brokers: [kafka.example:9092], profile: kafka, key: alert, exactly_once: false, give_up_after: 2m, \
                  client_id: atp-forwarder, options: {}";
    assert_eq!(kafka(spoken), expected);
}

/// What is written is what is meant; numbers and words among librdkafka's settings need no quotes.
#[test]
fn everything_can_be_said() {
    let plan = kafka(
        "brokers: ['[::1]:19092', kafka-2], key: device, compression: lz4, give_up_after: 5m, client_id: soc, \
         tls: { ca: ca.pem, cert: c.pem, key: /k.pem }, options: { linger.ms: 100, a.b: true, c: '' }",
    );
    assert_eq!(plan.brokers, [broker("::1", 19_092), broker("kafka-2", 9_092)]);
    assert_eq!((plan.key, plan.compression), (KafkaKeyPlan::Device, Some(KafkaCompressionPlan::Lz4)));
    assert_eq!((plan.give_up_after, plan.client_id.as_str()), (Duration::from_secs(300), "soc"));
    let identity = Some((PathBuf::from("/etc/atp-forwarder/c.pem"), PathBuf::from("/k.pem")));
    assert_eq!(plan.tls, Some(KafkaTlsPlan { ca: Some("/etc/atp-forwarder/ca.pem".into()), identity }));
    let options = [("a.b", "true"), ("c", ""), ("linger.ms", "100")];
    assert_eq!(plan.options, options.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

/// Event Hubs is known by its name: its port and TLS follow, unless the file says that it is something else.
#[test]
fn event_hubs_are_known_by_name() {
    for host in ["SOC.servicebus.Windows.net", "soc.servicebus.usgovcloudapi.net"] {
        let hub = kafka(&format!("brokers: {host}"));
        assert_eq!((hub.profile, hub.brokers[0].port), (KafkaProfilePlan::EventHubs, 9_093));
        assert_eq!(hub.tls, Some(KafkaTlsPlan::default()));
    }
    for keys in ["brokers: soc.servicebus.windows.net.example", "brokers: soc.servicebus.windows.net, profile: kafka"] {
        assert_eq!((kafka(keys).profile, kafka(keys).tls), (KafkaProfilePlan::Kafka, None), "{keys}");
    }
    assert_eq!(kafka("brokers: 'hub.example:1', profile: event_hubs").tls, Some(KafkaTlsPlan::default()));
}

/// A template is filled in for each tenant, so that no alert of a tenant that has left goes to another's topic.
#[test]
fn topics_are_filled_in() {
    let topics = |topic: &str| {
        let keys = format!("format: json, kafka: {{ brokers: kafka, topic: \"{topic}\" }}");
        let DestinationPlan::Kafka(kafka) = sink(&keys).destination else { panic!("Kafka") };
        kafka.topics
    };
    let by_tenant = |contoso: &str, fabrikam: &str| {
        let topics = [("contoso", contoso), ("fabrikam", fabrikam)];
        TopicsPlan::ByTenant(topics.map(|(tenant, topic)| (tenant.to_owned(), topic.to_owned())).into())
    };
    assert_eq!(topics("atp.{{ tenant.name }}"), by_tenant("atp.contoso", "atp.fabrikam"));
    assert_eq!(topics("{{ tenant.labels.at }}"), by_tenant("contoso-soc", "fabrikam-soc"));
    assert_eq!(topics("{{ tenant.name | length | replace(7, 8) }}"), by_tenant("8", "8"));
    assert_eq!(topics("at{{ 'p' }}"), TopicsPlan::One("atp".to_owned()));
}

/// Transactions have an id of the sink's name and a topic of their own, or what is written.
#[test]
fn transactions_have_names() {
    let transactions = |keys: &str| kafka(&format!("brokers: kafka, exactly_once: true, {keys}")).transactions;
    let named = |id: &str, marks: &str| Some(TransactionsPlan { id: id.to_owned(), marks_topic: marks.to_owned() });
    assert_eq!(transactions(""), named("atp-forwarder-lake", "atp-forwarder-marks"));
    assert_eq!(transactions("transactional_id: eu, marks_topic: marks"), named("eu", "marks"));
    let renamed = sink(
        "format: json, was: pond, \
         kafka: { brokers: kafka, topic: alerts, exactly_once: true, transactional_id: atp-forwarder-pond }",
    );
    assert_eq!(renamed.was.as_deref(), Some("pond"));
}

/// Passwords are referred to; without TLS they go within this machine alone.
#[test]
fn passwords_are_referred_to() {
    let login = LoginPlan { user: "soc".to_owned(), password: SecretSource::Env("P".to_owned()) };
    for (mechanism, expected) in [
        ("plain", KafkaSaslPlan::Plain(login.clone())),
        ("scram_sha_256", KafkaSaslPlan::ScramSha256(login.clone())),
        ("scram_sha_512", KafkaSaslPlan::ScramSha512(login)),
    ] {
        let sasl = format!("sasl: {{ {mechanism}: {{ user: soc, password: {{ env: P }} }} }}");
        for around in
            ["brokers: kafka, tls: {}", "brokers: [localhost, 127.0.0.1, '[::1]']", "brokers: a.servicebus.windows.net"]
        {
            assert_eq!(kafka(&format!("{around}, {sasl}")).sasl, Some(expected.clone()), "{around}");
        }
    }
}

/// Tokens come from the directory in the cloud of the event hub, for the event hub; or from where the file says, for what
/// it says.
#[test]
fn tokens_come_from_their_endpoint() {
    let oauth = |around: &str, keys: &str| {
        let client = "client_id: app, client_secret: { env: S }";
        let plan = kafka(&format!("{around}, tls: {{}}, sasl: {{ oauth_bearer: {{ {client}, {keys} }} }}"));
        let Some(KafkaSaslPlan::OauthBearer(oauth)) = plan.sasl else { panic!("tokens") };
        assert_eq!((oauth.client_id.as_str(), &oauth.client_secret), ("app", &SecretSource::Env("S".to_owned())));
        (oauth.token_url.to_string(), oauth.scope, oauth.ca)
    };
    let scope = |text: &str| Some(text.to_owned());
    const DIRECTORY: &str = "tenant_id: AAAAAAAA-2222-3333-4444-555555555555";
    const PATH: &str = "aaaaaaaa-2222-3333-4444-555555555555/oauth2/v2.0/token";
    let world = oauth("brokers: soc.servicebus.windows.net", DIRECTORY);
    let expected = format!("https://login.microsoftonline.com/{PATH}");
    assert_eq!(world, (expected.clone(), scope("https://soc.servicebus.windows.net/.default"), None));
    let government = oauth("brokers: soc.servicebus.usgovcloudapi.net", DIRECTORY);
    let scope_there = scope("https://soc.servicebus.usgovcloudapi.net/.default");
    assert_eq!(government, (format!("https://login.microsoftonline.us/{PATH}"), scope_there, None));
    let elsewhere = oauth("brokers: kafka", &format!("{DIRECTORY}, scope: 'api://kafka/.default'"));
    assert_eq!(elsewhere, (expected, scope("api://kafka/.default"), None));
    let other = oauth("brokers: kafka", "token_url: 'https://login.example/token', ca: ca.pem");
    assert_eq!(other, ("https://login.example/token".to_owned(), None, Some("/etc/atp-forwarder/ca.pem".into())));
}

/// JSON goes without an envelope, whose words are headers, and whole; CEF and LEEF keep to what topics take.
#[test]
fn records_fit_their_messages() {
    let with = |keys: &str| {
        let sink = sink(&format!("{keys}, kafka: {{ brokers: kafka, topic: alerts }}"));
        (sink.format, sink.max_bytes)
    };
    assert_eq!(with("format: json"), (FormatPlan::Json { envelope: EnvelopePlan::None }, None));
    let wrapped = FormatPlan::Json { envelope: EnvelopePlan::Wrap };
    assert_eq!(with("format: { json: { envelope: wrap } }"), (wrapped, None));
    assert_eq!(with("format: cef").1, Some(983_040));
    assert_eq!(with("format: leef, max_bytes: 4KiB").1, Some(4_096));
}
