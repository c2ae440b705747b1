//! The rows of the small tables. Each carries a checksum over its table's name and its fields.

use rusqlite::{Connection, Params, Row, params};
use xxhash_rust::xxh3::xxh3_64;

use super::trouble::Trouble;

/// A row that can be told from a damaged one.
pub(super) trait StoredRow: Sized {
    /// Its table.
    const TABLE: &'static str;
    /// Its columns, the checksum last.
    const COLUMNS: &'static str;

    /// Its fields as they stand.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;

    /// What its checksum must be.
    fn sum(&self) -> i64;

    /// Writes it, over the one with its key where there is one.
    fn write(&self, db: &Connection) -> Result<(), Trouble>;
}

/// Reads the rows that `condition` selects, all verified.
pub(super) fn select<R: StoredRow>(db: &Connection, condition: &str, params: impl Params) -> Result<Vec<R>, Trouble> {
    let mut rows = Vec::new();
    each(db, condition, params, |row: Result<R, Trouble>| {
        rows.push(row?);
        Ok(())
    })?;
    Ok(rows)
}

/// Hands each row that `condition` selects to `take`: the row where it is whole, else what is wrong with it.
pub(super) fn each<R: StoredRow>(
    db: &Connection,
    condition: &str,
    params: impl Params,
    mut take: impl FnMut(Result<R, Trouble>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let sql = format!("SELECT {} FROM {} {condition}", R::COLUMNS, R::TABLE);
    let mut statement = db.prepare_cached(&sql)?;
    let sum_at = statement.column_count() - 1;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        take(verified(row, sum_at))?;
    }
    Ok(())
}

fn verified<R: StoredRow>(row: &Row<'_>, sum_at: usize) -> Result<R, Trouble> {
    let found: i64 = row.get(sum_at)?;
    let read = R::read(row)?;
    if read.sum() == found {
        return Ok(read);
    }
    Err(Trouble::damaged(format!("a row of the table {} does not match its checksum", R::TABLE)))
}

/// The journal itself: its one row of `meta`.
pub(super) struct MetaRow {
    /// What marks carry.
    pub(super) identity: [u8; 16],
    /// Feeds of an earlier, damaged journal may be missing: one that is new here is read again from its beginning.
    pub(super) forgotten: bool,
}

impl StoredRow for MetaRow {
    const TABLE: &'static str = "meta";
    const COLUMNS: &'static str = "identity, forgotten, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { identity: row.get(0)?, forgotten: row.get(1)? })
    }

    fn sum(&self) -> i64 {
        Sum::of(Self::TABLE).bytes(&self.identity).int(self.forgotten.into()).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        // The format stands in two places, here and in `user_version`, which vouch for each other.
        let sql = "INSERT OR REPLACE INTO meta (id, format, identity, forgotten, sum) VALUES (1, ?, ?, ?, ?)";
        let values = params![super::schema::FORMAT, self.identity, self.forgotten, self.sum()];
        db.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}

/// A feed.
#[derive(Clone)]
pub(super) struct FeedRow {
    pub(super) id: i64,
    pub(super) tenant_id: String,
    pub(super) source: String,
    pub(super) kind: String,
    pub(super) reread_from: Option<i64>,
}

impl StoredRow for FeedRow {
    const TABLE: &'static str = "feed";
    const COLUMNS: &'static str = "id, tenant_id, source, kind, reread_from, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            tenant_id: row.get(1)?,
            source: row.get(2)?,
            kind: row.get(3)?,
            reread_from: row.get(4)?,
        })
    }

    fn sum(&self) -> i64 {
        let sum = Sum::of(Self::TABLE).int(self.id).text(&self.tenant_id).text(&self.source).text(&self.kind);
        sum.maybe(self.reread_from).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql =
            "INSERT OR REPLACE INTO feed (id, tenant_id, source, kind, reread_from, sum) VALUES (?, ?, ?, ?, ?, ?)";
        let values = params![self.id, self.tenant_id, self.source, self.kind, self.reread_from, self.sum()];
        db.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}

/// How far a queue reaches: it holds the places from `base` up to, not including, `tail`.
#[derive(Clone, Copy)]
pub(super) struct QueueRow {
    pub(super) id: i64,
    pub(super) base: i64,
    pub(super) tail: i64,
}

impl StoredRow for QueueRow {
    const TABLE: &'static str = "queue";
    const COLUMNS: &'static str = "id, base, tail, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, base: row.get(1)?, tail: row.get(2)? })
    }

    fn sum(&self) -> i64 {
        Sum::of(Self::TABLE).int(self.id).int(self.base).int(self.tail).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR REPLACE INTO queue (id, base, tail, sum) VALUES (?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute(params![self.id, self.base, self.tail, self.sum()])?;
        Ok(())
    }
}

