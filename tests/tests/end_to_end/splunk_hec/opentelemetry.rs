//! The OpenTelemetry Collector, which others wrote, as the indexers: its receiver of HEC with the extension that gives
//! acknowledgements. Only the long run builds it (`ATP_OTELCOL`).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use atp_sim::Population;
use chrono::{DateTime, SecondsFormat};
use end_to_end::{Delivered, Place, Running, Settings, Site};
use serde_json::Value;

use super::{settings, site, write_token};

const ALERTS: u32 = 20_000;
/// Of each: our process is killed, a collector is stopped and comes back.
const ROUNDS: usize = 3;
/// With requests of 64 KiB at most so many records go in one.
const RECORDS: usize = 48;

/// Scenario: 20,000 alerts as CEF go to two collectors, with acknowledgement and without, while our process is killed and
/// collectors are stopped and forget what they would have acknowledged.
/// Guarantee: nothing is lost, every byte of the CEF arrives in its envelope, and copies are at most what was in flight.
#[test]
fn the_opentelemetry_collector_gets_everything() {
    let Some(program) = std::env::var_os("ATP_OTELCOL").map(PathBuf::from) else {
        println!("not shown: the OpenTelemetry Collector is not built; ./tests/run --full builds it");
        return;
    };
    for (acknowledge, outstanding) in [(false, 8), (true, 32)] {
        let (site, tenants) = site(ALERTS, &Population::at_rest(0));
        let place = Place::empty();
        write_token(place.folder(), "any token");
        let mut collectors = [0, 1].map(|number| Collector::new(&program, place.folder(), number));
        collectors.iter_mut().for_each(|collector| collector.start(&site));
        let [one, other] = collectors.each_ref().map(|collector| collector.port);
        let sink = format!(
            "splunk: {{ format: cef, splunk_hec: {{ url: [\"http://127.0.0.1:{one}\", \"http://127.0.0.1:{other}\"], \
             token: {{ file: hec.token }}, index: \"edr_{{{{ tenant.name }}}}\", acknowledge: {acknowledge}, \
             max_content: 64KiB }} }}"
        );
        place.set_up(&site.simulator, &tenants, &Settings { format: "cef".to_owned(), ..settings(sink) });
        for round in 0..ROUNDS {
            let written = sizes(&collectors);
            let running = place.start(&["run"]);
            site.wait_until("the collectors have written more", || sizes(&collectors) > written + STEP);
            collectors[round % 2].stop();
            collectors[round % 2].start(&site);
            running.kill();
            site.killed();
        }
        place.start(&["run", "--once"]).finish(Duration::from_secs(240)).assert_done();
        collectors.iter_mut().for_each(Collector::stop);

        let copies = check(&site, &place, &collectors);
        println!("acknowledge: {acknowledge}; {ROUNDS} kills, {ROUNDS} restarts, {copies} copies");
        let allowed = 2 * ROUNDS * (outstanding + 2) * RECORDS;
        assert!(copies <= allowed, "{copies} copies where {allowed} are allowed");
    }
}

/// Bytes that the collectors write between two kills: about a thousand alerts.
const STEP: u64 = 2_000_000;

fn sizes(collectors: &[Collector]) -> u64 {
    collectors.iter().map(|collector| collector.output.metadata().map_or(0, |file| file.len())).sum()
}

/// Holds what the collectors wrote to what was sent and to the lines of the file of the same run. Returns the copies.
fn check(site: &Site, place: &Place, collectors: &[Collector]) -> usize {
    let names: HashMap<String, String> =
        site.simulator.record().feeds.into_iter().map(|feed| (feed.tenant_id, feed.tenant)).collect();
    let (sent, lines) = (site.sent(), lines(place));
    let mut records = Vec::new();
    for log in collectors.iter().flat_map(Collector::logs) {
        let id = log.attribute("recordId");
        let (tenant, revision) = sent.get(id).unwrap_or_else(|| panic!("never sent: {log:?}"));
        assert_eq!(
            log.record["body"]["stringValue"].as_str(),
            lines.get(id).map(String::as_str),
            "not the line of the file"
        );
        let millis = (revision.ticks - UNIX_EPOCH).div_euclid(10_000);
        // The collector reads times into floats.
        let nanos: i64 =
            log.record["timeUnixNano"].as_str().and_then(|text| text.parse().ok()).expect("a log has a time");
        assert_eq!((nanos + 500_000).div_euclid(1_000_000), millis, "{log:?}");
        let updated = DateTime::from_timestamp_millis(millis).expect("an alert is of our age");
        assert_eq!(log.attribute("updated"), updated.to_rfc3339_opts(SecondsFormat::Millis, true));
        assert_eq!(log.attribute("tenant"), names[tenant]);
        assert_eq!(log.attribute("com.splunk.index"), format!("edr_{}", names[tenant]));
        assert_eq!(log.attribute("com.splunk.source"), "ms_defender_atp_alerts");
        records.push(id.to_owned());
    }
    let copies = records.len() - records.iter().collect::<HashSet<_>>().len();
    println!("{}, {} events", site.expect_all(&Delivered { records: records.clone() }), records.len());
    copies
}

