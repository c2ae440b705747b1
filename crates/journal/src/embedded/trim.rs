//! Trimming: settled entries and forgotten keys, a slice at a time.

use std::collections::BTreeSet;

use tokio::sync::oneshot;

use super::chunk::{self, place_in};
use super::ledger::{self, DAY, Line};
use super::row::{FeedRow, select};
use super::space::bytes_free_inside;
use super::standing::Owner;
use super::store::{Store, span};
use super::trouble::Trouble;
use crate::{JournalError, Place, QueueId};

/// How many chunks go in one transaction: about 8 MiB unpacked.
const CHUNKS_AT_ONCE: usize = 32;

/// How many queues are looked at in one transaction.
const QUEUES_AT_ONCE: usize = 256;

/// How many chunks of one queue go before the next-oldest queue has its turn, when room is needed.
const CHUNKS_IN_TURN: usize = 8;

/// A trimming in progress.
pub(super) struct Trimming {
    queues: Vec<QueueId>,
    ledger: LedgerWalk,
    /// Who waits for its end.
    pub(super) waiting: Vec<oneshot::Sender<Result<(), JournalError>>>,
}

/// How far the ledger was looked through.
enum LedgerWalk {
    After(Option<Line>),
    Done,
}

impl Trimming {
    /// A trimming of what is settled and older than `retention`; of the ledger too, where it is `whole`.
    pub(super) fn new(store: &Store, whole: bool) -> Self {
        let ledger = if whole { LedgerWalk::After(None) } else { LedgerWalk::Done };
        Self { queues: settled_queues(store), ledger, waiting: Vec::new() }
    }

    /// Does the next slice. Says whether there is more to do.
    pub(super) fn slice(&mut self, store: &mut Store) -> Result<bool, Trouble> {
        if self.queues.is_empty() {
            return self.ledger_slice(store);
        }
        let kept_until = store.millis().saturating_sub(span(store.retention));
        let mut left = CHUNKS_AT_ONCE;
        for _ in 0..QUEUES_AT_ONCE {
            let Some(queue) = self.queues.last() else { break };
            left -= store.trim_queue(*queue, kept_until, left)?;
            if left == 0 {
                break;
            }
            self.queues.pop();
        }
        Ok(true)
    }

    fn ledger_slice(&mut self, store: &mut Store) -> Result<bool, Trouble> {
        let LedgerWalk::After(last) = &self.ledger else { return Ok(false) };
        let lines = ledger::slice(&store.db, last.as_ref())?;
        let Some((last, _)) = lines.last() else {
            self.ledger = LedgerWalk::Done;
            return Ok(false);
        };
        self.ledger = LedgerWalk::After(Some(*last));
        let window = i64::try_from(store.dedup_window.as_secs().div_ceil(DAY.as_secs())).unwrap_or(i64::MAX);
        let mut today: (i64, Option<i64>) = (i64::MIN, None);
        for (line, is_whole) in &lines {
            if !is_whole {
                return Err(Line::damaged());
            }
            if line.feed != today.0 {
                let feed = select::<FeedRow>(&store.db, "WHERE id = ?", [line.feed])?.pop();
                today = (line.feed, feed.and_then(|feed| feed.server_day));
            }
            // A line that was first seen on a day may be as young as that day's end.
            if let (Some(day), Some(today)) = (line.day, today.1)
                && day < today.saturating_sub(window)
            {
                ledger::delete(&store.db, line)?;
            }
        }
        Ok(true)
    }
}

/// The queues of which all lanes have settled something that is still there; none before the lanes were set.
fn settled_queues(store: &Store) -> Vec<QueueId> {
    let standing = store.shared.standing();
    if !standing.is_set {
        return Vec::new();
    }
    let holds_chunks = |owner| !matches!(owner, Owner::Replay(_));
    let settled = standing
        .queues()
        .filter(|(id, queue)| holds_chunks(queue.owner) && queue.extent.base < standing.settled_to(*id));
    settled.map(|(id, _)| id).collect()
}

impl Store {
    /// Drops chunks from a queue's beginning, at most `limit`: those that all lanes which take it have settled, and none
    /// of which was appended after `kept_until`. Returns how many it dropped.
    fn trim_queue(&mut self, queue: QueueId, kept_until: i64, limit: usize) -> Result<usize, Trouble> {
        // It may have been forgotten since it was found.
        if self.shared.standing().queue(queue).is_none() {
            return Ok(0);
        }
        let mut row = self.queue_row(queue)?;
        let needed_from = place_in(Place(self.shared.standing().settled_to(queue)));
        let mut dropped = 0;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        for head in chunk::heads(&self.db, row.id, row.base, limit)? {
            if head.place != row.base || head.queue != row.id {
                return Err(Trouble::damaged(format!("queue {} does not begin where it says", queue.0)));
            }
            if head.end() > needed_from || head.at > kept_until {
                break;
            }
            chunk::delete(&self.db, &head)?;
            row.base = head.end();
            dropped += 1;
        }
        if dropped > 0 {
            self.write_queue(&row)?;
        }
        Ok(dropped)
    }

    /// Makes room out of what is settled, the oldest first, whatever `retention` says, and out of the disk, where the
    /// ballast is owed to it. Says whether appends have room now.
    pub(super) fn make_room(&mut self) -> Result<bool, Trouble> {
        self.drop_settled()?;
        self.checkpoint()?;
        if self.space.is_short() {
            while self.shrink(self.space.wal_limit() / 4)? {
                self.checkpoint()?;
            }
            self.checkpoint()?;
            self.space.regain().map_err(|error| Trouble::io("take the ballast again", error))?;
        }
        self.has_spare_room()
    }

    fn drop_settled(&mut self) -> Result<(), Trouble> {
        let mut queues = BTreeSet::new();
        for queue in settled_queues(self) {
            self.note_oldest(queue, &mut queues)?;
        }
        while !self.has_enough_free()? {
            let Some((_, queue)) = queues.pop_first() else { break };
            let dropped = self.in_transaction(|store| store.trim_queue(queue, i64::MAX, CHUNKS_IN_TURN))?;
            if self.space.is_short() || self.space.log_length() > self.space.wal_limit() {
                self.checkpoint()?;
            }
            if dropped > 0 {
                self.note_oldest(queue, &mut queues)?;
            }
        }
        Ok(())
    }

    fn note_oldest(&self, queue: QueueId, queues: &mut BTreeSet<(i64, QueueId)>) -> Result<(), Trouble> {
        if self.shared.standing().queue(queue).is_none() {
            return Ok(());
        }
        let row = self.queue_row(queue)?;
        let oldest = chunk::heads(&self.db, row.id, row.base, 1)?;
        queues.extend(oldest.first().map(|head| (head.at, queue)));
        Ok(())
    }

    fn has_enough_free(&self) -> Result<bool, Trouble> {
        if self.space.is_short() {
            return Ok(bytes_free_inside(&self.db)? >= self.space.owed_to_disk());
        }
        self.has_spare_room()
    }
}
