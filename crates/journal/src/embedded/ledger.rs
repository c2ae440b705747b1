//! The ledger: one line for each revision seen in a feed, in the order of time.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, Row, params};
use xxhash_rust::xxh3::xxh3_64;

use super::trouble::Trouble;
use crate::{Key, NewEntry};

/// A line of the ledger.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) feed: i64,
    pub(super) key: Key,
    /// The day of the server's time on which it was first seen: coarse, for it only says when the line may go. Where the
    /// server's time was not known yet, the day is not known either, and the line stays.
    pub(super) day: Option<i64>,
    /// Where its entry lies, or lay.
    pub(super) queue: i64,
    pub(super) place: i64,
}

/// The days that `dedup_window` covers at least: a line is first seen within its day.
pub(super) const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// A day in the units of [`Key::time`], which count 100 ns.
pub(super) const TICKS_OF_A_DAY: i64 = 864_000_000_000;

/// How many lines one look at the ledger takes.
const SLICE: i64 = 2_000;

impl Line {
    /// Half of a checksum is enough here: a wrong line is only ever met at its own key.
    fn sum(&self) -> i64 {
        let mut bytes = [0; 56];
        bytes[..8].copy_from_slice(&self.feed.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.key.time.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.key.id);
        bytes[32..40].copy_from_slice(&self.day.unwrap_or(i64::MIN).to_le_bytes());
        bytes[40..48].copy_from_slice(&self.queue.to_le_bytes());
        bytes[48..].copy_from_slice(&self.place.to_le_bytes());
        i64::from(u32::try_from(xxh3_64(&bytes) >> 32).expect("the upper half of 64 bits").cast_signed())
    }

    pub(super) fn damaged() -> Trouble {
        Trouble::damaged("a line of the ledger does not match its checksum")
    }

    /// Writes the line where its key is not known; says whether it was new.
    pub(super) fn insert(&self, db: &Connection) -> Result<bool, Trouble> {
        let sql = "INSERT OR IGNORE INTO ledger (feed, time, id, day, queue, place, sum) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let Self { feed, key, day, queue, place } = self;
        let values = params![feed, key.time, key.id, day, queue, place, self.sum()];
        if db.prepare_cached(sql)?.execute(values)? == 1 {
            return Ok(true);
        }
        // Only a line that is whole may keep an alert out.
        if knows(db, self.feed, &self.key)? { Ok(false) } else { Err(Self::damaged()) }
    }
}

/// The line of a feed's key, where it is known.
pub(super) fn find(db: &Connection, feed: i64, key: &Key) -> Result<Option<Line>, Trouble> {
    let sql = "SELECT day, queue, place, sum FROM ledger WHERE feed = ? AND time = ? AND id = ?";
    let read = |row: &Row<'_>| {
        let line = Line { feed, key: *key, day: row.get(0)?, queue: row.get(1)?, place: row.get(2)? };
        Ok((line, row.get::<_, i64>(3)?))
    };
    match db.prepare_cached(sql)?.query_row(params![feed, key.time, key.id], read).optional()? {
        Some((line, sum)) if line.sum() != sum => Err(Line::damaged()),
        found => Ok(found.map(|(line, _)| line)),
    }
}

/// Whether a feed's key is known.
pub(super) fn knows(db: &Connection, feed: i64, key: &Key) -> Result<bool, Trouble> {
    Ok(find(db, feed, key)?.is_some())
}

/// The keys of a feed with times in a span, behind `after`, at most `most`.
pub(super) fn keys(
    db: &Connection,
    feed: i64,
    span: Range<i64>,
    after: Option<Key>,
    most: usize,
) -> Result<Vec<Key>, Trouble> {
    // No key sorts before this one.
    let (time, id) = after.map_or((span.start, Vec::new()), |key| (key.time.max(span.start), key.id.to_vec()));
    let sql =
        "SELECT time, id FROM ledger WHERE feed = ? AND (time, id) > (?, ?) AND time < ? ORDER BY time, id LIMIT ?";
    let mut statement = db.prepare_cached(sql)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let keys = statement
        .query_map(params![feed, time, id, span.end, most], |row| Ok(Key { time: row.get(0)?, id: row.get(1)? }))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Whether all of a page's keys are known. Ends at the first that is not.
pub(super) fn knows_all(db: &Connection, feed: i64, entries: &[NewEntry]) -> Result<bool, Trouble> {
    for entry in entries {
        if !knows(db, feed, &entry.key)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The next lines of the ledger after `after`, in its order, each with whether it is whole; empty at its end.
pub(super) fn slice(db: &Connection, after: Option<&Line>) -> Result<Vec<(Line, bool)>, Trouble> {
    let (feed, time, id) = after.map_or((i64::MIN, i64::MIN, [0; 16]), |line| (line.feed, line.key.time, line.key.id));
    let sql = "SELECT feed, time, id, day, queue, place, sum FROM ledger WHERE (feed, time, id) > (?, ?, ?) \
               ORDER BY feed, time, id LIMIT ?";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![feed, time, id, SLICE])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let key = Key { time: row.get(1)?, id: row.get(2)? };
        let line = Line { feed: row.get(0)?, key, day: row.get(3)?, queue: row.get(4)?, place: row.get(5)? };
        lines.push((line, row.get::<_, i64>(6)? == line.sum()));
    }
    Ok(lines)
}

/// Drops a line.
pub(super) fn delete(db: &Connection, line: &Line) -> Result<(), Trouble> {
    let sql = "DELETE FROM ledger WHERE feed = ? AND time = ? AND id = ?";
    db.prepare_cached(sql)?.execute(params![line.feed, line.key.time, line.key.id])?;
    Ok(())
}

/// The earliest line of a feed, with whether it is whole.
pub(super) fn earliest(db: &Connection, feed: i64) -> Result<Option<(Line, bool)>, Trouble> {
    let before = Line { feed, key: Key { time: i64::MIN, id: [0; 16] }, day: None, queue: 0, place: 0 };
    Ok(slice(db, Some(&before))?.into_iter().next().filter(|(line, _)| line.feed == feed))
}
