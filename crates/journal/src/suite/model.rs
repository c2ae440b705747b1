//! The journal against a model of it: random appends, settlements, requeues, trims and crashes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Harness, feed_name, lane, next, nothing_settled, numbers, page, settles};
use crate::{Append, EntryRef, FeedId, Journal, LaneId, Place, QueueId, QueueKind, Settlement};

const FEEDS: usize = 4;
const LANES: [&str; 2] = ["a", "b"];
const STEPS: usize = 120;

/// What the journal must hold.
#[derive(Default)]
struct Model {
    /// By feed: the keys that it has seen.
    known: HashMap<usize, HashSet<u64>>,
    /// By feed and kind: the numbers at each place.
    queues: HashMap<(usize, QueueKind), Vec<u64>>,
    /// By feed: its checkpoint.
    checkpoints: HashMap<usize, Vec<u8>>,
    /// By lane and the journal's queue: the mark.
    marks: HashMap<(usize, QueueId), u64>,
    /// By lane: what it is to get again.
    requeued: HashMap<usize, BTreeSet<EntryRef>>,
    /// Whose a queue is, as the readers told.
    owners: BTreeMap<QueueId, (usize, QueueKind)>,
    next: u64,
}

pub(super) async fn run(harness: &mut impl Harness, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut model = Model::default();
    let mut journal = harness.open(LANES.map(lane).into()).await;
    for _ in 0..STEPS {
        match random.u32(..20) {
            0..8 => model.append(journal.as_ref(), &mut random).await,
            8..14 => model.settle(journal.as_ref(), &mut random).await,
            14..16 => model.requeue(journal.as_ref(), &mut random).await,
            16 => journal.trim().await.expect("it trims"),
            17 => model.check(journal.as_ref()).await,
            _ => {
                drop(journal);
                journal = harness.open(LANES.map(lane).into()).await;
            }
        }
    }
    model.check(journal.as_ref()).await;
}

impl Model {
    async fn append(&mut self, journal: &dyn Journal, random: &mut fastrand::Rng) {
        let feed = random.usize(..FEEDS);
        let id = self.open_feed(journal, feed).await;
        let kind = if random.u32(..4) == 0 { QueueKind::BackFill } else { QueueKind::Live };
        // Some are known, some come twice, most are new.
        let numbers: Vec<u64> =
            (0..random.usize(..60)).map(|_| random.u64(self.next.saturating_sub(40)..self.next + 80)).collect();
        self.next += 40;
        let checkpoint: Vec<u8> = (0..random.usize(..50)).map(|_| random.u8(..)).collect();
        let checkpoints = vec![("live".to_owned(), checkpoint.clone())];
        let append = Append { queue: kind, checkpoints, ..page(id, numbers.clone()) };
        let appended = journal.append(append).await.expect("a page is taken");

        let known = self.known.entry(feed).or_default();
        let expected: Vec<bool> = numbers.iter().map(|number| known.insert(*number)).collect();
        assert_eq!(appended.new, expected, "the journal knows what it has seen");
        let new = numbers.iter().zip(expected).filter_map(|(number, new)| new.then_some(*number));
        self.queues.entry((feed, kind)).or_default().extend(new);
        self.checkpoints.insert(feed, checkpoint);
    }

    async fn open_feed(&self, journal: &dyn Journal, feed: usize) -> FeedId {
        let opened = journal.open_feed(&feed_name(feed), "kind").await.expect("a feed opens");
        assert_eq!(
            opened.checkpoints.get("live"),
            self.checkpoints.get(&feed),
            "a checkpoint is the last one appended"
        );
        opened.id
    }

    /// Reads some runs and settles some of them.
    async fn settle(&mut self, journal: &dyn Journal, random: &mut fastrand::Rng) {
        let index = random.usize(..LANES.len());
        let lane = journal.lanes()[index].id;
        let mut reader = journal.reader(lane);
        let mut left = self.ahead(index) + self.requeued.entry(index).or_default().len();
        for _ in 0..random.usize(1..4) {
            if left == 0 {
                break;
            }
            let run = next(reader.as_mut(), random.usize(1..8_000)).await;
            left -= numbers(&run).len();
            self.learn_owner(&run);
            if random.bool() {
                break;
            }
            self.settle_run(journal, (index, lane), &run).await;
        }
    }

