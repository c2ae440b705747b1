//! What the admin address tells of a running process, read by the parser of Prometheus' own Python client, which takes
//! nothing that OpenMetrics does not allow.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use atp_sim::{Options, Population, TenantOptions};
use end_to_end::{Place, Settings, Site, free_port};
use serde_json::Value;
use sink_splunk_hec::stand_in::{Manner, StandIn};
use tokio::runtime::Runtime;

/// Alerts of each tenant.
const ALERTS: u32 = 40;
const TOKEN: &str = "canary-of-the-collector";

/// Scenario: a collector refuses all alerts of one tenant, a file takes those of both, a third sink those of one; later
/// the collector leaves the file, and comes back once its dead letters are dropped.
///
/// Guarantee: metrics say so while the process runs. Dead letters are as many as the command lists, whether or not their
/// sink is in the file, and none after the drop. A second process on the address ends before it opens anything. No secret
/// is told.
#[test]
fn metrics_tell_how_it_goes() {
    let Some(python) = python() else { return };
    let tenants =
        ["contoso", "fabrikam"].map(|name| TenantOptions::named(name).with_alerts(Population::at_rest(ALERTS)));
    let site = Site::start(Options { tenants: tenants.to_vec(), ..Options::default() });
    let runtime = Runtime::new().expect("a runtime can be made");
    let manner =
        Manner { tokens: vec![TOKEN.to_owned()], refused: Some(tenants[1].tenant_id.clone()), ..Manner::default() };
    let collector = runtime.block_on(StandIn::start(manner));
    let admin = Admin { port: free_port(), python };
    let place = Place::empty();
    let with_collector = file(&site, &place, &tenants, &collector, admin.port);

    let running = place.start(&["run"]);
    admin.wait_for(&site, &["atp_sink_refused_total{sink=\"splunk\"} 40", "atp_sink_waiting{sink=\"splunk\"} 0"]);
    admin.wait_for(&site, &["atp_sink_delivered_total{sink=\"out\"} 80", "atp_sink_waiting{sink=\"few\"} 0"]);
    let metrics = admin.read();
    expect_counts(&metrics);
    let text = admin.scrape();
    for secret in tenants.iter().map(|tenant| tenant.client_secret.as_str()).chain([TOKEN]) {
        assert!(!text.contains(secret), "{text}");
    }
    a_second_one_is_refused(&place, admin.port);
    running.terminate(Duration::from_secs(30)).assert_done();
    assert_eq!(listed(&place), metrics["atp_sink_dead_letters splunk"]);

    let path = place.path("pipeline.yaml");
    fs::write(&path, with_collector.lines().filter(|line| !line.contains("splunk_hec")).fold(String::new(), joined))
        .expect("the folder of the test is writable");
    let metrics = admin.of_a_run(&site, &place);
    assert_eq!(metrics["atp_sink_dead_letters splunk"], u64::from(ALERTS), "its letters outlive the sink");
    assert!(!metrics.contains_key("atp_sink_delivered_total splunk"), "{metrics:?}");

    place.start(&["dead-letters", "drop", "--sink", "splunk"]).finish(Duration::from_secs(20)).assert_done();
    fs::write(&path, with_collector).expect("the folder of the test is writable");
    let metrics = admin.of_a_run(&site, &place);
    assert_eq!((metrics["atp_sink_dead_letters splunk"], listed(&place)), (0, 0));
    assert_eq!(metrics["atp_sink_refused_total splunk"], 0, "counters begin with the process");
    println!("{} series of {} alerts, read three times", metrics.len(), 2 * ALERTS);
}

/// Writes a pipeline file with the three sinks and the address.
fn file(site: &Site, place: &Place, tenants: &[TenantOptions], collector: &StandIn, port: u16) -> String {
    let splunk = format!(
        "splunk: {{ format: json, splunk_hec: {{ url: \"{}\", token: {{ file: hec.token }}, acknowledge: false }} }}",
        collector.url()
    );
    let few = "few: { format: cef, only: { tenants: [contoso] }, file: { path: ./few.cef } }".to_owned();
    place.set_up(&site.simulator, tenants, &Settings { sinks: vec![splunk, few], ..Settings::mde("start: 7d") });
    fs::write(place.path("hec.token"), TOKEN).expect("the folder of the test is writable");
    let path = place.path("pipeline.yaml");
    let text = fs::read_to_string(&path).expect("the file is there");
    let text = format!("{text}admin: {{ listen: 127.0.0.1:{port} }}\n");
    fs::write(path, &text).expect("the folder of the test is writable");
    text
}

fn joined(text: String, line: &str) -> String {
    text + line + "\n"
}

