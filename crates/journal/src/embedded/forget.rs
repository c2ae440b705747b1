//! Forgetting a tenant: its feeds, with everything that belongs to them.

use rusqlite::params;

use super::append::info;
use super::row::{FeedRow, QueueRow, select};
use super::standing::{Change, Owner};
use super::store::{Store, lane_id};
use super::trouble::Trouble;
use crate::{FeedId, Forgotten};

impl Store {
    /// Drops everything of a tenant.
    pub(super) fn forget(&mut self, tenant_id: &str) -> Result<Forgotten, Trouble> {
        let feeds = select::<FeedRow>(&self.db, "WHERE tenant_id = ?", [tenant_id])?;
        let mut forgotten = Forgotten { feeds: feeds.len() as u64, ..Forgotten::default() };
        let mut ids = Vec::with_capacity(feeds.len());
        for feed in &feeds {
            tracing::info!(feed = %info(feed).name, "a source of a tenant is forgotten");
            forgotten.dead_letters += self.forget_letters(feed.id)?;
            for queue in select::<QueueRow>(&self.db, "WHERE feed = ?", [feed.id])? {
                forgotten.waiting += self.forget_queue(&queue)?;
            }
            for table in ["checkpoint", "ledger"] {
                self.db.execute(&format!("DELETE FROM {table} WHERE feed = ?"), [feed.id])?;
            }
            self.db.execute("DELETE FROM feed WHERE id = ?", [feed.id])?;
            ids.push(FeedId(u32::try_from(feed.id).map_err(|_| Trouble::damaged("a feed with an impossible number"))?));
        }
        if !ids.is_empty() {
            self.changes.push(Change::Forgotten { feeds: ids });
        }
        Ok(forgotten)
    }

    /// Drops the dead letters of a feed, those that wait to be replayed as well.
    fn forget_letters(&mut self, feed: i64) -> Result<u64, Trouble> {
        let letters: Vec<(i64, i64)> = {
            let mut statement = self.db.prepare("SELECT lane, id FROM dead_letter WHERE feed = ?")?;
            let rows = statement.query_map([feed], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()?
        };
        let mut dropped = 0;
        for (lane, letter) in letters {
            dropped += self.drop_dead_letters(lane_id(lane)?, &[letter])?;
        }
        Ok(dropped)
    }

    /// Drops a queue; returns how many entries some lane had still to account for.
    fn forget_queue(&self, queue: &QueueRow) -> Result<u64, Trouble> {
        debug_assert!(!matches!(Owner::from_stored(queue.kind, queue.feed, queue.lane), Ok(Owner::Replay(_))));
        let sql = "SELECT COALESCE(SUM(? - MAX(m.place, ?)), 0) FROM mark m JOIN lane l ON l.id = m.lane \
                   WHERE m.queue = ? AND l.gone IS NULL";
        let waiting: i64 = self.db.query_row(sql, params![queue.tail, queue.base, queue.id], |row| row.get(0))?;
        for sql in
            ["DELETE FROM chunk WHERE queue = ?", "DELETE FROM mark WHERE queue = ?", "DELETE FROM queue WHERE id = ?"]
        {
            self.db.execute(sql, [queue.id])?;
        }
        Ok(waiting.unsigned_abs())
    }
}
