//! Splunk's HTTP Event Collector, played by the stand-in of the sink's crate: two indexers on loopback that misbehave.
//!
//! Beside the sink under test each run writes the same alerts to a file, and every event must hold its alert of that file,
//! byte for byte, in the envelope that the alert calls for.

mod halts;
mod opentelemetry;
mod storms;
mod taken;

use std::path::Path;
use std::process::Command;

use atp_sim::{Options, Population, TenantOptions};
use end_to_end::{Settings, Site};
use sink_splunk_hec::stand_in::{Event, Manner, StandIn};
use tokio::runtime::Runtime;

/// Two indexers of their own address, with a runtime to be served by.
struct Indexers {
    both: [StandIn; 2],
    _runtime: Runtime,
}

impl Indexers {
    fn start(manner: &Manner) -> Self {
        let runtime = Runtime::new().expect("a runtime can be made");
        let both = [(); 2].map(|()| runtime.block_on(StandIn::start(manner.clone())));
        Self { both, _runtime: runtime }
    }

    /// The sink `splunk` that writes to both, as YAML, with these keys of the collector.
    fn sink(&self, hec: &str) -> String {
        let [one, other] = self.both.each_ref().map(StandIn::url);
        format!(
            "splunk: {{ format: json, splunk_hec: {{ url: [\"{one}\", \"{other}\"], token: {{ file: hec.token }}, \
             index: \"edr_{{{{ tenant.name }}}}\", {hec} }} }}"
        )
    }

    fn events(&self) -> Vec<Event> {
        self.both.iter().flat_map(StandIn::events).collect()
    }

    fn held(&self) -> usize {
        self.both.iter().map(StandIn::held).sum()
    }

    /// Requests that were taken without the sink being able to know that.
    fn unheard(&self) -> usize {
        self.both.iter().map(StandIn::unheard).sum()
    }
}

/// A simulator whose two tenants have so many alerts, hostile ones among them.
fn site(alerts: u32, population: &Population) -> (Site, Vec<TenantOptions>) {
    let population = Population { backlog: alerts / 2, hostile: 0.05, ..population.clone() };
    let tenants = ["contoso", "fabrikam"].map(|name| TenantOptions::named(name).with_alerts(population.clone()));
    (Site::start(Options { tenants: tenants.to_vec(), ..Options::default() }), tenants.into())
}

fn settings(sink: String) -> Settings {
    Settings { sinks: vec![sink], ..Settings::mde("page_size: 2500, start: 7d") }
}

fn write_token(folder: &Path, token: &str) {
    std::fs::write(folder.join("hec.token"), token).expect("the folder of the test is writable");
}

/// The record ids of the dead letters of the sink.
fn dead_letters(mut list: Command) -> Vec<String> {
    let output = list.output().expect("the program can be started");
    let text = String::from_utf8(output.stdout).expect("the list is text");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let id = |line: &str| {
        let letter: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        letter["record_id"].as_str().expect("a letter has a record id").to_owned()
    };
    text.lines().map(id).collect()
}
