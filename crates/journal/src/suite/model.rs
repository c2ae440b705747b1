//! The journal against a model of it: random appends, settlements, skips, changes of what lanes take, trims and crashes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::{Harness, feed_name, lane, lane_of, next, numbers, of, page, settles};
use crate::{Append, FeedId, Journal, LanePlan, Run, Target};

const FEEDS: usize = 4;
const LANES: [&str; 2] = ["a", "b"];
const STEPS: usize = 120;

/// Where an entry went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Live,
    BackFill,
    Repair,
}

/// What the journal must hold.
#[derive(Default)]
struct Model {
    /// By feed: the keys that it has seen, and where their entries went.
    known: HashMap<usize, HashMap<u64, Kind>>,
    /// By feed: its checkpoint.
    checkpoints: HashMap<usize, Vec<u8>>,
    /// By lane, feed and kind: the numbers that wait, in order.
    waiting: BTreeMap<(usize, usize, Kind), VecDeque<u64>>,
    /// The feeds that the second lane takes.
    taken: Vec<usize>,
    next: u64,
}

pub(super) async fn run(harness: &mut impl Harness, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut model = Model { taken: (0..FEEDS).collect(), ..Model::default() };
    let mut journal = super::open(harness, &model.plan()).await;
    for _ in 0..STEPS {
        match random.u32(..20) {
            0..8 => model.append(&journal, &mut random).await,
            8..14 => model.settle(&journal, &mut random).await,
            14 => model.skip(&journal, &mut random).await,
            15 => model.take_others(&journal, &mut random).await,
            16 => journal.trim().await.expect("it trims"),
            17 => model.check(&journal).await,
            _ => {
                drop(journal);
                journal = super::open(harness, &model.plan()).await;
            }
        }
    }
    model.check(&journal).await;
}

