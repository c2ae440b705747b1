//! Settling: marks, dead letters and requeued entries, all or nothing.

use std::collections::HashSet;

use rusqlite::params;

use super::chunk::{PackedChunk, place_in, place_out};
use super::dead_letter::{DeadLetterRow, is_kept, letter_at, letter_place, requeued_in};
use super::row::{LaneRow, MarkRow, RequeueRow, StoredRow, select};
use super::standing::{Change, LaneCount, feed_of};
use super::store::Store;
use super::trouble::Trouble;
use crate::{DeadLetter, Entry, EntryRef, LaneId, Place, QueueId, Settlement};

impl Store {
    /// Settles what a lane has accounted for.
    pub(super) fn settle(&mut self, settlement: &Settlement) -> Result<(), Trouble> {
        let index = self.lane_index(settlement.lane)?;
        self.keep_dead_letters(settlement.lane, &settlement.dead_letters)?;
        for (queue, place) in &settlement.marks {
            self.move_mark(settlement.lane, index, *queue, *place)?;
        }
        self.cross_off(settlement, index)?;
        self.count(settlement, index)
    }

    /// Crosses off requeued entries that are accounted for. Replayed letters go, unless they were refused again.
    fn cross_off(&mut self, settlement: &Settlement, index: usize) -> Result<(), Trouble> {
        let refused: HashSet<EntryRef> = settlement.dead_letters.iter().map(|letter| letter.entry).collect();
        let mut count = 0;
        for entry in &settlement.requeued {
            let sql = "DELETE FROM requeue WHERE lane = ? AND queue = ? AND place = ?";
            let values = params![settlement.lane.0, entry.queue.0, requeued_in(entry.place)];
            let crossed_off = self.db.prepare_cached(sql)?.execute(values)? as u64;
            count += crossed_off;
            // One that was crossed off before has gone with it, or has stayed.
            if let Some(letter) = letter_at(entry.place)
                && crossed_off > 0
                && !refused.contains(entry)
            {
                self.drop_letter(settlement.lane, letter)?;
            }
        }
        if count > 0 {
            self.changes.push(Change::CrossedOff { index, count });
        }
        Ok(())
    }

    fn drop_letter(&self, lane: LaneId, letter: i64) -> Result<u64, Trouble> {
        let sql = "DELETE FROM dead_letter WHERE id = ? AND lane = ?";
        Ok(self.db.prepare_cached(sql)?.execute(params![letter, lane.0])? as u64)
    }

    /// A mark never moves back, and never past the queue's end: what is not there yet is not accounted for.
    fn move_mark(&mut self, lane: LaneId, index: usize, queue: QueueId, place: Place) -> Result<(), Trouble> {
        let extent = self.known_queue(queue)?;
        let sought = params![lane.0, queue.0];
        let held = select::<MarkRow>(&self.db, "WHERE lane = ? AND queue = ?", sought)?.pop();
        let held = held.map_or(0, |mark| mark.place).max(extent.0);
        let place = place_in(place).min(extent.1);
        if place <= held {
            return Ok(());
        }
        MarkRow { lane: lane.0.into(), queue: queue.0.into(), place, identity: self.identity }.write(&self.db)?;
        self.changes.push(Change::Mark { index, queue, place: place_out(place)?.0 });
        Ok(())
    }

    fn count(&mut self, settlement: &Settlement, index: usize) -> Result<(), Trouble> {
        if settlement.delivered == 0 && settlement.filtered == 0 {
            return Ok(());
        }
        let found = select::<LaneRow>(&self.db, "WHERE id = ?", [settlement.lane.0])?.pop();
        let mut row = found.ok_or_else(|| Trouble::damaged("a lane is missing from its table"))?;
        row.delivered = row.delivered.saturating_add_unsigned(settlement.delivered);
        row.filtered = row.filtered.saturating_add_unsigned(settlement.filtered);
        row.write(&self.db)?;
        self.changes.push(Change::Lane { index, count: lane_count(&row) });
        Ok(())
    }

    fn keep_dead_letters(&mut self, lane: LaneId, letters: &[DeadLetter]) -> Result<(), Trouble> {
        // Neighbours are usually refused together, and lie in one chunk.
        let mut chunk: (QueueId, Vec<Entry>) = (QueueId(u32::MAX), Vec::new());
        for letter in letters {
            let EntryRef { queue, place } = letter.entry;
            if let Some(replayed) = letter_at(place) {
                self.keep_again(lane, replayed, &letter.reason)?;
                continue;
            }
            let numbers = (lane.0.into(), queue.0.into(), place_in(place));
            if is_kept(&self.db, numbers, &self.identity)? {
                continue;
            }
            if chunk.0 != queue || find(&chunk.1, place).is_none() {
                chunk = (queue, self.entries_around(letter.entry)?);
            }
            let entry = find(&chunk.1, place).ok_or_else(|| Trouble::damaged("a chunk lacks an entry"))?;
            self.keep_dead_letter(numbers, entry, &letter.reason)?;
        }
        Ok(())
    }

