//! Kills at any moment lose nothing.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use atp_sim::{Options, Population, TenantOptions};
use end_to_end::{Delivered, Place, Running, Settings, Site, Summary, count, phase};

use crate::disk::HARMS;

/// Random kills; of the long run.
const KILLS: (u32, u32) = (50, 500);
/// Kills at each kind of system call; of the long run.
const INJECTED: (u32, u32) = (22, 100);
fn site(alerts: u32) -> (Site, Vec<TenantOptions>) {
    let population = Population { hostile: 0.05, ..Population::at_rest(alerts) };
    let tenants = vec![
        TenantOptions::named("contoso").with_alerts(population.clone()),
        TenantOptions::named("fabrikam").with_alerts(population),
    ];
    (Site::start(Options { tenants: tenants.clone(), ..Options::default() }), tenants)
}

/// Everything sent has arrived, every copy with the record id of the first.
fn assert_nothing_lost(site: &Site, place: &Place, most_copies: usize) -> (Summary, usize) {
    place.start(&["run", "--once"]).finish(Duration::from_secs(120)).assert_done();
    let delivered = Delivered::read(&place.output());
    let summary = site.expect_all(&delivered);
    let copies = delivered.copies();
    assert!(copies <= most_copies, "{copies} copies, {most_copies} may be in flight");
    (summary, copies)
}

/// Scenario: 50 kills at random moments of one long way, a rate keeping it long.
/// Guarantee: nothing is lost; the kills hit at least five phases of the work.
#[test]
fn random_kills_lose_nothing() {
    let kills = count(KILLS.0, KILLS.1);
    let (site, tenants) = site(240 * kills);
    let settings = Settings { out: "max_rate: 4000/s".to_owned(), ..Settings::mde("page_size: 200, start: 7d") };
    let place = Place::new(&site.simulator, &tenants, &settings);
    let mut phases = BTreeMap::new();
    let mut dice = fastrand::Rng::with_seed(7);
    for kill in 0..kills {
        let log = place.path(&format!("log.{kill}"));
        let running = Running::start(&mut place.command(&["--log", "trace", "run"]), &log);
        std::thread::sleep(Duration::from_millis(dice.u64(5..250)));
        let killed = running.kill();
        assert_eq!(killed.signal(), Some(9), "{}", killed.log);
        *phases.entry(phase(&killed.log)).or_insert(0) += 1;
    }
    println!("kills by phase: {phases:?}");
    assert!(phases.len() >= 5, "the kills hit only {phases:?}");
    // At 4,000 a second a batch has at most 400 records: one in flight, and those whose settlement is under way.
    let (summary, copies) = assert_nothing_lost(&site, &place, kills as usize * 3 * 400);
    println!("{summary}; {kills} kills, {copies} copies");
}

/// Scenario: the kernel kills the process at its n-th sync and write, for many n; and at each rename of setting a
/// damaged journal aside, for several kinds of damage.
/// Guarantee: nothing is lost, and copies are at most what was in flight; after damage, what had waited or was new.
#[test]
fn kills_at_system_calls_lose_nothing() {
    let (site, tenants) = site(500);
    let settings = Settings { out: "max_rate: 400/s".to_owned(), ..Settings::mde("page_size: 50, start: 7d") };
    let place = || Place::new(&site.simulator, &tenants, &settings);
    let (mut hit, mut copies) = (BTreeMap::new(), 0);
    for (call, step) in [("fsync,fdatasync", 2), ("pwrite64", 7)] {
        for n in 0..count(INJECTED.0, INJECTED.1) {
            let place = place();
            *hit.entry(call).or_insert(0) += kill_at(&place, call, 1 + n * step);
            place.lift_rate();
            // At 400 a second a batch has at most 40 records: two in flight, and those whose settlement is under way.
            copies += assert_nothing_lost(&site, &place, 4 * 40).1;
        }
    }
    for (name, harm) in HARMS {
        for n in 1..=5 {
            let place = place();
            place.start(&["run", "--once", "--within", "1s"]).finish(Duration::from_secs(60));
            place.harm_journal(harm);
            *hit.entry("rename").or_insert(0) += kill_at(&place, "rename", n);
            place.lift_rate();
            let delivered = assert_nothing_lost(&site, &place, 1_000).1;
            println!("{name}, killed at rename {n}: {delivered} copies");
        }
    }
    println!("kills at system calls: {hit:?}, {copies} copies");
    assert!(hit.values().sum::<u32>() >= 60, "too few kills hit: {hit:?}");
}

/// Runs the program until the kernel kills it at its n-th `call`; says whether it did, 1 or 0.
fn kill_at(place: &Place, call: &str, n: u32) -> u32 {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(place.path("strace"));
    strace.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:signal=KILL:when={n}")]);
    let program = place.command(&["run", "--once"]);
    strace.arg(program.get_program()).args(program.get_args());
    let finished = place.start_command(&mut strace).finish(Duration::from_secs(120));
    u32::from(finished.code() != Some(0))
}

/// Guarantee: no request for a next page leaves before the sync that follows the append of the last.
#[test]
fn no_page_is_asked_for_before_the_last_is_on_disk() {
    let population = Population::at_rest(3_000);
    let tenants = vec![TenantOptions::named("contoso").with_alerts(population)];
    let site = Site::start(Options { tenants: tenants.clone(), ..Options::default() });
    let settings = Settings { out: "max_rate: 1/s".to_owned(), ..Settings::mde("page_size: 250, start: 7d") };
    let place = Place::new(&site.simulator, &tenants, &settings);
    let trace = place.path("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-s", "64", "-o"]).arg(&trace);
    strace.args(["-e", "trace=sendto,sendmsg,write,writev,fdatasync,fsync"]);
    let program = place.command(&["run", "--once", "--within", "20s"]);
    strace.arg(program.get_program()).args(program.get_args());
    place.start_command(&mut strace).finish(Duration::from_secs(120));

    let text = std::fs::read_to_string(&trace).expect("strace has written its trace");
    let mut synced = true;
    let mut requests = 0;
    for line in text.lines() {
        let synced_journal = line.contains("sync(") || line.contains("sync resumed");
        if synced_journal && line.ends_with("= 0") && (line.contains("journal") || line.contains("resumed")) {
            synced = true;
        }
        if line.contains("GET /api/alerts") {
            requests += 1;
            // The first answers of the walk all bring rows that are new.
            assert!(synced || requests > 12, "request {requests} left before the last page was synced: {line}");
            synced = false;
        }
    }
    println!("{requests} requests, each after the sync of the page before");
    assert!(requests >= 12, "{requests} requests were seen");
}
