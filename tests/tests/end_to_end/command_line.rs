//! The commands as a person types them: output, exit codes, sentences.

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use atp_sim::{ApplicationState, Options, Population, TenantOptions};
use end_to_end::{Delivered, Place, Settings, Site, program};

fn run(arguments: &[&str]) -> Output {
    Command::new(program("atp-forwarder")).args(arguments).output().expect("the program can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Guarantee: a newcomer sees CEF lines with nothing set up, and the same seed shows the same alerts.
#[test]
fn the_demo_shows_cef_lines() {
    let shown = run(&["demo", "--alerts", "50"]);
    let lines = text(&shown.stdout);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    assert!(lines.lines().count() >= 50, "{lines}");
    assert!(lines.lines().all(|line| line.starts_with("CEF:0|Microsoft|")), "{lines}");
    assert!(lines.lines().all(|line| line.contains("flexString2Label=Tenant")), "{lines}");
    let as_json = text(&run(&["demo", "--alerts", "10", "--format", "json"]).stdout);
    assert!(as_json.lines().all(|line| line.starts_with("{\"tenant\":")), "{as_json}");
}

/// Guarantee: a wrong file ends with exit code 2 and names every fault; a right one with 0.
#[test]
fn validate_says_what_is_wrong() {
    let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
    let path = folder.path().join("pipeline.yaml");
    let file = path.to_str().expect("a path in UTF-8");
    fs::write(&path, "tenants:\n  contoso: { tenant_id: x, client_idd: y }\nsinks: { siem: { formta: cef } }\n")
        .expect("the folder is writable");
    let wrong = run(&["-c", file, "validate"]);
    let sentences = text(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2), "{sentences}");
    for part in ["tenants.contoso.tenant_id", "client_idd", "client_id", "formta", "format", ":2:", ":3:"] {
        assert!(sentences.contains(part), "{part} is missing:\n{sentences}");
    }
    let missing = run(&["-c", "/nowhere/pipeline.yaml", "validate"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("/nowhere/pipeline.yaml"));
}

/// Guarantee: `preview` shows every shape as it goes on the wire, and with `--live` the latest alerts of a tenant of the
/// file, under its own name and ids, remembering nothing.
#[test]
fn preview_shows_samples_and_live_alerts() {
    for (format, beginning) in [("cef", "CEF:0|"), ("leef", "LEEF:1.0|"), ("json", "{\"tenant\":\"contoso\",")] {
        let samples = text(&run(&["preview", "--format", format, "--header", "none"]).stdout);
        assert_eq!(samples.lines().count(), 5, "{samples}");
        assert!(samples.lines().all(|line| line.starts_with(beginning)), "{samples}");
    }
    let tenant = TenantOptions::named("fabrikam").with_alerts(Population::at_rest(400));
    let site = Site::start(Options { tenants: vec![tenant.clone()], ..Options::default() });
    let place = Place::new(&site.simulator, std::slice::from_ref(&tenant), &Settings::default());
    let file = place.path("pipeline.yaml");
    let file = file.to_str().expect("a path in UTF-8");
    let live = run(&["-c", file, "preview", "--live", "--count", "3", "--for", "sc4s"]);
    let lines = text(&live.stdout);
    assert!(live.status.success(), "{}", text(&live.stderr));
    let sent = site.sent();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    for line in lines.lines() {
        let id = line.split("recordId=\"").nth(1).and_then(|rest| rest.get(..32)).expect("a record id");
        assert!(line.contains(" atp-fabrikam ") && sent.contains_key(id), "{line}");
    }
    let sink = text(&run(&["-c", file, "preview", "--live", "--count", "2", "--sink", "out"]).stdout);
    assert!(sink.lines().count() == 2 && sink.lines().all(|line| line.contains("fabrikam")), "{sink}");
    assert!(!place.journal().exists(), "a preview makes no journal");
}

/// Guarantee: the schema that is printed is JSON and knows the keys of the file.
#[test]
fn schema_prints_the_schema() {
    let printed = run(&["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&printed.stdout).expect("the schema is JSON");
    assert!(schema.pointer("/properties/tenants").is_some(), "{schema}");
}

/// Guarantee: both APIs that the product began from are read, the export by the v1 token endpoint too.
#[test]
fn the_export_and_the_public_api_are_read() {
    let alerts = Population::at_rest(500);
    let tenants = vec![TenantOptions::named("contoso").with_alerts(alerts)];
    for settings in [Settings::export("start: 7d"), Settings::mde("start: 7d, token_endpoint: v1")] {
        let site = Site::start(Options { tenants: tenants.clone(), ..Options::default() });
        let place = Place::new(&site.simulator, &tenants, &settings);
        place.start(&["run", "--once"]).finish(Duration::from_secs(60)).assert_done();
        let delivered = Delivered::read(&place.output());
        let summary = site.expect_all(&delivered);
        assert!(summary.sent >= 500, "{summary}");
        assert_eq!(delivered.copies(), 0);
    }
}

/// Guarantee: what only a person can mend ends `run --once` with exit code 3 and the sentence that says how; the other
/// tenant's alerts have arrived.
#[test]
fn a_missing_consent_halts_one_tenant_and_says_so() {
    let tenants = vec![
        TenantOptions {
            application: ApplicationState::Unconsented,
            ..TenantOptions::named("fabrikam").with_alerts(Population::at_rest(10))
        },
        TenantOptions::named("contoso").with_alerts(Population::at_rest(10)),
    ];
    let site = Site::start(Options { tenants: tenants.clone(), ..Options::default() });
    let place = Place::new(&site.simulator, &tenants, &Settings::mde("start: 7d"));
    let finished = place.start(&["run", "--once"]).finish(Duration::from_secs(60));
    assert_eq!(finished.code(), Some(3), "{}", finished.log);
    for part in ["fabrikam/alerts is halted", "Alert.Read.All", "consent"] {
        assert!(finished.log.contains(part), "{part} is missing:\n{}", finished.log);
    }
    assert_eq!(Delivered::read(&place.output()).records.len(), 10);
}

/// Guarantee: `--within` ends a run that cannot finish, with exit code 3; what was read stays in the journal.
#[test]
fn a_run_that_is_out_of_time_says_so() {
    let tenants = vec![TenantOptions::named("contoso").with_alerts(Population::at_rest(3_000))];
    let site = Site::start(Options { tenants: tenants.clone(), ..Options::default() });
    let settings = Settings { out: "max_rate: 10/s".to_owned(), ..Settings::mde("start: 7d") };
    let place = Place::new(&site.simulator, &tenants, &settings);
    let finished = place.start(&["run", "--once", "--within", "3s"]).finish(Duration::from_secs(60));
    assert_eq!(finished.code(), Some(3), "{}", finished.log);
    assert!(finished.log.contains("stays in the journal"), "{}", finished.log);
    let delivered = Delivered::read(&place.output()).records.len();
    assert!((1..=60).contains(&delivered), "ten a second for three seconds, not {delivered}");
}
