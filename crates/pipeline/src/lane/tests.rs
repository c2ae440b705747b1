//! A lane between a real journal and a sink that answers as it is told.

mod exactly_once;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use fault::Reach;
use journal::{
    Append, EmbeddedJournal, EmbeddedOptions, FeedId, FeedName, Journal, Key, LanePlan, LaneStart, NewEntry, Takes,
    Target,
};
use pipeline_file::plan::{MinSeverity, OnlyPlan, TenantPattern};
use sink::{Answer, Batch, Fate, Fates, Limits, Word};
use tokio::sync::watch;
use transform::{Envelope, Renderer};

use super::*;
use crate::signal::{Raise, signal};
use crate::status::Condition;
use crate::tenants::Tenants;

const TENANT: &str = "a839b112-1253-6432-9bf6-94542403f21c";

/// What the sink does with the next batch; after the last reply it settles everything.
#[derive(Clone, Debug)]
enum Reply {
    NeverAnswer,
    NotTaken(fn() -> Fault),
    Open(fn() -> Fault),
    Refuse(usize),
    SettleWhenFlushed,
}

#[derive(Debug, Default)]
struct Receiver {
    replies: VecDeque<Reply>,
    arrived: Vec<String>,
    /// Whatever is of this tenant has nowhere to go.
    missing: Option<String>,
    /// It does not come back from a flush.
    hangs: bool,
    /// It is not there when it is asked.
    is_down: bool,
}

struct Scripted {
    destination: Arc<Mutex<Receiver>>,
    answers: VecDeque<Answer>,
    unflushed: VecDeque<Answer>,
}

#[async_trait]
impl Sink for Scripted {
    fn limits(&self) -> Limits {
        Limits { records: 10, bytes: 1 << 20, outstanding: 2 }
    }

    fn word(&self) -> Word {
        Word::Durable
    }

