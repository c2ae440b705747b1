//! A lane whose sink writes records and marks together, killed anywhere.

use std::collections::HashMap;

use sink::{Mark, Record};
use tokio::sync::Notify;

use super::*;
use crate::lane::delivery::Ticket;

/// A destination that keeps a batch whole or not at all.
#[derive(Default)]
struct Ledger {
    marks: HashMap<Bytes, Bytes>,
    arrived: Vec<String>,
    /// Whether what ends in these words is refused.
    refuses: bool,
    random: fastrand::Rng,
    /// After so many batches more the sink never answers again: the process is to end there.
    batches_left: u32,
}

struct Marking {
    ledger: Arc<Mutex<Ledger>>,
    outstanding: VecDeque<Batch>,
    /// Batches behind an open one, which stay open.
    behind: usize,
    dead: Arc<Notify>,
}

impl Ledger {
    fn judge(&mut self, batch: &Batch) -> Fates {
        if self.random.u32(..10) == 0 {
            return Fates::Open(Fault::retry("a broker has gone"));
        }
        if self.refuses && batch.records.iter().any(is_spicy) {
            // One sink knows which records are at fault, another says that something is.
            if self.random.bool() {
                return Fates::Open(Fault::reject("too spicy"));
            }
            let fate = |record| match is_spicy(record) {
                true => Fate::Refused("too spicy".to_owned()),
                false => Fate::Open(Fault::retry("failed to write what was with it")),
            };
            return Fates::Each(batch.records.iter().map(fate).collect());
        }
        self.arrived.extend(batch.records.iter().map(name));
        self.marks.extend(batch.marks.iter().map(|mark| (mark.key.clone(), mark.value.clone())));
        Fates::Settled
    }
}

#[async_trait]
impl Sink for Marking {
    fn limits(&self) -> Limits {
        Limits { records: 10, bytes: 1 << 20, outstanding: 2 }
    }

    fn word(&self) -> Word {
        Word::Durable
    }

    async fn marks(&mut self) -> Result<Option<Vec<Mark>>, Fault> {
        let mut ledger = self.ledger.lock().unwrap();
        if ledger.random.u32(..4) == 0 {
            return Err(Fault::retry("a broker is not there yet"));
        }
        Ok(Some(ledger.marks.iter().map(|(key, value)| Mark { key: key.clone(), value: value.clone() }).collect()))
    }