    async fn settle_run(&mut self, journal: &dyn Journal, (index, lane): (usize, LaneId), run: &crate::Run) {
        let entries = run.entries.iter().map(|entry| EntryRef { queue: run.queue, place: entry.place });
        if run.requeued {
            let waiting = self.requeued.entry(index).or_default();
            for entry in entries.clone() {
                assert!(waiting.remove(&entry), "only what was requeued comes as such");
            }
            let settlement = Settlement { requeued: entries.collect(), ..nothing_settled(lane) };
            journal.settle(settlement).await.expect("a settlement is taken");
        } else {
            let settlement = settles(lane, run);
            let (queue, place) = settlement.marks[0];
            journal.settle(settlement).await.expect("a settlement is taken");
            self.marks.insert((index, queue), place.0);
        }
    }

    fn learn_owner(&mut self, run: &crate::Run) {
        let feed =
            (0..FEEDS).find(|feed| feed_name(*feed) == run.feed.name).expect("a run is of a feed that was opened");
        let holds = |kind: QueueKind| {
            let places = self.queues.get(&(feed, kind));
            places.is_some_and(|places| {
                run.entries.iter().all(|entry| {
                    usize::try_from(entry.place.0).ok().and_then(|place| places.get(place))
                        == Some(&super::entry_number(entry))
                })
            })
        };
        // A number is new only once in a feed, so that it tells the queue.
        let kind = [QueueKind::Live, QueueKind::BackFill].into_iter().find(|kind| holds(*kind));
        let kind = kind.expect("a run is what was appended there");
        let known = self.owners.insert(run.queue, (feed, kind));
        assert!(known.is_none_or(|known| known == (feed, kind)), "a queue keeps its owner");
    }

    async fn requeue(&mut self, journal: &dyn Journal, random: &mut fastrand::Rng) {
        let index = random.usize(..LANES.len());
        let owners: Vec<_> = self.owners.clone().into_iter().collect();
        let Some((queue, owner)) = random.choice(owners) else { return };
        let places = self.queues[&owner].len() as u64;
        for _ in 0..random.usize(1..6) {
            let entry = EntryRef { queue, place: Place(random.u64(..places)) };
            // Only the journal knows what it has trimmed; what it must not have trimmed it must still have.
            let held = journal.requeue(journal.lanes()[index].id, &[entry]).await.expect("entries are requeued");
            let needed = (0..LANES.len()).any(|lane| self.needs(lane, entry));
            assert!(held == 1 || !needed, "what a lane needs is not trimmed");
            if held == 1 {
                self.requeued.entry(index).or_default().insert(entry);
            }
        }
    }

    fn needs(&self, lane: usize, entry: EntryRef) -> bool {
        let mark = self.marks.get(&(lane, entry.queue)).copied().unwrap_or(0);
        entry.place.0 >= mark || self.requeued.get(&lane).is_some_and(|waiting| waiting.contains(&entry))
    }

    /// How many entries are ahead of a lane's marks.
    fn ahead(&self, lane: usize) -> usize {
        let all: usize = self.queues.values().map(Vec::len).sum();
        let settled: u64 = self.marks.iter().filter(|((of, _), _)| *of == lane).map(|(_, place)| *place).sum();
        all - usize::try_from(settled).expect("a mark is within its queue")
    }

    /// Reads everything that each lane must get, and nothing else.
    async fn check(&mut self, journal: &dyn Journal) {
        for index in 0..LANES.len() {
            let lane = journal.lanes()[index].id;
            let mut waiting = self.requeued.get(&index).cloned().unwrap_or_default();
            let backlog = self.ahead(index) + waiting.len();
            assert_eq!(journal.backlog(lane), backlog as u64, "the backlog is what is ahead of the marks or requeued");
            let mut reader = journal.reader(lane);
            while !waiting.is_empty() {
                let run = next(reader.as_mut(), 4_000).await;
                assert!(run.requeued, "requeued entries come first");
                numbers(&run);
                for entry in &run.entries {
                    assert!(waiting.remove(&EntryRef { queue: run.queue, place: entry.place }), "each comes once");
                }
            }
            let mut read = HashMap::<(usize, QueueKind), u64>::new();
            let mut left = self.ahead(index);
            while left > 0 {
                let run = next(reader.as_mut(), 4_000).await;
                left -= numbers(&run).len();
                self.learn_owner(&run);
                let mark = self.marks.get(&(index, run.queue)).copied().unwrap_or(0);
                let expected = read.entry(self.owners[&run.queue]).or_insert(mark);
                assert_eq!(run.entries[0].place.0, *expected, "reading goes on where it was");
                *expected += run.entries.len() as u64;
            }
        }
    }
}
