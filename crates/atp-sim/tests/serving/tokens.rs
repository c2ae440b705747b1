//! Entra: tokens and its errors.

use std::time::Duration;

use atp_sim::{ApplicationState, CallKind, Fault, Faults, Options, Population};
use serde_json::Value;

use crate::client::{Client, EXPORT, MDE, Reply, still};

const V1: &str = "oauth2/token";
const V2: &str = "oauth2/v2.0/token";

/// The form with some of its members changed; an empty value leaves one out.
async fn ask(client: &Client, endpoint: &str, changes: &[(&str, &str)]) -> Reply {
    let tenant = client.tenant();
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", &tenant.client_id),
        ("client_secret", &tenant.client_secret),
    ];
    form.push(if endpoint == V1 {
        ("resource", MDE)
    } else {
        ("scope", "https://api.securitycenter.microsoft.com/.default")
    });
    form.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    form.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    client.entra(&format!("{}/{endpoint}", tenant.tenant_id), &form).await
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// v1 answers with strings for numbers and echoes the resource; v2 answers with numbers and little else.
#[tokio::test]
async fn answers_of_both_versions() {
    let client = Client::start(still(Population::empty())).await;
    let v1 = ask(&client, V1, &[]).await.json();
    let expected =
        ["access_token", "expires_in", "expires_on", "ext_expires_in", "not_before", "resource", "token_type"];
    assert_eq!(keys(&v1), expected);
    assert!(expected.iter().all(|name| v1[name].is_string()));
    assert_eq!(v1["resource"], MDE);
    let lifetime: i64 = v1["expires_in"].as_str().unwrap().parse().unwrap();
    assert!((3_599..5_400).contains(&lifetime));

    let v2 = ask(&client, V2, &[]).await.json();
    assert_eq!(keys(&v2), ["access_token", "expires_in", "ext_expires_in", "token_type"]);
    assert!(v2["expires_in"].is_u64() && v2["ext_expires_in"].is_u64());
}

/// Endpoint, changes to the form, and what comes of it: status, error, number.
type Mistake = (&'static str, &'static [(&'static str, &'static str)], u16, &'static str, u32);

/// Each mistake has Entra's own status, error and number.
#[tokio::test]
async fn mistakes_have_their_numbers() {
    let client = Client::start(still(Population::empty())).await;
    let table: [Mistake; 13] = [
        (V1, &[("client_secret", "wrong")], 401, "invalid_client", 7_000_215),
        (V1, &[("client_secret", "")], 401, "invalid_client", 7_000_218),
        (V1, &[("client_id", "00000000-0000-0000-0000-000000000000")], 400, "unauthorized_client", 700_016),
        (V1, &[("client_id", "")], 400, "invalid_request", 900_144),
        (V1, &[("grant_type", "")], 400, "invalid_request", 900_144),
        (V1, &[("grant_type", "password")], 400, "unsupported_grant_type", 70_003),
        (V1, &[("resource", "")], 400, "invalid_request", 900_144),
        (V1, &[("resource", "https://unknown.example")], 400, "invalid_resource", 500_011),
        (V2, &[("scope", "")], 400, "invalid_request", 900_144),
        (V2, &[("scope", "https://api.securitycenter.microsoft.com")], 400, "invalid_scope", 1_002_012),
        (V2, &[("scope", "Alert.Read")], 400, "invalid_scope", 70_011),
        (V2, &[("resource", MDE)], 400, "invalid_request", 901_002),
        (V2, &[("scope", "https://unknown.example/.default")], 400, "invalid_resource", 500_011),
    ];
    for (endpoint, changes, status, error, number) in table {
        let reply = ask(&client, endpoint, changes).await;
        let body = reply.json();
        assert_eq!((reply.status, body["error"].as_str()), (status, Some(error)), "{changes:?}");
        assert_eq!(body["error_codes"][0], number, "{changes:?}");
        assert_error_shape(&body, number);
    }
}

/// The members of an error, as in the documentation's sample.
fn assert_error_shape(body: &Value, number: u32) {
    let expected =
        ["correlation_id", "error", "error_codes", "error_description", "error_uri", "timestamp", "trace_id"];
    assert_eq!(keys(body), expected);
    let description = body["error_description"].as_str().expect("text");
    assert!(description.starts_with(&format!("AADSTS{number}: ")));
    for line in ["\r\nTrace ID: ", "\r\nCorrelation ID: ", "\r\nTimestamp: 2026-03-02 08:00:00Z"] {
        assert!(description.contains(line), "{description}");
    }
    assert_eq!(body["timestamp"], "2026-03-02 08:00:00Z");
}

/// Tenants that are none, and methods that are not allowed.
#[tokio::test]
async fn tenants_and_methods() {
    let client = Client::start(still(Population::empty())).await;
    let unknown = "00000000-0000-0000-0000-000000000000";
    for (tenant, number) in [(unknown, 90_002), ("not-a-tenant", 900_023), ("common", 9_001_023)] {
        let reply = client.entra(&format!("{tenant}/{V1}"), &[]).await;
        assert_eq!((reply.status, &reply.json()["error_codes"][0]), (400, &number.into()), "{tenant}");
    }
    let url = format!("{}/{}/{V2}", client.simulator.authority_url(), client.tenant().tenant_id);
    assert_eq!(client.get(&url, "").await.json()["error_codes"][0], 900_561);
    let reply = client.entra(&format!("contoso.onmicrosoft.example/{V1}"), &[]).await;
    assert_eq!(reply.json()["error_codes"][0], 900_144, "a domain names the tenant too");
}

/// The state of the application shows at Entra, or at the API.
#[tokio::test]
async fn states_of_the_application() {
    let table = [
        (ApplicationState::SecretExpired, 401, 7_000_222),
        (ApplicationState::Disabled, 400, 7_000_112),
        (ApplicationState::Unprovisioned, 400, 500_011),
    ];
    for (application, status, number) in table {
        let client = Client::start(with_application(application)).await;
        let reply = ask(&client, V1, &[]).await;
        assert_eq!((reply.status, &reply.json()["error_codes"][0]), (status, &number.into()));
    }
    let client = Client::start(with_application(ApplicationState::Unconsented)).await;
    let reply = client.alerts("").await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (403, &"Forbidden".into()));
    assert!(reply.json()["error"]["message"].as_str().unwrap().starts_with("Missing application roles."));
    assert_eq!(client.detections("").await.status, 200, "the export asks for no role");
}

