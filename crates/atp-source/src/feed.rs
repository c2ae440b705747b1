//! One tenant's one source, read step by step.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fault::Fault;
use url::Url;

use crate::application::{Application, TokenEndpoint};
use crate::planner::Planner;

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
    /// How far below the floor the look-back pass asks.
    pub look_back: Duration,
    /// How far back the first reading goes.
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

/// A tenant's one source, read step by step.
pub struct Feed {
    _app: Arc<Application>,
    _options: FeedOptions,
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
        let _ = (checkpoint, reread_from);
        Ok(Self { _app: app, _options: options })
    }

    /// Makes at most one call of the API (one more where a token was refused) and says what came of it.
    ///
    /// A page must be kept, with its checkpoint, before this is called again. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The call failed; the next `next` makes it again. The caller waits before that: back-off, hint, or both.
    pub async fn next(&mut self) -> Result<Step, Fault> {
        Err(Fault::halt("failed to read a page: not built yet"))
    }

    /// Says which rows of the last page the ledger had not seen before.
    pub fn appended(&mut self, new: &[bool]) {
        let _ = new;
    }

    /// Where the feed stands.
    pub fn status(&self) -> FeedStatus {
        FeedStatus::default()
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

/// One answer of the API.
#[derive(Debug)]
pub struct Page {
    /// The rows, sorted by update time and id.
    pub rows: Vec<Row>,
    /// Where the walk stands after this page. To be kept in one transaction with the rows.
    pub checkpoint: Vec<u8>,
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
    /// The JSON of the row. It holds a share of the answer budget until dropped.
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
    /// How late the latest row became visible after its update time, as far as seen.
    pub lateness: Option<Duration>,
    /// Answers of the API, failed calls included.
    pub calls: u64,
    /// Rows fetched.
    pub rows_fetched: u64,
    /// Rows that were new to the ledger.
    pub rows_new: u64,
}

/// Something that the API shows but will not give. It is asked for again at each sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// A span of update times, or an alert's id.
    pub what: String,
    /// Why it cannot be had.
    pub reason: String,
    /// The server's time when it was first found, in .NET ticks.
    pub since: i64,
}