    async fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        let mut destination = self.destination.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = destination.replies.pop_front();
        let waits = matches!(reply, Some(Reply::SettleWhenFlushed));
        let fates = match reply {
            Some(Reply::NotTaken(fault)) => return Err(fault()),
            Some(Reply::NeverAnswer) => return Ok(()),
            Some(Reply::Open(fault)) => Fates::Open(fault()),
            Some(Reply::Refuse(nth)) => {
                let fate = |(index, _)| if index == nth { Fate::Refused("too spicy".into()) } else { Fate::Settled };
                Fates::Each(batch.records.iter().enumerate().map(fate).collect())
            }
            Some(Reply::SettleWhenFlushed) | None => match destination.missing.clone() {
                None => Fates::Settled,
                Some(missing) => {
                    let fault = || Fault::halt("no such topic").advise("Make it.").reaching(Reach::Queue);
                    let fate = |record: &sink::Record| match *record.tenant == *missing {
                        true => Fate::Open(fault()),
                        false => Fate::Settled,
                    };
                    Fates::Each(batch.records.iter().map(fate).collect())
                }
            },
        };
        let settled = |index: usize| match &fates {
            Fates::Settled => true,
            Fates::Open(_) => false,
            Fates::Each(fates) => matches!(fates[index], Fate::Settled),
        };
        let payloads = batch.records.iter().enumerate().filter(|(index, _)| settled(*index));
        destination.arrived.extend(payloads.map(|(_, record)| alert_number(&record.payload)));
        let answers = if waits { &mut self.unflushed } else { &mut self.answers };
        answers.push_back(Answer { batch: batch.id, fates, ease: None });
        Ok(())
    }

    async fn answer(&mut self) -> Answer {
        match self.answers.pop_front() {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn flush(&mut self) {
        if self.destination.lock().unwrap_or_else(PoisonError::into_inner).hangs {
            std::future::pending::<()>().await;
        }
        self.answers.append(&mut self.unflushed);
    }

    async fn probe(&mut self) -> Result<(), Fault> {
        match self.destination.lock().unwrap_or_else(PoisonError::into_inner).is_down {
            true => Err(Fault::retry("connection refused")),
            false => Ok(()),
        }
    }
}

struct Setting {
    _folder: tempfile::TempDir,
    journal: Arc<EmbeddedJournal>,
    feed: FeedId,
    destination: Arc<Mutex<Receiver>>,
    status: Arc<LaneStatus>,
    drain: (Raise, Signal),
    stop: (Raise, Signal),
    only: OnlyPlan,
    per: Per,
    max_dead_letters: u64,
}

impl Setting {
    async fn new(alerts: u32, replies: impl IntoIterator<Item = Reply>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = EmbeddedJournal::open(EmbeddedOptions {
            path: folder.path().join("data"),
            max_size: 1 << 30,
            retention: Duration::from_secs(3_600),
            dedup_window: Duration::from_secs(86_400),
        })
        .await
        .unwrap();
        let lane = LanePlan { name: "siem".into(), renamed_from: None, start: LaneStart::Now, takes: Takes::all() };
        journal.set_lanes(&[lane]).await.unwrap();
        let name = FeedName { tenant_id: TENANT.into(), source: "alerts".into() };
        let feed = journal.open_feed(&name, "mde_alerts").await.unwrap().id;
        let destination = Receiver { replies: replies.into_iter().collect(), ..Receiver::default() };
        let setting = Self {
            _folder: folder,
            journal,
            feed,
            destination: Arc::new(Mutex::new(destination)),
            status: Arc::default(),
            drain: signal(),
            stop: signal(),
            only: OnlyPlan::default(),
            per: Per::Alert,
            max_dead_letters: 1_000,
        };
        setting.append((0..alerts).map(entry).collect()).await;
        setting
    }

    async fn append(&self, entries: Vec<NewEntry>) {
        let checkpoints = vec![("live".to_owned(), b"1".to_vec())];
        let page = Append { feed: self.feed, to: Target::Live, entries, checkpoints, reread: false, server_time: None };
        self.journal.append(page).await.unwrap();
    }

    fn lane(&self) -> Lane {
        self.lane_into(Box::new(Scripted {
            destination: Arc::clone(&self.destination),
            answers: VecDeque::new(),
            unflushed: VecDeque::new(),
        }))
    }

    fn lane_into(&self, sink: Box<dyn Sink>) -> Lane {
        let tenants = watch::channel(Arc::new(Tenants::default())).1;
        let rendering = Rendering::new(Renderer::json(Envelope::None), self.per, self.only.clone(), tenants);
        let max_dead_letters = self.max_dead_letters;
        let destination = super::Destination { sink, rate: None, one_reader: false, max_dead_letters };
        let journal = LaneParts {
            lane: self.journal_lane(),
            dead_letters: self.journal.clone(),
            identity: self.journal.identity(),
        };
        Lane::new(journal, rendering, destination, Arc::clone(&self.status), self.drain.1.clone())
    }

    async fn drained(&self) -> LaneEnd {
        self.drain.0.raise();
        let running = self.lane().run(self.stop.1.clone());
        timeout(Duration::from_secs(20), running).await.expect("the lane ends").unwrap()
    }

    fn arrived(&self) -> Vec<String> {
        self.destination.lock().unwrap().arrived.clone()
    }

    fn journal_lane(&self) -> Arc<dyn LaneJournal> {
        self.journal.lane("siem").unwrap()
    }

    fn backlog(&self) -> u64 {
        self.journal_lane().waiting()
    }
}

fn entry(number: u32) -> NewEntry {
    let severity = if number.is_multiple_of(2) { "High" } else { "Low" };
    let time = 637_308_392_000_000_000 + i64::from(number);
    let json = format!(r#"{{"id":"da{number}","severity":"{severity}","lastUpdateTime":"2020-07-20T10:53:50.19Z"}}"#);
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    NewEntry { key: Key { time, id }, flags: 0, bytes: Bytes::from(json) }
}

fn alert_number(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    text.split("\"da").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
}

fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_lane_delivers_everything_in_order_and_drains() {
    let setting = Setting::new(95, []).await;
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!(setting.arrived(), numbers(0..95));
    assert_eq!((setting.backlog(), setting.status.delivered.get()), (0, 95));
}

/// Guarantee: what was open or not taken goes again, in order, and arrives once.
#[tokio::test]
async fn what_has_no_outcome_goes_again() {
    let busy = || Fault::retry("the destination is busy");
    let setting = Setting::new(40, [Reply::Open(busy), Reply::NotTaken(busy)]).await;
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!(setting.arrived(), numbers(0..40));
    assert_eq!(setting.status.condition.get(), Condition::Running);
}

/// Guarantee: a lane that drains asks a sink that waits for more to settle what it has.
#[tokio::test]
async fn a_lane_at_its_end_flushes_its_sink() {
    let setting = Setting::new(15, [Reply::SettleWhenFlushed, Reply::SettleWhenFlushed]).await;
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!((setting.arrived(), setting.backlog()), (numbers(0..15), 0));
}

/// Guarantee: a refused record is a dead letter with its reason; its neighbours arrive and the marks move on.
#[tokio::test]
async fn a_refused_record_is_set_aside_alone() {
    let setting = Setting::new(30, [Reply::Refuse(3)]).await;
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!(setting.arrived(), numbers((0..30).filter(|number| *number != 3)));
    let lane = setting.journal_lane().id();
    let letters = setting.journal.dead_letters(lane, 0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].reason.as_str(), letters[0].entry.place.0), ("too spicy", 3));
    assert_eq!(setting.backlog(), 0);
}

