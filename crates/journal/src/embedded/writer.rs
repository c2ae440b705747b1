//! The writer: one thread that owns the database, takes work together and answers after the sync.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::folder::Folder;
use super::ledger::DAY;
use super::pace::Pace;
use super::shared::Shared;
use super::space::{bytes_free_inside, bytes_in_use};
use super::store::{Store, Task, span};
use super::trim::Trimming;
use super::trouble::{Trouble, again};
use crate::JournalError;

/// What the writer is asked for.
pub(super) enum Request {
    Close,
    Task(Box<dyn Task>),
    Trim(oneshot::Sender<Result<(), JournalError>>),
}

/// The writer's thread.
pub(super) struct Writer {
    store: Store,
    shared: Arc<Shared>,
    desk: Receiver<Request>,
    pace: Pace,
    trimming: Option<Trimming>,
    next_trim: Instant,
    /// The day on which the ledger was last looked through.
    ledger_day: Option<i64>,
    /// Held to the end of the thread.
    _folder: Folder,
}

/// How often the journal trims by itself.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// How long the desk must be empty before work is done that can wait. When the journal is full, also how often it
/// looks for room.
const QUIET: Duration = Duration::from_secs(1);

/// A database with fewer freed bytes inside keeps them: they will be used again.
const LOOSE_BYTES: u64 = 64 * 1024 * 1024;

/// What came to the desk.
#[derive(Default)]
struct Group {
    tasks: Vec<Box<dyn Task>>,
    /// About what the log grows by.
    weight: u64,
    close: bool,
}

impl Writer {
    pub(super) fn new(store: Store, desk: Receiver<Request>, folder: Folder, spacing: Duration) -> Self {
        let now = Instant::now();
        Self {
            shared: Arc::clone(&store.shared),
            store,
            desk,
            pace: Pace::new(spacing, now),
            trimming: None,
            next_trim: now + TRIM_EVERY,
            ledger_day: None,
            _folder: folder,
        }
    }