    async fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        self.outstanding.push_back(batch);
        Ok(())
    }

    async fn answer(&mut self) -> Answer {
        let Some(batch) = self.outstanding.pop_front() else { return std::future::pending().await };
        if self.behind > 0 {
            self.behind -= 1;
            return Answer { batch: batch.id, fates: Fates::Open(Fault::retry("it stood behind another")), ease: None };
        }
        let (fates, left) = {
            let mut ledger = self.ledger.lock().unwrap();
            let fates = ledger.judge(&batch);
            ledger.batches_left = ledger.batches_left.saturating_sub(1);
            (fates, ledger.batches_left)
        };
        if left == 0 {
            self.dead.notify_one();
            return std::future::pending().await;
        }
        if !matches!(fates, Fates::Settled) {
            self.behind = self.outstanding.len();
        }
        Answer { batch: batch.id, fates, ease: None }
    }

    async fn flush(&mut self) {}

    async fn probe(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// An alert, and which piece of its evidence.
fn name(record: &Record) -> String {
    let text = String::from_utf8_lossy(&record.payload);
    let piece = text.split("\"piece\":").nth(1).and_then(|rest| rest.split('}').next());
    format!("{}.{}", alert_number(&record.payload), piece.unwrap_or("0"))
}

fn is_spicy(record: &Record) -> bool {
    let name = name(record);
    name.ends_with("7.0") || name.ends_with("4.2")
}

/// An alert with up to six pieces of evidence.
fn with_evidence(number: u32) -> NewEntry {
    let pieces: Vec<String> = (0..number % 7).map(|piece| format!(r#"{{"piece":{piece}}}"#)).collect();
    let bare = entry(number);
    let text = String::from_utf8_lossy(&bare.bytes).replace('}', &format!(r#","evidence":[{}]}}"#, pieces.join(",")));
    NewEntry { bytes: Bytes::from(text), ..bare }
}

/// Runs lanes one after the other until one ends by itself; the others are killed, each after some batches. Returns how
/// many were killed.
async fn deliver(setting: &Setting, ledger: &Arc<Mutex<Ledger>>) -> u32 {
    setting.drain.0.raise();
    for killed in 0.. {
        {
            let mut ledger = ledger.lock().unwrap();
            ledger.batches_left = ledger.random.u32(1..8);
        }
        let dead = Arc::new(Notify::new());
        let sink =
            Marking { ledger: Arc::clone(ledger), outstanding: VecDeque::new(), behind: 0, dead: Arc::clone(&dead) };
        tokio::select! {
            end = setting.lane_into(Box::new(sink)).run(setting.stop.1.clone()) => {
                assert_eq!(end.unwrap(), LaneEnd::Drained);
                return killed;
            }
            () = dead.notified() => {}
        }
    }
    unreachable!("some lane ends by itself")
}

/// Scenario: alerts with several records each, some of which are refused; the lane is killed over and over, also between
/// the destination's commit and its answer; what was refused is replayed in vain, and then once more and taken, killed
/// again meanwhile. Guarantee: each record is there once, in order, or its alert is a dead letter, once; a replay in vain
/// changes nothing of that; once it is taken, the whole alert has gone out again, once.
#[tokio::test(start_paused = true)]
async fn every_record_is_written_once() {
    let mut kills = 0;
    for seed in 0..12 {
        let mut setting = Setting::new(0, []).await;
        setting.per = Per::Evidence;
        setting.append((0..60).map(with_evidence).collect()).await;
        let ledger = Ledger { refuses: true, random: fastrand::Rng::with_seed(seed), ..Ledger::default() };
        let ledger = Arc::new(Mutex::new(ledger));
        kills += deliver(&setting, &ledger).await;
        let pieces = |alert: u32| (0..(alert % 7).max(1)).map(move |piece| format!("{alert}.{piece}"));
        let spicy = |name: &String| name.ends_with("7.0") || name.ends_with("4.2");
        let expected: Vec<String> = (0..60).flat_map(pieces).filter(|name| !spicy(name)).collect();
        assert_eq!(ledger.lock().unwrap().arrived, expected, "seed {seed}");

        let lane = setting.journal_lane().id();
        let letters = setting.journal.dead_letters(lane, 0, 99).await.unwrap();
        let refused: Vec<u32> = (0..60).filter(|alert| pieces(*alert).any(|name| spicy(&name))).collect();
        let kept = |letter: &journal::StoredDeadLetter| alert_number(&letter.entry.bytes).parse().unwrap();
        assert_eq!(letters.iter().map(kept).collect::<Vec<u32>>(), refused, "seed {seed}");

        let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
        setting.journal.replay(lane, &ids).await.unwrap();
        kills += deliver(&setting, &ledger).await;
        let letters = setting.journal.dead_letters(lane, 0, 99).await.unwrap();
        assert_eq!(letters.iter().map(kept).collect::<Vec<u32>>(), refused, "seed {seed}: replayed in vain");
        ledger.lock().unwrap().arrived.truncate(expected.len());

        ledger.lock().unwrap().refuses = false;
        setting.journal.replay(lane, &ids).await.unwrap();
        kills += deliver(&setting, &ledger).await;
        let replayed: Vec<String> = refused.iter().copied().flat_map(pieces).collect();
        assert_eq!(ledger.lock().unwrap().arrived[expected.len()..], replayed, "seed {seed}");
        assert!(setting.journal.dead_letters(lane, 0, 99).await.unwrap().is_empty());
    }
    assert!(kills > 40, "{kills} lanes were killed");
}

/// Guarantee: a mark counts where this journal has the entry that it names, and nowhere else.
#[tokio::test]
async fn marks_count_for_the_entries_that_they_name() {
    let setting = Setting::new(20, []).await;
    let lane = setting.journal_lane();
    let Taken::Run(run) = lane.reader().next(1).await.unwrap() else { panic!("nothing is revoked here") };
    for (place, id, foreign) in [(19, entry(19).key.id, 0), (19, [9; 16], 1), (20, entry(20).key.id, 1)] {
        let entry = EntryRef { queue: run.queue, place: journal::Place(place) };
        let identity = setting.journal.identity();
        let (marks, _) = Marks::adopt(&*lane, identity, &[]).await.unwrap();
        let kept = marks.of_batch(&[Ticket { entry, part: 0, is_last: true, id }]);
        assert_eq!(Marks::adopt(&*lane, identity, &kept).await.unwrap().1, foreign, "{place:?}");
    }
}

/// Guarantee: marks of another journal count for nothing.
#[tokio::test]
async fn marks_of_another_journal_count_for_nothing() {
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    for journal in 1..=2 {
        let setting = Setting::new(20, []).await;
        deliver(&setting, &ledger).await;
        assert_eq!(ledger.lock().unwrap().arrived.len(), journal * 20);
    }
}
