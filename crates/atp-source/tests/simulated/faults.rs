//! Answers that are no pages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atp_sim::{CallKind, Fault, Faults, Options, Population, Simulator, TenantOptions, TlsOptions};
use atp_source::{AppOptions, Application, HttpClient, HttpOptions, Planner, Quota, Step};
use fault::Verdict;
use url::Url;

use crate::reader::{Reader, Rotating, export, mde};

const ALERTS: u32 = 300;

async fn simulator(faults: Faults) -> (Simulator, TenantOptions) {
    let tenant = TenantOptions::named("contoso").with_alerts(Population::at_rest(ALERTS));
    let options = Options { tenants: vec![tenant.clone()], faults, ..Options::default() };
    (Simulator::start(options).await.unwrap(), tenant)
}

/// Guarantee: every way in which an answer can be bad gives one fault and no row, and the same question is asked again.
#[tokio::test]
async fn bad_answers_give_no_row_and_lose_none() {
    let table = [
        (Fault::Cut, Verdict::Retry),
        (Fault::Truncated, Verdict::Retry),
        (Fault::Reset, Verdict::Retry),
        (Fault::HtmlPage, Verdict::Retry),
        (Fault::NoContent, Verdict::Retry),
        (Fault::BadGateway, Verdict::Retry),
        (Fault::ServerError, Verdict::Retry),
        (Fault::ServiceUnavailable { retry_after: None }, Verdict::Retry),
        (Fault::Redirect, Verdict::Retry),
        (Fault::GzipBomb { bytes: 2 << 30 }, Verdict::Reject),
        (Fault::Oversized { bytes: 200 << 20 }, Verdict::Reject),
        (Fault::Forbidden, Verdict::Halt),
    ];
    for (bad, verdict) in table {
        let script = vec![None, Some(bad.clone())];
        let (simulator, tenant) = simulator(Faults::script(CallKind::Alerts, script)).await;
        let mut reader = Reader::of(&simulator, mde(&simulator, &tenant));
        reader.step().await;
        assert!(reader.step().await.is_none(), "{bad:?}");
        assert!(reader.rows.is_empty(), "{bad:?}");
        assert_eq!(reader.faults[0].verdict(), verdict, "{bad:?}: {:?}", reader.faults);
        reader.read_once().await;
        assert_eq!(reader.rows.len() as u32, ALERTS, "{bad:?}");
        assert_eq!(simulator.record().stranger_calls, 0);
    }
}

/// Guarantee: what only looks odd is taken: another content type, an answer in small pieces, rows that come twice.
#[tokio::test]
async fn odd_answers_are_pages() {
    let odd = vec![Fault::WrongContentType, Fault::DuplicateRows, Fault::Slow { piece: 30_000, pause_ms: 1 }];
    let (simulator, tenant) = simulator(Faults::every_nth(1, odd)).await;
    for options in [mde(&simulator, &tenant), export(&simulator, &tenant)] {
        let mut reader = Reader::of(&simulator, options);
        reader.read_once().await;
        assert!(reader.rows.len() as u32 >= ALERTS && reader.faults.is_empty(), "{:?}", reader.faults);
    }
}

/// Guarantee: after 429 no call of the same application is made before the time that the API named.
#[tokio::test]
async fn a_named_wait_is_kept_by_all() {
    let script = vec![None, Some(Fault::too_many_requests(2))];
    let (simulator, tenant) = simulator(Faults::script(CallKind::Alerts, script)).await;
    let mut reader = Reader::of(&simulator, mde(&simulator, &tenant));
    reader.step().await;
    reader.step().await;
    let refused = Instant::now();
    assert_eq!(reader.faults[0].retry_after(), Some(Duration::from_secs(2)));
    reader.step().await;
    assert!(refused.elapsed() >= Duration::from_secs(2));
}

/// Guarantee: a feed dropped in the middle of a call, and asked again, loses nothing.
#[tokio::test]
async fn a_call_can_be_dropped() {
    let slow = Faults::every_nth(2, vec![Fault::Slow { piece: 2_000, pause_ms: 2 }]);
    let (simulator, tenant) = simulator(slow).await;
    let mut reader = Reader::of(&simulator, mde(&simulator, &tenant));
    for millis in 0..60 {
        let _ = tokio::time::timeout(Duration::from_millis(millis), reader.step()).await;
    }
    simulator.control().set_faults(&Faults::none());
    reader.read_once().await;
    assert_eq!(reader.rows.len() as u32, ALERTS);
}

/// Guarantee: a call waits until the quota has room.
#[tokio::test]
async fn the_quota_is_kept() {
    let (simulator, tenant) = simulator(Faults::none()).await;
    let mut options = mde(&simulator, &tenant);
    options.planner = Arc::new(Planner::new(Quota { per_minute: 4, per_hour: 100, reserve_percent: 50 }));
    let mut reader = Reader::of(&simulator, options);
    assert!(matches!(reader.step().await, Some(Step::Page(_))));
    assert!(matches!(reader.step().await, Some(Step::Page(_))));
    assert!(tokio::time::timeout(Duration::from_millis(300), reader.step()).await.is_err());
    assert_eq!(simulator.record().calls[&CallKind::Alerts].made, 2);
}

/// Guarantee: only a certificate that leads to a trusted authority is taken.
#[tokio::test]
async fn certificates_are_checked() {
    let folder = std::env::temp_dir().join(format!("atp-source-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let ca_file = folder.join("ca.pem");
    let tenant = TenantOptions::named("contoso").with_alerts(Population::at_rest(ALERTS));
    let tls = Some(TlsOptions { ca_file: ca_file.clone() });
    let simulator =
        Simulator::start(Options { tenants: vec![tenant.clone()], tls, ..Options::default() }).await.unwrap();
    let reader = |ca_files: Vec<_>| {
        let http = HttpClient::new(HttpOptions { ca_files, ..HttpOptions::default() }).unwrap();
        let options = AppOptions {
            tenant_id: tenant.tenant_id.clone(),
            client_id: tenant.client_id.clone(),
            authority: Url::parse(&simulator.authority_url()).unwrap(),
            secret: Arc::new(Rotating::new(&tenant.client_secret)),
        };
        Reader::new(Arc::new(Application::new(http, options).unwrap()), mde(&simulator, &tenant))
    };
    let mut trusting = reader(vec![ca_file]);
    trusting.read_once().await;
    assert_eq!(trusting.rows.len() as u32, ALERTS);
    let mut strict = reader(Vec::new());
    strict.step().await;
    assert_eq!(strict.faults[0].verdict(), Verdict::Retry);
    assert!(strict.faults[0].to_string().starts_with("failed to get a token: no connection"));
    assert_eq!(simulator.record().calls[&CallKind::Token].made, 1);
    std::fs::remove_dir_all(&folder).unwrap();
}
