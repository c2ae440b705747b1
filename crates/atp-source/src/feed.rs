//! One tenant's one source, read step by step.

mod call;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fault::{Fault, Reach};
use tokio::time::Instant;
use url::Url;

use crate::application::{Application, TokenEndpoint};
use crate::http::{self, Share};
use crate::key::Keyer;
use crate::planner::Planner;
use crate::ticks;
use crate::walk::{Answer, Ask, DebtOf, Limits, Next, Walk};

/// Which API a feed reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// The legacy SIEM export: `alerts_export`.
    AlertsExport,
    /// The public API of Defender for Endpoint: `mde_alerts`.
    MdeAlerts {
        /// Ask for evidence.
        expand_evidence: bool,
    },
}

impl Api {
    /// The most rows of one answer, where the API has such a bound.
    fn cap(self) -> u32 {
        match self {
            Self::AlertsExport => u32::MAX,
            Self::MdeAlerts { .. } => 10_000,
        }
    }

    fn has_evidence(self) -> bool {
        self == Self::MdeAlerts { expand_evidence: true }
    }
}

/// How long a feed is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Until stopped.
    Forever,
    /// Up to the server's time of the first answer, look-back included.
    Once,
}

/// What [`Feed::new`] needs.
#[derive(Clone)]
pub struct FeedOptions {
    /// What is read.
    pub api: Api,
    /// The API's base, without `/api/alerts`: `https://api.security.microsoft.com`.
    pub base: Url,
    /// The resource (v1) or the scope without `/.default` (v2) that a token is asked for.
    pub resource: String,
    /// Which token endpoint is asked.
    pub token_endpoint: TokenEndpoint,
    /// How often a poll asks for what is new.
    pub poll_every: Duration,
    /// How far below the floor the look-back pass asks, in the server's time.
    pub look_back: Duration,
    /// How far back the first reading goes, in the server's time.
    pub start: Duration,
    /// Rows asked for in one call, 1 to 10,000.
    pub page_size: u32,
    /// The Entra tenant id: part of every ledger digest.
    pub tenant_id: String,
    /// How long the feed is read.
    pub mode: Mode,
    /// Plans the calls; shared by all feeds of this application, tenant and API.
    pub planner: Arc<Planner>,
}

impl FeedOptions {
    fn limits(&self) -> Limits {
        let is_export = self.api == Api::AlertsExport;
        Limits {
            page_size: self.page_size.clamp(1, 10_000),
            cap: self.api.cap(),
            has_evidence: self.api.has_evidence(),
            filters_created: !is_export,
            keeps_newest: is_export,
            look_back: ticks::from_duration(self.look_back),
            start: ticks::from_duration(self.start),
            once: self.mode == Mode::Once,
        }
    }
}

/// A tenant's one source, read step by step.
pub struct Feed {
    app: Arc<Application>,
    options: FeedOptions,
    keyer: Keyer,
    walk: Walk,
    /// When the next poll is due.
    next_poll: Instant,
    /// Rows that a failure has set free.
    set_free: Vec<Row>,
    /// The checkpoint that was handed out last.
    handed_out: Vec<u8>,
    last_page: LastPage,
    counts: Counts,
    /// What was said to be owed.
    told: Vec<String>,
}

/// What is still to be learnt of the last page, once the ledger has said which of its rows are new.
#[derive(Default)]
struct LastPage {
    times: Vec<i64>,
    /// The floor when it was asked for: whatever is new below it was late.
    floor: i64,
    server_time: i64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    calls: u64,
    rows_fetched: u64,
    rows_new: u64,
    lateness: Option<i64>,
}

impl Feed {
    /// A feed that continues from `checkpoint`, the bytes of the last [`Page::checkpoint`] that was kept.
    ///
    /// `reread_from` lowers the floor to that time (.NET ticks); `i64::MIN` to the oldest that the API holds.
    ///
    /// # Errors
    /// Halt where the checkpoint cannot be read or the base is neither `https` nor on loopback.
    pub fn new(
        app: Arc<Application>,
        options: FeedOptions,
        checkpoint: Option<&[u8]>,
        reread_from: Option<i64>,
    ) -> Result<Self, Fault> {
        http::require_private(&options.base)?;
        let walk = Walk::new(options.limits(), checkpoint, reread_from).map_err(|error| {
            Fault::halt("failed to read the checkpoint of a feed").caused_by(error).reaching(Reach::Queue)
        })?;
        Ok(Self {
            app,
            keyer: Keyer::new(&options.tenant_id),
            options,
            walk,
            next_poll: Instant::now(),
            set_free: Vec::new(),
            handed_out: checkpoint.map(<[u8]>::to_vec).unwrap_or_default(),
            last_page: LastPage::default(),
            counts: Counts::default(),
            told: Vec::new(),
        })
    }

    /// Makes at most one call of the API (one more where it took a token no longer) and says what came of it.
    ///
    /// A page must be kept, with its checkpoint, before this is called again. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The call failed; the next `next` makes it again. The caller waits before that: back-off, hint, or both.
    pub async fn next(&mut self) -> Result<Step, Fault> {
        if !self.set_free.is_empty() {
            let rows = std::mem::take(&mut self.set_free);
            return Ok(self.page(rows, None));
        }
        if Instant::now() >= self.next_poll && self.walk.poll() {
            self.next_poll = Instant::now() + self.options.poll_every;
        }
        match self.walk.next() {
            Next::Ask(ask) => {
                let (answer, share) = self.call(&ask).await?;
                Ok(self.answered(&ask, answer, share))
            }
            Next::Done => Ok(self.unkept().unwrap_or(Step::Done)),
            Next::Idle => Ok(self.unkept().unwrap_or_else(|| Step::Wait(self.until_next_poll()))),
        }
    }

