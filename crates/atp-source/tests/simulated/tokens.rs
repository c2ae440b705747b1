//! Tokens: fetched once, renewed, thrown away, refused.

use std::sync::Arc;

use atp_sim::{ApplicationState, CallKind, Fault, Faults, Options, Population, Simulator, TenantOptions};
use atp_source::{AppOptions, Application, ClientCredentials, FeedOptions, TokenEndpoint};
use fault::Verdict;
use secrecy::ExposeSecret;
use url::Url;

use crate::reader::{Reader, Rotating, application, export, http, mde};

async fn simulator(state: ApplicationState, faults: Faults) -> (Simulator, TenantOptions) {
    let alerts = Population::at_rest(500);
    let tenant = TenantOptions { application: state, ..TenantOptions::named("contoso").with_alerts(alerts) };
    let options = Options { tenants: vec![tenant.clone()], faults, ..Options::default() };
    (Simulator::start(options).await.unwrap(), tenant)
}

/// Guarantee: both endpoints give tokens that both APIs take.
#[tokio::test]
async fn both_token_endpoints_serve_both_apis() {
    let (simulator, tenant) = simulator(ApplicationState::Consented, Faults::none()).await;
    for token_endpoint in [TokenEndpoint::V1, TokenEndpoint::V2] {
        for options in [mde(&simulator, &tenant), export(&simulator, &tenant)] {
            let mut reader = Reader::of(&simulator, FeedOptions { token_endpoint, ..options });
            reader.read_once().await;
            assert!(reader.rows.len() >= 500 && reader.faults.is_empty());
        }
    }
}

/// Guarantee: many feeds that wait for a token make one request.
#[tokio::test]
async fn a_token_is_fetched_once_for_all_who_wait() {
    let slow = Fault::Slow { piece: 100, pause_ms: 30 };
    let (simulator, tenant) = simulator(ApplicationState::Consented, Faults::always(CallKind::Token, slow)).await;
    let app = application(&simulator, &tenant, Rotating::new(&tenant.client_secret));
    let mut readers: Vec<Reader> = (0..12).map(|_| Reader::new(Arc::clone(&app), mde(&simulator, &tenant))).collect();
    futures::future::join_all(readers.iter_mut().map(Reader::step)).await;
    assert_eq!(simulator.record().calls[&CallKind::Token].made, 1);
}

/// Guarantee: a refusal is told to all who wait, after one request, and the next attempt asks again.
#[tokio::test]
async fn a_refusal_is_fetched_once_for_all_who_wait() {
    let (simulator, tenant) = simulator(ApplicationState::Consented, Faults::none()).await;
    let app = application(&simulator, &tenant, Rotating::new("wrong"));
    let mut readers: Vec<Reader> = (0..12).map(|_| Reader::new(Arc::clone(&app), mde(&simulator, &tenant))).collect();
    futures::future::join_all(readers.iter_mut().map(Reader::step)).await;
    assert!(readers.iter().all(|reader| reader.faults[0].verdict() == Verdict::Halt));
    assert_eq!(simulator.record().calls[&CallKind::Token].made, 1);
    readers[0].step().await;
    assert_eq!(simulator.record().calls[&CallKind::Token].made, 2);
}

/// Guarantee: a token that is revoked in the middle costs no fault and no row.
#[tokio::test]
async fn a_revoked_token_is_replaced_at_once() {
    let script = vec![None, None, Some(Fault::Revoked), None, Some(Fault::Revoked)];
    let (simulator, tenant) = simulator(ApplicationState::Consented, Faults::script(CallKind::Alerts, script)).await;
    let mut reader = Reader::of(&simulator, mde(&simulator, &tenant));
    reader.read_once().await;
    assert_eq!(reader.rows.len(), 500);
    assert!(reader.faults.is_empty(), "{:?}", reader.faults);
    assert_eq!(simulator.record().calls[&CallKind::Token].made, 3);
}

/// Guarantee: 401 with a fresh token halts, after one more token and no more.
#[tokio::test]
async fn a_fresh_token_that_is_refused_halts() {
    let faults = Faults::always(CallKind::Alerts, Fault::Unauthorized);
    let (simulator, tenant) = simulator(ApplicationState::Consented, faults).await;
    let mut reader = Reader::of(&simulator, mde(&simulator, &tenant));
    reader.step().await;
    assert_eq!(reader.faults[0].verdict(), Verdict::Halt);
    assert_eq!(simulator.record().calls[&CallKind::Token].made, 2);
    simulator.control().set_faults(&Faults::none());
    reader.read_once().await;
    assert_eq!(reader.rows.len(), 500);
}

