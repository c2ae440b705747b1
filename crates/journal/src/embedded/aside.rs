//! Damage: the journal is set aside, and what of it still holds is carried over into a new one.
//!
//! Carried over are feeds, checkpoints, lanes, dead letters and those keys whose alerts every lane is done with. What
//! was waiting is not: for each feed the new journal says from when on the API must be read again.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, config::DbConfig};

use super::Tuning;
use super::dead_letter::DeadLetterRow;
use super::folder::{DamageNote, Files, remove_if_there};
use super::ledger;
use super::open::{finish_draft, new_identity};
use super::row::{CheckpointRow, FeedRow, LaneRow, MarkRow, MetaRow, QueueRow, StoredRow, each, select};
use super::schema;
use super::standing::Owner;
use super::trouble::Trouble;
use super::waiting::{Again, Waiting};
use crate::FeedId;

/// How a journal was set aside.
pub(super) struct SetAside {
    what: String,
    aside: String,
    reread: Reread,
}

/// From when on the API is read again, over all feeds.
enum Reread {
    All,
    Nothing,
    Since(i64),
}

/// The queue of entries that are in no queue any more.
pub(super) const NOWHERE: i64 = u32::MAX as i64;

/// How many slices of the ledger are carried over in one transaction.
const SLICES_AT_ONCE: usize = 50;

/// Sets the journal aside and puts a new one in its place. A crash in the middle is taken up where it happened: the
/// note stays until all is done, the new database is complete before the old one moves, and the old one moves first.
pub(super) fn set_aside(files: &Files, note: DamageNote, tuning: &Tuning) -> Result<SetAside, Trouble> {
    let failed = |error| Trouble::io("set the damaged journal aside", error);
    let aside = match note.aside {
        Some(aside) => aside,
        None => {
            files.remove_draft().map_err(failed)?;
            free_name(files, tuning.clock.now().into())
        }
    };
    let what = note.what;
    if !files.is_replaced(&aside) {
        files.note_damage(&DamageNote { what: what.clone(), aside: Some(aside.clone()) }).map_err(failed)?;
        // Both journals are on disk for a while; the ballast comes back when the new one is opened.
        remove_if_there(&files.ballast()).map_err(failed)?;
        if files.database().exists() || !files.draft().exists() {
            files.remove_draft().map_err(failed)?;
            build(files, tuning)?;
        }
        files.move_aside(&aside).map_err(failed)?;
        files.adopt_draft().map_err(failed)?;
    }
    files.forget_damage().map_err(failed)?;
    let reread = reread(&schema::connect(&files.database())?)?;
    Ok(SetAside { what, aside, reread })
}

fn free_name(files: &Files, now: DateTime<Utc>) -> String {
    let dated = now.format("journal.damaged-%Y-%m-%dT%H-%M-%SZ").to_string();
    let numbered = (2..).map(|number| format!("{dated}-{number}"));
    let mut names = std::iter::once(dated.clone()).chain(numbered);
    names.find(|name| !files.folder().join(name).exists()).unwrap_or(dated)
}

fn reread(db: &Connection) -> Result<Reread, Trouble> {
    if schema::meta(db)?.forgotten {
        return Ok(Reread::All);
    }
    let earliest = select::<FeedRow>(db, "", [])?.into_iter().filter_map(|feed| feed.reread_from).min();
    Ok(match earliest {
        None => Reread::Nothing,
        Some(i64::MIN) => Reread::All,
        Some(time) => Reread::Since(time),
    })
}

impl SetAside {
    /// What happened, for the operator.
    pub(super) fn sentence(&self, files: &Files) -> String {
        let Self { what, aside, reread } = self;
        let path = files.folder().join(aside);
        let again = match reread {
            Reread::All => "everything that the API still shows is read again".to_owned(),
            Reread::Nothing => "nothing was waiting, so nothing is read again".to_owned(),
            Reread::Since(time) => format!("alerts updated since {} are read again", date(*time)),
        };
        format!("the journal was damaged ({what}) and set aside in {}; {again}", path.display())
    }
}

