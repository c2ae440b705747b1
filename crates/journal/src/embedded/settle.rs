//! Settling: marks and dead letters, all or nothing; and giving up.

use std::sync::Arc;

use rusqlite::params;

use super::chunk::{PackedChunk, place_in, place_out};
use super::dead_letter::{DeadLetterRow, is_kept};
use super::row::{LaneRow, MarkRow, QueueRow, ReplayRow, SkippedRow, StoredRow, select};
use super::standing::{Change, LaneCount, Owner};
use super::store::{Store, lane_id, queue_id};
use super::trouble::Trouble;
use crate::{DeadLetter, Entry, EntryRef, FeedId, FeedInfo, LaneId, Place, QueueId, Settlement};

impl Store {
    /// Settles what a lane has accounted for.
    pub(super) fn settle(&mut self, lane: LaneId, settlement: &Settlement) -> Result<(), Trouble> {
        let mut row = self.lane_row(lane)?;
        self.keep_dead_letters(lane, &settlement.dead_letters)?;
        for mark in &settlement.marks {
            let queue = self.queue_row(mark.queue)?;
            self.move_mark(lane, &queue, place_in(mark.place).saturating_add(1))?;
        }
        if settlement.delivered == 0 && settlement.filtered == 0 {
            return Ok(());
        }
        row.delivered = row.delivered.saturating_add_unsigned(settlement.delivered);
        row.filtered = row.filtered.saturating_add_unsigned(settlement.filtered);
        self.write_lane(&row)
    }

    pub(super) fn write_lane(&mut self, row: &LaneRow) -> Result<(), Trouble> {
        row.write(&self.db)?;
        self.changes.push(Change::Lane { lane: lane_id(row.id)?, count: lane_count(row) });
        Ok(())
    }

    /// A mark never moves back, and never past the queue's end: what is not there yet is not accounted for. A queue that
    /// the lane takes no longer has no mark to move.
    fn move_mark(&mut self, lane: LaneId, queue: &QueueRow, place: i64) -> Result<(), Trouble> {
        let Some(held) = self.mark(lane, queue)? else { return Ok(()) };
        let (place, before) = (place.min(queue.tail), held.place.max(queue.base));
        if place <= before {
            return Ok(());
        }
        if Owner::from_stored(queue.kind, queue.feed, queue.lane)? == Owner::Replay(lane) {
            self.end_replays(lane, queue, place)?;
        }
        MarkRow { place, ..held }.write(&self.db)?;
        self.changes.push(Change::Mark { lane, queue: queue_id(queue.id)?, place: place_out(place)?.0 });
        Ok(())
    }

    fn mark(&self, lane: LaneId, queue: &QueueRow) -> Result<Option<MarkRow>, Trouble> {
        Ok(select::<MarkRow>(&self.db, "WHERE lane = ? AND queue = ?", params![lane.0, queue.id])?.pop())
    }

    /// Dead letters that were replayed before a place go: those that were refused again have left the queue already.
    fn end_replays(&mut self, lane: LaneId, queue: &QueueRow, place: i64) -> Result<(), Trouble> {
        let ended = select::<ReplayRow>(&self.db, "WHERE lane = ? AND place < ?", params![lane.0, place])?;
        for replay in &ended {
            self.drop_letter(lane, replay.letter)?;
            self.drop_replay(replay)?;
        }
        self.tell_replays(lane, queue, -(ended.len() as i64))
    }

    fn drop_letter(&self, lane: LaneId, letter: i64) -> Result<u64, Trouble> {
        let sql = "DELETE FROM dead_letter WHERE id = ? AND lane = ?";
        Ok(self.db.prepare_cached(sql)?.execute(params![letter, lane.0])? as u64)
    }

    fn drop_replay(&self, replay: &ReplayRow) -> Result<(), Trouble> {
        let sql = "DELETE FROM replay WHERE lane = ? AND place = ?";
        self.db.prepare_cached(sql)?.execute(params![replay.lane, replay.place])?;
        Ok(())
    }

