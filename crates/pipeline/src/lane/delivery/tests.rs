//! Random histories of the machine: a journal with gaps and several queues, and a sink that does as it likes, both played
//! by the test; time is a number.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use fault::Reach;
use journal::{Entry, FeedInfo, FeedName, Key, Lane, LaneId};
use sink::{Fate, Fates};

use super::*;

/// What the journal holds and the destination has got.
struct World {
    random: fastrand::Rng,
    now: Instant,
    queues: BTreeMap<QueueId, Vec<u64>>,
    /// By queue: the place after which nothing is settled.
    marks: BTreeMap<QueueId, u64>,
    /// By queue: the place from which is read.
    positions: BTreeMap<QueueId, u64>,
    held: HashSet<QueueId>,
    outstanding: Vec<Batch>,
    /// Behind an open record everything stays open.
    is_ordered: bool,
    /// The batches that stand behind one.
    behind: HashSet<BatchId>,
    /// From here on the sink takes everything.
    is_kind: bool,
    settling: Option<Settlement>,
    /// By entry: the records that have arrived.
    arrived: BTreeMap<(QueueId, u64), BTreeSet<u32>>,
    /// By queue: the places in the order in which their first record arrived.
    order: BTreeMap<QueueId, Vec<u64>>,
    letters: HashSet<(QueueId, u64)>,
}

const LIMITS: Limits = Limits { records: 4, bytes: 1 << 20, outstanding: 3 };

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut queues = BTreeMap::new();
        for queue in 0..random.u32(1..4) {
            let mut place = random.u64(..5);
            let mut places = Vec::new();
            for _ in 0..random.usize(..12) {
                places.push(place);
                place += random.u64(1..4);
            }
            queues.insert(QueueId(queue), places);
        }
        let zeroes: BTreeMap<_, _> = queues.keys().map(|queue| (*queue, 0)).collect();
        Self {
            is_ordered: random.bool(),
            behind: HashSet::new(),
            random,
            now: Instant::now(),
            queues,
            marks: zeroes.clone(),
            positions: zeroes,
            held: HashSet::new(),
            outstanding: Vec::new(),
            is_kind: false,
            settling: None,
            arrived: BTreeMap::new(),
            order: BTreeMap::new(),
            letters: HashSet::new(),
        }
    }

    fn delivery(&self) -> (Delivery, Arc<LaneStatus>) {
        let status = Arc::new(LaneStatus::default());
        let options = Options { limits: LIMITS, one_reader: false, max_dead_letters: 1_000 };
        (Delivery::new(options, None, Arc::clone(&status), self.now), status)
    }

    /// How many records an entry has; none where the filter leaves it out.
    fn records_of(place: u64) -> usize {
        [1, 1, 3, 0, 2][usize::try_from(place % 5).expect("it is small")]
    }

    fn waiting(&self, delivery: &Delivery) -> Waiting {
        let of =
            |queue: &QueueId| self.queues[queue].iter().filter(|place| **place >= self.marks[queue]).count() as u64;
        let held: HashSet<QueueId> = delivery.held().collect();
        Waiting {
            all: self.queues.keys().map(of).sum(),
            elsewhere: self.queues.keys().filter(|queue| !held.contains(*queue)).map(of).sum(),
        }
    }

    /// Hands the machine the next run of a queue; says whether there was one.
    fn read(&mut self, delivery: &mut Delivery) -> bool {
        let ready: Vec<QueueId> = self
            .queues
            .iter()
            .filter(|(queue, places)| {
                !self.held.contains(*queue) && places.iter().any(|place| *place >= self.positions[*queue])
            })
            .map(|(queue, _)| *queue)
            .collect();
        let Some(queue) = self.random.choice(ready) else { return false };
        let most = self.random.usize(1..5);
        let places: Vec<u64> =
            self.queues[&queue].iter().copied().filter(|place| *place >= self.positions[&queue]).take(most).collect();
        self.positions.insert(queue, places[places.len() - 1] + 1);
        for place in places {
            let entry = entry(place);
            let Some(skip) = delivery.take(queue, &entry) else { continue };
            let at = EntryRef { queue, place: entry.place };
            match Self::records_of(place) {
                0 => delivery.ended(at, End::FilteredOut),
                count => {
                    let record = |part| sink::suite::record(&format!("{}.{place}.{part}", queue.0));
                    delivery.records((at, entry.key.id), skip, (0..count).map(record).collect::<Vec<_>>().into_iter());
                }
            }
        }
        true
    }

    /// Answers a batch that is outstanding.
    fn answer(&mut self) -> Option<Answer> {
        if self.outstanding.is_empty() {
            return None;
        }
        let index = if self.is_ordered { 0 } else { self.random.usize(..self.outstanding.len()) };
        let batch = self.outstanding.remove(index);
        let mut is_open = false;
        let mut fates = Vec::new();
        let kind = if self.is_kind { 0 } else { self.random.u32(..6) };
        let is_behind = self.behind.remove(&batch.id);
        if self.is_ordered && (kind == 1 || kind == 2 || is_behind) {
            self.behind.extend(self.outstanding.iter().map(|batch| batch.id));
        }
        if kind == 1 || is_behind {
            return Some(Answer { batch: batch.id, fates: Fates::Open(Fault::retry("lost")), ease: None });
        }
        if kind == 2 {
            return Some(Answer { batch: batch.id, fates: Fates::Open(Fault::reject("too much")), ease: None });
        }
        for record in batch.records.iter() {
            let fate = match if kind == 3 { self.random.u32(..5) } else { 4 } {
                _ if is_open && self.is_ordered => Fate::Open(Fault::retry("behind another")),
                0 => Fate::Open(Fault::retry("busy")),
                1 => Fate::Open(Fault::halt("no such topic").reaching(Reach::Queue)),
                2 => Fate::Refused("bad".into()),
                _ => Fate::Settled,
            };
            is_open |= matches!(fate, Fate::Open(_));
            let (queue, place, part) = name(&record.payload);
            match fate {
                Fate::Settled => {
                    self.arrived.entry((queue, place)).or_default().insert(part);
                    self.order.entry(queue).or_default().push(place);
                }
                // A mark of a later settlement carries it.
                Fate::Refused(_) | Fate::Open(_) => {}
            }
            fates.push(fate);
        }
        if self.is_ordered && is_open {
            self.behind.extend(self.outstanding.iter().map(|batch| batch.id));
        }
        Some(Answer { batch: batch.id, fates: Fates::Each(fates), ease: None })
    }

    /// Guarantee (rule 2): a mark stands only behind what has arrived whole, was left out or is a dead letter.
    fn check(&mut self, settlement: &Settlement, seed: u64) {
        for letter in &settlement.dead_letters {
            self.letters.insert((letter.entry.queue, letter.entry.place.0));
        }
        for mark in &settlement.marks {
            for place in self.queues[&mark.queue].iter().filter(|place| **place <= mark.place.0) {
                let arrived = self.arrived.get(&(mark.queue, *place)).map_or(0, BTreeSet::len);
                let is_done = arrived >= Self::records_of(*place) || self.letters.contains(&(mark.queue, *place));
                assert!(is_done, "seed {seed}: a mark stands behind {place} of {:?}, which is nowhere", mark.queue);
            }
        }
    }

    fn settled(&mut self) {
        if let Some(settlement) = self.settling.take() {
            for mark in settlement.marks {
                let held = self.marks.get_mut(&mark.queue).expect("a mark is of a queue that there is");
                *held = (*held).max(mark.place.0 + 1);
            }
        }
    }
}