    fn answered(&mut self, ask: &Ask, answer: Answer, share: Option<Share>) -> Step {
        self.counts.rows_fetched += answer.rows.len() as u64;
        let floor = self.walk.state().map_or(i64::MIN, crate::walk::State::floor);
        let server_time = answer.server_time;
        let rows = self.walk.answered(ask, answer);
        self.last_page = LastPage { times: rows.iter().map(|row| row.time).collect(), floor, server_time };
        self.page(rows, share)
    }

    /// Says so once where something is owed that was not before.
    fn tell_debts(&mut self) {
        let owed = self.status().owed;
        for debt in owed.iter().filter(|debt| !self.told.contains(&debt.what)) {
            let tenant_id = self.options.tenant_id.as_str();
            tracing::warn!(tenant_id, owed = debt.what, reason = debt.reason, "the api shows what it will not give");
        }
        self.told = owed.into_iter().map(|debt| debt.what).collect();
    }

    fn page(&mut self, rows: Vec<Row>, share: Option<Share>) -> Step {
        self.tell_debts();
        let checkpoint = self.checkpoint();
        self.handed_out.clone_from(&checkpoint);
        Step::Page(Page { rows, checkpoint, _share: share })
    }

    /// An empty page, where the walk has moved without one.
    fn unkept(&mut self) -> Option<Step> {
        (self.checkpoint() != self.handed_out).then(|| self.page(Vec::new(), None))
    }

    fn checkpoint(&self) -> Vec<u8> {
        self.walk.state().map(crate::walk::State::checkpoint).unwrap_or_default()
    }

    fn until_next_poll(&self) -> Duration {
        self.next_poll.saturating_duration_since(Instant::now())
    }

    /// Says which rows of the last page the ledger had not seen before.
    pub fn appended(&mut self, new: &[bool]) {
        let page = std::mem::take(&mut self.last_page);
        self.counts.rows_new += new.iter().filter(|new| **new).count() as u64;
        let late = page.times.iter().zip(new).filter(|&(time, new)| *new && *time > 0 && *time < page.floor);
        let latest = late.map(|(time, _)| page.server_time - time).max();
        self.counts.lateness = self.counts.lateness.max(latest);
    }

    /// Where the feed stands.
    pub fn status(&self) -> FeedStatus {
        let state = self.walk.state();
        let owed = state.iter().flat_map(|state| &state.debts).map(|debt| Owed {
            what: match &debt.of {
                DebtOf::Alert { id, .. } => format!("the evidence of alert {}", crate::classify::quote(id)),
                DebtOf::Span { from, to } => {
                    format!("update times from {} to {}", ticks::format(*from), ticks::format(*to))
                }
            },
            reason: debt.reason.text().to_owned(),
            since: debt.since,
        });
        FeedStatus {
            floor: state.map(crate::walk::State::floor),
            server_time: state.map(|state| state.server_time),
            owed: owed.collect(),
            lateness: self.counts.lateness.map(ticks::to_duration),
            calls: self.counts.calls,
            rows_fetched: self.counts.rows_fetched,
            rows_new: self.counts.rows_new,
        }
    }
}

/// What [`Feed::next`] came to.
#[derive(Debug)]
pub enum Step {
    /// Everything up to the end is read ([`Mode::Once`] only). Stays so.
    Done,
    /// Rows to keep, and the checkpoint that goes with them. `rows` may be empty: the checkpoint has moved.
    Page(Page),
    /// Nothing to ask before this much time has passed.
    Wait(Duration),
}

/// One answer of the API. It holds a share of [`HttpOptions::answer_budget`](crate::HttpOptions::answer_budget), for
/// which other answers may be waiting, until it is dropped.
#[derive(Debug)]
pub struct Page {
    /// The rows, sorted by update time and id.
    pub rows: Vec<Row>,
    /// Where the walk stands after this page. To be kept in one transaction with the rows.
    pub checkpoint: Vec<u8>,
    _share: Option<Share>,
}

/// One revision as the API sent it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its update time in .NET ticks (100 ns since 0001-01-01 UTC); 0 where it has none that can be read.
    pub time: i64,
    /// What the ledger knows it by, beside its time.
    pub id: [u8; 16],
    /// It came without its evidence. The whole follows once it can be had.
    pub partial: bool,
    /// The JSON of the row, byte for byte: a part of the answer, which lives as long as the last part of it.
    pub bytes: Bytes,
}

/// Where a feed stands.
#[derive(Clone, Debug, Default)]
pub struct FeedStatus {
    /// The update time below which everything is read, in .NET ticks; `None` before the first answer.
    pub floor: Option<i64>,
    /// The server's time in the last answer, in .NET ticks.
    pub server_time: Option<i64>,
    /// What the API shows but will not give.
    pub owed: Vec<Owed>,
    /// How long after its update time the latest of the late rows was first seen; `None` where none was late. A row is
    /// late when the floor had passed it.
    pub lateness: Option<Duration>,
    /// Calls of the API, failed ones included.
    pub calls: u64,
    /// Rows fetched.
    pub rows_fetched: u64,
    /// Rows that were new to the ledger.
    pub rows_new: u64,
}

/// Something that the API shows but will not give. It is asked for again at each sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// A span of update times, or an alert's evidence.
    pub what: String,
    /// Why it cannot be had.
    pub reason: String,
    /// The server's time when it was first found, in .NET ticks.
    pub since: i64,
}