/// Guarantee: a token for the wrong resource, an application without a role and each state of an application halt,
/// with the sentence that helps.
#[tokio::test]
async fn what_a_person_must_mend_halts_with_its_sentence() {
    let cases = [
        (ApplicationState::Disabled, "disabled"),
        (ApplicationState::SecretExpired, "has expired"),
        (ApplicationState::Unconsented, "Alert.Read.All"),
        (ApplicationState::Unprovisioned, "licensed"),
    ];
    for (state, advice) in cases {
        let (simulator, tenant) = simulator(state, Faults::none()).await;
        let mut reader = Reader::of(&simulator, mde(&simulator, &tenant));
        reader.step().await;
        let fault = &reader.faults[0];
        assert_eq!(fault.verdict(), Verdict::Halt, "{fault:?}");
        assert!(fault.advice().unwrap_or_default().contains(advice), "{fault:?}");
    }
    let (simulator, tenant) = simulator(ApplicationState::Consented, Faults::none()).await;
    let resource = "https://graph.windows.net".to_owned();
    let mut reader = Reader::of(&simulator, FeedOptions { resource, ..mde(&simulator, &tenant) });
    reader.step().await;
    assert!(reader.faults[0].advice().unwrap_or_default().contains("`resource`"), "{:?}", reader.faults);
}

/// Guarantee: a rotated secret is seen without a restart, and no secret is ever told.
#[tokio::test]
async fn a_rotated_secret_is_seen() {
    let (simulator, tenant) = simulator(ApplicationState::Consented, Faults::none()).await;
    let secret = Rotating::new("0ld~secret.that-leaks");
    let app = application(&simulator, &tenant, secret.clone());
    let mut reader = Reader::new(app, mde(&simulator, &tenant));
    reader.step().await;
    let told = format!("{:?} {:#} {:?}", reader.faults[0], reader.faults[0], reader.faults[0].advice());
    assert!(told.contains("AADSTS7000215") && !told.contains("0ld~secret"), "{told}");
    secret.set(&tenant.client_secret);
    reader.read_once().await;
    assert_eq!(reader.rows.len(), 500);
}

/// Guarantee: neither a secret nor a token goes where the connection is not private.
#[tokio::test]
async fn nothing_is_sent_in_the_clear() {
    let (simulator, tenant) = simulator(ApplicationState::Consented, Faults::none()).await;
    let authority = Url::parse("http://login.example").unwrap();
    let (tenant_id, client_id) = (tenant.tenant_id.clone(), tenant.client_id.clone());
    let options = AppOptions { tenant_id, client_id, authority, secret: Arc::new(Rotating::new("x")) };
    assert_eq!(Application::new(http(), options).err().unwrap().verdict(), Verdict::Halt);
    let base = Url::parse("http://api.example").unwrap();
    let app = application(&simulator, &tenant, Rotating::new("x"));
    let feed = atp_source::Feed::new(app, FeedOptions { base, ..mde(&simulator, &tenant) }, None, None);
    assert_eq!(feed.err().unwrap().verdict(), Verdict::Halt);
}

/// Guarantee: a token endpoint by its whole address gives a token as it is, for what was asked for; what it refuses, and
/// an address that a secret may not go to, halts.
#[tokio::test]
async fn a_token_endpoint_is_asked_by_its_address() {
    let (simulator, tenant) = simulator(ApplicationState::Consented, Faults::none()).await;
    let at = |address: &str, secret: &str, scope: Option<&str>| ClientCredentials {
        token_url: Url::parse(address).unwrap(),
        client_id: tenant.client_id.clone(),
        secret: Arc::new(Rotating::new(secret)),
        scope: scope.map(str::to_owned),
    };
    let address = format!("{}/{}/oauth2/v2.0/token", simulator.authority_url(), tenant.tenant_id);
    let scope = Some("https://api.securitycenter.microsoft.com/.default");
    let token = at(&address, &tenant.client_secret, scope).fetch(&http()).await.unwrap();
    assert_eq!(token.secret.expose_secret().split('.').count(), 3, "a JWT, without a word before it");
    assert!(token.life.as_secs() > 60);
    for wrong in [
        at(&address, "wrong", scope),
        at(&address, &tenant.client_secret, None),
        at("http://login.example/token", &tenant.client_secret, scope),
    ] {
        assert_eq!(wrong.fetch(&http()).await.err().unwrap().verdict(), Verdict::Halt);
    }
}
