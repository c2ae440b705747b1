//! Steering a simulator from another process.

use std::time::Duration;

use atp_sim::{Clock, FaultRule, Faults, Knobs, Options, Population, Record, Simulator, TenantOptions};
use serde_json::{Value, json};

use crate::client::{Client, still};

/// Faults, knobs, clock and alerts change while it runs.
#[tokio::test]
async fn wishes_are_fulfilled() {
    let client = Client::start(still(Population::empty())).await;
    let url = format!("{}/_sim/control", client.simulator.url());
    let wishes = json!({
        "clock": {"advance": 60},
        "faults": [{"calls": ["alerts"], "when": {"next": 1}, "faults": ["cut"]}],
        "knobs": {"date_skew": 5},
        "add": [{"tenant": "contoso", "alert": {
            "created": "2026-03-02T08:00:30Z", "updated": "2026-03-02T08:00:31.57Z", "visible": "2026-03-02T08:00:40Z"
        }}],
    });
    let reply = client.post(&url, wishes.to_string()).await.json();
    assert_eq!(reply["now"], "2026-03-02T08:01:00Z");
    assert!(client.alerts("").await.body.is_none());
    let alerts = client.alerts("").await;
    assert_eq!(alerts.header("date"), Some("Mon, 02 Mar 2026 08:01:05 GMT"));
    assert_eq!(alerts.column("id"), [reply["added"][0].as_str().unwrap()]);
    assert_eq!(alerts.column("lastUpdateTime"), ["2026-03-02T08:00:31.57Z"]);

    let update = json!({"update": [{"tenant": "contoso", "id": reply["added"][0]}]});
    assert_eq!(client.post(&url, update.to_string()).await.status, 200);
    assert_eq!(client.alerts("").await.column("lastUpdateTime"), ["2026-03-02T08:01:00Z"]);
}

/// A wish that cannot be read is refused with the reason.
#[tokio::test]
async fn nonsense_is_refused() {
    let client = Client::start(still(Population::empty())).await;
    let url = format!("{}/_sim/control", client.simulator.url());
    for nonsense in ["{", r#"{"fault":[]}"#, r#"{"add":[{"tenant":"nobody"}]}"#, r#"{"clock":{"set":"noon"}}"#] {
        let reply = client.post(&url, nonsense.to_owned()).await;
        assert_eq!(reply.status, 400, "{nonsense}");
        assert!(reply.json()["error"].is_string());
    }
}

/// The record over HTTP is the record, and is written to the file as well.
#[tokio::test]
async fn record_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.json");
    let options = Options { record_file: Some(file.clone()), ..still(Population::at_rest(5)) };
    let client = Client::start(options).await;
    client.alerts("$top=2").await;
    let url = format!("{}/_sim/record", client.simulator.export_url());
    let served: Record = serde_json::from_str(&client.get(&url, "").await.text()).unwrap();
    assert_eq!(served, client.simulator.record());
    let written: Record = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written, served);
    let feed = served.feed("contoso", "mde_alerts").unwrap();
    assert_eq!((feed.sent.len(), feed.shown.len()), (2, 5));
}

/// Simulated time runs at its speed, and says when all will be quiet.
#[tokio::test]
async fn clock_over_http() {
    let alerts = Population { stop_after: Some(Duration::from_secs(600)), ..Population::default() };
    let client = Client::start(still(alerts)).await;
    let url = format!("{}/_sim/clock", client.simulator.url());
    let reply = client.post(&url, r#"{"set":"2027-01-01T00:00:00Z","speed":0}"#.to_owned()).await.json();
    assert_eq!(reply["now"], "2027-01-01T00:00:00Z");
    let rest = chrono::DateTime::parse_from_rfc3339(reply["rest_at"].as_str().unwrap()).unwrap();
    assert!(rest < client.simulator.control().now());
}

/// Once all is quiet, what is shown no longer changes.
#[tokio::test]
async fn rest_is_rest() {
    let alerts =
        Population { late: 0.3, from_future: 0.3, stop_after: Some(Duration::from_secs(600)), ..Population::default() };
    let client = Client::start(still(alerts)).await;
    let control = client.simulator.control();
    control.set_time(control.rest_at().unwrap());
    let shown = client.feed("mde_alerts").shown;
    assert!(shown.len() > 240);
    control.advance(Duration::from_secs(100_000));
    assert_eq!(client.feed("mde_alerts").shown, shown);
}

/// Options survive as JSON, so that they can come from a file.
#[test]
fn options_survive_as_json() {
    let mut options = still(Population { stop_after: Some(Duration::from_millis(1_500)), ..Population::default() });
    options.faults = Faults::of(FaultRule::new(atp_sim::When::Share(0.5), vec![atp_sim::Fault::Reset]));
    options.knobs = Knobs { token_lifetime: Some(Duration::from_secs(60)), ..Knobs::default() };
    let json = serde_json::to_value(&options).unwrap();
    let read: Options = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), json);
    assert_eq!((read.faults, read.knobs, read.clock), (options.faults, options.knobs, options.clock));
    assert!(serde_json::from_value::<Options>(json!({"seeds": 1})).is_err());
    let _: Clock = serde_json::from_value(Value::Object(Default::default())).unwrap();
}

/// Two tenants see their own alerts only; two with one id are refused.
#[tokio::test]
async fn tenants_are_apart() {
    let two = ["contoso", "fabrikam"].map(|name| TenantOptions::named(name).with_alerts(Population::at_rest(10)));
    let client = Client::start(Options { tenants: two.to_vec(), ..Options::default() }).await;
    let ids = client.alerts("").await.column("id");
    let record = client.simulator.record();
    let other: Vec<&str> =
        record.feed("fabrikam", "mde_alerts").unwrap().shown.iter().map(|one| one.id.as_str()).collect();
    assert_eq!((ids.len(), other.len()), (10, 10));
    assert!(ids.iter().all(|id| !other.contains(&id.as_str())));
    let twins = vec![TenantOptions::named("contoso"), TenantOptions::named("contoso")];
    assert!(Simulator::start(Options { tenants: twins, ..Options::default() }).await.is_err());
}
