//! Appending: a page's keys, entries and checkpoints, all or nothing.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::params;

use super::chunk::{LARGEST_ENTRY, place_out};
use super::ledger::{self, Line, TICKS_OF_A_DAY};
use super::row::{CheckpointRow, FeedRow, MarkRow, QueueRow, StoredRow, select};
use super::standing::{Change, NewLane, Owner};
use super::store::{Store, queue_id};
use super::trouble::Trouble;
use crate::{Append, Appended, FeedId, FeedInfo, FeedName, JournalError, LaneId, NewEntry, OpenFeed, Target};

impl Store {
    /// Makes a feed known, and says where its walks stand.
    pub(super) fn open_feed(&mut self, name: &FeedName, kind: &str) -> Result<OpenFeed, Trouble> {
        let known = self.shared.standing().feed_id(name);
        let row = match known {
            Some(id) => self.known_feed(id, kind)?,
            None => self.new_feed(name, kind)?,
        };
        let id = FeedId(u32::try_from(row.id).map_err(|_| Trouble::damaged("a feed with an impossible number"))?);
        let checkpoints: HashMap<_, _> = select::<CheckpointRow>(&self.db, "WHERE feed = ?", [row.id])?
            .into_iter()
            .map(|checkpoint| (checkpoint.walk, checkpoint.state))
            .collect();
        Ok(OpenFeed { id, checkpoints, reread_from: row.reread_from })
    }

    fn known_feed(&mut self, id: FeedId, kind: &str) -> Result<FeedRow, Trouble> {
        let mut row = self.feed_row(id)?;
        if row.kind != kind {
            kind.clone_into(&mut row.kind);
            self.write_feed(id, &row)?;
        }
        Ok(row)
    }

    fn new_feed(&mut self, name: &FeedName, kind: &str) -> Result<FeedRow, Trouble> {
        // Feeds that were made known earlier in this transaction are not in the standing yet.
        let made = self.changes.iter().find_map(|change| match change {
            Change::Feed { id, info } if info.name == *name => Some(*id),
            _ => None,
        });
        if let Some(made) = made {
            return self.feed_row(made);
        }
        let id = FeedId(self.next_feed);
        self.next_feed += 1;
        let row = FeedRow {
            id: id.0.into(),
            tenant_id: name.tenant_id.clone(),
            source: name.source.clone(),
            kind: kind.to_owned(),
            reread_from: self.forgotten.then_some(i64::MIN),
            server_day: None,
        };
        self.write_feed(id, &row)?;
        let takers = self.takers_of(&info(&row));
        for owner in [Owner::Live(id), Owner::BackFill(id)] {
            self.new_queue(owner, &takers)?;
        }
        Ok(row)
    }

    /// The lanes that take a feed which is new.
    fn takers_of(&self, feed: &FeedInfo) -> Vec<LaneId> {
        let set = self.changes.iter().rev().find_map(|change| match change {
            Change::Lanes(lanes) => Some(lanes),
            _ => None,
        });
        let Some(set) = set else { return self.shared.standing().takers_of(feed) };
        let takes = |lane: &&NewLane| lane.in_plan && lane.takes.as_ref().is_some_and(|takes| takes.takes(feed));
        set.iter().filter(takes).map(|lane| lane.lane.id).collect()
    }

    /// Makes a queue, in which these lanes begin at its beginning.
    pub(super) fn new_queue(&mut self, owner: Owner, takers: &[LaneId]) -> Result<QueueRow, Trouble> {
        let (kind, feed, lane) = owner.stored();
        let row = QueueRow { id: self.next_queue, kind, feed, lane, base: 0, tail: 0 };
        self.next_queue += 1;
        self.write_queue(&row)?;
        for taker in takers {
            self.write_mark(*taker, &row, 0, 0)?;
        }
        Ok(row)
    }

    /// Writes where a lane begins in a queue that it comes to take.
    pub(super) fn write_mark(&mut self, lane: LaneId, queue: &QueueRow, place: i64, begun: i64) -> Result<(), Trouble> {
        MarkRow { lane: lane.0.into(), queue: queue.id, place, begun, identity: self.identity }.write(&self.db)?;
        self.changes.push(Change::Taken { lane, queue: queue_id(queue.id)?, place: place_out(place)?.0 });
        Ok(())
    }

    fn write_feed(&mut self, id: FeedId, row: &FeedRow) -> Result<(), Trouble> {
        row.write(&self.db)?;
        self.changes.push(Change::Feed { id, info: Arc::new(info(row)) });
        Ok(())
    }

    fn feed_row(&self, id: FeedId) -> Result<FeedRow, Trouble> {
        let unknown = || Trouble::unknown("find a feed of the journal", format!("no feed {}", id.0));
        select::<FeedRow>(&self.db, "WHERE id = ?", [i64::from(id.0)])?.pop().ok_or_else(unknown)
    }

