//! What was still waiting in a damaged journal or is lost of it, and from when on it must therefore be read again.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::aside::whole_rows;
use super::dead_letter::LostLetters;
use super::row::{CheckpointRow, LaneRow, MarkRow, QueueRow, StoredRow};
use super::trouble::Trouble;
use super::{chunk, ledger, schema};
use crate::Key;

/// What lanes had not settled in a damaged journal. Wherever something cannot be read, more is taken as waiting.
pub(super) struct Waiting {
    /// By feed.
    queues: HashMap<i64, Vec<QueueRow>>,
    /// By queue: the marks of the lanes that had not left the plan.
    marks: HashMap<i64, Vec<i64>>,
    /// Queues, lanes and marks could all be read.
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

/// How many heads of chunks are looked at together.
const HEADS_AT_ONCE: i64 = 256;

impl Waiting {
    pub(super) fn read(old: &Connection) -> Self {
        let (rows, all_queues) = whole_rows::<QueueRow>(old);
        let (lanes, all_lanes) = whole_rows::<LaneRow>(old);
        let (mark_rows, all_marks) = whole_rows::<MarkRow>(old);
        let here: HashSet<i64> = lanes.iter().filter(|lane| lane.gone.is_none()).map(|lane| lane.id).collect();
        let mut queues = HashMap::<i64, Vec<QueueRow>>::new();
        for row in rows {
            // Letters that are replayed are kept as letters, and are not read again.
            if let Some(feed) = row.feed {
                queues.entry(feed).or_default().push(row);
            }
        }
        let mut marks = HashMap::<i64, Vec<i64>>::new();
        for mark in mark_rows.into_iter().filter(|mark| here.contains(&mark.lane)) {
            marks.entry(mark.queue).or_default().push(mark.place);
        }
        Self {
            queues,
            marks,
            is_whole: all_queues && all_lanes && all_marks,
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
        let queues = self.queues.get(&feed).map(Vec::as_slice).unwrap_or_default();
        // A feed has two queues at least.
        if queues.len() < 2 {
            return Some(earliest_known(old, feed));
        }
        let mut earliest = None;
        for queue in queues {
            match self.since_in_queue(old, queue) {
                Ok(since) => earliest = earliest.into_iter().chain(since).min(),
                Err(_) => return Some(earliest_known(old, feed)),
            }
        }
        earliest
    }

    fn since_in_queue(&self, old: &Connection, row: &QueueRow) -> Result<Option<i64>, Trouble> {
        let needed_from = self.needed_from(row);
        let mut earliest = None;
        let mut place = row.base;
        while place < row.tail && needed_from < row.tail {
            let heads = chunk::heads(old, row.id, place, HEADS_AT_ONCE)?;
            for head in &heads {
                if head.place != place || head.queue != row.id {
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

    /// The first place of a queue that some lane still needed.
    fn needed_from(&self, row: &QueueRow) -> i64 {
        if !self.is_whole {
            return row.base;
        }
        self.marks.get(&row.id).and_then(|marks| marks.iter().min()).copied().unwrap_or(row.tail)
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

/// The earliest time that anything which can be read says of a feed; `i64::MIN` where nothing can be trusted.
fn earliest_known(old: &Connection, feed: i64) -> i64 {
    if schema::check_table(old, "ledger").is_err() {
        return i64::MIN;
    }
    let Ok(Some((first, true))) = ledger::earliest(old, feed) else { return i64::MIN };
    // The ledger forgets; an entry may have been waiting for longer.
    let queues = whole_rows::<QueueRow>(old).0.into_iter().filter(|row| row.feed == Some(feed));
    let heads = queues.flat_map(|row| readable_heads(old, row.id));
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
