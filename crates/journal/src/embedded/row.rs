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
    /// The latest day of the server's time that is known, counted from the day 1 of [`super::ledger`].
    pub(super) server_day: Option<i64>,
}

impl StoredRow for FeedRow {
    const TABLE: &'static str = "feed";
    const COLUMNS: &'static str = "id, tenant_id, source, kind, reread_from, server_day, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            tenant_id: row.get(1)?,
            source: row.get(2)?,
            kind: row.get(3)?,
            reread_from: row.get(4)?,
            server_day: row.get(5)?,
        })
    }

    fn sum(&self) -> i64 {
        let sum = Sum::of(Self::TABLE).int(self.id).text(&self.tenant_id).text(&self.source).text(&self.kind);
        sum.maybe(self.reread_from).maybe(self.server_day).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR REPLACE INTO feed (id, tenant_id, source, kind, reread_from, server_day, sum) \
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let Self { id, tenant_id, source, kind, reread_from, server_day } = self;
        db.prepare_cached(sql)?.execute(params![id, tenant_id, source, kind, reread_from, server_day, self.sum()])?;
        Ok(())
    }
}

/// Whose a queue is, and how far it reaches: it holds the places from `base` up to, not including, `tail`.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueRow {
    pub(super) id: i64,
    /// The number of [`super::standing::Owner`]'s kind.
    pub(super) kind: i64,
    pub(super) feed: Option<i64>,
    pub(super) lane: Option<i64>,
    pub(super) base: i64,
    pub(super) tail: i64,
}

impl StoredRow for QueueRow {
    const TABLE: &'static str = "queue";
    const COLUMNS: &'static str = "id, kind, feed, lane, base, tail, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            kind: row.get(1)?,
            feed: row.get(2)?,
            lane: row.get(3)?,
            base: row.get(4)?,
            tail: row.get(5)?,
        })
    }

    fn sum(&self) -> i64 {
        let sum = Sum::of(Self::TABLE).int(self.id).int(self.kind).maybe(self.feed).maybe(self.lane);
        sum.int(self.base).int(self.tail).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR REPLACE INTO queue (id, kind, feed, lane, base, tail, sum) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let Self { id, kind, feed, lane, base, tail } = self;
        db.prepare_cached(sql)?.execute(params![id, kind, feed, lane, base, tail, self.sum()])?;
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
#[derive(Clone, Debug)]
pub(super) struct LaneRow {
    pub(super) id: i64,
    pub(super) name: String,
    /// Milliseconds since 1970 at which it was first missing from the plan.
    pub(super) gone: Option<i64>,
    pub(super) delivered: i64,
    pub(super) filtered: i64,
    pub(super) skipped: i64,
}

impl StoredRow for LaneRow {
    const TABLE: &'static str = "lane";
    const COLUMNS: &'static str = "id, name, gone, delivered, filtered, skipped, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            gone: row.get(2)?,
            delivered: row.get(3)?,
            filtered: row.get(4)?,
            skipped: row.get(5)?,
        })
    }

    fn sum(&self) -> i64 {
        let sum = Sum::of(Self::TABLE).int(self.id).text(&self.name).maybe(self.gone);
        sum.int(self.delivered).int(self.filtered).int(self.skipped).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR REPLACE INTO lane (id, name, gone, delivered, filtered, skipped, sum) \
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let Self { id, name, gone, delivered, filtered, skipped } = self;
        db.prepare_cached(sql)?.execute(params![id, name, gone, delivered, filtered, skipped, self.sum()])?;
        Ok(())
    }
}

/// How far a lane has settled a queue that it takes: everything before `place`. A queue without this row is none that
/// the lane takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct MarkRow {
    pub(super) lane: i64,
    pub(super) queue: i64,
    pub(super) place: i64,
    /// Where the lane began in the queue: what lies before was never its own.
    pub(super) begun: i64,
    /// Of the journal that the place is of.
    pub(super) identity: [u8; 16],
}

impl StoredRow for MarkRow {
    const TABLE: &'static str = "mark";
    const COLUMNS: &'static str = "lane, queue, place, begun, identity, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            lane: row.get(0)?,
            queue: row.get(1)?,
            place: row.get(2)?,
            begun: row.get(3)?,
            identity: row.get(4)?,
        })
    }

    fn sum(&self) -> i64 {
        let sum = Sum::of(Self::TABLE).int(self.lane).int(self.queue).int(self.place).int(self.begun);
        sum.bytes(&self.identity).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR REPLACE INTO mark (lane, queue, place, begun, identity, sum) VALUES (?, ?, ?, ?, ?, ?)";
        let Self { lane, queue, place, begun, identity } = self;
        db.prepare_cached(sql)?.execute(params![lane, queue, place, begun, identity, self.sum()])?;
        Ok(())
    }
}

/// A dead letter that its lane is to get again, at a place of the lane's queue for these.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplayRow {
    pub(super) lane: i64,
    pub(super) place: i64,
    pub(super) letter: i64,
}

impl StoredRow for ReplayRow {
    const TABLE: &'static str = "replay";
    const COLUMNS: &'static str = "lane, place, letter, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { lane: row.get(0)?, place: row.get(1)?, letter: row.get(2)? })
    }

    fn sum(&self) -> i64 {
        Sum::of(Self::TABLE).int(self.lane).int(self.place).int(self.letter).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT INTO replay (lane, place, letter, sum) VALUES (?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute(params![self.lane, self.place, self.letter, self.sum()])?;
        Ok(())
    }
}

/// Entries that were given up for a lane: those from `since` up to, not including, `until`.
#[derive(Clone, Debug)]
pub(super) struct SkippedRow {
    pub(super) lane: i64,
    pub(super) queue: i64,
    pub(super) since: i64,
    pub(super) until: i64,
    pub(super) why: String,
    /// Milliseconds since 1970.
    pub(super) at: i64,
}

impl StoredRow for SkippedRow {
    const TABLE: &'static str = "skipped";
    const COLUMNS: &'static str = "lane, queue, since, until, why, at, sum";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            lane: row.get(0)?,
            queue: row.get(1)?,
            since: row.get(2)?,
            until: row.get(3)?,
            why: row.get(4)?,
            at: row.get(5)?,
        })
    }

    fn sum(&self) -> i64 {
        let sum = Sum::of(Self::TABLE).int(self.lane).int(self.queue).int(self.since).int(self.until);
        sum.text(&self.why).int(self.at).end()
    }

    fn write(&self, db: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT INTO skipped (lane, queue, since, until, why, at, sum) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let Self { lane, queue, since, until, why, at } = self;
        db.prepare_cached(sql)?.execute(params![lane, queue, since, until, why, at, self.sum()])?;
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