/// Guarantee: a batch that is too much is halved until the one record that is refused stands alone.
#[tokio::test]
async fn a_rejected_batch_costs_only_the_record_at_fault() {
    let reject = || Fault::reject("larger than the destination takes");
    let setting = Setting::new(2, [Reply::NotTaken(reject), Reply::NotTaken(reject)]).await;
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!(setting.arrived(), numbers([1]));
    assert_eq!(setting.status.dead_letters.get(), 1);
}

/// Guarantee: a Halt keeps everything; a run that drains ends by it and says what a person must do.
#[tokio::test]
async fn a_halt_keeps_everything() {
    let halt = || Fault::halt("the token was refused").advise("Give the sink a new token.");
    let setting = Setting::new(25, [Reply::Open(halt), Reply::Open(halt), Reply::Open(halt)]).await;
    assert_eq!(setting.drained().await, LaneEnd::Halted);
    assert_eq!(setting.backlog(), 25);
    let Condition::Halted(sentence) = setting.status.condition.get() else { panic!("the lane is halted") };
    assert!(sentence.contains("Give the sink a new token."));
}

/// Guarantee: a lane that is stopped in order settles what its sink has answered for.
#[tokio::test]
async fn a_stop_settles_what_was_answered() {
    let halt = || Fault::halt("the token was refused");
    let setting = Setting::new(30, [Reply::Refuse(99), Reply::Open(halt)]).await;
    let running = tokio::spawn(setting.lane().run(setting.stop.1.clone()));
    while !matches!(setting.status.condition.get(), Condition::Halted(_)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    setting.stop.0.raise();
    assert_eq!(running.await.unwrap().unwrap(), LaneEnd::Stopped);
    assert_eq!(setting.backlog(), 20, "the first batch is settled, the second is not");
}

/// Guarantee: stopping moves nothing that was not settled; the next start delivers it.
#[tokio::test]
async fn what_is_open_when_a_lane_is_stopped_is_delivered_by_the_next() {
    let setting = Setting::new(20, [Reply::NeverAnswer, Reply::NeverAnswer]).await;
    let running = tokio::spawn(setting.lane().run(setting.stop.1.clone()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(setting.backlog(), 20);
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!(setting.arrived(), numbers(0..20));
}

/// Guarantee: an alert that goes out as several records ends with the last of them; one that is refused sets it aside, and
/// its other records arrive all the same.
#[tokio::test]
async fn an_alert_of_several_records_ends_once() {
    let mut setting = Setting::new(0, [Reply::Refuse(1)]).await;
    setting.per = Per::Evidence;
    let name = FeedName { tenant_id: TENANT.into(), source: "alerts".into() };
    let feed = setting.journal.open_feed(&name, "mde_alerts").await.unwrap().id;
    let with_evidence = |number| {
        let json = format!(
            r#"{{"id":"da{number}","lastUpdateTime":"2020-07-20T10:53:50.19Z","evidence":[{{"entityType":"File"}},{{"entityType":"Process"}},{{"entityType":"User"}}]}}"#
        );
        NewEntry { bytes: Bytes::from(json), ..entry(number) }
    };
    let entries = (0..3).map(with_evidence).collect();
    let checkpoints = vec![("live".to_owned(), b"2".to_vec())];
    let append = Append { feed, to: Target::Live, entries, checkpoints, reread: false, server_time: None };
    setting.journal.append(append).await.unwrap();
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!(setting.arrived(), numbers([0, 0, 1, 1, 1, 2, 2, 2]));
    assert_eq!((setting.status.delivered.get(), setting.status.dead_letters.get(), setting.backlog()), (2, 1, 0));
}

/// Scenario: an alert that names its evidence twice, the second time without any. Guarantee: it goes out all the same.
#[tokio::test]
async fn an_alert_with_two_lists_of_evidence_goes_out() {
    let mut setting = Setting::new(0, []).await;
    setting.per = Per::Evidence;
    let name = FeedName { tenant_id: TENANT.into(), source: "alerts".into() };
    let feed = setting.journal.open_feed(&name, "mde_alerts").await.unwrap().id;
    let json = r#"{"id":"da7","evidence":[{"entityType":"File"}],"evidence":[]}"#;
    let entries = vec![NewEntry { bytes: Bytes::from(json), ..entry(7) }];
    let checkpoints = vec![("live".to_owned(), b"2".to_vec())];
    setting
        .journal
        .append(Append { feed, to: Target::Live, entries, checkpoints, reread: false, server_time: None })
        .await
        .unwrap();
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!((setting.arrived(), setting.backlog()), (numbers([7]), 0));
}

/// Guarantee: what the filter leaves out is counted and moves the mark; an unknown severity passes.
#[tokio::test]
async fn the_filter_counts_what_it_leaves_out() {
    let mut setting = Setting::new(20, []).await;
    setting.only.min_severity = Some(MinSeverity::Medium);
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!(setting.arrived(), numbers((0..20).filter(|number| number % 2 == 0)));
    assert_eq!((setting.status.filtered.get(), setting.backlog()), (10, 0));
}

/// Guarantee: alerts of a tenant that has left the file are not left out in silence by a filter that cannot know it.
#[tokio::test]
async fn a_tenant_that_has_left_the_file_is_set_aside_by_a_filter_of_tenants() {
    let mut setting = Setting::new(20, []).await;
    setting.only.tenants = vec![TenantPattern::Name("contoso".into())];
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!((setting.arrived().len(), setting.status.dead_letters.get(), setting.backlog()), (0, 20, 0));
}

/// Guarantee: a lane with as many dead letters as it may have sends nothing more and says what to do; letters that are
/// replayed or dropped let it go on, and what is refused again is a dead letter again.
#[tokio::test]
async fn a_lane_with_too_many_dead_letters_needs_a_person() {
    let refusals = [0, 1, 2].map(Reply::Refuse);
    let mut setting = Setting::new(100, refusals).await;
    setting.max_dead_letters = 3;
    assert_eq!(setting.drained().await, LaneEnd::Halted);
    let Condition::TooManyDeadLetters(sentence) = setting.status.condition.get() else { panic!("the lane is halted") };
    assert!(sentence.contains("dead-letters list --sink") && sentence.contains("`max_dead_letters`"), "{sentence}");
    let arrived = setting.arrived().len();
    assert!(arrived < 97, "{arrived} arrived behind the limit");
    assert_eq!(setting.drained().await, LaneEnd::Halted, "a new start changes nothing");
    assert_eq!(setting.arrived().len(), arrived);

    let lane = setting.journal_lane().id();
    let letters = setting.journal.dead_letters(lane, 0, 9).await.unwrap();
    let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
    assert_eq!(setting.journal.replay(lane, &ids).await.unwrap(), 3);
    setting.status = Arc::default();
    setting.destination.lock().unwrap().replies.push_back(Reply::Refuse(1));
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!((setting.arrived().len(), setting.backlog()), (99, 0));
    let left = setting.journal.dead_letters(lane, 0, 9).await.unwrap();
    assert_eq!(left.len(), 1, "what was replayed has gone, what was refused is another");
}

/// Scenario: alerts of two tenants; what one of them is to be sent to is not there. Guarantee: that tenant's alerts wait,
/// the other's arrive; a run that drains ends and says what a person must do; mended, the rest arrives, in order, once.
#[tokio::test]
async fn a_fault_of_one_tenant_costs_no_other() {
    let setting = Setting::new(30, []).await;
    let name = FeedName { tenant_id: "another".into(), source: "alerts".into() };
    let feed = setting.journal.open_feed(&name, "mde_alerts").await.unwrap().id;
    let checkpoints = vec![("live".to_owned(), b"2".to_vec())];
    let entries = (100..130).map(entry).collect();
    let page = Append { feed, to: Target::Live, entries, checkpoints, reread: false, server_time: None };
    setting.journal.append(page).await.unwrap();
    setting.destination.lock().unwrap().missing = Some("another".into());
    assert_eq!(setting.drained().await, LaneEnd::Halted);
    assert_eq!((setting.arrived(), setting.backlog()), (numbers(0..30), 30));
    let Condition::Halted(sentence) = setting.status.condition.get() else { panic!("a person must act") };
    assert!(sentence.contains("no such topic"), "{sentence}");

    setting.destination.lock().unwrap().missing = None;
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!((setting.arrived().split_off(30), setting.backlog()), (numbers(100..130), 0));
}

/// Scenario: the same while the lane runs. Guarantee: once it is mended, the waiting alerts go out by themselves, and what
/// came meanwhile behind them, in order, once.
#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_mended_goes_on_by_itself() {
    let setting = Setting::new(25, []).await;
    setting.destination.lock().unwrap().missing = Some(TENANT.into());
    let running = tokio::spawn(setting.lane().run(setting.stop.1.clone()));
    while !setting.status.condition.get().is_halted() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    setting.append((25..60).map(entry).collect()).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert!(setting.arrived().is_empty());
    setting.destination.lock().unwrap().missing = None;
    while setting.backlog() > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(setting.arrived(), numbers(0..60));
    assert_eq!(setting.status.condition.get(), Condition::Running);
    setting.stop.0.raise();
    assert_eq!(running.await.unwrap().unwrap(), LaneEnd::Stopped);
}

/// Guarantee: a sink that never comes back from a flush, and one that never answers, cost the lane a bounded time; what they
/// had goes out again by the next.
#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_does_not_hold_the_lane() {
    let mut setting = Setting::new(20, [Reply::NeverAnswer, Reply::NeverAnswer]).await;
    setting.destination.lock().unwrap().hangs = true;
    let running = tokio::spawn(setting.lane().run(setting.stop.1.clone()));
    while !setting.destination.lock().unwrap().replies.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    setting.stop.0.raise();
    let ended = timeout(Duration::from_secs(3_600), running).await.expect("it ends").unwrap();
    assert_eq!((ended.unwrap(), setting.backlog()), (LaneEnd::Stopped, 20));
    setting.stop = signal();
    setting.destination.lock().unwrap().hangs = false;
    setting.drain.0.raise();
    // The clock is paused and the journal's threads are not: no time limit here.
    assert_eq!(setting.lane().run(setting.stop.1.clone()).await.unwrap(), LaneEnd::Drained);
    assert_eq!(setting.arrived(), numbers(0..20));
}

/// Guarantee: a destination that is not there is told at once, with nothing to send, and told to be back when it is.
#[tokio::test(start_paused = true)]
async fn a_destination_is_asked_at_the_start() {
    let setting = Setting::new(0, []).await;
    setting.destination.lock().unwrap().is_down = true;
    let running = tokio::spawn(setting.lane().run(setting.stop.1.clone()));
    while !matches!(setting.status.condition.get(), Condition::Waiting(_)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    setting.destination.lock().unwrap().is_down = false;
    while setting.status.condition.get() != Condition::Running {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    setting.stop.0.raise();
    running.await.unwrap().unwrap();
}
