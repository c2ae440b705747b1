//! What the simulator has sent, so that a test can compare it with what arrived.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::alert::{alert_id, full_id};
use crate::faults::CallKind;
use crate::tenant::{AlertRow, DetectionRow, Tenant};
use crate::ticks;

/// What the simulator has sent, and what it shows.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    /// One for each tenant and source.
    pub feeds: Vec<FeedRecord>,
    /// Calls by their kind.
    pub calls: BTreeMap<CallKind, CallCount>,
    /// Calls that reached the listener of another origin.
    pub stranger_calls: u64,
    /// Those of them that brought an `Authorization` header: there must be none.
    pub stranger_tokens: u64,
}

impl Record {
    /// The record as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a record is strings and numbers")
    }

    /// The feed of a tenant, by the tenant's name and the source's: `mde_alerts` or `alerts_export`.
    pub fn feed(&self, tenant: &str, source: &str) -> Option<&FeedRecord> {
        self.feeds.iter().find(|feed| feed.tenant == tenant && feed.source == source)
    }
}

/// One tenant's one source.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct FeedRecord {
    /// The tenant's name.
    pub tenant: String,
    /// The tenant's id.
    pub tenant_id: String,
    /// `mde_alerts` or `alerts_export`.
    pub source: String,
    /// Every revision that was sent in an answer whose last byte went out, ordered by update time and id.
    pub sent: Vec<SentRevision>,
    /// What the API shows now: of each alert its present revision; of the export all rows. By update time and id.
    pub shown: Vec<ShownRevision>,
    /// Rows in answers that were sent completely, repetitions included.
    pub rows_sent: u64,
    /// Answers that were sent completely.
    pub answers_sent: u64,
}

/// A revision that was sent completely.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SentRevision {
    /// The alert's id; of the export the `FullId`.
    pub id: String,
    /// Its update time as sent; of the export `LastProcessedTimeUtc`.
    pub updated: String,
    /// The same in .NET ticks.
    pub ticks: i64,
    /// How often it was sent.
    pub times: u32,
    /// How often with its evidence; of the export always as often as sent.
    pub with_evidence: u32,
    /// The number of the first call that had it, counted over all calls from 1.
    pub first_call: u64,
    /// The number of the last one.
    pub last_call: u64,
}

/// A revision that the API shows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ShownRevision {
    /// The alert's id; of the export the `FullId`.
    pub id: String,
    /// Its update time.
    pub updated: String,
    /// The same in .NET ticks.
    pub ticks: i64,
}

/// The calls of one kind.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CallCount {
    /// All.
    pub made: u64,
    /// Those that a fault struck on request.
    pub struck: u64,
    /// Those that were refused for their own fault: 4xx.
    pub refused: u64,
}

/// Which of a tenant's feeds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    Export,
    Mde,
}

impl Source {
    const ALL: [Self; 2] = [Self::Mde, Self::Export];

    fn name(self) -> &'static str {
        match self {
            Self::Export => "alerts_export",
            Self::Mde => "mde_alerts",
        }
    }
}

/// The rows of an answer, to be noted once its last byte is out.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) tenant: usize,
    pub(crate) source: Source,
    pub(crate) rows: Vec<RowKey>,
    pub(crate) with_evidence: bool,
    pub(crate) call: u64,
}

/// What the ledger needs to name a row: of the export, `number` is the part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RowKey {
    index: u32,
    number: u16,
    created: i64,
    time: i64,
}

impl From<&AlertRow> for RowKey {
    fn from(row: &AlertRow) -> Self {
        Self { index: row.index, number: row.revision, created: row.created, time: row.updated }
    }
}

impl From<&DetectionRow> for RowKey {
    fn from(row: &DetectionRow) -> Self {
        Self { index: row.index, number: row.part, created: row.created, time: row.processed }
    }
}

/// What was sent, kept small: ids are made again when the record is asked for.
#[derive(Default)]
pub(crate) struct Ledger {
    feeds: Vec<[FeedLedger; 2]>,
    pub(crate) calls: BTreeMap<CallKind, CallCount>,
    pub(crate) stranger_calls: u64,
    pub(crate) stranger_tokens: u64,
    /// Answers that are wholly in the hands of the connection, but not known to be out.
    pub(crate) unflushed: usize,
}

