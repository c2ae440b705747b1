//! Reading: runs of entries, the queues taking turns, with no transaction between calls.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::params;
use tokio::sync::{oneshot, watch};

use super::chunk::{PackedChunk, place_in, place_out};
use super::dead_letter::DeadLetterRow;
use super::row::{ReplayRow, select};
use super::shared::Shared;
use super::standing::{Extent, LaneState, Owner, Standing};
use crate::{Entry, EntryRef, FeedId, JournalError, LaneId, Place, QueueId, Reader, Run, SHARE_OF_THE_SLOW, Taken};

/// A lane's reader. What it remembers grows with the queues that have something for it, never with entries.
pub(super) struct EmbeddedReader {
    shared: Arc<Shared>,
    lane: LaneId,
    bell: Option<watch::Receiver<()>>,
    /// By queue: the place after what was handed out.
    positions: HashMap<QueueId, u64>,
    turns: Turns,
    held: HashSet<QueueId>,
    /// How far it has followed the lane's news, and in which generation of the lanes.
    seen: u64,
    generation: Option<u64>,
    /// What is being read, across calls that are dropped.
    reading: Option<Reading>,
    /// What the last run left of its last chunk, so that a chunk is not unpacked once for each run.
    spare: Option<Spare>,
}

/// The queues that are known to have more, in the order of their turns.
#[derive(Default)]
struct Turns {
    live: VecDeque<QueueId>,
    slow: VecDeque<QueueId>,
    /// The queues that are in one of these.
    waiting: HashSet<QueueId>,
    /// How many runs were of live queues since a slow one had its turn.
    since_slow: u32,
}

/// A read that is under way.
struct Reading {
    queue: QueueId,
    position: u64,
    answer: oneshot::Receiver<Result<Read, JournalError>>,
}

/// What came of a read.
struct Read {
    gathered: Gathered,
    spare: VecDeque<Entry>,
    /// The place after what was looked at.
    next: u64,
}

/// Unpacked entries of a queue.
struct Spare {
    queue: QueueId,
    entries: VecDeque<Entry>,
}

/// Entries in the making of a run.
struct Gathered {
    entries: Vec<Entry>,
    bytes: usize,
    max_bytes: usize,
}

/// How many dead letters are looked up at once.
const LETTERS_AT_ONCE: i64 = 1_000;

impl EmbeddedReader {
    pub(super) fn new(shared: Arc<Shared>, lane: LaneId) -> Self {
        let bell = shared.standing().lane(lane).map(LaneState::bell);
        Self {
            shared,
            lane,
            bell,
            positions: HashMap::new(),
            turns: Turns::default(),
            held: HashSet::new(),
            seen: 0,
            generation: None,
            reading: None,
            spare: None,
        }
    }

    /// Takes note of queues that have more than was handed out.
    fn look_around(&mut self) -> Result<(), JournalError> {
        let shared = Arc::clone(&self.shared);
        let standing = shared.standing();
        let Some(lane) = standing.lane(self.lane).filter(|lane| lane.in_plan) else {
            let source = format!("no lane {} in the plan", self.lane.0).into();
            return Err(JournalError::Io { doing: "find a lane of the journal", source });
        };
        if self.generation != Some(standing.generation()) {
            self.start_over(&standing, lane);
        }
        let seen = std::mem::replace(&mut self.seen, lane.next_news());
        for queue in lane.news(seen) {
            self.note(queue, &standing, lane);
        }
        Ok(())
    }

    /// The lanes were set anew: this one may take other queues than before.
    fn start_over(&mut self, standing: &Standing, lane: &LaneState) {
        self.generation = Some(standing.generation());
        self.seen = 0;
        self.positions.retain(|queue, _| lane.mark(*queue).is_some());
        self.turns.retain(|queue| lane.mark(queue).is_some());
        if self.reading.as_ref().is_some_and(|reading| lane.mark(reading.queue).is_none()) {
            self.reading = None;
        }
    }

