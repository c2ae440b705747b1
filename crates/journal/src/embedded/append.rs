//! Appending: a page's keys, entries and checkpoints, all or nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::chunk::LARGEST_ENTRY;
use super::ledger::{self, DAY, Line};
use super::row::{CheckpointRow, FeedRow, QueueRow, StoredRow, select};
use super::standing::{Change, queue_of};
use super::store::{Store, span};
use super::trouble::Trouble;
use crate::{Append, Appended, FeedId, FeedInfo, FeedName, JournalError, NewEntry, OpenFeed, QueueKind};

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
        let made = self.changes.iter().filter_map(|change| match change {
            Change::Feed { id, info } => Some((*id, Arc::clone(info))),
            _ => None,
        });
        let next = self.shared.standing().next_feed();
        let mut id = next;
        for (other, info) in made {
            if info.name == *name {
                return self.feed_row(other);
            }
            id = id.max(other.0 + 1);
        }
        let row = FeedRow {
            id: id.into(),
            tenant_id: name.tenant_id.clone(),
            source: name.source.clone(),
            kind: kind.to_owned(),
            reread_from: self.forgotten.then_some(i64::MIN),
        };
        self.write_feed(FeedId(id), &row)?;
        for kind in [QueueKind::BackFill, QueueKind::Live] {
            QueueRow { id: queue_of(FeedId(id), kind).0.into(), base: 0, tail: 0 }.write(&self.db)?;
        }
        Ok(row)
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
    pub(super) fn append(&mut self, append: &Append) -> Result<Appended, Trouble> {
        check_sizes(&append.entries)?;
        let mut feed = self.feed_row(append.feed)?;
        let ends_reread = append.reread && feed.reread_from.is_some();
        if !ends_reread && self.brings_nothing(append)? {
            return Ok(Appended { new: vec![false; append.entries.len()] });
        }
        if self.space.is_short() {
            return Err(Trouble::NoRoom);
        }
        let new = self.enter_keys(append)?;
        self.enqueue(append, &new)?;
        self.move_checkpoints(append)?;
        if ends_reread {
            feed.reread_from = None;
            feed.write(&self.db)?;
        }
        if self.has_room()? { Ok(Appended { new }) } else { Err(Trouble::NoRoom) }
    }

    fn brings_nothing(&self, append: &Append) -> Result<bool, Trouble> {
        let feed = append.feed.0.into();
        for (walk, state) in &append.checkpoints {
            if !self.stands_at(feed, walk, state)? {
                return Ok(false);
            }
        }
        ledger::knows_all(&self.db, feed, &append.entries)
    }

    fn stands_at(&self, feed: i64, walk: &str, state: &[u8]) -> Result<bool, Trouble> {
        let held = select::<CheckpointRow>(&self.db, "WHERE feed = ? AND walk = ?", (feed, walk))?;
        Ok(held.first().is_some_and(|checkpoint| checkpoint.state == state))
    }

    /// Enters the page's keys into the ledger; says for each whether it was new.
    fn enter_keys(&mut self, append: &Append) -> Result<Vec<bool>, Trouble> {
        let day = self.millis() / span(DAY);
        let feed = append.feed.0.into();
        append.entries.iter().map(|entry| Line { feed, key: entry.key, day }.insert(&self.db)).collect()
    }

    /// Appends the entries whose keys were new to their queue.
    fn enqueue(&mut self, append: &Append, new: &[bool]) -> Result<(), Trouble> {
        if !new.contains(&true) {
            return Ok(());
        }
        let mut row = self.queue_row(queue_of(append.feed, append.queue))?;
        let fresh = append.entries.iter().zip(new).filter_map(|(entry, new)| new.then_some(entry));
        let at = self.millis();
        row.tail = self.packer.append(&self.db, (row.id, row.tail), at, fresh)?;
        self.write_queue(&row)
    }

    fn move_checkpoints(&mut self, append: &Append) -> Result<(), Trouble> {
        let feed = append.feed.0.into();
        for (walk, state) in &append.checkpoints {
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
