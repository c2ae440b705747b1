//! The database under its one writer: tasks, each in a savepoint of its own, committed together.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Clock;
use super::chunk::{Packer, place_out};
use super::row::{LaneRow, QueueRow, StoredRow, select};
use super::shared::Shared;
use super::space::{Space, bytes_free_inside, bytes_in_all, bytes_in_use, page_size};
use super::standing::{Change, Extent, Owner};
use super::trouble::Trouble;
use crate::{JournalError, LaneId, QueueId, Room};

/// The database and what its writer knows of it.
pub(super) struct Store {
    pub(super) db: Connection,
    pub(super) shared: Arc<Shared>,
    pub(super) space: Space,
    pub(super) packer: Packer,
    pub(super) clock: Clock,
    pub(super) identity: [u8; 16],
    pub(super) retention: Duration,
    pub(super) dedup_window: Duration,
    /// A feed that is new here may have been lost from an earlier journal.
    pub(super) forgotten: bool,
    /// The numbers of the next feed and the next queue.
    pub(super) next_feed: u32,
    pub(super) next_queue: i64,
    /// What the transaction that is open has changed.
    pub(super) changes: Vec<Change>,
    /// Bytes in use when it began.
    pub(super) in_use_before: u64,
    /// How many tasks it was given.
    pub(super) tasks: u64,
}

/// How many pages a task usually changes, beside those that it adds: in the ledger, the chunks' index, and the tables
/// of queues and checkpoints.
pub(super) const PAGES_OF_A_TASK: u64 = 3;

/// A piece of work for the writer, and whom to tell of it. Until its commit it may be attempted more than once.
pub(super) trait Task: Send {
    /// Does the work inside the transaction that is open.
    fn attempt(&mut self, store: &mut Store) -> Result<(), Trouble>;

    /// Tells its caller: the commit is on disk, or why there is none.
    fn answer(self: Box<Self>, outcome: Result<(), JournalError>);

    /// About how many bytes it writes, which bound how much is committed together.
    fn weight(&self) -> u64;
}

/// A task made of a function.
pub(super) struct Job<T, F> {
    work: F,
    bytes: usize,
    made: Option<T>,
    answer: oneshot::Sender<Result<T, JournalError>>,
}

impl<T, F: FnMut(&mut Store) -> Result<T, Trouble>> Job<T, F> {
    pub(super) fn new(work: F, bytes: usize) -> (Self, oneshot::Receiver<Result<T, JournalError>>) {
        let (answer, answered) = oneshot::channel();
        (Self { work, bytes, made: None, answer }, answered)
    }
}

impl<T: Send, F: FnMut(&mut Store) -> Result<T, Trouble> + Send> Task for Job<T, F> {
    fn attempt(&mut self, store: &mut Store) -> Result<(), Trouble> {
        self.made = Some((self.work)(store)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), JournalError>) {
        let Self { made, answer, .. } = *self;
        // A caller that went away has its answer on disk.
        let _ = answer.send(outcome.map(|()| made.expect("a task is committed after it was attempted")));
    }

    fn weight(&self) -> u64 {
        // JSON shrinks to a tenth or so, but need not.
        self.bytes as u64 / 2 + PAGES_OF_A_TASK * 16 * 1024
    }
}

impl Store {
    /// Attempts tasks and commits them together. The answers say which of them are in the commit; a trouble means
    /// that nothing of any is.
    pub(super) fn transact(&mut self, tasks: &mut [Box<dyn Task>]) -> Result<Vec<Result<(), Trouble>>, Trouble> {
        self.in_transaction(|store| tasks.iter_mut().map(|task| store.in_savepoint(task.as_mut())).collect())
    }

