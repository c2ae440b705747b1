//! What a lane of its own for each tenant costs, beside one lane for all.
//!
//! `atp-forwarder run --once` with 20 alerts a tenant: with one file sink for all tenants, which is the baseline, and with
//! a file sink for each. What counts is the CPU time of the process, its start included, for each alert that was
//! delivered. Exits 1 where an alert costs more than 1.5 times as much with 1,000 lanes as with 100, or with 400 lanes
//! more than twice the baseline, or where a run does not deliver everything within a minute.
//!
//! `cargo bench -p end-to-end --bench lanes`

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use atp_sim::{Options, Population, TenantOptions};
use end_to_end::{Cost, Place, Settings, Site, extent};

/// An alert with the most lanes, against one with the fewest.
const GROWTH_LIMIT: f64 = 1.5;
/// An alert with a lane for each of `COMPARED` tenants, against one with a lane for all of them.
const BASELINE_LIMIT: f64 = 2.0;
const COMPARED: usize = 400;
/// Alerts of each tenant.
const ALERTS: usize = 20;
/// A run that takes longer ends with the rest undelivered.
const WITHIN: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let counts = extent(&[100, 200, COMPARED, 1_000][..], &[100, COMPARED]);
    let mut costs = Vec::new();
    let mut beyond = Vec::new();
    println!("tenants lanes   CPU of an alert      CPU     wall  at most  delivered");
    for &tenants in counts {
        let [one, each] = [Lanes::OneForAll, Lanes::OneForEach].map(|lanes| measure(tenants, lanes));
        report(tenants, 1, &one, one.for_an_alert());
        report(tenants, tenants, &each, one.for_an_alert());
        if [&one, &each].iter().any(|run| run.delivered < tenants * ALERTS) {
            beyond.push(format!("{tenants} tenants: not everything was delivered within {WITHIN:?}"));
        }
        if tenants == COMPARED && each.for_an_alert() > BASELINE_LIMIT * one.for_an_alert() {
            beyond.push(format!(
                "an alert costs more than {BASELINE_LIMIT} times as much with {tenants} lanes as with one"
            ));
        }
        costs.push((tenants, each.for_an_alert()));
    }
    if let [(few, least), .., (many, most)] = costs[..]
        && most > GROWTH_LIMIT * least
    {
        beyond.push(format!("an alert costs more than {GROWTH_LIMIT} times as much with {many} lanes as with {few}"));
    }
    beyond.iter().for_each(|sentence| println!("{sentence}"));
    if beyond.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(tenants: usize, lanes: usize, run: &Run, baseline: f64) {
    let Run { cost, delivered } = run;
    println!(
        "{tenants:>7} {lanes:>5} {:>6.2} x {:>5.0} µs {:>6.2} s {:>6.2} s {:>4} MiB {delivered:>10}",
        run.for_an_alert() / baseline,
        run.for_an_alert() * 1e6,
        cost.cpu.as_secs_f64(),
        cost.wall.as_secs_f64(),
        cost.peak >> 20,
    );
}

/// Who has a lane.
#[derive(Clone, Copy)]
enum Lanes {
    OneForAll,
    OneForEach,
}

struct Run {
    cost: Cost,
    delivered: usize,
}

impl Run {
    /// CPU seconds for each alert that was delivered.
    fn for_an_alert(&self) -> f64 {
        self.cost.cpu.as_secs_f64() / self.delivered.max(1) as f64
    }
}

/// The cheapest of a few runs, since other work on the machine only adds.
fn measure(tenants: usize, lanes: Lanes) -> Run {
    let mut runs: Vec<Run> = Vec::new();
    while runs.len() < extent(3, 1) && runs.iter().all(|run| run.delivered == tenants * ALERTS) {
        runs.push(run(tenants, lanes));
    }
    runs.sort_by(|one, other| one.for_an_alert().total_cmp(&other.for_an_alert()));
    runs.swap_remove(0)
}

/// Delivers all alerts from an empty folder.
fn run(tenants: usize, lanes: Lanes) -> Run {
    let population = Population::at_rest(ALERTS as u32);
    let tenants: Vec<_> =
        (0..tenants).map(|n| TenantOptions::named(&format!("t{n}")).with_alerts(population.clone())).collect();
    let site = Site::start(Options { tenants: tenants.clone(), ..Options::default() });
    let place = Place::new(&site.simulator, &tenants, &settings(&tenants, lanes));
    let within = format!("{}s", WITHIN.as_secs());
    let (_, cost) = place.start(&["run", "--once", "--within", &within]).finish_counting(3 * WITHIN);
    Run { cost, delivered: lines(&place) }
}

/// The sink `out` for all tenants, or for the first of them beside one for each other.
fn settings(tenants: &[TenantOptions], lanes: Lanes) -> Settings {
    let settings = Settings { format: "cef".to_owned(), ..Settings::mde("start: 7d") };
    match lanes {
        Lanes::OneForAll => settings,
        Lanes::OneForEach => {
            let only = |tenant: &TenantOptions| format!("only: {{ tenants: [{}] }}", tenant.name);
            let sink = |tenant: &TenantOptions| {
                format!("{}: {{ format: cef, {}, file: {{ path: ./{0}.cef }} }}", tenant.name, only(tenant))
            };
            Settings { out: only(&tenants[0]), sinks: tenants[1..].iter().map(sink).collect(), ..settings }
        }
    }
}

/// Lines in all files that sinks have made.
fn lines(place: &Place) -> usize {
    let entries = fs::read_dir(place.folder()).expect("the folder of the run is readable");
    let files = entries.map(|entry| entry.expect("the folder of the run is readable").path());
    let outputs =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "cef") || *path == place.output());
    outputs.map(|path| fs::read(path).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())).sum()
}