    /// Works until it is closed, nobody is left to ask, or the journal is broken.
    pub(super) fn run(mut self) {
        let end = loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break JournalError::Closed,
                Err(error) => break error,
            }
        };
        match &end {
            JournalError::Closed => self.finish(),
            error => tracing::error!(%error, "journal's writer ended"),
        }
        self.shared.end(end);
    }

    fn finish(&mut self) {
        if let Err(trouble) = self.store.checkpoint() {
            let error = trouble.into_error("write the log back");
            tracing::warn!(%error, "failed to write the journal's log back, the next opening does it");
        }
    }

    /// One round: what came, a slice of trimming, and what can wait. Says whether to go on.
    fn turn(&mut self) -> Result<bool, JournalError> {
        let group = self.gather();
        self.shared.check_open()?;
        let syncs_before = self.shared.syncs();
        let quiet = group.tasks.is_empty();
        if !quiet {
            self.serve(group.tasks)?;
        }
        self.trim()?;
        self.keep_house(quiet)?;
        self.pace.spend(self.shared.syncs() - syncs_before, Instant::now());
        Ok(!group.close)
    }

    /// Waits for work, then takes what comes until the next sync is due.
    fn gather(&mut self) -> Group {
        let mut group = Group::default();
        // What is committed together fits into the log, and so into what the ballast can pay for.
        let limit = self.store.space.wal_limit();
        let mut wait = self.patience();
        loop {
            match self.desk.recv_timeout(wait) {
                Ok(Request::Task(task)) => {
                    group.weight += task.weight();
                    group.tasks.push(task);
                }
                Ok(Request::Trim(waiting)) => self.start_trimming(true, Some(waiting)),
                Ok(Request::Close) | Err(RecvTimeoutError::Disconnected) => group.close = true,
                Err(RecvTimeoutError::Timeout) => break,
            }
            if group.close || group.weight >= limit {
                break;
            }
            wait = self.pace.wait(Instant::now());
        }
        group
    }

    fn patience(&self) -> Duration {
        let now = Instant::now();
        if self.trimming.is_some() {
            return self.pace.wait(now);
        }
        let to_trim = self.next_trim.saturating_duration_since(now);
        let can_wait = self.store.space.log_length() > 0 || self.store.space.is_full();
        if can_wait { to_trim.min(QUIET) } else { to_trim }
    }

    /// Does tasks and answers them. Those that find no room get it from what is settled, or are refused.
    fn serve(&mut self, tasks: Vec<Box<dyn Task>>) -> Result<(), JournalError> {
        let refused = self.attempt(tasks)?;
        let refused = self.attempt_with_room(refused)?;
        if !refused.is_empty() {
            self.set_full(true)?;
            let room = self.store.room().map_err(broken)?;
            for task in refused {
                task.answer(Err(JournalError::Full(room)));
            }
        } else if self.store.space.is_full() {
            self.make_room()?;
        }
        if self.store.space.log_length() > self.store.space.wal_limit() {
            self.checkpoint()?;
        }
        self.publish_room()
    }

    /// Makes room for tasks that found none, as long as that helps: first out of what is settled and out of the log,
    /// in the end by making the database itself smaller.
    fn attempt_with_room(&mut self, mut refused: Vec<Box<dyn Task>>) -> Result<Vec<Box<dyn Task>>, JournalError> {
        while !refused.is_empty() {
            let before = refused.len();
            self.make_room()?;
            refused = self.attempt(refused)?;
            if refused.len() == before {
                break;
            }
        }
        let is_loose = bytes_free_inside(&self.store.db).map_err(broken)? > self.store.space.wal_limit();
        if refused.is_empty() || self.store.space.is_short() || !is_loose {
            return Ok(refused);
        }
        while self.shrink()? {}
        self.attempt(refused)
    }

    /// Gives some freed pages back to the disk. Says whether there are more.
    fn shrink(&mut self) -> Result<bool, JournalError> {
        let shrunk = self.store.shrink(self.store.space.wal_limit() / 2);
        self.checkpoint()?;
        match shrunk {
            Err(Trouble::DiskFull) => Ok(false),
            shrunk => shrunk.map_err(broken),
        }
    }

    /// Attempts tasks together, or each for itself where the disk is too full for all. Returns those that found no
    /// room; the others are answered.
    fn attempt(&mut self, mut tasks: Vec<Box<dyn Task>>) -> Result<Vec<Box<dyn Task>>, JournalError> {
        match self.store.transact(&mut tasks) {
            Ok(outcomes) => Ok(answer(tasks, outcomes)),
            Err(Trouble::DiskFull) => {
                self.give_up_ballast()?;
                let mut refused = Vec::new();
                for task in tasks {
                    refused.extend(self.attempt_alone(task)?);
                }
                Ok(refused)
            }
            Err(trouble) => Err(fail(tasks, broken(trouble))),
        }
    }

    fn attempt_alone(&mut self, task: Box<dyn Task>) -> Result<Option<Box<dyn Task>>, JournalError> {
        let mut tasks = vec![task];
        match self.store.transact(&mut tasks) {
            Ok(outcomes) => Ok(answer(tasks, outcomes).pop()),
            Err(Trouble::DiskFull) => {
                // What it wrote of its log before it failed takes room that others need.
                self.checkpoint()?;
                Ok(tasks.pop())
            }
            Err(trouble) => Err(fail(tasks, broken(trouble))),
        }
    }

    fn give_up_ballast(&mut self) -> Result<(), JournalError> {
        self.store
            .space
            .give_up()
            .map_err(|error| JournalError::Io { doing: "give up the ballast", source: error.into() })?;
        self.set_full(true)?;
        self.checkpoint()
    }

    fn make_room(&mut self) -> Result<(), JournalError> {
        match self.store.make_room() {
            Ok(true) if self.store.space.is_full() => self.set_full(false),
            Ok(_) => Ok(()),
            Err(Trouble::DiskFull) if !self.store.space.is_short() => self.give_up_ballast(),
            Err(Trouble::DiskFull) => Ok(()),
            Err(trouble) => Err(broken(trouble)),
        }
    }

    fn checkpoint(&mut self) -> Result<(), JournalError> {
        match self.store.checkpoint() {
            Ok(()) => Ok(()),
            Err(Trouble::DiskFull) if !self.store.space.is_short() => self.give_up_ballast(),
            // The log stays as it is, and holds what was committed.
            Err(Trouble::DiskFull) => Ok(()),
            Err(trouble) => Err(broken(trouble)),
        }
    }

    fn set_full(&mut self, full: bool) -> Result<(), JournalError> {
        let was_full = self.store.space.is_full();
        let now = self.store.clock.now();
        self.store.space.set_full(full, now);
        let room = self.store.room().map_err(broken)?;
        if full && !was_full {
            tracing::warn!(used = room.used, max = room.max, "journal full, appends are refused");
        } else if was_full && !full {
            tracing::info!(used = room.used, max = room.max, "journal has room again");
        }
        self.shared.publish_room(room);
        Ok(())
    }

    fn publish_room(&self) -> Result<(), JournalError> {
        self.shared.publish_room(self.store.room().map_err(broken)?);
        Ok(())
    }

    fn start_trimming(&mut self, whole: bool, waiting: Option<oneshot::Sender<Result<(), JournalError>>>) {
        // One that is under way may have passed what is asked for now: it is begun again.
        let earlier = self.trimming.take().map(|trimming| trimming.waiting).unwrap_or_default();
        let whole = whole || !earlier.is_empty();
        let mut trimming = Trimming::new(&self.store, whole);
        trimming.waiting.extend(earlier.into_iter().chain(waiting));
        self.trimming = Some(trimming);
    }

    /// Does a slice of the trimming that is under way.
    fn trim(&mut self) -> Result<(), JournalError> {
        let Some(mut trimming) = self.trimming.take() else { return Ok(()) };
        match self.store.in_transaction(|store| trimming.slice(store)) {
            Ok(true) => self.trimming = Some(trimming),
            Ok(false) => {
                for waiting in trimming.waiting {
                    let _ = waiting.send(Ok(()));
                }
                if self.store.space.is_full() {
                    self.make_room()?;
                }
                self.publish_room()?;
            }
            Err(Trouble::DiskFull) => {
                self.give_up_ballast()?;
                self.trimming = Some(trimming);
            }
            Err(trouble) => return Err(broken(trouble)),
        }
        Ok(())
    }

    /// Begins the trimming that is due, and in a quiet moment writes the log back and returns freed pages.
    fn keep_house(&mut self, quiet: bool) -> Result<(), JournalError> {
        if Instant::now() >= self.next_trim {
            self.next_trim = Instant::now() + TRIM_EVERY;
            let today = self.store.millis() / span(DAY);
            let whole = self.ledger_day.replace(today) != Some(today);
            if self.trimming.is_none() {
                self.start_trimming(whole, None);
            }
        }
        if !quiet || self.trimming.is_some() {
            return Ok(());
        }
        if self.store.space.is_full() {
            self.make_room()?;
        }
        self.return_pages()?;
        if self.store.space.log_length() > 0 {
            self.checkpoint()?;
            self.publish_room()?;
        }
        Ok(())
    }

    /// A database that is mostly empty gives its pages back, a few in each quiet moment.
    fn return_pages(&mut self) -> Result<(), JournalError> {
        let free = bytes_free_inside(&self.store.db).map_err(broken)?;
        if free < LOOSE_BYTES || free < bytes_in_use(&self.store.db).map_err(broken)? {
            return Ok(());
        }
        self.shrink().map(drop)
    }
}

/// Whatever ends the thread, a panic too, nobody waits for it any longer.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.end(JournalError::Closed);
    }
}

/// Answers the tasks that are in a commit or can never be; returns those that found no room.
fn answer(tasks: Vec<Box<dyn Task>>, outcomes: Vec<Result<(), Trouble>>) -> Vec<Box<dyn Task>> {
    let mut refused = Vec::new();
    for (task, outcome) in tasks.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => task.answer(Ok(())),
            Err(Trouble::NoRoom) => refused.push(task),
            Err(trouble) => task.answer(Err(broken(trouble))),
        }
    }
    refused
}

/// Tells every task that the journal is broken.
fn fail(tasks: Vec<Box<dyn Task>>, error: JournalError) -> JournalError {
    for task in tasks {
        task.answer(Err(again(&error)));
    }
    error
}

fn broken(trouble: Trouble) -> JournalError {
    trouble.into_error("write to the journal")
}