fn entry(place: u64) -> Entry {
    let name = FeedName { tenant_id: "t".into(), source: "s".into() };
    let feed = Arc::new(FeedInfo { name, kind: "mde_alerts".into() });
    Entry { feed, place: Place(place), key: Key { time: 0, id: [0; 16] }, flags: 0, bytes: Bytes::new() }
}

fn name(payload: &[u8]) -> (QueueId, u64, u32) {
    let text = String::from_utf8_lossy(payload);
    let mut parts = text.split('.').map(|part| part.parse::<u64>().expect("a record has a name of numbers"));
    let mut next = || parts.next().expect("a record has a name of three parts");
    let (queue, place, part) = (next(), next(), next());
    (QueueId(u32::try_from(queue).expect("it is small")), place, u32::try_from(part).expect("it is small"))
}

fn no_letters() -> DeadLetterCount {
    DeadLetterCount { lane: Lane { id: LaneId(1), name: String::new() }, in_plan: true, kept: 0, replaying: 0 }
}

/// One history, with crashes. Ends once everything is accounted for.
fn run(seed: u64) {
    let mut world = World::new(seed);
    let (mut delivery, mut status) = world.delivery();
    let mut has_crashed = false;
    for step in 0..5_000 {
        world.is_kind = step > 200;
        if step > 250 {
            delivery.on(world.now, Event::Drain);
        }
        if step < 200 && world.random.u32(..80) == 0 {
            // Whatever was not settled is read again.
            world.positions = world.marks.clone();
            (world.outstanding, world.settling) = (Vec::new(), None);
            world.held.clear();
            (delivery, status) = world.delivery();
            has_crashed = true;
        }
        let waiting = world.waiting(&delivery);
        match delivery.next(world.now, waiting) {
            Do::AskForMarks => delivery.adopt(None),
            Do::CountDeadLetters => delivery.on(world.now, Event::Counted(no_letters())),
            Do::End(end) => return finish(&world, &status, (end, has_crashed, seed)),
            Do::Flush => {}
            Do::Hold(queue) => {
                world.held.insert(queue);
            }
            Do::Probe => {
                let up = world.is_kind || world.random.bool();
                let probed = if up { Ok(()) } else { Err(Fault::retry("down")) };
                delivery.on(world.now, Event::Probed(probed));
            }
            Do::Release(queue, from) => {
                world.held.remove(&queue);
                world.positions.insert(queue, from.0);
            }
            Do::Send(batch) => {
                assert!(world.outstanding.len() < LIMITS.outstanding, "seed {seed}: more is outstanding than may be");
                if !world.is_kind && world.random.u32(..10) == 0 {
                    delivery.on(world.now, Event::NotTaken(Fault::retry("busy")));
                } else {
                    world.outstanding.push(batch);
                    delivery.on(world.now, Event::Taken);
                }
            }
            Do::Settle(settlement) => {
                world.check(&settlement, seed);
                world.settling = Some(settlement);
            }
            Do::Wait { until, read } => wait(&mut world, &mut delivery, until, read),
        }
        let bound = LIMITS.records * (LIMITS.outstanding + 2) + 8;
        assert!(delivery.window.len() <= bound, "seed {seed}: the window grows without bound");
    }
    panic!("seed {seed}: there is no way on");
}

