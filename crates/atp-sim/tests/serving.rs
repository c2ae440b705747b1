//! The simulator over HTTP, as a client sees it.

use atp_sim::{Options, Population, Simulator, TenantOptions};
use serde_json::Value;

async fn token(simulator: &Simulator, tenant: &TenantOptions, resource: &str) -> String {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &tenant.client_id)
        .append_pair("client_secret", &tenant.client_secret)
        .append_pair("resource", resource)
        .finish();
    let url = format!("{}/{}/oauth2/token", simulator.authority_url(), tenant.tenant_id);
    let answer = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Alerts and detections are there for who has a token, and the record knows of them.
#[tokio::test]
async fn serves_alerts() {
    let simulator = Simulator::start(Options {
        tenants: vec![TenantOptions::named("contoso").with_alerts(Population::at_rest(50))],
        ..Options::default()
    })
    .await
    .unwrap();
    let tenant = simulator.options().tenants[0].clone();
    let bearer = token(&simulator, &tenant, "https://api.securitycenter.microsoft.com").await;
    let url = format!("{}/api/alerts?$top=100&$expand=evidence", simulator.mde_url());
    let answer = reqwest::Client::new().get(url).bearer_auth(bearer).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.bytes().await.unwrap();
    let page: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(page["value"].as_array().unwrap().len(), 50);
    let record = simulator.record();
    assert_eq!(record.feed("contoso", "mde_alerts").unwrap().sent.len(), 50);
    let bearer = token(&simulator, &tenant, "https://graph.windows.net").await;
    let url = format!("{}/api/alerts?ago=P2D", simulator.export_url());
    let answer = reqwest::Client::new().get(url).bearer_auth(bearer).send().await.unwrap();
    let page: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert!(page.as_array().unwrap().len() > 50);
}