    fn note(&mut self, queue: QueueId, standing: &Standing, lane: &LaneState) {
        let (Some(mark), Some(known)) = (lane.mark(queue), standing.queue(queue)) else { return };
        let position = self.positions.entry(queue).or_insert(mark);
        // What was given up meanwhile is not handed out.
        *position = mark.max(*position);
        if *position < known.extent.tail && !self.held.contains(&queue) {
            self.turns.add(queue, known.owner);
        }
    }

    /// The next run of the queue whose turn it is.
    async fn next_run(&mut self, max_bytes: usize) -> Result<Option<Run>, JournalError> {
        loop {
            if self.reading.is_none() && !self.begin_reading(max_bytes) {
                return Ok(None);
            }
            let reading = self.reading.as_mut().expect("a read is under way");
            // From here on nothing is changed until the answer is there: a call that is dropped here has lost nothing.
            let answer = (&mut reading.answer).await;
            let Reading { queue, position, .. } = self.reading.take().expect("a read is under way");
            let Read { gathered, spare, next } = answer.unwrap_or(Err(JournalError::Closed))?;
            // Where the queue was held and released meanwhile, this is not what comes next.
            if self.positions.get(&queue) != Some(&position) || self.held.contains(&queue) {
                continue;
            }
            self.positions.insert(queue, next);
            self.spare = (!spare.is_empty()).then_some(Spare { queue, entries: spare });
            self.end_turn(queue, next);
            // There are none where dead letters were dropped.
            if !gathered.entries.is_empty() {
                return Ok(Some(Run { queue, entries: gathered.entries }));
            }
        }
    }

    /// Has the next run read, if there is one.
    fn begin_reading(&mut self, max_bytes: usize) -> bool {
        while let Some(queue) = self.turns.next() {
            let (known, mark) = {
                let standing = self.shared.standing();
                (standing.queue(queue), standing.lane(self.lane).and_then(|lane| lane.mark(queue)))
            };
            let (Some(known), Some(position)) = (known, self.positions.get(&queue).copied()) else {
                self.turns.drop(queue);
                continue;
            };
            // What was trimmed was settled.
            let position = position.max(known.extent.base).max(mark.unwrap_or_default());
            self.positions.insert(queue, position);
            let span = position..known.extent.tail;
            let answer = match known.owner {
                Owner::Replay(_) => self.read_replays(span, max_bytes),
                Owner::Live(_) | Owner::BackFill(_) | Owner::Repair(..) => self.read_chunks(queue, span, max_bytes),
            };
            self.reading = Some(Reading { queue, position, answer });
            return true;
        }
        false
    }

    fn read_chunks(
        &mut self,
        queue: QueueId,
        span: Range<u64>,
        max_bytes: usize,
    ) -> oneshot::Receiver<Result<Read, JournalError>> {
        let mut gathered = Gathered { entries: Vec::new(), bytes: 0, max_bytes };
        let mut spare = self.take_spare(queue, span.start);
        if gathered.take(&mut spare) {
            let (answer, answered) = oneshot::channel();
            let next = gathered.next().unwrap_or(span.start);
            // The other half is here.
            let _ = answer.send(Ok(Read { gathered, spare, next }));
            return answered;
        }
        let shared = Arc::clone(&self.shared);
        self.shared.reads().ask(move || gather(&shared, queue, span, (gathered, spare)))
    }

    fn read_replays(&self, span: Range<u64>, max_bytes: usize) -> oneshot::Receiver<Result<Read, JournalError>> {
        let (shared, lane) = (Arc::clone(&self.shared), self.lane);
        self.shared.reads().ask(move || gather_letters(&shared, lane, span, max_bytes))
    }

    fn take_spare(&mut self, queue: QueueId, position: u64) -> VecDeque<Entry> {
        let fits = |spare: &Spare| {
            spare.queue == queue && spare.entries.front().is_some_and(|entry| entry.place == Place(position))
        };
        self.spare.take_if(|spare| fits(spare)).map(|spare| spare.entries).unwrap_or_default()
    }

    fn end_turn(&mut self, queue: QueueId, next: u64) {
        let known = self.shared.standing().queue(queue);
        self.turns.drop(queue);
        if let Some(known) = known {
            self.turns.count(known.owner);
            if next < known.extent.tail {
                self.turns.add(queue, known.owner);
            }
        }
    }
}

