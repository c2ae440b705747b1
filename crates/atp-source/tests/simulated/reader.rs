//! A reader that keeps what a feed hands out, as the pipeline does: a ledger, and the last checkpoint.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atp_sim::{Control, Simulator, TenantOptions};
use atp_source::{
    Api, AppOptions, Application, Feed, FeedOptions, HttpClient, HttpOptions, Mode, Planner, Quota, Row, Secret, Step,
    TokenEndpoint,
};
use fault::Fault;
use secrecy::SecretString;
use url::Url;

/// Failures in a row after which a test gives up.
const PATIENCE: u32 = 400;

/// A secret that a test can rotate.
#[derive(Clone)]
pub(crate) struct Rotating(Arc<Mutex<String>>);

impl Rotating {
    pub(crate) fn new(value: &str) -> Self {
        Self(Arc::new(Mutex::new(value.to_owned())))
    }

    pub(crate) fn set(&self, value: &str) {
        *self.0.lock().unwrap() = value.to_owned();
    }
}

impl Secret for Rotating {
    fn read(&self) -> Result<SecretString, String> {
        Ok(self.0.lock().unwrap().clone().into())
    }
}

pub(crate) fn http() -> HttpClient {
    HttpClient::new(HttpOptions::default()).unwrap()
}

pub(crate) fn application(simulator: &Simulator, tenant: &TenantOptions, secret: Rotating) -> Arc<Application> {
    let options = AppOptions {
        tenant_id: tenant.tenant_id.clone(),
        client_id: tenant.client_id.clone(),
        authority: Url::parse(&simulator.authority_url()).unwrap(),
        secret: Arc::new(secret),
    };
    Arc::new(Application::new(http(), options).unwrap())
}

pub(crate) fn mde(simulator: &Simulator, tenant: &TenantOptions) -> FeedOptions {
    FeedOptions {
        api: Api::MdeAlerts { expand_evidence: true },
        base: Url::parse(&simulator.mde_url()).unwrap(),
        resource: "https://api.securitycenter.microsoft.com".to_owned(),
        token_endpoint: TokenEndpoint::V2,
        poll_every: Duration::ZERO,
        look_back: Duration::from_secs(900),
        start: Duration::from_secs(26 * 3_600),
        page_size: 200,
        tenant_id: tenant.tenant_id.clone(),
        mode: Mode::Once,
        planner: Arc::new(Planner::new(Quota { per_minute: 1_000_000, per_hour: 1_000_000, reserve_percent: 0 })),
    }
}

pub(crate) fn export(simulator: &Simulator, tenant: &TenantOptions) -> FeedOptions {
    FeedOptions {
        api: Api::AlertsExport,
        base: Url::parse(&simulator.export_url()).unwrap(),
        resource: "https://graph.windows.net".to_owned(),
        token_endpoint: TokenEndpoint::V1,
        ..mde(simulator, tenant)
    }
}

/// Reads one feed and keeps what it hands out.
pub(crate) struct Reader {
    app: Arc<Application>,
    options: FeedOptions,
    pub(crate) feed: Feed,
    pub(crate) checkpoint: Option<Vec<u8>>,
    /// How often each key was handed out.
    pub(crate) ledger: HashMap<(i64, [u8; 16]), u32>,
    /// The rows that were new.
    pub(crate) rows: Vec<Row>,
    pub(crate) rows_handed_out: usize,
    pub(crate) faults: Vec<Fault>,
    failures: u32,
}

impl Reader {
    pub(crate) fn new(app: Arc<Application>, options: FeedOptions) -> Self {
        let feed = Feed::new(Arc::clone(&app), options.clone(), None, None).unwrap();
        let (ledger, rows, faults) = (HashMap::new(), Vec::new(), Vec::new());
        Self { app, options, feed, checkpoint: None, ledger, rows, rows_handed_out: 0, faults, failures: 0 }
    }

    /// A reader of a tenant of the simulator, with its right secret.
    pub(crate) fn of(simulator: &Simulator, options: FeedOptions) -> Self {
        let tenant = simulator.options().tenants.iter().find(|tenant| tenant.tenant_id == options.tenant_id).unwrap();
        Self::new(application(simulator, tenant, Rotating::new(&tenant.client_secret)), options)
    }

    /// The process dies and comes back.
    pub(crate) fn restart(&mut self) {
        let checkpoint = self.checkpoint.as_deref().filter(|checkpoint| !checkpoint.is_empty());
        self.feed = Feed::new(Arc::clone(&self.app), self.options.clone(), checkpoint, None).unwrap();
    }

    /// One step. A fault is kept, and taken lightly.
    pub(crate) async fn step(&mut self) -> Option<Step> {
        let step = match self.feed.next().await {
            Ok(Step::Page(page)) => {
                assert!(page.rows.is_sorted_by_key(|row| row.time) || page.rows.iter().any(|row| row.partial));
                let new: Vec<bool> = page.rows.iter().map(|row| self.keep(row)).collect();
                self.checkpoint = Some(page.checkpoint.clone());
                self.feed.appended(&new);
                Step::Page(page)
            }
            Ok(step) => step,
            Err(fault) => {
                self.failures += 1;
                assert!(self.failures < PATIENCE, "{PATIENCE} failures in a row, the last: {fault:?}");
                self.faults.push(fault);
                return None;
            }
        };
        self.failures = 0;
        Some(step)
    }

    fn keep(&mut self, row: &Row) -> bool {
        self.rows_handed_out += 1;
        let times = self.ledger.entry((row.time, row.id)).or_default();
        *times += 1;
        if *times == 1 {
            self.rows.push(row.clone());
        }
        *times == 1
    }

    /// Reads until the feed says that it is done.
    pub(crate) async fn read_once(&mut self) {
        while !matches!(self.step().await, Some(Step::Done)) {}
    }

    /// Reads until nothing is left to ask, then lets `every` pass on the simulated clock, until so much has passed.
    pub(crate) async fn read_for(&mut self, control: &Control, every: Duration, total: Duration) {
        let end = control.now() + total;
        while control.now() < end {
            if let Some(Step::Wait(wait)) = self.step().await {
                control.advance(every);
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// The (id, time) of what was handed out, whole or not.
    pub(crate) fn revisions(&self, partial: bool) -> HashSet<(String, i64)> {
        let rows = self.rows.iter().filter(|row| row.partial == partial);
        rows.map(|row| (id(row), row.time)).collect()
    }
}

/// A row's id, read plainly. Ids are ASCII in the simulator.
pub(crate) fn id(row: &Row) -> String {
    let text = String::from_utf8_lossy(&row.bytes);
    let name = if text.contains("\"FullId\"") { "\"FullId\":\"" } else { "\"id\":\"" };
    let from = text.find(name).expect("every row of the simulator has an id") + name.len();
    text[from..].split('"').next().unwrap().to_owned()
}

/// What the simulator has sent and what it shows, of a tenant's source.
pub(crate) fn sent_and_shown(simulator: &Simulator, tenant: &str, source: &str) -> [HashSet<(String, i64)>; 2] {
    let record = simulator.record();
    let feed = record.feed(tenant, source).unwrap();
    [
        feed.sent.iter().map(|sent| (sent.id.clone(), sent.ticks)).collect(),
        feed.shown.iter().map(|shown| (shown.id.clone(), shown.ticks)).collect(),
    ]
}
