//! The simulator of a test, and what it has sent against what has arrived.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use atp_sim::{FeedRecord, Options, Record, SentRevision, Simulator};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::delivered::Delivered;

/// A simulator with a runtime of its own, so that a test can wait for processes.
pub struct Site {
    /// The simulator.
    pub simulator: Simulator,
    /// Calls whose answers were on their way when a process was killed.
    in_flight: Mutex<Vec<std::ops::RangeInclusive<u64>>>,
    _runtime: Runtime,
}

/// What was sent, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Revisions that were sent completely.
    pub sent: usize,
    /// Of those, revisions that the API no longer shows: the alert was updated since.
    pub superseded: usize,
    /// Rows in all complete answers.
    pub rows: u64,
    /// Complete answers.
    pub answers: u64,
    /// Calls that a fault struck.
    pub struck: u64,
    /// Revisions that were only in an answer on its way at a kill, and that the API no longer showed afterwards.
    pub excused: usize,
}

impl Site {
    /// Starts a simulator.
    ///
    /// # Panics
    /// Where it cannot listen.
    pub fn start(options: Options) -> Self {
        let runtime = Runtime::new().expect("a runtime can be made");
        let simulator = runtime.block_on(Simulator::start(options)).expect("loopback has free ports");
        Self { simulator, in_flight: Mutex::default(), _runtime: runtime }
    }

    /// Waits until something has come to pass.
    ///
    /// # Panics
    /// Where it does not within two minutes.
    pub fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < Duration::from_secs(120), "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A process was killed just now: one answer of each feed may have been on its way and is asked for again, by when
    /// the API may show a newer revision instead.
    pub fn killed(&self) {
        let record = self.simulator.record();
        let made: u64 = record.calls.values().map(|count| count.made).sum();
        let feeds = record.feeds.iter().filter(|feed| feed.answers_sent > 0).count() as u64;
        self.in_flight.lock().expect("no test panics with it").push(made.saturating_sub(feeds)..=made);
    }

    /// Every revision that was sent completely, by its record id: the tenant's id and the revision.
    pub fn sent(&self) -> HashMap<String, (String, SentRevision)> {
        let feeds = self.simulator.record().feeds;
        let by_id = |feed: FeedRecord| {
            let tenant = feed.tenant_id;
            feed.sent.into_iter().map(move |sent| (record_id(&tenant, &sent.id, sent.ticks), (tenant.clone(), sent)))
        };
        feeds.into_iter().flat_map(by_id).collect()
    }

    /// Holds what arrived to what was sent: every revision that was sent completely, the last revision of each alert
    /// of every feed that was read, and nothing else.
    ///
    /// # Panics
    /// Where one is missing, or one arrived that was never sent.
    pub fn expect_all(&self, delivered: &Delivered) -> Summary {
        let record = self.simulator.record();
        let arrived: HashSet<&str> = delivered.records.iter().map(String::as_str).collect();
        let mut summary =
            Summary { struck: record.calls.values().map(|count| count.struck).sum(), ..Summary::default() };
        let mut sent_ids = HashSet::new();
        for feed in record.feeds.iter().filter(|feed| feed.answers_sent > 0) {
            self.expect_feed(feed, &arrived, &mut sent_ids, &mut summary);
        }
        let invented = arrived.iter().filter(|id| !sent_ids.contains(**id)).count();
        assert_eq!(invented, 0, "{invented} records arrived that were never sent completely");
        assert_no_stranger(&record);
        summary
    }

    fn expect_feed(
        &self,
        feed: &FeedRecord,
        arrived: &HashSet<&str>,
        sent_ids: &mut HashSet<String>,
        summary: &mut Summary,
    ) {
        let id = |alert: &str, ticks| record_id(&feed.tenant_id, alert, ticks);
        let shown: HashSet<String> = feed.shown.iter().map(|shown| id(&shown.id, shown.ticks)).collect();
        let unseen: Vec<_> = shown.iter().filter(|id| !arrived.contains(id.as_str())).collect();
        assert!(
            unseen.is_empty(),
            "{}: {} of {} alerts lack their last revision",
            feed.tenant,
            unseen.len(),
            shown.len()
        );
        let in_flight = self.in_flight.lock().expect("no test panics with it");
        for sent in &feed.sent {
            let id = id(&sent.id, sent.ticks);
            let excused =
                in_flight.iter().any(|calls| calls.contains(&sent.first_call) && calls.contains(&sent.last_call));
            if !arrived.contains(id.as_str()) {
                assert!(
                    excused && !shown.contains(&id),
                    "{}: a revision of {} did not arrive: {sent:?}",
                    feed.tenant,
                    sent.id
                );
                summary.excused += 1;
            }
            summary.sent += 1;
            summary.superseded += usize::from(!shown.contains(&id));
            sent_ids.insert(id);
        }
        summary.rows += feed.rows_sent;
        summary.answers += feed.answers_sent;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, superseded, rows, answers, struck, excused } = self;
        write!(
            f,
            "{sent} revisions sent ({superseded} superseded) as {rows} rows in {answers} answers, {struck} calls struck"
        )?;
        if *excused > 0 {
            write!(f, ", {excused} on their way at a kill and superseded before they were asked for again")?;
        }
        Ok(())
    }
}

/// No token went to another origin.
fn assert_no_stranger(record: &Record) {
    assert_eq!(record.stranger_tokens, 0, "a token went to another origin");
}

/// The record id of a whole alert, computed here from the documented bytes and not by the product's code.
fn record_id(tenant_id: &str, alert_id: &str, ticks: i64) -> String {
    let digest = Sha256::new()
        .chain_update(tenant_id.to_ascii_lowercase())
        .chain_update([0])
        .chain_update(alert_id)
        .chain_update([0])
        .chain_update(ticks.to_be_bytes())
        .chain_update(0xFFFF_FFFF_u32.to_be_bytes())
        .finalize();
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