    /// Does work in a transaction of its own, makes known what it changed, and counts its syncs.
    pub(super) fn in_transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let (written_before, log_before) = (self.db.total_changes(), self.space.log_length());
        let outcome = self.begin().and_then(|()| work(self)).and_then(|made| {
            self.db.prepare_cached("COMMIT")?.execute([])?;
            Ok(made)
        });
        if outcome.is_err() {
            self.changes.clear();
            self.roll_back();
            return outcome;
        }
        if self.db.total_changes() != written_before {
            // A log that begins anew syncs its header first.
            self.shared.count_syncs(if log_before == 0 { 2 } else { 1 });
        }
        let changes = std::mem::take(&mut self.changes);
        if !changes.is_empty() {
            self.shared.publish(changes);
        }
        outcome
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        self.in_use_before = bytes_in_use(&self.db)?;
        self.tasks = 0;
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    fn roll_back(&self) {
        // SQLite rolls back by itself on some errors, on others not.
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "failed to roll back a transaction of the journal");
        }
    }

    fn in_savepoint(&mut self, task: &mut dyn Task) -> Result<Result<(), Trouble>, Trouble> {
        let changes_before = self.changes.len();
        self.tasks += 1;
        self.db.prepare_cached("SAVEPOINT task")?.execute([])?;
        let outcome = match task.attempt(self) {
            Err(trouble @ (Trouble::Broken(_) | Trouble::DiskFull)) => return Err(trouble),
            other => other,
        };
        if outcome.is_err() {
            self.changes.truncate(changes_before);
            self.db.prepare_cached("ROLLBACK TO task")?.execute([])?;
        }
        self.db.prepare_cached("RELEASE task")?.execute([])?;
        Ok(outcome)
    }

    /// Whether `max_size` holds with what the open transaction has written: what it added, and the pages that it
    /// merely changed.
    pub(super) fn has_room(&self) -> Result<bool, Trouble> {
        let added = bytes_in_use(&self.db)?.saturating_sub(self.in_use_before);
        let changed = self.tasks * PAGES_OF_A_TASK * page_size(&self.db)?;
        Ok(self.space.allows(bytes_in_all(&self.db)?, added + changed))
    }

    /// Whether appends have room, and the margin that keeps them from filling it at once.
    pub(super) fn has_spare_room(&self) -> Result<bool, Trouble> {
        Ok(self.space.has_margin(bytes_in_use(&self.db)?))
    }

    pub(super) fn room(&self) -> Result<Room, Trouble> {
        Ok(self.space.room(bytes_in_use(&self.db)?))
    }

    /// Writes the log back into the database and empties it.
    pub(super) fn checkpoint(&mut self) -> Result<(), Trouble> {
        if self.space.log_length() == 0 {
            return Ok(());
        }
        let busy: bool = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy {
            tracing::debug!("write-ahead log still read, written back later");
        }
        // The log before it is read, the database after it is written.
        self.shared.count_syncs(2);
        Ok(())
    }

    /// Gives freed pages at the database's end back to the disk, at most `bytes` in one go. Says whether there are
    /// more. The pragma frees a page with each step, so it must be stepped to its end.
    pub(super) fn shrink(&mut self, bytes: u64) -> Result<bool, Trouble> {
        let pages = (bytes / page_size(&self.db)?).max(1);
        let log_before = self.space.log_length();
        let mut statement = self.db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        drop(statement);
        self.shared.count_syncs(if log_before == 0 { 2 } else { 1 });
        Ok(bytes_free_inside(&self.db)? > 0)
    }

    /// How far a queue reaches, with what the open transaction has done to it.
    pub(super) fn queue_row(&self, queue: QueueId) -> Result<QueueRow, Trouble> {
        let unknown = || Trouble::unknown("find a queue of the journal", format!("no queue {}", queue.0));
        select::<QueueRow>(&self.db, "WHERE id = ?", [i64::from(queue.0)])?.pop().ok_or_else(unknown)
    }

    /// Writes how far a queue reaches.
    pub(super) fn write_queue(&mut self, row: &QueueRow) -> Result<(), Trouble> {
        row.write(&self.db)?;
        let owner = Owner::from_stored(row.kind, row.feed, row.lane)?;
        self.changes.push(Change::Queue { queue: queue_id(row.id)?, owner, extent: extent(row)? });
        Ok(())
    }

    /// A lane, of the plan or gone from it.
    pub(super) fn lane_row(&self, lane: LaneId) -> Result<LaneRow, Trouble> {
        let unknown = || Trouble::unknown("find a lane of the journal", format!("no lane {}", lane.0));
        select::<LaneRow>(&self.db, "WHERE id = ?", [lane.0])?.pop().ok_or_else(unknown)
    }

    pub(super) fn millis(&self) -> i64 {
        millis(self.clock.now())
    }
}

/// A queue's number as it is stored.
pub(super) fn queue_id(id: i64) -> Result<QueueId, Trouble> {
    u32::try_from(id).map(QueueId).map_err(|_| Trouble::damaged("a queue with an impossible number"))
}

/// A lane's number as it is stored.
pub(super) fn lane_id(id: i64) -> Result<LaneId, Trouble> {
    u32::try_from(id).map(LaneId).map_err(|_| Trouble::damaged("a lane with an impossible number"))
}

/// The extent that a row states.
pub(super) fn extent(row: &QueueRow) -> Result<Extent, Trouble> {
    let (base, tail) = (place_out(row.base)?.0, place_out(row.tail)?.0);
    if base > tail {
        return Err(Trouble::damaged(format!("queue {} ends before it begins", row.id)));
    }
    Ok(Extent { base, tail })
}

/// Milliseconds since 1970, as times are stored.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A span in milliseconds, as times are stored.
pub(super) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
