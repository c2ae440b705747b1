//! Opening: what is there is checked and loaded, what is damaged is set aside.

use std::sync::Arc;

use rusqlite::Connection;

use super::append::info;
use super::aside::{self, SetAside};
use super::chunk::{self, Packer};
use super::dead_letter::DeadLetterRow;
use super::folder::{DamageNote, Files, Folder};
use super::lanes::load_lanes;
use super::reads::Reads;
use super::row::{CheckpointRow, FeedRow, MarkRow, MetaRow, QueueRow, ReplayRow, SkippedRow, StoredRow, each, select};
use super::schema;
use super::shared::Shared;
use super::space::{Space, bytes_in_use};
use super::standing::{Change, Owner, Standing};
use super::store::{Store, extent, queue_id};
use super::trouble::Trouble;
use super::{EmbeddedOptions, Tuning};
use crate::{FeedId, JournalError};

/// A journal that is open, before it has its writer's thread.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) folder: Folder,
    pub(super) damage: Option<String>,
}

/// A database that was checked and loaded.
struct Loaded {
    db: Connection,
    meta: MetaRow,
    standing: Standing,
}

/// Opens the journal. Blocks.
pub(super) fn open(options: &EmbeddedOptions, tuning: &Tuning) -> Result<Opened, JournalError> {
    let folder = Folder::lock(&options.path)?;
    let files = folder.files();
    let io = |source: std::io::Error| JournalError::Io { doing: "open the journal's folder", source: source.into() };
    let mut space = Space::claim(files.clone(), options.max_size).map_err(io)?;
    let (loaded, set_aside) = load_or_set_aside(&files, tuning)?;
    space.regain().map_err(io)?;
    if space.is_short() {
        space.set_full(true, tuning.clock.now());
    }
    let damage = set_aside.map(|set_aside| set_aside.sentence(&files));
    if let Some(damage) = &damage {
        tracing::warn!(damage, "journal was damaged and is begun anew");
    }
    let store = store(loaded, space, &files, options, tuning).map_err(|trouble| note(trouble, &files))?;
    Ok(Opened { store, folder, damage })
}

/// Damage that is met so late is for the next opening to set aside.
fn note(trouble: Trouble, files: &Files) -> JournalError {
    let error = failed(trouble);
    if let JournalError::Damaged { what } = &error
        && let Err(error) = files.note_damage(&DamageNote { what: what.clone(), aside: None })
    {
        tracing::error!(%error, "failed to note the damage for the next opening");
    }
    error
}

fn failed(trouble: Trouble) -> JournalError {
    trouble.into_error("open the journal")
}

fn load_or_set_aside(files: &Files, tuning: &Tuning) -> Result<(Loaded, Option<SetAside>), JournalError> {
    let note = files.damage_note().map_err(|error| failed(Trouble::io("read the note of a damage", error)))?;
    let note = match note {
        Some(note) => note,
        None => match load(files, tuning) {
            Err(Trouble::Broken(JournalError::Damaged { what })) => DamageNote { what, aside: None },
            other => return other.map(|loaded| (loaded, None)).map_err(failed),
        },
    };
    let set_aside = aside::set_aside(files, note, tuning).map_err(failed)?;
    let loaded = load(files, tuning).map_err(failed)?;
    Ok((loaded, Some(set_aside)))
}

/// Opens the database, or makes one where there never was one, checks and loads it.
fn load(files: &Files, tuning: &Tuning) -> Result<Loaded, Trouble> {
    let path = files.database();
    if !path.exists() {
        if files.wal_length() > 0 {
            return Err(Trouble::damaged("the database file is gone, its write-ahead log is there"));
        }
        make(files, tuning)?;
    }
    schema::check_header(&path)?;
    let db = schema::connect(&path)?;
    schema::check_format(&db)?;
    write_log_back(&db)?;
    schema::check_structure(&db, &path)?;
    let meta = schema::meta(&db)?;
    let mut standing = Standing::default();
    load_feeds(&db, &mut standing)?;
    load_queues(&db, &mut standing)?;
    verify::<CheckpointRow>(&db)?;
    verify::<ReplayRow>(&db)?;
    verify::<SkippedRow>(&db)?;
    verify::<MarkRow>(&db)?;
    verify::<DeadLetterRow>(&db)?;
    standing.apply(Change::Lanes(load_lanes(&db, meta.identity)?));
    Ok(Loaded { db, meta, standing })
}