impl Model {
    fn plan(&self) -> [LanePlan; 2] {
        let takes: &'static [usize] = match self.taken.as_slice() {
            [0, 1, 2, 3] => &[0, 1, 2, 3],
            [0] => &[0],
            [1, 2] => &[1, 2],
            _ => &[],
        };
        [lane(LANES[0]), lane_of(LANES[1], takes)]
    }

    fn takes(&self, lane: usize, feed: usize) -> bool {
        lane == 0 || self.taken.contains(&feed)
    }

    async fn append(&mut self, journal: &Arc<dyn Journal>, random: &mut fastrand::Rng) {
        let feed = random.usize(..FEEDS);
        let id = self.open_feed(journal, feed).await;
        let lane = random.usize(..LANES.len());
        let kind = match random.u32(..5) {
            0 => Kind::BackFill,
            1 if self.takes(lane, feed) => Kind::Repair,
            _ => Kind::Live,
        };
        // Some are known, some come twice, most are new. What is repaired has numbers of its own.
        let offset = if kind == Kind::Repair { 1 << 32 } else { 0 };
        let from = self.next.saturating_sub(40)..self.next + 80;
        let page_of: Vec<u64> = (0..random.usize(..60)).map(|_| offset + random.u64(from.clone())).collect();
        self.next += 40;
        let checkpoint: Vec<u8> = (0..random.usize(..50)).map(|_| random.u8(..)).collect();
        let to = match kind {
            Kind::Live => Target::Live,
            Kind::BackFill => Target::BackFill,
            Kind::Repair => Target::Lane(of(journal, LANES[lane]).id()),
        };
        let checkpoints = vec![("live".to_owned(), checkpoint.clone())];
        let append = Append { to, checkpoints, ..page(id, page_of.clone()) };
        let appended = journal.append(append).await.expect("a page is taken");

        let known = self.known.entry(feed).or_default();
        let mut expected = Vec::with_capacity(page_of.len());
        for number in &page_of {
            expected.push(!known.contains_key(number));
            known.entry(*number).or_insert(kind);
        }
        assert_eq!(appended.new, expected, "the journal knows what it has seen");
        self.checkpoints.insert(feed, checkpoint);
        for taker in 0..LANES.len() {
            let gets = if kind == Kind::Repair { taker == lane } else { self.takes(taker, feed) };
            if gets {
                let going = page_of.iter().zip(&expected).filter(|(_, new)| **new || kind == Kind::Repair);
                self.waiting.entry((taker, feed, kind)).or_default().extend(going.map(|(number, _)| *number));
            }
        }
    }

    async fn open_feed(&self, journal: &Arc<dyn Journal>, feed: usize) -> FeedId {
        let opened = journal.open_feed(&feed_name(feed), "kind").await.expect("a feed opens");
        let expected = self.checkpoints.get(&feed);
        assert_eq!(opened.checkpoints.get("live"), expected, "a checkpoint is the last one appended");
        opened.id
    }

    /// Reads some runs and settles some of them, each of its queue's first.
    async fn settle(&mut self, journal: &Arc<dyn Journal>, random: &mut fastrand::Rng) {
        let index = random.usize(..LANES.len());
        let lane = of(journal, LANES[index]);
        let mut reader = lane.reader();
        let mut left = self.of_lane(index);
        let mut read = HashMap::new();
        let mut unsettled = HashSet::new();
        for _ in 0..random.usize(1..4) {
            if left == 0 {
                break;
            }
            let run = next(reader.as_mut(), random.usize(1..8_000)).await;
            left -= run.entries.len();
            self.follow(index, &run, &mut read);
            if random.bool() || unsettled.contains(&run.queue) {
                unsettled.insert(run.queue);
                continue;
            }
            lane.settle(settles(&run)).await.expect("a settlement is taken");
            for (place, numbers) in self.places(&run) {
                let waiting = self.waiting.get_mut(&(index, place.0, place.1)).expect("it was waiting");
                waiting.drain(..numbers);
                *read.get_mut(&place).expect("it was read") -= numbers;
            }
        }
    }

    /// Checks that a run's entries are what comes next of their feeds.
    fn follow(&self, lane: usize, run: &Run, read: &mut HashMap<(usize, Kind), usize>) {
        for (number, entry) in numbers(run).into_iter().zip(&run.entries) {
            let place = self.place(number, &entry.feed.name);
            let at = read.entry(place).or_default();
            let expected = self.waiting.get(&(lane, place.0, place.1)).and_then(|waiting| waiting.get(*at));
            assert_eq!(expected, Some(&number), "{}: entries come in order, each once: {place:?}", LANES[lane]);
            *at += 1;
        }
    }

    fn place(&self, number: u64, name: &crate::FeedName) -> (usize, Kind) {
        let feed = (0..FEEDS).find(|feed| feed_name(*feed) == *name).expect("an entry is of a feed that was opened");
        (feed, self.known[&feed][&number])
    }

    fn places(&self, run: &Run) -> HashMap<(usize, Kind), usize> {
        let mut places = HashMap::new();
        for (number, entry) in numbers(run).into_iter().zip(&run.entries) {
            *places.entry(self.place(number, &entry.feed.name)).or_default() += 1;
        }
        places
    }

    fn of_lane(&self, lane: usize) -> usize {
        self.waiting.iter().filter(|((of, ..), _)| *of == lane).map(|(_, waiting)| waiting.len()).sum()
    }

    async fn skip(&mut self, journal: &Arc<dyn Journal>, random: &mut fastrand::Rng) {
        let index = random.usize(..LANES.len());
        let skipped = journal.skip(of(journal, LANES[index]).id(), "chance").await.expect("it is skipped");
        assert_eq!(skipped, self.of_lane(index) as u64);
        self.waiting.retain(|(lane, ..), _| *lane != index);
    }

    /// The second lane takes other feeds from now on.
    async fn take_others(&mut self, journal: &Arc<dyn Journal>, random: &mut fastrand::Rng) {
        let choices: [&[usize]; 4] = [&[0, 1, 2, 3], &[0], &[1, 2], &[]];
        self.taken = choices[random.usize(..4)].to_vec();
        journal.set_lanes(&self.plan()).await.expect("the lanes are set");
        let taken = self.taken.clone();
        self.waiting.retain(|(lane, feed, kind), _| *lane == 0 || *kind == Kind::Repair || taken.contains(feed));
    }

    /// Reads everything that each lane must get, and nothing else.
    async fn check(&self, journal: &Arc<dyn Journal>) {
        for (index, name) in LANES.iter().enumerate() {
            let lane = of(journal, name);
            let mut left = self.of_lane(index);
            assert_eq!(lane.waiting(), left as u64, "{name}: what waits is what is behind the marks");
            let mut reader = lane.reader();
            let mut read = HashMap::new();
            while left > 0 {
                let run = next(reader.as_mut(), 4_000).await;
                left -= run.entries.len();
                self.follow(index, &run, &mut read);
            }
        }
    }
}
