//! Dead letters: entries copied out of the queues, with the reason why they were refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::chunk::{LARGEST_ENTRY, place_out};
use super::ledger;
use super::row::{StoredRow, Sum, select};
use super::schema::check_table;
use super::shared::Shared;
use super::trouble::Trouble;
use crate::{DeadLetterCount, Entry, FeedId, FeedInfo, JournalError, Key, Lane, LaneId, StoredDeadLetter};

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
    pub(super) fn entry(&self, feed: Arc<FeedInfo>) -> Result<Entry, Trouble> {
        let damaged = || Trouble::damaged(format!("dead letter {} cannot be unpacked", self.id));
        let size = usize::try_from(self.raw).ok().filter(|size| *size <= LARGEST_ENTRY).ok_or_else(damaged)?;
        let bytes = zstd::bulk::decompress(&self.data, size).map_err(|_| damaged())?;
        Ok(Entry { feed, place: place_out(self.place)?, key: self.key, flags: self.flags, bytes: Bytes::from(bytes) })
    }

    pub(super) fn at(&self) -> std::time::SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.at.try_into().unwrap_or_default())
    }

    /// A letter of a lane.
    pub(super) fn find(db: &Connection, lane: LaneId, id: i64) -> Result<Option<Self>, Trouble> {
        Ok(select(db, "WHERE id = ? AND lane = ?", params![id, lane.0])?.pop())
    }

    /// Takes over why it was refused again, and when.
    pub(super) fn renew(mut self, db: &Connection, reason: &str, at: i64) -> Result<(), Trouble> {
        (self.reason, self.at) = (reason.to_owned(), at);
        let sql = "UPDATE dead_letter SET reason = ?, at = ?, sum = ? WHERE id = ?";
        db.prepare_cached(sql)?.execute(params![self.reason, self.at, self.sum(), self.id])?;
        Ok(())
    }
}

/// The letters of a lane with numbers above `after`.
pub(super) fn dead_letters(
    shared: &Shared,
    lane: LaneId,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredDeadLetter>, JournalError> {
    let condition = "WHERE lane = ? AND id > ? ORDER BY id LIMIT ?";
    let rows = shared.read(|db| {
        let rows: Vec<DeadLetterRow> = select(db, condition, params![lane.0, after, limit])?;
        rows.into_iter().map(|row| Ok((is_replaying(db, &row)?, row))).collect::<Result<Vec<_>, Trouble>>()
    })?;
    rows.into_iter().map(|(replaying, row)| shared.judge(stored(shared, row, replaying))).collect()
}

fn stored(shared: &Shared, row: DeadLetterRow, replaying: bool) -> Result<StoredDeadLetter, Trouble> {
    let feed = u32::try_from(row.feed).ok().and_then(|feed| shared.standing().feed(FeedId(feed)).cloned());
    let feed = feed.ok_or_else(|| Trouble::damaged("a dead letter's feed is not there"))?;
    Ok(StoredDeadLetter { id: row.id, entry: row.entry(feed)?, at: row.at(), reason: row.reason, replaying })
}

fn is_replaying(db: &Connection, letter: &DeadLetterRow) -> Result<bool, Trouble> {
    let sql = "SELECT EXISTS (SELECT 1 FROM replay WHERE letter = ?)";
    Ok(db.prepare_cached(sql)?.query_row([letter.id], |row| row.get(0))?)
}

/// How many letters each lane has: those of the plan in its order, then those that have left it with some.
pub(super) fn counts(shared: &Shared) -> Result<Vec<DeadLetterCount>, JournalError> {
    let lanes: Vec<(Lane, bool)> =
        shared.standing().lanes().iter().map(|state| (state.lane.clone(), state.in_plan)).collect();
    shared.read(|db| {
        let mut counts = Vec::with_capacity(lanes.len());
        let kept = by_lane(db, "SELECT lane, COUNT(*) FROM dead_letter GROUP BY lane")?;
        let replaying = by_lane(db, "SELECT lane, COUNT(*) FROM replay GROUP BY lane")?;
        for (lane, in_plan) in lanes {
            let of = |counts: &HashMap<i64, u64>| counts.get(&lane.id.0.into()).copied().unwrap_or_default();
            counts.push(DeadLetterCount { kept: of(&kept), replaying: of(&replaying), lane, in_plan });
        }
        counts.retain(|count| count.in_plan || count.kept > 0);
        Ok(counts)
    })
}

fn by_lane(db: &Connection, sql: &str) -> Result<HashMap<i64, u64>, Trouble> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many letters a lane has.
pub(super) fn count(shared: &Shared, id: LaneId) -> Result<DeadLetterCount, JournalError> {
    let known = shared.standing().lane(id).map(|state| (state.lane.clone(), state.in_plan));
    let unknown = || JournalError::Io {
        doing: "count dead letters",
        source: format!("the journal knows no lane {}", id.0).into(),
    };
    let (lane, in_plan) = known.ok_or_else(unknown)?;
    shared.read(|db| {
        let count = |sql: &str| db.prepare_cached(sql)?.query_row([id.0], |row| row.get::<_, i64>(0));
        let kept = count("SELECT COUNT(*) FROM dead_letter WHERE lane = ?")?.unsigned_abs();
        let replaying = count("SELECT COUNT(*) FROM replay WHERE lane = ?")?.unsigned_abs();
        Ok(DeadLetterCount { lane, in_plan, kept, replaying })
    })
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