    fn tell_replays(&mut self, lane: LaneId, queue: &QueueRow, more: i64) -> Result<(), Trouble> {
        if more != 0 {
            self.changes.push(Change::Replays { lane, queue: queue_id(queue.id)?, more });
        }
        Ok(())
    }

    fn keep_dead_letters(&mut self, lane: LaneId, letters: &[DeadLetter]) -> Result<(), Trouble> {
        // Neighbours are usually refused together, and lie in one chunk.
        let mut chunk: (QueueId, Vec<Entry>) = (QueueId(u32::MAX), Vec::new());
        for letter in letters {
            let EntryRef { queue, place } = letter.entry;
            let row = self.queue_row(queue)?;
            let Some(feed) = Owner::from_stored(row.kind, row.feed, row.lane)?.feed() else {
                self.keep_again(lane, &row, place, &letter.reason)?;
                continue;
            };
            let numbers = (lane.0.into(), queue.0.into(), place_in(place));
            if is_kept(&self.db, numbers, &self.identity)? {
                continue;
            }
            if chunk.0 != queue || find(&chunk.1, place).is_none() {
                chunk = (queue, self.entries_around(&row, place)?);
            }
            let entry = find(&chunk.1, place).ok_or_else(|| Trouble::damaged("a chunk lacks an entry"))?;
            self.keep_dead_letter(numbers, feed, entry, &letter.reason)?;
        }
        Ok(())
    }

    /// A letter that was replayed and refused again stays, and waits no longer. One that was dropped meanwhile stays
    /// dropped.
    fn keep_again(&mut self, lane: LaneId, queue: &QueueRow, place: Place, reason: &str) -> Result<(), Trouble> {
        let sought = params![lane.0, place_in(place)];
        let Some(replay) = select::<ReplayRow>(&self.db, "WHERE lane = ? AND place = ?", sought)?.pop() else {
            return Ok(());
        };
        if let Some(letter) = DeadLetterRow::find(&self.db, lane, replay.letter)? {
            letter.renew(&self.db, reason, self.millis())?;
        }
        self.drop_replay(&replay)?;
        self.tell_replays(lane, queue, -1)
    }

    fn keep_dead_letter(
        &mut self,
        (lane, queue, place): (i64, i64, i64),
        feed: FeedId,
        entry: &Entry,
        reason: &str,
    ) -> Result<(), Trouble> {
        let data = self.packer.compress_alone(&entry.bytes)?;
        let raw = i64::try_from(entry.bytes.len()).expect("an entry is at most LARGEST_ENTRY");
        let (key, flags, at, identity) = (entry.key, entry.flags, self.millis(), self.identity);
        let (feed, reason) = (feed.0.into(), reason.to_owned());
        DeadLetterRow { id: 0, lane, feed, queue, place, identity, key, flags, reason, at, raw, data }.write(&self.db)
    }

    /// The entries of the chunk that holds one.
    fn entries_around(&self, queue: &QueueRow, place: Place) -> Result<Vec<Entry>, Trouble> {
        if !(queue.base..queue.tail).contains(&place_in(place)) {
            let what = format!("place {} of queue {} is not held", place.0, queue.id);
            return Err(Trouble::unknown("keep a dead letter", what));
        }
        let feed = self.feed_of(queue)?;
        PackedChunk::fetch(&self.db, queue.id, place_in(place))?.unpack(&feed)
    }

    fn feed_of(&self, queue: &QueueRow) -> Result<Arc<FeedInfo>, Trouble> {
        let feed = Owner::from_stored(queue.kind, queue.feed, queue.lane)?.feed();
        let known = feed.and_then(|feed| self.shared.standing().feed(feed).cloned());
        known.ok_or_else(|| Trouble::damaged(format!("queue {} has no feed", queue.id)))
    }