#[derive(Default)]
struct FeedLedger {
    rows: HashMap<(u32, u16), SentRow>,
    rows_sent: u64,
    answers_sent: u64,
}

struct SentRow {
    created: i64,
    time: i64,
    times: u32,
    with_evidence: u32,
    first_call: u64,
    last_call: u64,
}

impl Ledger {
    pub(crate) fn new(tenants: usize) -> Self {
        Self { feeds: (0..tenants).map(|_| Default::default()).collect(), ..Self::default() }
    }

    /// Notes an answer whose last byte is out.
    pub(crate) fn note(&mut self, delivery: &Delivery) {
        let Some(feeds) = self.feeds.get_mut(delivery.tenant) else { return };
        let feed = &mut feeds[delivery.source as usize];
        feed.answers_sent += 1;
        feed.rows_sent += delivery.rows.len() as u64;
        for key in &delivery.rows {
            let sent = feed.rows.entry((key.index, key.number)).or_insert(SentRow {
                created: key.created,
                time: key.time,
                times: 0,
                with_evidence: 0,
                first_call: delivery.call,
                last_call: delivery.call,
            });
            sent.times += 1;
            sent.with_evidence += u32::from(delivery.with_evidence);
            sent.last_call = delivery.call;
        }
    }

    /// The whole record; `now` says what is shown.
    pub(crate) fn record(&self, tenants: &[std::sync::Arc<Tenant>], now: i64) -> Record {
        let feeds = tenants.iter().zip(&self.feeds);
        Record {
            feeds: feeds
                .flat_map(|(tenant, feeds)| Source::ALL.map(|source| feed_record(tenant, source, feeds, now)))
                .collect(),
            calls: self.calls.clone(),
            stranger_calls: self.stranger_calls,
            stranger_tokens: self.stranger_tokens,
        }
    }
}

fn feed_record(tenant: &Tenant, source: Source, feeds: &[FeedLedger; 2], now: i64) -> FeedRecord {
    let feed = &feeds[source as usize];
    let id = |index: u32, number: u16, created: i64, time: i64| match source {
        Source::Mde => alert_id(tenant.site.seed, index, created),
        Source::Export => full_id(tenant.site.seed, &DetectionRow { index, part: number, created, processed: time }),
    };
    let sent = feed.rows.iter().map(|((index, number), row)| SentRevision {
        id: id(*index, *number, row.created, row.time),
        updated: ticks::text(row.time),
        ticks: row.time,
        times: row.times,
        with_evidence: row.with_evidence,
        first_call: row.first_call,
        last_call: row.last_call,
    });
    let mut sent: Vec<_> = sent.collect();
    sent.sort_unstable_by(|a, b| (a.ticks, &a.id).cmp(&(b.ticks, &b.id)));
    let shown = shown(tenant, source, now).into_iter().map(|key| ShownRevision {
        id: id(key.index, key.number, key.created, key.time),
        updated: ticks::text(key.time),
        ticks: key.time,
    });
    let mut shown: Vec<_> = shown.collect();
    shown.sort_unstable_by(|a, b| (a.ticks, &a.id).cmp(&(b.ticks, &b.id)));
    FeedRecord {
        tenant: tenant.options.name.clone(),
        tenant_id: tenant.options.tenant_id.clone(),
        source: source.name().to_owned(),
        sent,
        shown,
        rows_sent: feed.rows_sent,
        answers_sent: feed.answers_sent,
    }
}

fn shown(tenant: &Tenant, source: Source, now: i64) -> Vec<RowKey> {
    use std::ops::Bound::Unbounded;
    let holdings = tenant.holdings(now);
    match source {
        Source::Mde => holdings.alerts(Unbounded, Unbounded).map(|row| RowKey::from(&row)).collect(),
        Source::Export => holdings.detections(Unbounded, Unbounded).map(|row| RowKey::from(&row)).collect(),
    }
}
