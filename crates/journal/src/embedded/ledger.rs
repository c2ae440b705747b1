//! The ledger: one line for each revision seen in a feed, in the order of time.

use rusqlite::{Connection, OptionalExtension, params};
use xxhash_rust::xxh3::xxh3_64;

use super::trouble::Trouble;
use crate::{Key, NewEntry};

/// A line of the ledger.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) feed: i64,
    pub(super) key: Key,
    /// The day on which it was first seen, counted from 1970: coarse, for it only says when the line may go.
    pub(super) day: i64,
}

/// The days that `remember` covers at least: a line is first seen within its day.
pub(super) const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// How many lines one look at the ledger takes.
const SLICE: i64 = 2_000;

impl Line {
    /// Half of a checksum is enough here: a wrong line is only ever met at its own key.
    fn sum(&self) -> i64 {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.feed.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.key.time.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.key.id);
        bytes[32..].copy_from_slice(&self.day.to_le_bytes());
        i64::from(u32::try_from(xxh3_64(&bytes) >> 32).expect("the upper half of 64 bits").cast_signed())
    }

    pub(super) fn damaged() -> Trouble {
        Trouble::damaged("a line of the ledger does not match its checksum")
    }

    /// Writes the line where its key is not known; says whether it was new.
    pub(super) fn insert(&self, db: &Connection) -> Result<bool, Trouble> {
        let sql = "INSERT OR IGNORE INTO ledger (feed, time, id, day, sum) VALUES (?, ?, ?, ?, ?)";
        let values = params![self.feed, self.key.time, self.key.id, self.day, self.sum()];
        if db.prepare_cached(sql)?.execute(values)? == 1 {
            return Ok(true);
        }
        // Only a line that is whole may keep an alert out.
        if knows(db, self.feed, &self.key)? { Ok(false) } else { Err(Self::damaged()) }
    }
}

/// Whether a feed's key is known.
pub(super) fn knows(db: &Connection, feed: i64, key: &Key) -> Result<bool, Trouble> {
    let sql = "SELECT day, sum FROM ledger WHERE feed = ? AND time = ? AND id = ?";
    let found: Option<(i64, i64)> = db
        .prepare_cached(sql)?
        .query_row(params![feed, key.time, key.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((day, sum)) if Line { feed, key: *key, day }.sum() != sum => Err(Line::damaged()),
        found => Ok(found.is_some()),
    }
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
    let sql = "SELECT feed, time, id, day, sum FROM ledger WHERE (feed, time, id) > (?, ?, ?) \
               ORDER BY feed, time, id LIMIT ?";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![feed, time, id, SLICE])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let line = Line { feed: row.get(0)?, key: Key { time: row.get(1)?, id: row.get(2)? }, day: row.get(3)? };
        lines.push((line, row.get::<_, i64>(4)? == line.sum()));
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
    let before = Line { feed, key: Key { time: i64::MIN, id: [0; 16] }, day: 0 };
    Ok(slice(db, Some(&before))?.into_iter().next().filter(|(line, _)| line.feed == feed))
}