    /// Appends a page. One that brings nothing new and moves nothing writes nothing, however full the journal is.
    pub(super) fn append(&mut self, page: &Append) -> Result<Appended, Trouble> {
        check_sizes(&page.entries)?;
        let mut feed = self.feed_row(page.feed)?;
        let ends_reread = page.reread && feed.reread_from.is_some();
        if !ends_reread && self.brings_nothing(page)? {
            return Ok(Appended { new: vec![false; page.entries.len()] });
        }
        if self.space.is_short() {
            return Err(Trouble::NoRoom);
        }
        let day = page.server_time.map(|time| time.div_euclid(TICKS_OF_A_DAY)).max(feed.server_day);
        if ends_reread || day != feed.server_day {
            feed.reread_from = if ends_reread { None } else { feed.reread_from };
            feed.server_day = day;
            feed.write(&self.db)?;
        }
        let new = self.enqueue(page, day)?;
        self.move_checkpoints(page)?;
        if self.has_room()? { Ok(Appended { new }) } else { Err(Trouble::NoRoom) }
    }

    fn brings_nothing(&self, page: &Append) -> Result<bool, Trouble> {
        let feed = page.feed.0.into();
        for (walk, state) in &page.checkpoints {
            if !self.stands_at(feed, walk, state)? {
                return Ok(false);
            }
        }
        match page.to {
            Target::Lane(_) => Ok(page.entries.is_empty()),
            Target::Live | Target::BackFill => ledger::knows_all(&self.db, feed, &page.entries),
        }
    }

    fn stands_at(&self, feed: i64, walk: &str, state: &[u8]) -> Result<bool, Trouble> {
        let held = select::<CheckpointRow>(&self.db, "WHERE feed = ? AND walk = ?", (feed, walk))?;
        Ok(held.first().is_some_and(|checkpoint| checkpoint.state == state))
    }

    /// Appends entries to their queue, those whose keys are known left out unless they go to one lane, and enters the
    /// keys into the ledger. Says for each whether its key was new.
    fn enqueue(&mut self, page: &Append, day: Option<i64>) -> Result<Vec<bool>, Trouble> {
        if page.entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut row = self.queue_for(page)?;
        let is_repair = matches!(page.to, Target::Lane(_));
        let (feed, queue) = (page.feed.0.into(), row.id);
        let mut place = row.tail;
        let mut new = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            let is_new = Line { feed, key: entry.key, day, queue, place }.insert(&self.db)?;
            place += i64::from(is_new || is_repair);
            new.push(is_new);
        }
        if place > row.tail {
            let going = page.entries.iter().zip(&new).filter_map(|(entry, new)| (*new || is_repair).then_some(entry));
            let at = self.millis();
            row.tail = self.packer.append(&self.db, (row.id, row.tail), at, going)?;
            self.write_queue(&row)?;
        }
        Ok(new)
    }

    fn queue_for(&mut self, page: &Append) -> Result<QueueRow, Trouble> {
        let (live, back_fill) = self
            .shared
            .standing()
            .queues_of_feed(page.feed)
            .ok_or_else(|| Trouble::damaged(format!("feed {} has no queue", page.feed.0)))?;
        match page.to {
            Target::Live => self.queue_row(live),
            Target::BackFill => self.queue_row(back_fill),
            Target::Lane(lane) => {
                self.lane_row(lane)?;
                self.own_queue(Owner::Repair(page.feed, lane), lane)
            }
        }
    }

    /// A queue that belongs to one lane, made where there is none yet.
    pub(super) fn own_queue(&mut self, owner: Owner, lane: LaneId) -> Result<QueueRow, Trouble> {
        let (kind, feed, _) = owner.stored();
        let known = "WHERE kind = ? AND feed IS ? AND lane = ?";
        match select::<QueueRow>(&self.db, known, params![kind, feed, lane.0])?.pop() {
            Some(row) => Ok(row),
            None => self.new_queue(owner, &[lane]),
        }
    }

    fn move_checkpoints(&mut self, page: &Append) -> Result<(), Trouble> {
        let feed = page.feed.0.into();
        for (walk, state) in &page.checkpoints {
            if !self.stands_at(feed, walk, state)? {
                CheckpointRow { feed, walk: walk.clone(), state: state.clone() }.write(&self.db)?;
            }
        }
        Ok(())
    }
}

fn check_sizes(entries: &[NewEntry]) -> Result<(), Trouble> {
    match entries.iter().enumerate().find(|(_, entry)| entry.bytes.len() > LARGEST_ENTRY) {
        None => Ok(()),
        Some((index, entry)) => {
            Err(Trouble::Refused(JournalError::EntryTooLarge { index, size: entry.bytes.len(), limit: LARGEST_ENTRY }))
        }
    }
}

/// What a lane needs to know of a feed.
pub(super) fn info(row: &FeedRow) -> FeedInfo {
    let name = FeedName { tenant_id: row.tenant_id.clone(), source: row.source.clone() };
    FeedInfo { name, kind: row.kind.clone() }
}