    /// Gives dead letters to their lane again. Returns how many of them there are.
    pub(super) fn replay(&mut self, lane: LaneId, letters: &[i64]) -> Result<u64, Trouble> {
        if self.lane_row(lane)?.gone.is_some() {
            return Err(Trouble::unknown("replay dead letters", format!("lane {} has left the plan", lane.0)));
        }
        let mut queue = self.own_queue(Owner::Replay(lane), lane)?;
        let (mut held, mut came) = (0, 0);
        for letter in letters {
            if DeadLetterRow::find(&self.db, lane, *letter)?.is_none() {
                continue;
            }
            held += 1;
            // One that waits already stays where it is.
            if select::<ReplayRow>(&self.db, "WHERE letter = ?", [letter])?.is_empty() {
                ReplayRow { lane: lane.0.into(), place: queue.tail, letter: *letter }.write(&self.db)?;
                queue.tail += 1;
                came += 1;
            }
        }
        if came > 0 {
            self.write_queue(&queue)?;
            self.tell_replays(lane, &queue, came)?;
        }
        Ok(held)
    }

    /// Drops dead letters, and what is to be replayed of them.
    pub(super) fn drop_dead_letters(&mut self, lane: LaneId, letters: &[i64]) -> Result<u64, Trouble> {
        let mut dropped = 0;
        for letter in letters {
            let gone = self.drop_letter(lane, *letter)?;
            dropped += gone;
            if gone > 0 {
                self.withdraw(lane, *letter)?;
            }
        }
        Ok(dropped)
    }

    /// A dead letter is gone that may wait to be replayed.
    fn withdraw(&mut self, lane: LaneId, letter: i64) -> Result<(), Trouble> {
        let Some(replay) = select::<ReplayRow>(&self.db, "WHERE letter = ?", [letter])?.pop() else { return Ok(()) };
        self.drop_replay(&replay)?;
        let queue = self.own_queue(Owner::Replay(lane), lane)?;
        self.tell_replays(lane, &queue, -1)
    }

    /// Gives up everything that waits for a lane. Dead letters that were to be replayed stay dead letters. Returns how
    /// many entries were given up.
    pub(super) fn skip(&mut self, lane: LaneId, why: &str) -> Result<u64, Trouble> {
        let mut row = self.lane_row(lane)?;
        let mut given_up = 0;
        for mark in select::<MarkRow>(&self.db, "WHERE lane = ?", [lane.0])? {
            let queue = self.queue_row(queue_id(mark.queue)?)?;
            let since = mark.place.max(queue.base);
            if since >= queue.tail {
                continue;
            }
            if Owner::from_stored(queue.kind, queue.feed, queue.lane)? == Owner::Replay(lane) {
                self.withdraw_all(lane, &queue)?;
            } else {
                given_up += queue.tail - since;
            }
            let (until, at) = (queue.tail, self.millis());
            SkippedRow { lane: mark.lane, queue: mark.queue, since, until, why: why.to_owned(), at }.write(&self.db)?;
            MarkRow { place: until, ..mark }.write(&self.db)?;
            self.changes.push(Change::Mark { lane, queue: queue_id(queue.id)?, place: place_out(until)?.0 });
        }
        row.skipped += given_up;
        self.write_lane(&row)?;
        Ok(given_up.unsigned_abs())
    }

    fn withdraw_all(&mut self, lane: LaneId, queue: &QueueRow) -> Result<(), Trouble> {
        let gone = self.db.execute("DELETE FROM replay WHERE lane = ?", [lane.0])?;
        self.tell_replays(lane, queue, -i64::try_from(gone).unwrap_or(i64::MAX))
    }
}

fn find(entries: &[Entry], place: Place) -> Option<&Entry> {
    entries.iter().find(|entry| entry.place == place)
}

/// A lane's counts as they are stored.
pub(super) fn lane_count(row: &LaneRow) -> LaneCount {
    LaneCount {
        delivered: row.delivered.cast_unsigned(),
        filtered: row.filtered.cast_unsigned(),
        skipped: row.skipped.cast_unsigned(),
    }
}
