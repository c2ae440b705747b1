//! What was still waiting in a damaged journal or is lost of it, and from when on it must therefore be read again.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::aside::whole_rows;
use super::dead_letter::LostLetters;
use super::lanes::take_known;
use super::row::{CheckpointRow, LaneRow, MarkRow, QueueRow, RequeueRow, StoredRow};
use super::trouble::Trouble;
use super::{chunk, ledger, schema};
use crate::{Key, LanePlan, LaneStart};

/// What lanes had not settled in a damaged journal. Wherever something cannot be read, more is taken as waiting.
pub(super) struct Waiting {
    queues: HashMap<i64, QueueRow>,
    /// The lanes of the plan as the journal knew them.
    lanes: Vec<PlannedLane>,
    marks: HashMap<(i64, i64), i64>,
    /// By queue: the first place that some lane is to get again.
    requeued: HashMap<i64, i64>,
    /// Lanes, marks and requeued entries could all be read.
    is_whole: bool,
    lost: LostLetters,
    checkpoints: Checkpoints,
}

/// Which feeds still have their checkpoints.
struct Checkpoints {
    /// All could be read.
    is_whole: bool,
    /// By feed: how many rows there are, and how many of them are whole.
    rows: HashMap<i64, (usize, usize)>,
}

/// What must be asked for again of a feed.
#[derive(Default)]
pub(super) struct Again {
    /// From when on. `None` where nothing was waiting and nothing is lost.
    pub(super) from: Option<i64>,
    /// No entry that was waiting is older than this; what is older and known is done with.
    pub(super) waiting_from: Option<i64>,
    /// But for these, which were refused and whose dead letters are lost.
    pub(super) lost: HashSet<Key>,
}

enum PlannedLane {
    /// By its number.
    Known(i64),
    /// It would have begun with what was there.
    NewFromOld,
    /// It would have begun with what comes.
    NewFromNow,
}

/// How many heads of chunks are looked at together.
const HEADS_AT_ONCE: i64 = 256;

impl Waiting {
    pub(super) fn read(old: &Connection, plan: &[LanePlan]) -> Self {
        let (queues, _) = whole_rows::<QueueRow>(old);
        let (mut lanes, all_lanes) = whole_rows::<LaneRow>(old);
        let (marks, all_marks) = whole_rows::<MarkRow>(old);
        let (requeued, all_requeued) = whole_rows::<RequeueRow>(old);
        let mut first_requeued = HashMap::new();
        // Letters that are replayed are kept as letters, and are not read again.
        for row in requeued.into_iter().filter(|row| row.place >= 0) {
            let first = first_requeued.entry(row.queue).or_insert(row.place);
            *first = row.place.min(*first);
        }
        Self {
            queues: queues.into_iter().map(|row| (row.id, row)).collect(),
            lanes: plan.iter().map(|lane| planned(take_known(&mut lanes, lane, plan), lane.from)).collect(),
            marks: marks.into_iter().map(|row| ((row.lane, row.queue), row.place)).collect(),
            requeued: first_requeued,
            is_whole: all_lanes && all_marks && all_requeued,
            lost: LostLetters::find(old),
            checkpoints: Checkpoints::find(old),
        }
    }

    /// What must be asked for again of a feed.
    pub(super) fn of(&self, old: &Connection, feed: i64) -> Again {
        let waiting_from = self.since(old, feed);
        let lost: HashSet<Key> = self.lost.keys.iter().filter(|(of, _)| *of == feed).map(|(_, key)| *key).collect();
        // Where a walk's checkpoint is lost, nothing says how far back it had not read yet.
        let unknown = self.checkpoints.are_lost(feed).then_some(i64::MIN);
        let from = lost.iter().map(|key| key.time).chain(waiting_from).chain(unknown).min();
        Again { from, waiting_from, lost }
    }

    /// The time that no waiting entry of a feed is older than. `None` where none was waiting.
    fn since(&self, old: &Connection, feed: i64) -> Option<i64> {
        if !self.lost.is_all {
            return Some(earliest_known(old, feed));
        }
        let mut earliest = None;
        for queue in [2 * feed, 2 * feed + 1] {
            match self.since_in_queue(old, queue) {
                Ok(since) => earliest = earliest.into_iter().chain(since).min(),
                Err(_) => return Some(earliest_known(old, feed)),
            }
        }
        earliest
    }

