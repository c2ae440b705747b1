//! Reading: runs of entries, the queues taking turns, with no transaction between calls.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::params;
use tokio::sync::watch;

use super::chunk::{PackedChunk, place_in};
use super::dead_letter::{DeadLetterRow, letter_at, requeued_out};
use super::row::{RequeueRow, select};
use super::shared::Shared;
use super::standing::{LaneStanding, feed_of, kind_of};
use super::trouble::Trouble;
use crate::{Entry, EntryRef, JournalError, Key, LaneId, Place, QueueId, QueueKind, Reader, Run};

/// A lane's reader. What it remembers grows with queues, never with entries.
pub(super) struct EmbeddedReader {
    shared: Arc<Shared>,
    tidings: watch::Receiver<u64>,
    lane: LaneId,
    /// By queue: the place after what was handed out.
    positions: Vec<u64>,
    /// The queues that are known to have more, in the order of their turns.
    live: VecDeque<QueueId>,
    back_fill: VecDeque<QueueId>,
    /// By queue: whether it is in one of these.
    is_waiting: Vec<bool>,
    /// The number of the last requeued entry that was handed out.
    requeued_to: i64,
    /// What the last run left of its last chunk, so that a chunk is not unpacked once for each run.
    spare: Option<Spare>,
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

/// How many requeued entries are looked up at once.
const REQUEUED_AT_ONCE: i64 = 1_000;

impl EmbeddedReader {
    pub(super) fn new(shared: Arc<Shared>, lane: LaneId) -> Self {
        let mut tidings = shared.tidings();
        tidings.mark_changed();
        Self {
            shared,
            tidings,
            lane,
            positions: Vec::new(),
            live: VecDeque::new(),
            back_fill: VecDeque::new(),
            is_waiting: Vec::new(),
            requeued_to: 0,
            spare: None,
        }
    }

    /// Takes note of queues that have more than was handed out. Says whether there are requeued entries.
    fn look_around(&mut self) -> Result<bool, JournalError> {
        let shared = Arc::clone(&self.shared);
        let standing = shared.standing();
        let Some(index) = standing.lane_index(self.lane) else {
            let source = format!("no lane {} in the plan", self.lane.0).into();
            return Err(JournalError::Io { doing: "find a lane of the journal", source });
        };
        let lane = &standing.lanes()[index];
        if self.tidings.has_changed().unwrap_or(true) {
            self.tidings.mark_unchanged();
            for (queue, extent) in standing.queues() {
                self.note(queue, extent.tail, lane);
            }
        }
        Ok(self.requeued_to < lane.requeued.last)
    }

    fn note(&mut self, queue: QueueId, tail: u64, lane: &LaneStanding) {
        let index = queue.0 as usize;
        if index >= self.positions.len() {
            self.positions.push(lane.mark(queue));
            self.is_waiting.push(false);
        }
        if self.positions[index] < tail && !self.is_waiting[index] {
            self.is_waiting[index] = true;
            self.turns(kind_of(queue)).push_back(queue);
        }
    }

    fn turns(&mut self, kind: QueueKind) -> &mut VecDeque<QueueId> {
        match kind {
            QueueKind::BackFill => &mut self.back_fill,
            QueueKind::Live => &mut self.live,
        }
    }

    /// The next run of the queue whose turn it is; back-fill has its turn when live has nothing.
    async fn next_unread(&mut self, max_bytes: usize) -> Result<Option<Run>, JournalError> {
        let Some(queue) = self.live.front().or(self.back_fill.front()).copied() else { return Ok(None) };
        let index = queue.0 as usize;
        let position = self.positions[index];
        let tail = self.shared.standing().extent(queue).unwrap_or_default().tail;
        let mut gathered = Gathered { entries: Vec::new(), bytes: 0, max_bytes };
        let mut spare = self.take_spare(queue, position);
        // From here on nothing is remembered until the run is there: a reader that is dropped here has lost nothing.
        if !gathered.take(&mut spare) {
            let shared = Arc::clone(&self.shared);
            let read = move || gather_unread(&shared, queue, position..tail, (gathered, spare));
            (gathered, spare) = self.shared.reads().read(read).await?;
        }
        let next = gathered.entries.last().map_or(position, |entry| entry.place.0 + 1);
        self.positions[index] = next;
        self.spare = (!spare.is_empty()).then_some(Spare { queue, entries: spare });
        self.end_turn(queue, next < tail);
        self.run(queue, false, gathered.entries).map(Some)
    }

    fn take_spare(&mut self, queue: QueueId, position: u64) -> VecDeque<Entry> {
        let fits = |spare: &Spare| {
            spare.queue == queue && spare.entries.front().is_some_and(|entry| entry.place == Place(position))
        };
        // Cloned, not taken: entries share their buffer, and a dropped call must leave the reader as it was.
        self.spare.as_ref().filter(|spare| fits(spare)).map(|spare| spare.entries.clone()).unwrap_or_default()
    }

    fn end_turn(&mut self, queue: QueueId, has_more: bool) {
        let turns = self.turns(kind_of(queue));
        turns.pop_front();
        if has_more {
            turns.push_back(queue);
        }
        self.is_waiting[queue.0 as usize] = has_more;
    }

    /// The next run of requeued entries, if there still are any.
    async fn next_requeued(&mut self, max_bytes: usize) -> Result<Option<Run>, JournalError> {
        loop {
            let (lane, after) = (self.lane, self.requeued_to);
            let shared = Arc::clone(&self.shared);
            let read = move || {
                let last = {
                    let standing = shared.standing();
                    standing.lane_index(lane).map_or(0, |index| standing.lanes()[index].requeued.last)
                };
                Ok((gather_requeued(&shared, lane, after, max_bytes)?, last))
            };
            let (found, last) = self.shared.reads().read(read).await?;
            let Some((queue, number, entries)) = found else {
                // All that came up to here was settled meanwhile.
                self.requeued_to = last.max(after);
                return Ok(None);
            };
            self.requeued_to = number;
            // There are none where letters were dropped in this very moment.
            if !entries.is_empty() {
                return self.run(queue, true, entries).map(Some);
            }
        }
    }