/// Something happens, by chance; where nothing else can, time passes.
fn wait(world: &mut World, delivery: &mut Delivery, until: Option<Instant>, read: bool) {
    for choice in 0..8 {
        let happened = match if choice < 4 { world.random.u32(..3) } else { choice - 4 } {
            0 if world.settling.is_some() => {
                world.settled();
                delivery.on(world.now, Event::Settled);
                true
            }
            1 => match world.answer() {
                Some(answer) => {
                    delivery.on(world.now, Event::Answered(answer));
                    true
                }
                None => false,
            },
            2 if read => world.read(delivery),
            _ => false,
        };
        if happened {
            return;
        }
    }
    world.now = until.unwrap_or(world.now).max(world.now) + Duration::from_millis(1);
}

/// Guarantee (rule 4): every entry ended in one place, and was counted once.
fn finish(world: &World, status: &LaneStatus, (end, has_crashed, seed): (LaneEnd, bool, u64)) {
    assert_eq!(end, LaneEnd::Drained, "seed {seed}");
    for (queue, places) in &world.queues {
        let last = places.last().map_or(0, |last| last + 1);
        assert!(world.marks[queue] >= last, "seed {seed}: something is not settled");
        if world.is_ordered && !has_crashed {
            let mut seen = HashSet::new();
            let first: Vec<u64> =
                world.order.get(queue).into_iter().flatten().copied().filter(|place| seen.insert(*place)).collect();
            assert!(first.is_sorted(), "seed {seed}: {queue:?} arrived out of order: {first:?}");
        }
    }
    if !has_crashed {
        let all: usize = world.queues.values().map(Vec::len).sum();
        let counted = status.delivered.get() + status.filtered.get() + status.dead_letters.get();
        assert_eq!(counted, all as u64, "seed {seed}: each is counted once");
    }
}

/// Guarantee: whatever the sink does and whenever the lane is killed, there is a way on from every state: nothing is
/// lost, no mark is ahead of the destination's word, nothing is counted twice, what is kept unsettled is bounded, and an
/// ordered destination gets what is of one queue in order.
#[test]
fn random_histories_end_with_everything_accounted_for() {
    let full = std::env::var_os("ATP_TESTS_FULL").is_some_and(|full| full == "yes");
    let seeds = match std::env::var("ATP_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("a seed is a number");
            seed..seed + 1
        }
        Err(_) => 0..if full { 10_000_000 } else { 100_000 },
    };
    seeds.for_each(run);
}

/// Scenario: the drain is raised in the very moment in which the last settlement is heard of, nothing is in flight and
/// nothing will ever come from the journal again. Guarantee: the machine is asked once more and ends. The lane before it
/// asked whether to end, was told no, and then waited for a journal that never spoke again.
#[test]
fn a_drain_between_the_question_and_the_wait_is_not_lost() {
    let mut world = World::new(0);
    world.queues = BTreeMap::from([(QueueId(0), vec![0])]);
    (world.is_kind, world.marks, world.positions) =
        (true, BTreeMap::from([(QueueId(0), 0)]), BTreeMap::from([(QueueId(0), 0)]));
    let (mut delivery, _) = world.delivery();
    let nothing = Waiting { all: 0, elsewhere: 0 };
    for event in [Event::Counted(no_letters()), Event::Probed(Ok(()))] {
        delivery.on(world.now, event);
    }
    delivery.adopt(None);
    let Do::Wait { read: true, .. } = delivery.next(world.now, nothing) else { panic!("there is nothing to do") };
    delivery.on(world.now, Event::Drain);
    assert!(matches!(delivery.next(world.now, nothing), Do::End(LaneEnd::Drained)));
}