/// Makes a new database beside its place and moves it there whole: a file that is in its place was complete.
fn make(files: &Files, tuning: &Tuning) -> Result<(), Trouble> {
    let failed = |error| Trouble::io("make the journal's database", error);
    files.remove_draft().map_err(failed)?;
    let meta = MetaRow { identity: new_identity()?, forgotten: false };
    let db = schema::create(&files.draft(), tuning.page_size, &meta)?;
    finish_draft(db)?;
    files.adopt_draft().map_err(failed)
}

/// Closes a draft so that its one file is all of it, on disk.
pub(super) fn finish_draft(db: Connection) -> Result<(), Trouble> {
    write_log_back(&db)?;
    db.close().map_err(|(_, error)| Trouble::from(error))
}

/// Sixteen random bytes from SQLite's own source, which the system seeds.
pub(super) fn new_identity() -> Result<[u8; 16], Trouble> {
    Ok(Connection::open_in_memory()?.query_row("SELECT randomblob(16)", [], |row| row.get(0))?)
}

fn write_log_back(db: &Connection) -> Result<(), Trouble> {
    Ok(db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// Verifies rows that are only read later, or only in part.
fn verify<R: StoredRow>(db: &Connection) -> Result<(), Trouble> {
    each::<R>(db, "", [], |row| row.map(drop))
}

fn load_feeds(db: &Connection, standing: &mut Standing) -> Result<(), Trouble> {
    for row in select::<FeedRow>(db, "ORDER BY id", [])? {
        let id = u32::try_from(row.id).map_err(|_| Trouble::damaged("a feed with an impossible number"))?;
        standing.apply(Change::Feed { id: FeedId(id), info: Arc::new(info(&row)) });
    }
    Ok(())
}

/// Reads the queues into a standing, verifying that each holds what it says, and that every feed has its own.
fn load_queues(db: &Connection, standing: &mut Standing) -> Result<(), Trouble> {
    for row in select::<QueueRow>(db, "ORDER BY id", [])? {
        let owner = Owner::from_stored(row.kind, row.feed, row.lane)?;
        if owner.feed().is_some_and(|feed| standing.feed(feed).is_none()) {
            return Err(Trouble::damaged(format!("queue {} has no feed", row.id)));
        }
        if !matches!(owner, Owner::Replay(_)) {
            check_ends(db, &row)?;
        }
        standing.apply(Change::Queue { queue: queue_id(row.id)?, owner, extent: extent(&row)? });
    }
    let lacking = standing.feeds().find(|(id, _)| standing.queues_of_feed(*id).is_none());
    match lacking {
        None => Ok(()),
        Some((id, _)) => Err(Trouble::damaged(format!("feed {} lacks a queue", id.0))),
    }
}

/// Checks that a queue's chunks begin and end where it says: a chunk that is missing there would not be noticed by
/// reading on from its neighbour.
fn check_ends(db: &Connection, row: &QueueRow) -> Result<(), Trouble> {
    let first = chunk::heads(db, row.id, 0, 1)?.pop();
    let last = chunk::last_head(db, row.id)?;
    let holds = match (first, last) {
        (Some(first), Some(last)) => {
            (first.queue, last.queue) == (row.id, row.id) && (first.place, last.end()) == (row.base, row.tail)
        }
        (None, None) => row.base == row.tail,
        _ => false,
    };
    if holds { Ok(()) } else { Err(Trouble::damaged(format!("queue {} does not hold what it says", row.id))) }
}

fn store(
    loaded: Loaded,
    space: Space,
    files: &Files,
    options: &EmbeddedOptions,
    tuning: &Tuning,
) -> Result<Store, Trouble> {
    let Loaded { db, meta, standing } = loaded;
    let connection = schema::connect_for_reading(&files.database())?;
    let reads = Reads::start().map_err(|error| Trouble::io("start the journal's reading", error))?;
    let room = space.room(bytes_in_use(&db)?);
    let next_feed: u32 = db.query_row("SELECT COALESCE(MAX(id), -1) + 1 FROM feed", [], |row| row.get(0))?;
    let next_queue = db.query_row("SELECT COALESCE(MAX(id), -1) + 1 FROM queue", [], |row| row.get(0))?;
    let shared = Arc::new(Shared::new(standing, (reads, connection), room, files.clone()));
    Ok(Store {
        db,
        shared,
        space,
        packer: Packer::new()?,
        clock: tuning.clock.clone(),
        identity: meta.identity,
        retention: options.retention,
        dedup_window: options.dedup_window,
        forgotten: meta.forgotten,
        next_feed,
        next_queue,
        changes: Vec::new(),
        in_use_before: 0,
        tasks: 0,
    })
}