    fn run(&self, queue: QueueId, requeued: bool, entries: Vec<Entry>) -> Result<Run, JournalError> {
        let feed = self.shared.standing().feed(feed_of(queue)).cloned();
        let feed = feed.ok_or_else(|| JournalError::Damaged { what: format!("queue {} has no feed", queue.0) })?;
        Ok(Run { queue, feed, requeued, entries })
    }
}

#[async_trait]
impl Reader for EmbeddedReader {
    async fn next(&mut self, max_bytes: usize) -> Result<Run, JournalError> {
        loop {
            self.shared.check_open()?;
            if self.look_around()?
                && let Some(run) = self.next_requeued(max_bytes).await?
            {
                return Ok(run);
            }
            if let Some(run) = self.next_unread(max_bytes).await? {
                return Ok(run);
            }
            if self.tidings.changed().await.is_err() {
                return Err(JournalError::Closed);
            }
            // Seen by waiting, not yet looked at.
            self.tidings.mark_changed();
        }
    }
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
        self.bytes >= self.max_bytes
    }
}

/// The entries of a queue's chunk from `position` on. The database is free again before they are unpacked.
fn unpacked_from(shared: &Shared, queue: i64, position: Place) -> Result<VecDeque<Entry>, JournalError> {
    let chunk = shared.read(|db| PackedChunk::fetch(db, queue, place_in(position)))?;
    let mut entries = VecDeque::from(shared.judge(chunk.unpack())?);
    entries.retain(|entry| entry.place >= position);
    Ok(entries)
}

/// The key of an entry that is held.
pub(super) fn key(shared: &Shared, entry: EntryRef) -> Result<Option<Key>, JournalError> {
    let is_held = || {
        let extent = shared.standing().extent(entry.queue).unwrap_or_default();
        (extent.base..extent.tail).contains(&entry.place.0)
    };
    if !is_held() {
        return Ok(None);
    }
    match unpacked_from(shared, entry.queue.0.into(), entry.place) {
        Ok(entries) => Ok(entries.front().filter(|found| found.place == entry.place).map(|found| found.key)),
        // It was dropped in this very moment.
        Err(_) if !is_held() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Goes on with a run from the chunks of its queue, one unpacked at a time. Returns what is left of the last.
fn gather_unread(
    shared: &Shared,
    queue: QueueId,
    span: std::ops::Range<u64>,
    (mut gathered, mut spare): (Gathered, VecDeque<Entry>),
) -> Result<(Gathered, VecDeque<Entry>), JournalError> {
    let mut position = gathered.entries.last().map_or(span.start, |entry| entry.place.0 + 1);
    while position < span.end {
        spare = unpacked_from(shared, queue.0.into(), Place(position))?;
        if gathered.take(&mut spare) || !spare.is_empty() {
            break;
        }
        position = gathered.entries.last().map_or(span.end, |entry| entry.place.0 + 1);
    }
    Ok((gathered, spare))
}

type Requeued = Option<(QueueId, i64, Vec<Entry>)>;

/// The next requeued entries of one queue in the order of their places, and the number of the last of them.
fn gather_requeued(shared: &Shared, lane: LaneId, after: i64, max_bytes: usize) -> Result<Requeued, JournalError> {
    let condition = "WHERE id > ? AND lane = ? ORDER BY id LIMIT ?";
    let rows: Vec<RequeueRow> = shared.read(|db| select(db, condition, params![after, lane.0, REQUEUED_AT_ONCE]))?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut gathered = Gathered { entries: Vec::new(), bytes: 0, max_bytes };
    let mut chunk: VecDeque<Entry> = VecDeque::new();
    let mut last = *first;
    for row in rows.iter().take_while(|row| row.queue == first.queue) {
        let place = shared.judge(requeued_out(row.place))?;
        if gathered.entries.last().is_some_and(|entry| entry.place >= place) {
            break;
        }
        let mut one = requeued_entry(shared, row, place, &mut chunk)?;
        let is_full = gathered.take(&mut one);
        if !one.is_empty() {
            break;
        }
        last = *row;
        if is_full {
            break;
        }
    }
    let queue = u32::try_from(first.queue).map_err(|_| Trouble::damaged("a queue with an impossible number"));
    Ok(Some((QueueId(shared.judge(queue)?), last.id, gathered.entries)))
}

/// A requeued entry, out of its chunk or out of the letter that keeps it; none where the letter was dropped meanwhile.
fn requeued_entry(
    shared: &Shared,
    row: &RequeueRow,
    place: Place,
    chunk: &mut VecDeque<Entry>,
) -> Result<VecDeque<Entry>, JournalError> {
    if let Some(letter) = letter_at(place) {
        let lane = LaneId(u32::try_from(row.lane).unwrap_or(u32::MAX));
        let found = shared.read(|db| DeadLetterRow::find(db, lane, letter))?;
        let entry = found.map(|found| shared.judge(found.entry())).transpose()?;
        return Ok(entry.map(|entry| Entry { place, ..entry }).into_iter().collect());
    }
    chunk.retain(|entry| entry.place >= place);
    if chunk.front().is_none_or(|entry| entry.place != place) {
        *chunk = unpacked_from(shared, row.queue, place)?;
    }
    Ok(chunk.pop_front().into_iter().collect())
}
