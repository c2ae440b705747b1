//! The database file: its tables, its format, and what can be checked of it cheaply.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::row::{MetaRow, StoredRow};
use super::space::{bytes_in_all, bytes_in_use};
use super::trouble::Trouble;
use crate::JournalError;

/// The format that this program writes. A later one is refused; an earlier one that was released is brought up to it.
pub(super) const FORMAT: i64 = 2;

/// "atpj", for `file` and its kind.
const APPLICATION_ID: u32 = u32::from_be_bytes(*b"atpj");

/// Every object of the database, by name. A file whose objects read otherwise is damaged.
const OBJECTS: [(&str, &str); 14] = [
    (
        "meta",
        "CREATE TABLE meta (id INTEGER PRIMARY KEY, format INTEGER NOT NULL, identity BLOB NOT NULL, \
         forgotten INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",
    ),
    (
        "feed",
        "CREATE TABLE feed (id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, source TEXT NOT NULL, \
         kind TEXT NOT NULL, reread_from INTEGER, server_day INTEGER, sum INTEGER NOT NULL) STRICT",
    ),
    (
        "queue",
        "CREATE TABLE queue (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, feed INTEGER, lane INTEGER, \
         base INTEGER NOT NULL, tail INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",
    ),
    (
        "checkpoint",
        "CREATE TABLE checkpoint (feed INTEGER NOT NULL, walk TEXT NOT NULL, state BLOB NOT NULL, \
         sum INTEGER NOT NULL, PRIMARY KEY (feed, walk)) STRICT, WITHOUT ROWID",
    ),
    (
        "ledger",
        "CREATE TABLE ledger (feed INTEGER NOT NULL, time INTEGER NOT NULL, id BLOB NOT NULL, \
         day INTEGER, queue INTEGER NOT NULL, place INTEGER NOT NULL, sum INTEGER NOT NULL, \
         PRIMARY KEY (feed, time, id)) STRICT, WITHOUT ROWID",
    ),
    (
        "chunk",
        "CREATE TABLE chunk (id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, place INTEGER NOT NULL, \
         part INTEGER NOT NULL, parts INTEGER NOT NULL, count INTEGER NOT NULL, at INTEGER NOT NULL, \
         oldest INTEGER NOT NULL, raw INTEGER NOT NULL, head_sum INTEGER NOT NULL, data_sum INTEGER NOT NULL, \
         data BLOB NOT NULL) STRICT",
    ),
    ("chunk_place", "CREATE UNIQUE INDEX chunk_place ON chunk (queue, place, part)"),
    (
        "lane",
        "CREATE TABLE lane (id INTEGER PRIMARY KEY, name TEXT NOT NULL, gone INTEGER, \
         delivered INTEGER NOT NULL, filtered INTEGER NOT NULL, skipped INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",
    ),
    (
        "mark",
        "CREATE TABLE mark (lane INTEGER NOT NULL, queue INTEGER NOT NULL, place INTEGER NOT NULL, \
         begun INTEGER NOT NULL, identity BLOB NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (lane, queue)) STRICT, WITHOUT ROWID",
    ),
    (
        "replay",
        "CREATE TABLE replay (lane INTEGER NOT NULL, place INTEGER NOT NULL, letter INTEGER NOT NULL, \
         sum INTEGER NOT NULL, PRIMARY KEY (lane, place)) STRICT, WITHOUT ROWID",
    ),
    ("replay_letter", "CREATE UNIQUE INDEX replay_letter ON replay (letter)"),
    (
        "skipped",
        "CREATE TABLE skipped (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, queue INTEGER NOT NULL, \
         since INTEGER NOT NULL, until INTEGER NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL, \
         sum INTEGER NOT NULL) STRICT",
    ),
    (
        "dead_letter",
        "CREATE TABLE dead_letter (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, feed INTEGER NOT NULL, \
         queue INTEGER NOT NULL, place INTEGER NOT NULL, identity BLOB NOT NULL, time INTEGER NOT NULL, \
         key BLOB NOT NULL, flags INTEGER NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, \
         raw INTEGER NOT NULL, data BLOB NOT NULL, sum INTEGER NOT NULL) STRICT",
    ),
    ("dead_letter_entry", "CREATE UNIQUE INDEX dead_letter_entry ON dead_letter (lane, queue, place, identity)"),
];

/// The tables that are small, whose structure is therefore checked whole at each opening: a row that falls out of one
/// of them without a trace would be worse than one that does not match its checksum. Entries that fall out of the
/// chunks leave a gap in their queue; keys that fall out of the ledger are only seen as new again.
const SMALL: [&str; 9] = ["meta", "feed", "queue", "checkpoint", "lane", "mark", "replay", "skipped", "dead_letter"];

/// Makes a new database, complete and on disk, at a path where nothing is yet.
pub(super) fn create(path: &Path, page_size: u32, meta: &MetaRow) -> Result<Connection, Trouble> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Trouble::io("create the journal's database", error))?;
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Neither can be changed once there is a table.
    db.pragma_update(None, "page_size", page_size)?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    set_up(&db)?;
    db.execute_batch("BEGIN IMMEDIATE")?;
    for (_, sql) in OBJECTS {
        db.execute_batch(sql)?;
    }
    db.pragma_update(None, "user_version", FORMAT)?;
    meta.write(&db)?;
    db.execute_batch("COMMIT")?;
    Ok(db)
}