#[async_trait]
impl Reader for EmbeddedReader {
    async fn next(&mut self, max_bytes: usize) -> Result<Taken, JournalError> {
        loop {
            self.shared.check_open()?;
            if let Some(bell) = &mut self.bell {
                bell.mark_unchanged();
            }
            self.look_around()?;
            if let Some(run) = self.next_run(max_bytes).await? {
                return Ok(Taken::Run(run));
            }
            let Some(bell) = &mut self.bell else { return Err(JournalError::Closed) };
            if bell.changed().await.is_err() {
                self.bell = None;
            }
        }
    }

    fn hold(&mut self, queue: QueueId) {
        self.held.insert(queue);
        self.turns.drop(queue);
    }

    fn release(&mut self, queue: QueueId, from: Place) {
        self.held.remove(&queue);
        self.reading.take_if(|reading| reading.queue == queue);
        self.spare.take_if(|spare| spare.queue == queue);
        let standing = self.shared.standing();
        let mark = standing.lane(self.lane).and_then(|lane| lane.mark(queue));
        let (Some(mark), Some(known)) = (mark, standing.queue(queue)) else { return };
        let position = from.0.max(mark);
        self.positions.insert(queue, position);
        if position < known.extent.tail {
            self.turns.add(queue, known.owner);
        }
    }
}

impl Turns {
    fn add(&mut self, queue: QueueId, owner: Owner) {
        if self.waiting.insert(queue) {
            let turns = if is_live(owner) { &mut self.live } else { &mut self.slow };
            turns.push_back(queue);
        }
    }

    fn drop(&mut self, queue: QueueId) {
        if self.waiting.remove(&queue) {
            self.live.retain(|waiting| *waiting != queue);
            self.slow.retain(|waiting| *waiting != queue);
        }
    }

    fn retain(&mut self, mut is_kept: impl FnMut(QueueId) -> bool) {
        self.waiting.retain(|queue| is_kept(*queue));
        let waiting = &self.waiting;
        self.live.retain(|queue| waiting.contains(queue));
        self.slow.retain(|queue| waiting.contains(queue));
    }

    /// The queue whose turn it is: a live one, but for the share of the others.
    fn next(&self) -> Option<QueueId> {
        let (live, slow) = (self.live.front(), self.slow.front());
        let is_slow = self.since_slow + 1 >= SHARE_OF_THE_SLOW;
        if is_slow { slow.or(live).copied() } else { live.or(slow).copied() }
    }

    /// Counts a turn.
    fn count(&mut self, owner: Owner) {
        self.since_slow = if is_live(owner) { self.since_slow.saturating_add(1) } else { 0 };
    }
}

fn is_live(owner: Owner) -> bool {
    matches!(owner, Owner::Live(_))
}

impl Gathered {
    /// Takes from the front of `entries` as long as they fit. Says whether the run is as large as it may be.
    fn take(&mut self, entries: &mut VecDeque<Entry>) -> bool {
        while let Some(entry) = entries.front() {
            if !self.entries.is_empty() && self.bytes + entry.bytes.len() > self.max_bytes {
                return true;
            }
            self.bytes += entry.bytes.len();
            self.entries.extend(entries.pop_front());
        }
        !self.entries.is_empty() && self.bytes >= self.max_bytes
    }

    /// The place after the last entry.
    fn next(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.place.0 + 1)
    }
}

/// The entries of a queue's chunk from `position` on. The database is free again before they are unpacked.
fn unpacked_from(shared: &Shared, queue: QueueId, position: Place) -> Result<VecDeque<Entry>, JournalError> {
    let feed = {
        let standing = shared.standing();
        let owner = standing.queue(queue).and_then(|queue| queue.owner.feed());
        owner.and_then(|feed| standing.feed(feed).cloned())
    };
    // A queue that was forgotten in this very moment holds nothing.
    let Some(feed) = feed else { return Ok(VecDeque::new()) };
    let chunk = shared.read(|db| PackedChunk::fetch(db, queue.0.into(), place_in(position)));
    let mut entries = VecDeque::from(shared.judge(chunk?.unpack(&feed))?);
    entries.retain(|entry| entry.place >= position);
    Ok(entries)
}