/// Every line of the run's file by its record id.
fn lines(place: &Place) -> HashMap<String, String> {
    let text = String::from_utf8(fs::read(place.output()).expect("the run has written its file")).expect("it is UTF-8");
    let id = |line: &str| {
        let id = line.split(" devicePayloadId=").nth(1).and_then(|rest| rest.split(' ').next());
        id.unwrap_or_else(|| panic!("no record id: {line}")).to_owned()
    };
    text.lines().map(|line| (id(line), line.to_owned())).collect()
}

/// A collector that writes what it takes to a file.
struct Collector {
    program: PathBuf,
    folder: PathBuf,
    output: PathBuf,
    port: u16,
    running: Option<Running>,
}

impl Collector {
    fn new(program: &Path, place: &Path, number: usize) -> Self {
        let folder = place.join(format!("otelcol-{number}"));
        fs::create_dir(&folder).expect("the folder of the test is writable");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = port.expect("loopback has free ports").port();
        let output = folder.join("logs.json");
        let config = format!(
            "extensions: {{ ack: {{}} }}\n\
             receivers: {{ splunk_hec: {{ endpoint: \"127.0.0.1:{port}\", ack: {{ extension: ack }} }} }}\n\
             exporters: {{ file: {{ path: \"{}\", append: true, flush_interval: 50ms }} }}\n\
             service:\n  extensions: [ack]\n  telemetry: {{ metrics: {{ level: none }} }}\n  \
             pipelines: {{ logs: {{ receivers: [splunk_hec], exporters: [file] }} }}\n",
            output.display()
        );
        fs::write(folder.join("config.yaml"), config).expect("the folder of the test is writable");
        Self { program: program.to_owned(), folder, output, port, running: None }
    }

    fn start(&mut self, site: &Site) {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(format!("file:{}", self.folder.join("config.yaml").display()));
        self.running = Some(Running::start(&mut command, &self.folder.join("log")));
        site.wait_until("the collector listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok());
    }

    /// It writes what it has taken, and forgets what it would have acknowledged.
    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.terminate(Duration::from_secs(30)).assert_done();
        }
    }

    fn logs(&self) -> Vec<Log> {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        text.lines().flat_map(logs).collect()
    }
}

/// An event as the collector has it: what its records share stands with their resource.
#[derive(Debug)]
struct Log {
    resource: Value,
    record: Value,
}

impl Log {
    fn attribute(&self, key: &str) -> &str {
        let all = [&self.record, &self.resource].map(|holder| holder["attributes"].as_array());
        let value = all.into_iter().flatten().flatten().find(|attribute| attribute["key"] == key);
        value.and_then(|value| value["value"]["stringValue"].as_str()).unwrap_or_else(|| panic!("no {key}: {self:?}"))
    }
}

/// The events of a line that the collector wrote.
fn logs(line: &str) -> Vec<Log> {
    let request: Value = serde_json::from_str(line).expect("the collector writes JSON");
    let mut logs = Vec::new();
    for resource in array(&request["resourceLogs"]) {
        for record in array(&resource["scopeLogs"]).iter().flat_map(|scope| array(&scope["logRecords"])) {
            logs.push(Log { resource: resource["resource"].clone(), record: record.clone() });
        }
    }
    logs
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// .NET ticks of 1970.
const UNIX_EPOCH: i64 = 621_355_968_000_000_000;