fn with_application(application: ApplicationState) -> Options {
    let mut options = still(Population::at_rest(3));
    options.tenants[0].application = application;
    options
}

/// A token is good for its own API only, and only until it expires by the simulated clock.
#[tokio::test]
async fn tokens_are_checked() {
    let mut options = still(Population::at_rest(3));
    options.knobs.token_lifetime = Some(Duration::from_secs(600));
    let client = Client::start(options).await;
    let (mde, export) = (client.token(MDE).await, client.token(EXPORT).await);
    let graph = client.token("https://graph.microsoft.com").await;
    let url = format!("{}/api/alerts", client.simulator.mde_url());
    for (token, status) in [(&mde, 200), (&export, 401), (&graph, 401), (&"nonsense".to_owned(), 401)] {
        assert_eq!(client.get(&url, token).await.status, status);
    }
    let export_url = format!("{}/api/alerts/", client.simulator.export_url());
    assert_eq!(client.get(&export_url, &export).await.status, 200);
    let denied = client.get(&export_url, &mde).await;
    assert_eq!(denied.text(), r#"{"Message":"Authorization has been denied for this request."}"#);

    client.simulator.control().advance(Duration::from_secs(600));
    let expired = client.get(&url, &mde).await;
    assert_eq!((expired.status, &expired.json()["error"]["code"]), (401, &"Unauthorized".into()));
    assert!(expired.header("www-authenticate").unwrap().contains("The token expired"));
}

/// Entra can be told to be throttled, down, or to answer any number.
#[tokio::test]
async fn entra_fails_on_request() {
    let faults = [
        Fault::TooManyRequests { retry_after: Some("17".to_owned()) },
        Fault::ServiceUnavailable { retry_after: None },
        Fault::Aadsts(90_033),
        Fault::Aadsts(7_000_222),
    ];
    let mut options = still(Population::empty());
    options.faults = Faults::script(CallKind::Token, faults.into_iter().map(Some).collect());
    let client = Client::start(options).await;
    let throttled = ask(&client, V1, &[]).await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("17")));
    let down = ask(&client, V1, &[]).await;
    assert_eq!((down.status, down.header("retry-after")), (503, None));
    let transient = ask(&client, V1, &[]).await;
    assert_eq!((transient.status, &transient.json()["error"]), (503, &"temporarily_unavailable".into()));
    assert_eq!(ask(&client, V1, &[]).await.status, 401);
    assert_eq!(ask(&client, V1, &[]).await.status, 200);
}