    /// A letter that was replayed and refused again. One that was dropped meanwhile stays dropped.
    fn keep_again(&self, lane: LaneId, letter: i64, reason: &str) -> Result<(), Trouble> {
        DeadLetterRow::find(&self.db, lane, letter)?.map_or(Ok(()), |row| row.renew(&self.db, reason, self.millis()))
    }

    fn keep_dead_letter(&mut self, numbers: (i64, i64, i64), entry: &Entry, reason: &str) -> Result<(), Trouble> {
        let (lane, queue, place) = numbers;
        let feed = queue / 2;
        let data = self.packer.compress_alone(&entry.bytes)?;
        let raw = i64::try_from(entry.bytes.len()).expect("an entry is at most LARGEST_ENTRY");
        let (key, flags, at, identity) = (entry.key, entry.flags, self.millis(), self.identity);
        let reason = reason.to_owned();
        DeadLetterRow { id: 0, lane, feed, queue, place, identity, key, flags, reason, at, raw, data }.write(&self.db)
    }

    /// The entries of the chunk that holds one.
    fn entries_around(&self, entry: EntryRef) -> Result<Vec<Entry>, Trouble> {
        if !self.holds(entry)? {
            let what = format!("place {} of queue {} is not held", entry.place.0, entry.queue.0);
            return Err(Trouble::unknown("keep a dead letter", what));
        }
        PackedChunk::fetch(&self.db, entry.queue.0.into(), place_in(entry.place))?.unpack()
    }

    /// Whether the journal still has an entry.
    fn holds(&self, entry: EntryRef) -> Result<bool, Trouble> {
        let (base, tail) = self.known_queue(entry.queue)?;
        Ok((base..tail).contains(&place_in(entry.place)))
    }

    /// The base and the tail of a queue that the caller named.
    fn known_queue(&self, queue: QueueId) -> Result<(i64, i64), Trouble> {
        if self.shared.standing().feed(feed_of(queue)).is_none() {
            return Err(Trouble::unknown("find a queue of the journal", format!("no queue {}", queue.0)));
        }
        let row = self.queue_row(queue)?;
        Ok((row.base, row.tail))
    }

    /// Gives entries to a lane again. Returns how many of them the journal still has.
    pub(super) fn requeue(&mut self, lane: LaneId, entries: &[EntryRef]) -> Result<u64, Trouble> {
        let mut held = Vec::with_capacity(entries.len());
        for entry in entries {
            if self.holds(*entry)? {
                held.push((entry.queue.0.into(), entry.place));
            }
        }
        self.put_back(lane, &held)
    }

    /// Gives dead letters to their lane again. Returns how many of them there are.
    pub(super) fn replay(&mut self, lane: LaneId, letters: &[i64]) -> Result<u64, Trouble> {
        let mut held = Vec::with_capacity(letters.len());
        for letter in letters {
            if let Some(row) = DeadLetterRow::find(&self.db, lane, *letter)? {
                // Of the feed, not of the letter: a damaged journal's feeds may have had other numbers.
                held.push((2 * row.feed + row.queue % 2, letter_place(row.id)));
            }
        }
        self.put_back(lane, &held)
    }

    /// Drops dead letters, and what is to be replayed of them.
    pub(super) fn drop_dead_letters(&mut self, lane: LaneId, letters: &[i64]) -> Result<u64, Trouble> {
        let index = self.shared.standing().lane_index(lane);
        let (mut dropped, mut count) = (0, 0);
        for letter in letters {
            dropped += self.drop_letter(lane, *letter)?;
            let sql = "DELETE FROM requeue WHERE lane = ? AND place = ?";
            let values = params![lane.0, requeued_in(letter_place(*letter))];
            count += self.db.prepare_cached(sql)?.execute(values)? as u64;
        }
        if let Some(index) = index.filter(|_| count > 0) {
            self.changes.push(Change::CrossedOff { index, count });
        }
        Ok(dropped)
    }

    /// Has a lane get what stands at these places again. Returns how many they are.
    fn put_back(&mut self, lane: LaneId, places: &[(i64, Place)]) -> Result<u64, Trouble> {
        let index = self.lane_index(lane)?;
        let mut came = 0;
        for (queue, place) in places {
            let id = self.next_requeue;
            let row = RequeueRow { id, lane: lane.0.into(), queue: *queue, place: requeued_in(*place) };
            row.write(&self.db)?;
            // Nothing was written where it is waiting already.
            came += self.db.changes();
            self.next_requeue += 1;
        }
        if came > 0 {
            self.changes.push(Change::Requeued { index, came, last: self.next_requeue - 1 });
        }
        Ok(places.len() as u64)
    }
}

fn find(entries: &[Entry], place: Place) -> Option<&Entry> {
    entries.iter().find(|entry| entry.place == place)
}

/// A lane's counts as they are stored.
pub(super) fn lane_count(row: &LaneRow) -> LaneCount {
    LaneCount { delivered: row.delivered.cast_unsigned(), filtered: row.filtered.cast_unsigned() }
}
