//! A client that takes answers as they are.

use std::time::Duration;

use atp_sim::{Clock, FeedRecord, Options, Population, Simulator, TenantOptions};
use reqwest::redirect::Policy;
use serde_json::Value;

pub(crate) const MDE: &str = "https://api.securitycenter.microsoft.com";
pub(crate) const EXPORT: &str = "https://graph.windows.net";

/// A simulator and who calls it.
pub(crate) struct Client {
    pub(crate) simulator: Simulator,
    http: reqwest::Client,
}

/// An answer as it came.
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    /// `None` where the answer broke off.
    pub(crate) body: Option<Vec<u8>>,
}

/// Options with one tenant and a clock that stands still. No hostile texts: a lone surrogate is more than
/// `serde_json::Value` can hold.
pub(crate) fn still(alerts: Population) -> Options {
    let alerts = Population { hostile: 0.0, ..alerts };
    Options {
        tenants: vec![TenantOptions::named("contoso").with_alerts(alerts)],
        clock: Clock { speed: 0.0, ..Clock::default() },
        ..Options::default()
    }
}

impl Client {
    pub(crate) async fn start(options: Options) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client can be built");
        Self::start_with(options, http).await
    }

    pub(crate) async fn start_with(options: Options, http: reqwest::Client) -> Self {
        let simulator = Simulator::start(options).await.expect("loopback has free ports");
        Self { simulator, http }
    }

    pub(crate) fn tenant(&self) -> &TenantOptions {
        &self.simulator.options().tenants[0]
    }

    /// Asks the token endpoint at this path with this form.
    pub(crate) async fn entra(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let url = format!("{}/{path}", self.simulator.authority_url());
        let call = self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        send(call).await.expect("the endpoint answers")
    }

    /// A token for a resource.
    pub(crate) async fn token(&self, resource: &str) -> String {
        let tenant = self.tenant();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &tenant.client_id),
            ("client_secret", &tenant.client_secret),
            ("resource", resource),
        ];
        let reply = self.entra(&format!("{}/oauth2/token", tenant.tenant_id), &form).await;
        reply.json()["access_token"].as_str().expect("an application with the right secret gets a token").to_owned()
    }

    /// Asks the public API for alerts.
    pub(crate) async fn alerts(&self, query: &str) -> Reply {
        let token = self.token(MDE).await;
        self.get(&format!("{}/api/alerts?{query}", self.simulator.mde_url()), &token).await
    }

    /// Asks the export.
    pub(crate) async fn detections(&self, query: &str) -> Reply {
        let token = self.token(EXPORT).await;
        self.get(&format!("{}/api/alerts?{query}", self.simulator.export_url()), &token).await
    }

    /// Asks an address with a token.
    pub(crate) async fn get(&self, url: &str, token: &str) -> Reply {
        self.try_get(url, token).await.expect("there is an answer")
    }

    /// Asks an address with a token; `None` where no answer came.
    pub(crate) async fn try_get(&self, url: &str, token: &str) -> Option<Reply> {
        send(self.http.get(url).bearer_auth(token)).await
    }

    /// Asks with further headers.
    pub(crate) async fn get_with(&self, url: &str, token: &str, name: &str, value: &str) -> Reply {
        send(self.http.get(url).bearer_auth(token).header(name, value)).await.expect("there is an answer")
    }

    pub(crate) async fn post(&self, url: &str, body: String) -> Reply {
        send(self.http.post(url).body(body)).await.expect("there is an answer")
    }

    pub(crate) fn feed(&self, source: &str) -> FeedRecord {
        self.simulator.record().feed("contoso", source).expect("every tenant has both feeds").clone()
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.body.as_deref().expect("the answer is whole")).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).expect("the answer is JSON")
    }

    /// The rows of a page of either API.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let page = self.json();
        page.get("value").unwrap_or(&page).as_array().expect("a page has rows").clone()
    }

    /// One member of all rows, as text.
    pub(crate) fn column(&self, name: &str) -> Vec<String> {
        self.rows().iter().map(|row| row[name].as_str().expect("the member is text").to_owned()).collect()
    }
}

async fn send(call: reqwest::RequestBuilder) -> Option<Reply> {
    let answer = call.timeout(Duration::from_secs(60)).send().await.ok()?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.ok().map(|body| body.to_vec());
    Some(Reply { status, headers, body })
}
