//! A lane between a real journal and a sink that answers as it is told.

mod exactly_once;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use journal::{
    Append, EmbeddedJournal, EmbeddedOptions, FeedId, FeedName, Key, LanePlan, LaneStart, NewEntry, QueueKind,
};
use pipeline_file::plan::{MinSeverity, OnlyPlan, TenantPattern};
use sink::{Batch, Fate, Fates, Limits, Word};
use transform::{Envelope, Renderer};

use super::*;
use crate::signal::{Raise, signal};
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
            Some(Reply::SettleWhenFlushed) | None => Fates::Settled,
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
        self.answers.append(&mut self.unflushed);
    }

    async fn probe(&mut self) -> Result<(), Fault> {
        Ok(())
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
            keep: Duration::from_secs(3_600),
            remember: Duration::from_secs(86_400),
            lanes: vec![LanePlan { name: "siem".into(), was: None, from: LaneStart::Now }],
        })
        .await
        .unwrap();
        let name = FeedName { tenant_id: TENANT.into(), source: "alerts".into() };
        let feed = journal.open_feed(&name, "mde_alerts").await.unwrap().id;
        let destination = Receiver { replies: replies.into_iter().collect(), arrived: Vec::new() };
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
        let page = Append { feed: self.feed, queue: QueueKind::Live, entries, checkpoints, reread: false };
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
        let id = self.journal.lanes()[0].id;
        let tenants = Arc::new(Tenants::default());
        let rendering = Rendering::new(Renderer::json(Envelope::None), self.per, self.only.clone(), tenants);
        let max_dead_letters = self.max_dead_letters;
        let destination = super::Destination { sink, rate: None, one_reader: false, max_dead_letters };
        Lane::new(id, self.journal.clone(), rendering, destination, Arc::clone(&self.status), self.drain.1.clone())
    }

    async fn drained(&self) -> LaneEnd {
        self.drain.0.raise();
        let running = self.lane().run(self.stop.1.clone());
        timeout(Duration::from_secs(20), running).await.expect("the lane ends").unwrap()
    }

    fn arrived(&self) -> Vec<String> {
        self.destination.lock().unwrap().arrived.clone()
    }

    fn backlog(&self) -> u64 {
        self.journal.backlog(self.journal.lanes()[0].id)
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

/// Guarantee: however many batches one lost connection leaves open, the lane waits as for one failure; the next failure
/// after a new attempt is another.
#[tokio::test]
async fn batches_that_fail_together_are_one_failure() {
    let setting = Setting::new(0, []).await;
    let mut lane = setting.lane();
    for _ in 0..50 {
        lane.hold_back(&Fault::retry("the connection is lost"));
    }
    assert_eq!(lane.waits.attempts(), 1);
    lane.failing = false;
    lane.hold_back(&Fault::retry("the connection is lost"));
    assert_eq!(lane.waits.attempts(), 2);
}

/// Guarantee: a refused record is a dead letter with its reason; its neighbours arrive and the marks move on.
#[tokio::test]
async fn a_refused_record_is_set_aside_alone() {
    let setting = Setting::new(30, [Reply::Refuse(3)]).await;
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!(setting.arrived(), numbers((0..30).filter(|number| *number != 3)));
    let lane = setting.journal.lanes()[0].id;
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
    let append = Append { feed, queue: QueueKind::Live, entries, checkpoints, reread: false };
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
    setting.journal.append(Append { feed, queue: QueueKind::Live, entries, checkpoints, reread: false }).await.unwrap();
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

/// Guarantee: requeued entries go out again, and a lane that drains waits for them.
#[tokio::test]
async fn requeued_entries_go_out_again() {
    let setting = Setting::new(10, []).await;
    let lane = setting.journal.lanes()[0].id;
    let queue = setting.journal.reader(lane).next(1).await.unwrap().queue;
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    let again = [2, 5].map(|place| EntryRef { queue, place: journal::Place(place) });
    assert_eq!(setting.journal.requeue(lane, &again).await.unwrap(), 2);
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!(setting.arrived().split_off(10), numbers([2, 5]));
}

/// Guarantee: a lane with as many dead letters as it may have sends nothing more and says what to do; letters that are
/// replayed or dropped let it go on, and what is refused again is a dead letter again.
#[tokio::test]
async fn a_lane_with_too_many_dead_letters_needs_a_person() {
    let refusals = [0, 1, 2].map(Reply::Refuse);
    let mut setting = Setting::new(100, refusals).await;
    setting.max_dead_letters = 3;
    assert_eq!(setting.drained().await, LaneEnd::Halted);
    let Condition::Halted(sentence) = setting.status.condition.get() else { panic!("the lane is halted") };
    assert!(sentence.contains("dead-letters list --sink") && sentence.contains("`max_dead_letters`"), "{sentence}");
    let arrived = setting.arrived().len();
    assert!(arrived < 97, "{arrived} arrived behind the limit");
    assert_eq!(setting.drained().await, LaneEnd::Halted, "a new start changes nothing");
    assert_eq!(setting.arrived().len(), arrived);

    let lane = setting.journal.lanes()[0].id;
    let letters = setting.journal.dead_letters(lane, 0, 9).await.unwrap();
    let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
    assert_eq!(setting.journal.replay(lane, &ids).await.unwrap(), 3);
    setting.status = Arc::default();
    setting.destination.lock().unwrap().replies.push_back(Reply::Refuse(1));
    assert_eq!(setting.drained().await, LaneEnd::Drained);
    assert_eq!((setting.arrived().len(), setting.backlog()), (99, 0));
    let left = setting.journal.dead_letters(lane, 0, 9).await.unwrap();
    assert_eq!(left.iter().map(|letter| letter.id).collect::<Vec<_>>(), [ids[1]]);
}
