//! Dead letters: entries copied out of the queues, with the reason why they were refused.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::chunk::{LARGEST_ENTRY, place_out};
use super::ledger;
use super::row::{StoredRow, Sum};
use super::schema::check_table;
use super::trouble::Trouble;
use crate::{Entry, Key};

/// A dead letter as it is stored.
pub(super) struct DeadLetterRow {
    pub(super) id: i64,
    pub(super) lane: i64,
    pub(super) feed: i64,
    pub(super) queue: i64,
    pub(super) place: i64,
    /// Of the journal whose place it was: letters outlive their journal.
    pub(super) identity: [u8; 16],
    pub(super) key: Key,
    pub(super) flags: u8,
    pub(super) reason: String,
    /// When it was set aside, in milliseconds since 1970.
    pub(super) at: i64,
    /// The entry's size unpacked.
    pub(super) raw: i64,
    pub(super) data: Vec<u8>,
}

impl StoredRow for DeadLetterRow {
    const TABLE: &'static str = "dead_letter";
    const COLUMNS: &'static str =
        "id, lane, feed, queue, place, identity, time, key, flags, reason, at, raw, data, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            lane: row.get(1)?,
            feed: row.get(2)?,
            queue: row.get(3)?,
            place: row.get(4)?,
            identity: row.get(5)?,
            key: Key { time: row.get(6)?, id: row.get(7)? },
            flags: row.get(8)?,
            reason: row.get(9)?,
            at: row.get(10)?,
            raw: row.get(11)?,
            data: row.get(12)?,
        })
    }

    /// The number is left out: SQLite gives it, and it only orders them.
    fn sum(&self) -> i64 {
        let sum = Sum::of(Self::TABLE).int(self.lane).int(self.feed).int(self.queue).int(self.place);
        let sum = sum.bytes(&self.identity).int(self.key.time).bytes(&self.key.id).int(self.flags.into());
        sum.text(&self.reason).int(self.at).int(self.raw).bytes(&self.data).end()
    }

    /// The same letter twice is kept once.
    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR IGNORE INTO dead_letter (lane, feed, queue, place, identity, time, key, flags, reason, \
                   at, raw, data, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute(params![
            self.lane,
            self.feed,
            self.queue,
            self.place,
            self.identity,
            self.key.time,
            self.key.id,
            self.flags,
            self.reason,
            self.at,
            self.raw,
            self.data,
            self.sum(),
        ])?;
        Ok(())
    }
}

impl DeadLetterRow {
    /// The entry that it keeps.
    pub(super) fn entry(&self) -> Result<Entry, Trouble> {
        let damaged = || Trouble::damaged(format!("dead letter {} cannot be unpacked", self.id));
        let size = usize::try_from(self.raw).ok().filter(|size| *size <= LARGEST_ENTRY).ok_or_else(damaged)?;
        let bytes = zstd::bulk::decompress(&self.data, size).map_err(|_| damaged())?;
        Ok(Entry { place: place_out(self.place)?, key: self.key, flags: self.flags, bytes: Bytes::from(bytes) })
    }

    pub(super) fn at(&self) -> std::time::SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.at.try_into().unwrap_or_default())
    }
}

/// The letters of a damaged journal that are not whole, by what the API can be asked for again.
pub(super) struct LostLetters {
    /// By feed: the keys, as far as they can be told.
    pub(super) keys: Vec<(i64, Key)>,
    /// These are all.
    pub(super) is_all: bool,
}

impl LostLetters {
    /// A letter's own key is trusted where the ledger has it too.
    pub(super) fn find(old: &Connection) -> Self {
        let mut lost = Self { keys: Vec::new(), is_all: check_table(old, DeadLetterRow::TABLE).is_ok() };
        lost.is_all &= lost.look(old).is_ok();
        lost
    }

    fn look(&mut self, old: &Connection) -> Result<(), Trouble> {
        let mut statement = old.prepare(&format!("SELECT {} FROM dead_letter", DeadLetterRow::COLUMNS))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let letter = DeadLetterRow::read(row)?;
            if letter.sum() == row.get::<_, i64>("sum")? {
                continue;
            }
            if ledger::knows(old, letter.feed, &letter.key)? {
                self.keys.push((letter.feed, letter.key));
            } else {
                self.is_all = false;
            }
        }
        Ok(())
    }
}

/// Whether a letter is kept already.
pub(super) fn is_kept(
    db: &Connection,
    (lane, queue, place): (i64, i64, i64),
    identity: &[u8; 16],
) -> Result<bool, Trouble> {
    let sql = "SELECT EXISTS (SELECT 1 FROM dead_letter WHERE lane = ? AND queue = ? AND place = ? AND identity = ?)";
    Ok(db.prepare_cached(sql)?.query_row(params![lane, queue, place, identity], |row| row.get(0))?)
}