/// Whether a mark's entry is this journal's: its place lies before its queue's end, and where it is held, its key has this
/// digest.
pub(super) fn knows(shared: &Shared, entry: EntryRef, id: [u8; 16]) -> Result<bool, JournalError> {
    let held = || shared.standing().queue(entry.queue).map(|queue| (queue.owner, queue.extent));
    let Some((owner, Extent { base, tail })) = held() else { return Ok(false) };
    if entry.place.0 >= tail {
        return Ok(false);
    }
    if entry.place.0 < base || matches!(owner, Owner::Replay(_)) {
        return Ok(true);
    }
    match unpacked_from(shared, entry.queue, entry.place) {
        Ok(entries) => Ok(entries.front().is_none_or(|found| found.place == entry.place && found.key.id == id)),
        // It was dropped in this very moment.
        Err(_) if held().is_none_or(|(_, extent)| entry.place.0 < extent.base) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Goes on with a run from the chunks of its queue, one unpacked at a time.
fn gather(
    shared: &Shared,
    queue: QueueId,
    span: Range<u64>,
    (mut gathered, mut spare): (Gathered, VecDeque<Entry>),
) -> Result<Read, JournalError> {
    let mut position = gathered.next().unwrap_or(span.start);
    while position < span.end {
        let unpacked = unpacked_from(shared, queue, Place(position));
        let base = shared.standing().queue(queue).map(|queue| queue.extent.base);
        spare = match (unpacked, base) {
            (Ok(entries), _) if !entries.is_empty() => entries,
            (Err(error), Some(base)) if base <= position => return Err(error),
            // It was trimmed or forgotten in this very moment: what was gathered before it goes first.
            (Ok(_) | Err(_), _) if !gathered.entries.is_empty() => {
                spare = VecDeque::new();
                break;
            }
            (Ok(_) | Err(_), base) => {
                position = base.filter(|base| *base > position).unwrap_or(span.end);
                spare = VecDeque::new();
                continue;
            }
        };
        if gathered.take(&mut spare) || !spare.is_empty() {
            break;
        }
        position = gathered.next().unwrap_or(span.end);
    }
    let next = gathered.next().unwrap_or(position);
    Ok(Read { gathered, spare, next })
}

/// The next dead letters that a lane is to get again.
fn gather_letters(shared: &Shared, lane: LaneId, span: Range<u64>, max_bytes: usize) -> Result<Read, JournalError> {
    let condition = "WHERE lane = ? AND place >= ? ORDER BY place LIMIT ?";
    let from = place_in(Place(span.start));
    let rows: Vec<ReplayRow> = shared.read(|db| select(db, condition, params![lane.0, from, LETTERS_AT_ONCE]))?;
    let mut gathered = Gathered { entries: Vec::new(), bytes: 0, max_bytes };
    let mut next = if (rows.len() as u64) < LETTERS_AT_ONCE.unsigned_abs() { span.end } else { span.start };
    for row in rows {
        let place = shared.judge(place_out(row.place))?;
        let mut one: VecDeque<Entry> = letter(shared, lane, &row, place)?.into_iter().collect();
        let is_full = gathered.take(&mut one);
        if !one.is_empty() {
            next = place.0;
            break;
        }
        next = next.max(place.0 + 1);
        if is_full {
            next = place.0 + 1;
            break;
        }
    }
    Ok(Read { gathered, spare: VecDeque::new(), next })
}

/// A dead letter as an entry; none where it was dropped meanwhile, or its feed forgotten.
fn letter(shared: &Shared, lane: LaneId, row: &ReplayRow, place: Place) -> Result<Option<Entry>, JournalError> {
    let Some(found) = shared.read(|db| DeadLetterRow::find(db, lane, row.letter))? else { return Ok(None) };
    let feed = u32::try_from(found.feed).ok().and_then(|feed| shared.standing().feed(FeedId(feed)).cloned());
    let Some(feed) = feed else { return Ok(None) };
    let entry = shared.judge(found.entry(feed))?;
    Ok(Some(Entry { place, ..entry }))
}