/// A key's time as a date. Ticks count from the beginning of year 1; the journal needs to know it only here.
fn date(ticks: i64) -> String {
    const TICKS_TO_1970: i64 = 621_355_968_000_000_000;
    let seconds = ticks.saturating_sub(TICKS_TO_1970).div_euclid(10_000_000);
    DateTime::from_timestamp(seconds, 0)
        .map_or_else(|| format!("tick {ticks}"), |date| date.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Builds the new journal out of what can be read of the old one.
fn build(files: &Files, tuning: &Tuning) -> Result<(), Trouble> {
    let old = match open_old(files) {
        Ok(old) => old,
        Err(Trouble::Broken(error)) => {
            tracing::warn!(%error, "nothing of the damaged journal can be read");
            let meta = MetaRow { identity: new_identity()?, forgotten: true };
            return finish_draft(schema::create(&files.draft(), tuning.page_size, &meta)?);
        }
        Err(trouble) => return Err(trouble),
    };
    let (feeds, all_feeds) = whole_rows::<FeedRow>(&old);
    let meta = MetaRow { identity: new_identity()?, forgotten: !all_feeds || was_forgotten(&old) };
    let new = schema::create(&files.draft(), tuning.page_size, &meta)?;
    let waiting = Waiting::read(&old);
    new.execute_batch("BEGIN IMMEDIATE")?;
    let mut kept = HashMap::new();
    let mut queues = Vec::new();
    for (number, feed) in (0..).zip(feeds) {
        let again = waiting.of(&old, feed.id);
        let reread_from = feed.reread_from.into_iter().chain(again.from).min();
        let id = FeedId(number);
        kept.insert(feed.id, (number.into(), again));
        for owner in [Owner::Live(id), Owner::BackFill(id)] {
            let (kind, of, lane) = owner.stored();
            let row = QueueRow { id: queues.len() as i64, kind, feed: of, lane, base: 0, tail: 0 };
            row.write(&new)?;
            queues.push((feed.id, row));
        }
        FeedRow { id: number.into(), reread_from, ..feed }.write(&new)?;
    }
    carry_small(&old, &new, &kept)?;
    carry_takers(&old, &new, &queues, meta.identity)?;
    new.execute_batch("COMMIT")?;
    carry_ledger(&old, &new, &kept)?;
    finish_draft(new)
}

/// Opens the damaged journal for reading. Its log stays as it is when it is closed.
fn open_old(files: &Files) -> Result<Connection, Trouble> {
    schema::check_header(&files.database())?;
    let old = schema::connect(&files.database())?;
    old.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    old.pragma_update(None, "query_only", true)?;
    schema::check_objects(&old)?;
    Ok(old)
}

fn was_forgotten(old: &Connection) -> bool {
    schema::meta(old).map_or(true, |meta| meta.forgotten)
}

/// The rows of a table that are whole, and whether these are all.
pub(super) fn whole_rows<R: StoredRow>(old: &Connection) -> (Vec<R>, bool) {
    let mut rows = Vec::new();
    let mut is_all = schema::check_table(old, R::TABLE).is_ok();
    let read = each::<R>(old, "", [], |row| {
        match row {
            Ok(row) => rows.push(row),
            Err(_) => is_all = false,
        }
        Ok(())
    });
    is_all &= read.is_ok();
    (rows, is_all)
}

/// Feeds by their old number: the new one, and what must be asked for again.
type Kept = HashMap<i64, (i64, Again)>;

fn carry_small(old: &Connection, new: &Connection, kept: &Kept) -> Result<(), Trouble> {
    for checkpoint in whole_rows::<CheckpointRow>(old).0 {
        if let Some((feed, _)) = kept.get(&checkpoint.feed) {
            CheckpointRow { feed: *feed, ..checkpoint }.write(new)?;
        }
    }
    for lane in whole_rows::<LaneRow>(old).0 {
        lane.write(new)?;
    }
    let mut outcome = Ok(());
    let read = each::<DeadLetterRow>(old, "ORDER BY id", [], |letter| {
        if let Ok(letter) = letter
            && let Some((feed, _)) = kept.get(&letter.feed)
            && outcome.is_ok()
        {
            outcome = DeadLetterRow { feed: *feed, ..letter }.write(new);
        }
        Ok(())
    });
    if read.is_err() {
        tracing::warn!("some dead letters of the damaged journal cannot be read");
    }
    outcome
}

/// Has the lanes take in the new journal what they took in the old one. Where their marks cannot all be read, they take
/// everything until they are set.
fn carry_takers(
    old: &Connection,
    new: &Connection,
    queues: &[(i64, QueueRow)],
    identity: [u8; 16],
) -> Result<(), Trouble> {
    let (marks, all_marks) = whole_rows::<MarkRow>(old);
    let (old_queues, all_queues) = whole_rows::<QueueRow>(old);
    let feeds: HashMap<i64, i64> = old_queues.iter().filter_map(|row| Some((row.id, row.feed?))).collect();
    let taken: HashSet<(i64, i64)> =
        marks.iter().filter_map(|mark| Some((mark.lane, *feeds.get(&mark.queue)?))).collect();
    for lane in whole_rows::<LaneRow>(old).0 {
        for (feed, queue) in queues {
            if taken.contains(&(lane.id, *feed)) || !all_marks || !all_queues {
                MarkRow { lane: lane.id, queue: queue.id, place: 0, begun: 0, identity }.write(new)?;
            }
        }
    }
    Ok(())
}

/// Carries over the keys that are older than what was waiting: these are done with, and reading them again would bring
/// them a second time. The rest is forgotten, to be new when it is read again.
fn carry_ledger(old: &Connection, new: &Connection, kept: &Kept) -> Result<(), Trouble> {
    let mut last = None;
    loop {
        new.execute_batch("BEGIN IMMEDIATE")?;
        let carried = carry_slices(old, new, kept, &mut last);
        let more = match carried {
            Ok(more) => more,
            // Without the rest there are more copies, but nothing is missing.
            Err(trouble) => {
                if !new.is_autocommit() {
                    new.execute_batch("ROLLBACK")?;
                }
                let error = trouble.into_error("carry the ledger over");
                tracing::warn!(%error, "a part of the damaged journal's ledger is left behind");
                return Ok(());
            }
        };
        new.execute_batch("COMMIT")?;
        new.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        if !more {
            return Ok(());
        }
    }
}

fn carry_slices(
    old: &Connection,
    new: &Connection,
    kept: &Kept,
    last: &mut Option<ledger::Line>,
) -> Result<bool, Trouble> {
    for _ in 0..SLICES_AT_ONCE {
        let lines = ledger::slice(old, last.as_ref())?;
        let Some((end, _)) = lines.last() else { return Ok(false) };
        *last = Some(*end);
        for (line, is_whole) in &lines {
            let Some((feed, again)) = kept.get(&line.feed) else { continue };
            let is_done = again.waiting_from.is_none_or(|from| line.key.time < from) && !again.lost.contains(&line.key);
            if *is_whole && is_done {
                // Its entry lies in the journal that was set aside.
                ledger::Line { feed: *feed, queue: NOWHERE, place: 0, ..*line }.insert(new)?;
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: the operator reads a date, and a time that is none does no harm.
    #[test]
    fn ticks_are_told_as_dates() {
        assert_eq!(date(621_355_968_000_000_000), "1970-01-01T00:00:00Z");
        assert_eq!(date(638_000_000_000_000_000), "2022-09-28T22:13:20Z");
        assert_eq!(date(i64::MAX), "+29228-09-14T02:48:05Z");
        assert_eq!(date(0), "0001-01-01T00:00:00Z");
    }
}