/// Where a walk of a feed stands.
pub(super) struct CheckpointRow {
    pub(super) feed: i64,
    pub(super) walk: String,
    pub(super) state: Vec<u8>,
}

impl StoredRow for CheckpointRow {
    const TABLE: &'static str = "checkpoint";
    const COLUMNS: &'static str = "feed, walk, state, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { feed: row.get(0)?, walk: row.get(1)?, state: row.get(2)? })
    }

    fn sum(&self) -> i64 {
        Sum::of(Self::TABLE).int(self.feed).text(&self.walk).bytes(&self.state).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR REPLACE INTO checkpoint (feed, walk, state, sum) VALUES (?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute(params![self.feed, self.walk, self.state, self.sum()])?;
        Ok(())
    }
}

/// A lane, of the plan or gone from it.
#[derive(Clone)]
pub(super) struct LaneRow {
    pub(super) id: i64,
    pub(super) name: String,
    /// Milliseconds since 1970 at which it was first missing from the plan.
    pub(super) gone: Option<i64>,
    pub(super) delivered: i64,
    pub(super) filtered: i64,
}

impl StoredRow for LaneRow {
    const TABLE: &'static str = "lane";
    const COLUMNS: &'static str = "id, name, gone, delivered, filtered, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            gone: row.get(2)?,
            delivered: row.get(3)?,
            filtered: row.get(4)?,
        })
    }

    fn sum(&self) -> i64 {
        let sum = Sum::of(Self::TABLE).int(self.id).text(&self.name).maybe(self.gone);
        sum.int(self.delivered).int(self.filtered).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR REPLACE INTO lane (id, name, gone, delivered, filtered, sum) VALUES (?, ?, ?, ?, ?, ?)";
        let values = params![self.id, self.name, self.gone, self.delivered, self.filtered, self.sum()];
        db.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}

/// How far a lane has settled a queue: everything before `place`.
pub(super) struct MarkRow {
    pub(super) lane: i64,
    pub(super) queue: i64,
    pub(super) place: i64,
    /// Of the journal that the place is of.
    pub(super) identity: [u8; 16],
}

impl StoredRow for MarkRow {
    const TABLE: &'static str = "mark";
    const COLUMNS: &'static str = "lane, queue, place, identity, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { lane: row.get(0)?, queue: row.get(1)?, place: row.get(2)?, identity: row.get(3)? })
    }

    fn sum(&self) -> i64 {
        Sum::of(Self::TABLE).int(self.lane).int(self.queue).int(self.place).bytes(&self.identity).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR REPLACE INTO mark (lane, queue, place, identity, sum) VALUES (?, ?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute(params![self.lane, self.queue, self.place, self.identity, self.sum()])?;
        Ok(())
    }
}

/// An entry that a lane is to get again.
#[derive(Clone, Copy)]
pub(super) struct RequeueRow {
    pub(super) id: i64,
    pub(super) lane: i64,
    pub(super) queue: i64,
    pub(super) place: i64,
}

impl StoredRow for RequeueRow {
    const TABLE: &'static str = "requeue";
    const COLUMNS: &'static str = "id, lane, queue, place, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, lane: row.get(1)?, queue: row.get(2)?, place: row.get(3)? })
    }

    fn sum(&self) -> i64 {
        Sum::of(Self::TABLE).int(self.id).int(self.lane).int(self.queue).int(self.place).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        // An entry that is waiting already stays where it is.
        let sql = "INSERT OR IGNORE INTO requeue (id, lane, queue, place, sum) VALUES (?, ?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute(params![self.id, self.lane, self.queue, self.place, self.sum()])?;
        Ok(())
    }
}

/// A checksum in the making. Every field is taken with its length, so that no two rows run together.
pub(super) struct Sum {
    taken: Vec<u8>,
}

impl Sum {
    pub(super) fn of(table: &'static str) -> Self {
        Self { taken: Vec::with_capacity(128) }.text(table)
    }

    pub(super) fn int(mut self, value: i64) -> Self {
        self.taken.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn maybe(self, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.int(1).int(value),
            None => self.int(0),
        }
    }

    pub(super) fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    pub(super) fn bytes(mut self, value: &[u8]) -> Self {
        self.taken.extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.taken.extend_from_slice(value);
        self
    }

    /// SQLite's integers are signed: the bits are what counts.
    pub(super) fn end(self) -> i64 {
        xxh3_64(&self.taken).cast_signed()
    }
}
