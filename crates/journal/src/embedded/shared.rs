//! What the writer, the readers and the callers share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;
use tokio::sync::watch;

use super::folder::{DamageNote, Files};
use super::reads::Reads;
use super::standing::{Change, Standing};
use super::trouble::{Trouble, again};
use crate::{JournalError, Room};

/// What the writer, the readers and the callers share.
pub(super) struct Shared {
    standing: Mutex<Standing>,
    reads: Reads,
    connection: Mutex<Option<Connection>>,
    /// Told when it ends.
    ended: watch::Sender<()>,
    room: watch::Sender<Room>,
    /// Why the journal takes no more work.
    end: OnceLock<JournalError>,
    /// Held while damage is noted.
    noting: Mutex<()>,
    syncs: AtomicU64,
    files: Files,
}

impl Shared {
    pub(super) fn new(standing: Standing, (reads, connection): (Reads, Connection), room: Room, files: Files) -> Self {
        Self {
            standing: Mutex::new(standing),
            reads,
            connection: Mutex::new(Some(connection)),
            ended: watch::Sender::new(()),
            room: watch::Sender::new(room),
            end: OnceLock::new(),
            noting: Mutex::new(()),
            syncs: AtomicU64::new(0),
            files,
        }
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        // A panic between two changes leaves a standing that is merely old.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes known what was committed.
    pub(super) fn publish(&self, changes: impl IntoIterator<Item = Change>) {
        let mut standing = self.standing();
        for change in changes {
            standing.apply(change);
        }
    }

    fn tell_the_end(&self) {
        self.ended.send_replace(());
        self.standing().ring();
    }

    /// Told when the journal takes no more work.
    pub(super) fn ended(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    pub(super) fn publish_room(&self, room: Room) {
        self.room.send_if_modified(|held| std::mem::replace(held, room) != room);
    }

    pub(super) fn room(&self) -> watch::Receiver<Room> {
        self.room.subscribe()
    }

    /// The thread that reads for the lanes.
    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Reads beside the writer. Blocks: not for async threads.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, JournalError> {
        self.check_open()?;
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = work(connection.as_ref().ok_or(JournalError::Closed)?);
        drop(connection);
        self.judge(outcome)
    }

    /// Ends all work where something that was read is damaged.
    pub(super) fn judge<T>(&self, outcome: Result<T, Trouble>) -> Result<T, JournalError> {
        outcome.map_err(|trouble| {
            let error = trouble.into_error("read the journal");
            self.condemn_if_damaged(&error);
            error
        })
    }

    /// Why the journal takes no more work, where it does not.
    pub(super) fn check_open(&self) -> Result<(), JournalError> {
        self.end.get().map_or(Ok(()), |error| Err(again(error)))
    }

    /// Ends all work, once damage was found: nothing that is read after it can be trusted. The note makes the next
    /// opening set the journal aside, even where it would not meet the damage by itself; so it is on disk before
    /// anybody learns of the damage and may open the journal anew.
    pub(super) fn condemn_if_damaged(&self, error: &JournalError) {
        let JournalError::Damaged { what } = error else { return };
        let _noting = self.noting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.end.get().is_some() {
            return;
        }
        tracing::error!(what, path = %self.files.folder().display(), "journal damaged, no more work is taken");
        if let Err(error) = self.files.note_damage(&DamageNote { what: what.clone(), aside: None }) {
            tracing::error!(%error, "failed to note the damage for the next opening");
        }
        // Only a failure of another kind can have come first, and an earlier reason stands.
        let _ = self.end.set(again(error));
        self.tell_the_end();
    }

    /// Ends all work and lets go of the database.
    pub(super) fn end(&self, error: JournalError) {
        self.condemn_if_damaged(&error);
        // An earlier reason stands.
        let _ = self.end.set(error);
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.tell_the_end();
    }

    pub(super) fn count_syncs(&self, syncs: u64) {
        self.syncs.fetch_add(syncs, Ordering::Relaxed);
    }

    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}
