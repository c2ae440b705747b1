//! An instance that changes while it runs, or that starts with something broken.

use std::fs;
use std::time::Duration;

use atp_sim::{Options, Population, TenantOptions};
use end_to_end::{Delivered, Place, Settings, Site};

const MINUTE: Duration = Duration::from_secs(60);

fn site(tenants: &[TenantOptions]) -> Site {
    Site::start(Options { tenants: tenants.to_vec(), ..Options::default() })
}

fn tenants(alerts: u32) -> Vec<TenantOptions> {
    ["contoso", "fabrikam"].map(|name| TenantOptions::named(name).with_alerts(Population::at_rest(alerts))).into()
}

/// Replaces a text of the pipeline file.
fn edit(place: &Place, from: &str, to: &str) {
    let path = place.path("pipeline.yaml");
    let text = fs::read_to_string(&path).expect("the file is there");
    assert!(text.contains(from), "{from}: {text}");
    fs::write(path, text.replace(from, to)).expect("the folder of the test is writable");
}

/// Scenario: of two sinks one cannot be opened. Guarantee: the other delivers everything, exit code and sentence name the
/// broken one, and once it is mended it gets everything too.
#[test]
fn a_broken_sink_leaves_the_others_alone() {
    let tenants = tenants(50);
    let site = site(&tenants);
    let broken = "broken: { format: cef, file: { path: ./no-such-folder/here/out.cef } }".to_owned();
    let place = Place::new(&site.simulator, &tenants, &Settings { sinks: vec![broken], ..Settings::mde("start: 7d") });
    let finished = place.start(&["run", "--once"]).finish(MINUTE);
    assert_eq!(finished.code(), Some(3), "{}", finished.log);
    assert!(finished.log.contains("sink broken is halted: "), "{}", finished.log);
    assert_eq!(Delivered::read(&place.output()).records.len(), 100);
    fs::create_dir_all(place.path("no-such-folder/here")).expect("the folder of the test is writable");
    place.start(&["run", "--once"]).finish(MINUTE).assert_done();
    let lines = fs::read_to_string(place.path("no-such-folder/here/out.cef")).expect("it was written");
    assert_eq!(lines.lines().count(), 100);
    assert_eq!(Delivered::read(&place.output()).records.len(), 100, "nothing went twice");
}

/// Scenario: a sink for which alerts wait is named otherwise in the file. Guarantee: the start is refused with a sentence,
/// and each of the three ways out that it names works.
#[test]
fn a_backlog_does_not_vanish_by_an_edit() {
    let tenants = tenants(5);
    let site = site(&tenants);
    for way in ["put back", "taken over", "given up"] {
        let late = "late: { format: cef, file: { path: ./missing/late.cef } }".to_owned();
        let settings = Settings { sinks: vec![late], ..Settings::mde("start: 7d") };
        let place = Place::new(&site.simulator, &tenants, &settings);
        assert_eq!(place.start(&["run", "--once"]).finish(MINUTE).code(), Some(3), "ten alerts wait for it");
        fs::create_dir(place.path("missing")).expect("the folder of the test is writable");
        edit(&place, "  late: {", "  renamed: {");
        let refused = place.start(&["run", "--once"]).finish(MINUTE);
        assert_eq!(refused.code(), Some(5), "{}", refused.log);
        assert!(
            refused.log.contains("sink late is not in the file any more, and 10 alerts wait for it"),
            "{}",
            refused.log
        );
        match way {
            "put back" => edit(&place, "  renamed: {", "  late: {"),
            "taken over" => edit(&place, "  renamed: {", "  renamed: { was: late,"),
            _ => place.start(&["lanes", "skip", "late", "--why", "a test"]).finish(MINUTE).assert_done(),
        }
        place.start(&["run", "--once"]).finish(MINUTE).assert_done();
        let lines = fs::read_to_string(place.path("missing/late.cef")).unwrap_or_default();
        assert_eq!(lines.lines().count(), if way == "given up" { 0 } else { 10 }, "{way}");
    }
}

/// Scenario: while alerts flow, a tenant and a sink come and go, by SIGHUP and by command. Guarantee: nothing is lost,
/// nothing comes twice, a file that is wrong changes nothing, and what a command did is noted.
#[test]
fn tenants_and_sinks_come_and_go_while_it_runs() {
    let flowing = Population { backlog: 200, per_minute: 600.0, ..Population::default() };
    let tenants = ["contoso", "fabrikam"].map(|name| TenantOptions::named(name).with_alerts(flowing.clone()));
    let site = site(&tenants);
    let settings = Settings::mde("poll_every: 1s, start: 7d");
    let place = Place::new(&site.simulator, &tenants[..1], &settings);
    let running = place.start(&["run"]);
    let delivered = || Delivered::read_so_far(&place.output()).records.len();
    site.wait_until("the first tenant is delivered", || delivered() >= 200);
    for round in 0..6 {
        let extra = format!("extra: {{ format: cef, from: now, file: {{ path: ./extra-{round}.cef }} }}");
        let sinks = if round % 2 == 0 { vec![extra] } else { Vec::new() };
        let settings = Settings { sinks, ..settings.clone() };
        place.set_up(&site.simulator, &tenants[..1 + round % 2], &settings);
        if round == 3 {
            running.signal("HUP");
            continue;
        }
        let mut reload = place.start(&["reload"]);
        site.wait_until("the reload is answered", || reload.has_ended());
        let log = reload.log();
        assert_eq!(reload.finish(MINUTE).code(), Some(0), "round {round}: {log}");
    }
    let wrong = place.path("pipeline.yaml");
    let right = fs::read_to_string(&wrong).expect("the file is there");
    fs::write(&wrong, right.replace("sinks:", "snks:")).expect("the folder of the test is writable");
    assert_eq!(place.start(&["reload"]).finish(MINUTE).code(), Some(2));
    fs::write(&wrong, right).expect("the folder of the test is writable");
    place.start(&["reload"]).finish(MINUTE).assert_done();
    site.wait_until("the second tenant is delivered", || delivered() >= 420);
    running.terminate(MINUTE).assert_done();
    let delivered = Delivered::read(&place.output());
    assert_eq!(delivered.copies(), 0, "nothing came twice");
    delivered.assert_order(&site);
    let audit = fs::read_to_string(place.journal().join("control.log")).expect("commands are noted");
    assert!(audit.lines().count() >= 6, "{audit}");
    println!("{} alerts delivered through seven reloads, each once", delivered.records.len());
}