    fn since_in_queue(&self, old: &Connection, queue: i64) -> Result<Option<i64>, Trouble> {
        let row = self.queues.get(&queue).ok_or_else(|| Trouble::damaged("a queue cannot be read"))?;
        let needed_from = self.needed_from(row);
        let mut earliest = None;
        let mut place = row.base;
        while place < row.tail && needed_from < row.tail {
            let heads = chunk::heads(old, queue, place, HEADS_AT_ONCE)?;
            for head in &heads {
                if head.place != place || head.queue != queue {
                    return Err(Trouble::damaged("a chunk is missing"));
                }
                place = head.end();
                if place > needed_from {
                    earliest = earliest.into_iter().chain([head.oldest]).min();
                }
            }
            if heads.is_empty() {
                return Err(Trouble::damaged("a chunk is missing"));
            }
        }
        Ok(earliest)
    }

    /// The first place of a queue that some lane of the plan still needed.
    fn needed_from(&self, row: &QueueRow) -> i64 {
        if !self.is_whole {
            return row.base;
        }
        let lanes = self.lanes.iter().map(|lane| match lane {
            PlannedLane::Known(lane) => self.marks.get(&(*lane, row.id)).copied().unwrap_or(row.base),
            PlannedLane::NewFromOld => row.base,
            PlannedLane::NewFromNow => row.tail,
        });
        let requeued = self.requeued.get(&row.id).copied();
        lanes.chain(requeued).min().unwrap_or(row.tail)
    }
}

impl Checkpoints {
    fn find(old: &Connection) -> Self {
        let (whole, is_whole) = whole_rows::<CheckpointRow>(old);
        let mut rows = HashMap::<i64, (usize, usize)>::new();
        for row in whole {
            rows.entry(row.feed).or_default().1 += 1;
        }
        let is_counted = count_checkpoints(old, &mut rows).is_ok();
        if !is_counted {
            // Any feed may have lost one.
            rows.clear();
        }
        Self { is_whole: is_whole && is_counted, rows }
    }

    /// Whether a feed may have lost a checkpoint: it has none, or a row that names it is not whole.
    fn are_lost(&self, feed: i64) -> bool {
        !self.is_whole && self.rows.get(&feed).is_none_or(|(all, whole)| *whole == 0 || whole < all)
    }
}

fn count_checkpoints(old: &Connection, rows: &mut HashMap<i64, (usize, usize)>) -> Result<(), Trouble> {
    let mut statement = old.prepare(&format!("SELECT feed FROM {}", CheckpointRow::TABLE))?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        rows.entry(row.get(0)?).or_default().0 += 1;
    }
    Ok(())
}

fn planned(known: Option<LaneRow>, from: LaneStart) -> PlannedLane {
    match (known, from) {
        (Some(lane), _) => PlannedLane::Known(lane.id),
        (None, LaneStart::Now) => PlannedLane::NewFromNow,
        (None, LaneStart::Journal | LaneStart::Since(_)) => PlannedLane::NewFromOld,
    }
}

/// The earliest time that anything which can be read says of a feed; `i64::MIN` where nothing can be trusted.
fn earliest_known(old: &Connection, feed: i64) -> i64 {
    if schema::check_table(old, "ledger").is_err() {
        return i64::MIN;
    }
    let Ok(Some((first, true))) = ledger::earliest(old, feed) else { return i64::MIN };
    // The ledger forgets; an entry may have been waiting for longer.
    let heads = [2 * feed, 2 * feed + 1].into_iter().flat_map(|queue| readable_heads(old, queue));
    heads.map(|head| head.oldest).chain([first.key.time]).min().unwrap_or(i64::MIN)
}

fn readable_heads(old: &Connection, queue: i64) -> Vec<chunk::ChunkHead> {
    let sql = format!("SELECT {} FROM chunk WHERE queue = ? AND part = 0", chunk::ChunkHead::COLUMNS);
    let read = || -> Result<Vec<chunk::ChunkHead>, Trouble> {
        let mut statement = old.prepare(&sql)?;
        let mut rows = statement.query([queue])?;
        let mut heads = Vec::new();
        while let Ok(Some(row)) = rows.next() {
            heads.extend(chunk::ChunkHead::read(row));
        }
        Ok(heads)
    };
    read().unwrap_or_default()
}