fn expect_counts(metrics: &Metrics) {
    let (half, all) = (u64::from(ALERTS), 2 * u64::from(ALERTS));
    for (metric, expected) in [
        ("atp_sink_delivered_total out", all),
        ("atp_sink_delivered_total few", half),
        ("atp_sink_delivered_total splunk", half),
        // Tenants that a sink does not ask for are nothing to it.
        ("atp_sink_filtered_total few", 0),
        ("atp_sink_filtered_total out", 0),
        ("atp_sink_refused_total out", 0),
        ("atp_sink_refused_total splunk", half),
        ("atp_sink_dead_letters out", 0),
        ("atp_sink_dead_letters splunk", half),
        ("atp_sink_dead_letters_replaying splunk", 0),
        ("atp_sink_waiting splunk", 0),
        ("atp_sink_action_required splunk", 0),
        ("atp_sink_guarantee_info out durable", 1),
        ("atp_sink_guarantee_info splunk accepted", 1),
        ("atp_source_updates_total contoso alerts", half),
        ("atp_source_updates_total fabrikam alerts", half),
        ("atp_source_known_gaps contoso alerts", 0),
        ("atp_source_action_required contoso alerts", 0),
        ("atp_buffer_full", 0),
    ] {
        assert_eq!(metrics[metric], expected, "{metric}");
    }
    assert!(metrics["atp_source_alerts_received_total contoso alerts"] >= half, "{metrics:?}");
    let used = metrics["atp_buffer_used_bytes"];
    assert!(used > 0 && used < metrics["atp_buffer_max_bytes"], "{metrics:?}");
}

/// Another process with a journal of its own cannot have the address, says so, and leaves no journal behind.
fn a_second_one_is_refused(place: &Place, port: u16) {
    let other = Place::empty();
    for name in ["pipeline.yaml", "contoso.secret", "fabrikam.secret", "hec.token"] {
        fs::copy(place.path(name), other.path(name)).expect("the folders of the test are writable");
    }
    let finished = other.start(&["run", "--once"]).finish(Duration::from_secs(20));
    assert_eq!(finished.code(), Some(1), "{}", finished.log);
    let sentence =
        format!("error: failed to listen on 127.0.0.1:{port}, the address of `admin`: Address already in use");
    assert!(finished.log.contains(&sentence), "{}", finished.log);
    assert!(!other.journal().exists(), "it opened a journal");
}

/// How many dead letters the command lists.
fn listed(place: &Place) -> u64 {
    let list = ["dead-letters", "list", "--sink", "splunk", "--json", "--limit", "1000"];
    let output = place.command(&list).output().expect("the program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// The samples by name and the values of their labels.
type Metrics = BTreeMap<String, u64>;

/// The admin address and who reads it.
struct Admin {
    port: u16,
    python: OsString,
}

impl Admin {
    /// Starts a run, reads its metrics once they are there, and ends it.
    fn of_a_run(&self, site: &Site, place: &Place) -> Metrics {
        let running = place.start(&["run"]);
        self.wait_for(site, &["# EOF"]);
        let metrics = self.read();
        running.terminate(Duration::from_secs(30)).assert_done();
        metrics
    }

    fn wait_for(&self, site: &Site, lines: &[&str]) {
        let are_there =
            || self.try_scrape().is_some_and(|text| lines.iter().all(|line| text.lines().any(|l| l == *line)));
        site.wait_until(&lines.join(" and "), are_there);
    }

    /// The text of a scrape; `None` while nobody answers with one.
    fn try_scrape(&self) -> Option<String> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let (head, text) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200 ").then(|| text.to_owned())
    }

    fn scrape(&self) -> String {
        self.try_scrape().expect("the process runs and answers")
    }

    /// What the reader makes of a scrape.
    fn read(&self) -> Metrics {
        let mut reader = Command::new(&self.python);
        let mut reader =
            reader.args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        reader.stdin.take().expect("it was asked for").write_all(self.scrape().as_bytes()).expect("it reads all");
        let output = reader.wait_with_output().expect("a program that was started ends");
        assert!(output.status.success(), "the text is not OpenMetrics");
        let samples = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<(String, Value)>();
        let sample = |sample: serde_json::Result<(String, Value)>| {
            let (name, value) = sample.expect("a sample is JSON");
            let number = value.as_f64().expect("a sample has a number");
            assert!(number >= 0.0 && number.fract() == 0.0, "{name} is {number}");
            (name, number as u64)
        };
        samples.map(sample).collect()
    }
}

const READER: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(json.dumps([' '.join([sample.name, *sample.labels.values()]), sample.value]))
";

/// A Python with Prometheus' client; `None` where there is none.
fn python() -> Option<OsString> {
    let python = std::env::var_os("ATP_PYTHON").filter(|python| {
        let imported = Command::new(python).args(["-c", "import prometheus_client.openmetrics.parser"]).output();
        imported.is_ok_and(|output| output.status.success())
    });
    if python.is_none() {
        let promised = std::env::var_os("ATP_TESTS_REQUIRE_PARTS").is_some();
        assert!(!promised, "prometheus-client is not there, though all parts are promised");
        println!("not shown: prometheus-client is not installed; ./tests/run installs it");
    }
    python
}
