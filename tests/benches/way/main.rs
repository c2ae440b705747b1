//! What the whole way costs, durable, beside splitting, rendering and compressing alone.
//!
//! Ours: `atp-forwarder run --once` from an empty folder to the end. It reads 100,000 alerts, 50,000 in the short form, with their evidence from
//! the simulator over HTTP, appends them to the journal, renders them as CEF and writes them to a file, synced.
//!
//! The baseline, *split, render, compress*: the same alerts from memory; each page parsed into `Vec<&RawValue>`, each
//! alert rendered as CEF by the same renderer, its raw bytes compressed in chunks of 256 KiB with zstd 1. Nothing is
//! fetched, looked up, kept or synced.
//!
//! Both run as processes of their own, in turns; what counts is their CPU time. Exits 1 where the whole way costs more
//! than 3 times the baseline.
//!
//! `cargo bench -p end-to-end --bench way`

mod baseline;
mod pages;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use atp_sim::{Knobs, Options, Population, TenantOptions};
use end_to_end::{Cost, Place, Running, Settings, Site, extent, median};

const LIMIT: f64 = 3.0;
const PAGE: u32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, folder] = &arguments[..]
        && command == "baseline"
    {
        baseline::run(Path::new(folder));
        return ExitCode::SUCCESS;
    }
    measure()
}

fn measure() -> ExitCode {
    let (rounds, alerts) = extent((5, 100_000), (3, 50_000));
    let tenants = vec![TenantOptions::named("contoso").with_alerts(Population::at_rest(alerts))];
    let knobs = Knobs { gzip: false, ..Knobs::default() };
    let site = Site::start(Options { tenants: tenants.clone(), knobs, ..Options::default() });
    let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
    let bytes = pages::fetch(&site.simulator, &tenants[0], PAGE, folder.path());

    let mut figures = Vec::new();
    let mut rows = 0;
    for _ in 0..rounds {
        let before = rows_sent(&site);
        let whole = whole_way(&site, &tenants, alerts);
        rows = rows_sent(&site) - before;
        figures.push((whole, baseline_seconds(folder.path())));
    }

    println!("{alerts} alerts of {} bytes on average, evidence included, {rounds} rounds", bytes / u64::from(alerts));
    let of = |figure: fn(&(Cost, f64)) -> f64| median(figures.iter().map(figure).collect());
    let ratio = of(|(whole, baseline)| whole.cpu.as_secs_f64() / baseline);
    let report = |name, ratio, seconds, clock| report(name, ratio, seconds, clock, alerts, bytes);
    report("split, render, compress", 1.0, of(|(_, baseline)| *baseline), "CPU");
    report("the whole way, durable", ratio, of(|(whole, _)| whole.cpu.as_secs_f64()), "CPU");
    let wall = of(|(whole, _)| whole.wall.as_secs_f64());
    report("  from start to end", wall / of(|(_, baseline)| *baseline), wall, "wall");
    let peak = figures.iter().map(|(whole, _)| whole.peak).max().unwrap_or(0);
    println!("{} rows fetched, at most {} MiB of memory", rows, peak >> 20);
    if ratio > LIMIT {
        println!("the whole way costs more than {LIMIT} times splitting, rendering and compressing");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn rows_sent(site: &Site) -> u64 {
    site.simulator.record().feeds.iter().map(|feed| feed.rows_sent).sum()
}

/// Everything from an empty folder.
fn whole_way(site: &Site, tenants: &[TenantOptions], alerts: u32) -> Cost {
    let settings = Settings { format: "cef".to_owned(), ..Settings::mde(&format!("page_size: {PAGE}, start: 7d")) };
    let place = Place::new(&site.simulator, tenants, &settings);
    let (finished, cost) = place.start(&["run", "--once"]).finish_counting(PATIENCE);
    finished.assert_done();
    let lines = std::fs::read(place.output()).expect("the file sink has made its file");
    let lines = lines.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, alerts as usize, "everything was delivered once");
    cost
}

/// CPU seconds of the baseline, in a process of its own so that neither the simulator nor what it left in memory counts.
fn baseline_seconds(pages: &Path) -> f64 {
    let program = std::env::current_exe().expect("Linux tells a process its program");
    let mut command = Command::new(program);
    let log = pages.join(baseline::LOG);
    // The log is appended to.
    let _ = std::fs::remove_file(&log);
    let finished = Running::start(command.arg("baseline").arg(pages), &log).finish(PATIENCE);
    finished.assert_done();
    finished.log.trim().parse().expect("the baseline says its CPU seconds and nothing else")
}

fn report(name: &str, ratio: f64, seconds: f64, clock: &str, alerts: u32, bytes: u64) {
    let alerts = f64::from(alerts) / seconds;
    let mebibytes = bytes as f64 / seconds / 1024.0 / 1024.0;
    println!("{name:<24} {ratio:>5.2} x {seconds:>6.2} s {clock:<4} {alerts:>9.0} alerts/s {mebibytes:>6.0} MiB/s");
}
