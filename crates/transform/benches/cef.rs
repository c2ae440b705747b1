//! What CEF and LEEF cost, their reading included, beside what deserialising the same borrowed struct costs.
//!
//! The baseline, *serde borrowed struct*: serde_json into a derived struct of the members that the lines show, every
//! text a `Cow` borrowed where it has no escapes, evidence as a list. All run over the same alerts in turns; what counts
//! is the CPU time of this process in its best round, since other work on the machine only adds. Exits 1 where CEF or
//! LEEF costs more than 1.7 times the baseline.
//!
//! `cargo bench -p transform`

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::borrow::Cow;
use std::hint::black_box;
use std::process::ExitCode;

use serde::Deserialize;
use transform::{CefHeader, Envelope, LeefOptions, Origin, Renderer, Shape, View};

use crate::fixture::mde_alert;

const LIMIT: f64 = 1.7;
const ALERTS: u64 = 500;

fn main() -> ExitCode {
    let (rounds, passes) = extent((9, 100), (5, 20));
    let alerts: Vec<Vec<u8>> = (0..ALERTS).map(|seed| mde_alert(seed, 2).into_bytes()).collect();
    let bytes: usize = alerts.iter().map(Vec::len).sum();
    let cef = Renderer::cef(CefHeader::default());
    let leef = Renderer::leef(&LeefOptions::default());
    let json = Renderer::json(Envelope::Wrap);

    let [mut baseline_cost, mut reading_cost, mut cef_cost, mut leef_cost, mut json_cost] = [const { Vec::new() }; 5];
    for _ in 0..rounds {
        baseline_cost.push(cost(&alerts, passes, deserialise));
        reading_cost.push(cost(&alerts, passes, read));
        cef_cost.push(cost(&alerts, passes, |alert, out| render(&cef, alert, out)));
        leef_cost.push(cost(&alerts, passes, |alert, out| render(&leef, alert, out)));
        json_cost.push(cost(&alerts, passes, |alert, out| render(&json, alert, out)));
    }

    println!("{ALERTS} alerts of {} bytes on average, {rounds} rounds of {passes} passes", bytes as u64 / ALERTS);
    let (baseline, cef, leef) = (least(baseline_cost), least(cef_cost), least(leef_cost));
    report("serde borrowed struct", baseline, baseline, bytes);
    report("our reading alone", least(reading_cost), baseline, bytes);
    report("CEF", cef, baseline, bytes);
    report("LEEF", leef, baseline, bytes);
    report("raw JSON, wrapped", least(json_cost), baseline, bytes);
    if cef.max(leef) > LIMIT * baseline {
        println!("CEF or LEEF costs more than {LIMIT} times the baseline");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn deserialise(alert: &[u8], _: &mut Vec<u8>) {
    let alert: Alert<'_> = serde_json::from_slice(alert).expect("a generated alert is valid");
    black_box(alert);
}

fn read(alert: &[u8], _: &mut Vec<u8>) {
    let view = View::read(Shape::MdeAlert, alert).expect("a generated alert is valid");
    black_box(&view);
}

fn render(renderer: &Renderer, alert: &[u8], out: &mut Vec<u8>) {
    let origin = Origin { tenant_id: "11111111-2222-3333-4444-555555555555", tenant_name: "contoso", partial: false };
    let rendered = renderer.render(Shape::MdeAlert, &origin, None, alert, out).expect("a generated alert is valid");
    black_box(rendered);
}

/// CPU seconds of one pass over the alerts.
fn cost(alerts: &[Vec<u8>], passes: usize, mut work: impl FnMut(&[u8], &mut Vec<u8>)) -> f64 {
    let mut out = Vec::with_capacity(64 * 1024);
    let before = cpu_nanoseconds();
    for _ in 0..passes {
        for alert in alerts {
            out.clear();
            work(black_box(alert), &mut out);
            black_box(&out);
        }
    }
    (cpu_nanoseconds() - before) as f64 / 1e9 / passes as f64
}

/// Nanoseconds that this thread, the only one, has been on a CPU.
fn cpu_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux tells a process its CPU time");
    let first = text.split_whitespace().next().expect("schedstat has three numbers");
    first.parse().expect("schedstat has three numbers")
}

/// How much is measured: enough for figures, or, where `ATP_BENCH=short`, enough to see a bound broken.
fn extent<T>(full: T, short: T) -> T {
    if std::env::var_os("ATP_BENCH").is_some_and(|extent| extent == "short") { short } else { full }
}

fn least(costs: Vec<f64>) -> f64 {
    costs.into_iter().fold(f64::INFINITY, f64::min)
}

fn report(name: &str, seconds: f64, baseline: f64, bytes: usize) {
    let alerts = ALERTS as f64 / seconds;
    let mebibytes = bytes as f64 / seconds / 1024.0 / 1024.0;
    println!("{name:<22} {:>5.2} x {alerts:>10.0} alerts/s {mebibytes:>7.0} MiB/s", seconds / baseline);
}

/// A text that serde borrows: it does so for a `Cow` with the attribute, not for one inside an `Option`.
#[derive(Deserialize)]
struct Borrowed<'a>(
    #[serde(borrow)]
    #[expect(dead_code, reason = "the baseline reads and does nothing else")]
    Cow<'a, str>,
);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the baseline reads and does nothing else")]
struct Alert<'a> {
    #[serde(borrow)]
    alert_creation_time: Option<Borrowed<'a>>,
    assigned_to: Option<Borrowed<'a>>,
    category: Option<Borrowed<'a>>,
    classification: Option<Borrowed<'a>>,
    computer_dns_name: Option<Borrowed<'a>>,
    description: Option<Borrowed<'a>>,
    detection_source: Option<Borrowed<'a>>,
    detector_id: Option<Borrowed<'a>>,
    determination: Option<Borrowed<'a>>,
    evidence: Vec<Evidence<'a>>,
    first_event_time: Option<Borrowed<'a>>,
    id: Option<Borrowed<'a>>,
    incident_id: Option<i64>,
    investigation_id: Option<i64>,
    last_event_time: Option<Borrowed<'a>>,
    last_update_time: Option<Borrowed<'a>>,
    machine_id: Option<Borrowed<'a>>,
    mitre_techniques: Vec<Borrowed<'a>>,
    related_user: Option<RelatedUser<'a>>,
    severity: Option<Borrowed<'a>>,
    status: Option<Borrowed<'a>>,
    threat_family_name: Option<Borrowed<'a>>,
    threat_name: Option<Borrowed<'a>>,
    title: Option<Borrowed<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the baseline reads and does nothing else")]
struct RelatedUser<'a> {
    #[serde(borrow)]
    domain_name: Option<Borrowed<'a>>,
    user_name: Option<Borrowed<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the baseline reads and does nothing else")]
struct Evidence<'a> {
    #[serde(borrow)]
    account_name: Option<Borrowed<'a>>,
    detection_status: Option<Borrowed<'a>>,
    domain_name: Option<Borrowed<'a>>,
    entity_type: Option<Borrowed<'a>>,
    file_name: Option<Borrowed<'a>>,
    file_path: Option<Borrowed<'a>>,
    ip_address: Option<Borrowed<'a>>,
    parent_process_id: Option<i64>,
    process_command_line: Option<Borrowed<'a>>,
    process_id: Option<i64>,
    registry_key: Option<Borrowed<'a>>,
    sha1: Option<Borrowed<'a>>,
    sha256: Option<Borrowed<'a>>,
    url: Option<Borrowed<'a>>,
    user_principal_name: Option<Borrowed<'a>>,
    user_sid: Option<Borrowed<'a>>,
}