/// Opens the database for its one writer.
pub(super) fn connect(path: &Path) -> Result<Connection, Trouble> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    set_up(&db)?;
    Ok(db)
}

/// Opens the database for reading, beside its writer.
pub(super) fn connect_for_reading(path: &Path) -> Result<Connection, Trouble> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    limit(&db)?;
    // Lanes read on and on, and seldom the same page twice.
    db.pragma_update(None, "cache_size", -256)?;
    Ok(db)
}

fn set_up(db: &Connection) -> Result<(), Trouble> {
    limit(db)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // A checkpoint syncs too: we choose its time and count it.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(())
}

/// What holds for readers too: little memory, no mapped file that a failing disk turns into a signal, and a look at
/// each page before it is trusted.
fn limit(db: &Connection) -> Result<(), Trouble> {
    db.busy_timeout(Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(64);
    db.pragma_update(None, "cache_size", -1024)?;
    db.pragma_update(None, "mmap_size", 0)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

/// Looks at the file's first hundred bytes (<https://www.sqlite.org/fileformat.html>, "The Database Header"): those
/// that are constants in our files. SQLite would take a change in some of them for another kind of database.
pub(super) fn check_header(path: &Path) -> Result<(), Trouble> {
    let mut header = Vec::with_capacity(100);
    std::fs::File::open(path).and_then(|file| file.take(100).read_to_end(&mut header)).map_err(unreadable)?;
    let damaged = |what: &str| Err(Trouble::damaged(format!("the database's header has {what}")));
    if header.len() < 100 {
        return damaged("fewer than 100 bytes");
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return damaged("another file's beginning");
    }
    // File format versions (2 is a write-ahead log), reserved bytes, payload fractions; then schema format, encoding,
    // incremental vacuum, application id, and bytes that are reserved.
    let constant = header[18..24] == [2, 2, 0, 64, 32, 32]
        && header[44..48] == 4_u32.to_be_bytes()
        && header[56..60] == 1_u32.to_be_bytes()
        && header[64..68] != 0_u32.to_be_bytes()
        && header[68..72] == APPLICATION_ID.to_be_bytes()
        && header[72..92].iter().all(|byte| *byte == 0);
    if constant { Ok(()) } else { damaged("a value that the journal never writes") }
}

/// What the disk cannot read any more is damaged, as it is for SQLite, which tells it from other failures in the same
/// way and takes it for a corrupt page.
fn unreadable(error: std::io::Error) -> Trouble {
    if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
        return Trouble::damaged(format!("the disk cannot read the database: {error}"));
    }
    Trouble::io("read the journal's database", error)
}

/// Refuses a format that is later than this, or was never released. A step from an earlier one belongs here.
pub(super) fn check_format(db: &Connection) -> Result<(), Trouble> {
    let stated: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let repeated: i64 = db.query_row("SELECT format FROM meta", [], |row| row.get(0))?;
    if stated != repeated {
        return Err(Trouble::damaged(format!("its two notes of the format say {stated} and {repeated}")));
    }
    match stated {
        FORMAT => Ok(()),
        found if found > FORMAT => Err(Trouble::Refused(JournalError::NewerFormat { found, known: FORMAT })),
        found => Err(Trouble::Refused(JournalError::OldFormat { found })),
    }
}

/// Checks the objects, the file's length and the structure of the small tables.
pub(super) fn check_structure(db: &Connection, path: &Path) -> Result<(), Trouble> {
    check_objects(db)?;
    check_length(db, path)?;
    SMALL.into_iter().try_for_each(|table| check_table(db, table))
}

/// Checks the structure of one table: that its pages hold all the rows that they say.
pub(super) fn check_table(db: &Connection, table: &str) -> Result<(), Trouble> {
    let verdict: String = db.query_row(&format!("PRAGMA quick_check({table})"), [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let finding = verdict.lines().next_back().unwrap_or_default();
    Err(Trouble::damaged(format!("the structure of the table {table} does not hold: {finding}")))
}

/// Checks that the tables are the journal's.
pub(super) fn check_objects(db: &Connection) -> Result<(), Trouble> {
    let mut statement = db.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?;
    let found: Result<Vec<(String, String)>, _> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect();
    let same = found?.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).eq(OBJECTS);
    if same { Ok(()) } else { Err(Trouble::damaged("the database's list of tables is not the journal's")) }
}

/// A file that was cut, or whose note of its length changed. To be asked after a complete checkpoint, for until then
/// pages may be in the write-ahead log alone.
fn check_length(db: &Connection, path: &Path) -> Result<(), Trouble> {
    let stated = bytes_in_all(db)?;
    let length = std::fs::metadata(path).map_err(|error| Trouble::io("look at the journal's database", error))?.len();
    if length != stated {
        return Err(Trouble::damaged(format!("the database file has {length} bytes where it says {stated}")));
    }
    bytes_in_use(db).map(drop)
}

/// The row of `meta`.
pub(super) fn meta(db: &Connection) -> Result<MetaRow, Trouble> {
    let mut rows = super::row::select::<MetaRow>(db, "", [])?;
    match (rows.pop(), rows.is_empty()) {
        (Some(meta), true) => Ok(meta),
        _ => Err(Trouble::damaged("the table meta does not have one row")),
    }
}
