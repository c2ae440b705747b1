//! The lanes of the plan, found in the journal or made known to it when it is opened.

use rusqlite::{Connection, params};

use super::row::{LaneRow, MarkRow, QueueRow, RequeueRow, StoredRow, select};
use super::settle::lane_count;
use super::standing::{Requeued, Standing};
use super::store::{extent, span};
use super::trouble::Trouble;
use crate::{Lane, LaneId, LanePlan, LaneStart, QueueId};

/// What is needed to make lanes known.
pub(super) struct Registration<'a> {
    pub(super) db: &'a Connection,
    pub(super) identity: [u8; 16],
    /// Milliseconds since 1970.
    pub(super) now: i64,
    /// How long lanes that are gone from the plan are kept, in milliseconds.
    pub(super) keep: i64,
}

impl Registration<'_> {
    /// Finds or makes the lanes of the plan, and lets go of those that left it long ago. Adds each to the standing.
    pub(super) fn register(&self, plan: &[LanePlan], standing: &mut Standing) -> Result<(), Trouble> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let mut known = select::<LaneRow>(self.db, "", [])?;
        let mut next = known.iter().map(|row| row.id + 1).max().unwrap_or(1);
        for lane in plan {
            let row = match take_known(&mut known, lane, plan) {
                Some(row) => self.renew(row, lane)?,
                None => {
                    next += 1;
                    self.begin(next - 1, lane)?
                }
            };
            self.add(&row, standing)?;
        }
        for gone in known {
            self.part_with(gone)?;
        }
        self.db.execute_batch("COMMIT")?;
        Ok(())
    }

    fn renew(&self, mut row: LaneRow, lane: &LanePlan) -> Result<LaneRow, Trouble> {
        if row.name != lane.name || row.gone.is_some() {
            row.name.clone_from(&lane.name);
            row.gone = None;
            row.write(self.db)?;
        }
        Ok(row)
    }

    /// A new lane gets its marks at once in every queue there is; in those that come later it begins at their start.
    fn begin(&self, id: i64, lane: &LanePlan) -> Result<LaneRow, Trouble> {
        let row = LaneRow { id, name: lane.name.clone(), gone: None, delivered: 0, filtered: 0 };
        row.write(self.db)?;
        for queue in select::<QueueRow>(self.db, "", [])? {
            let place = match lane.from {
                LaneStart::Journal => queue.base,
                LaneStart::Now => queue.tail,
                LaneStart::Since(ago) => self.first_since(&queue, self.now.saturating_sub(span(ago)))?,
            };
            MarkRow { lane: id, queue: queue.id, place, identity: self.identity }.write(self.db)?;
        }
        tracing::info!(lane = lane.name, from = ?lane.from, "lane new in the journal");
        Ok(row)
    }

    /// The place of the first chunk that was appended at or after a time.
    fn first_since(&self, queue: &QueueRow, since: i64) -> Result<i64, Trouble> {
        let sql = "SELECT MIN(place) FROM chunk WHERE queue = ? AND at >= ?";
        let found: Option<i64> = self.db.query_row(sql, params![queue.id, since], |row| row.get(0))?;
        Ok(found.unwrap_or(queue.tail))
    }

    /// Adds a lane to the standing, with its marks.
    fn add(&self, row: &LaneRow, standing: &mut Standing) -> Result<(), Trouble> {
        let mut marks: Vec<u64> = standing.queues().map(|(_, extent)| extent.base).collect();
        for mark in select::<MarkRow>(self.db, "WHERE lane = ?", [row.id])? {
            if mark.identity != self.identity {
                return Err(Trouble::damaged("a mark belongs to another journal"));
            }
            let queue = QueueId(u32::try_from(mark.queue).unwrap_or(u32::MAX));
            let extent =
                standing.extent(queue).ok_or_else(|| Trouble::damaged("a mark in a queue that is not there"))?;
            let place = u64::try_from(mark.place).ok().filter(|place| *place <= extent.tail);
            let place = place.ok_or_else(|| Trouble::damaged("a mark past the end of its queue"))?;
            // A lane that was away may have missed what was trimmed meanwhile.
            marks[queue.0 as usize] = place.max(extent.base);
        }
        let requeued = self.requeued(row.id, standing)?;
        let id = LaneId(u32::try_from(row.id).map_err(|_| Trouble::damaged("a lane with an impossible number"))?);
        standing.add_lane(Lane { id, name: row.name.clone() }, marks, lane_count(row), requeued);
        Ok(())
    }

    /// The entries that a lane is to get again, without those that were trimmed while it was away.
    fn requeued(&self, lane: i64, standing: &Standing) -> Result<Requeued, Trouble> {
        let mut requeued = Requeued::default();
        for row in select::<RequeueRow>(self.db, "WHERE lane = ?", [lane])? {
            let queue = QueueId(u32::try_from(row.queue).unwrap_or(u32::MAX));
            let base = standing.extent(queue).unwrap_or_default().base;
            if u64::try_from(row.place).is_ok_and(|place| place < base) {
                self.db.execute("DELETE FROM requeue WHERE id = ?", [row.id])?;
            } else {
                requeued.waiting += 1;
                requeued.last = requeued.last.max(row.id);
            }
        }
        Ok(requeued)
    }

    /// A lane that left the plan keeps its marks for a while, and its dead letters for good.
    fn part_with(&self, mut row: LaneRow) -> Result<(), Trouble> {
        let Some(gone) = row.gone else {
            row.gone = Some(self.now);
            return row.write(self.db);
        };
        let sql = "SELECT EXISTS (SELECT 1 FROM dead_letter WHERE lane = ?)";
        let has_letters: bool = self.db.query_row(sql, [row.id], |row| row.get(0))?;
        if has_letters || gone.saturating_add(self.keep) > self.now {
            return Ok(());
        }
        for sql in
            ["DELETE FROM mark WHERE lane = ?", "DELETE FROM requeue WHERE lane = ?", "DELETE FROM lane WHERE id = ?"]
        {
            self.db.execute(sql, [row.id])?;
        }
        tracing::info!(lane = row.name, "lane forgotten, which left the plan long ago");
        Ok(())
    }
}

/// Takes the row of a lane of the plan: by its name, or else by the name that it had before. Where the lane by its name
/// had left the plan and the one by the former name had not, this is a renaming to a name that was free again: the
/// lane that left stays gone, beside one of the same name.
pub(super) fn take_known(known: &mut Vec<LaneRow>, lane: &LanePlan, plan: &[LanePlan]) -> Option<LaneRow> {
    let by_name = latest(known, &lane.name);
    // A name that the plan still uses is another lane's.
    let was = lane.was.as_deref().filter(|was| plan.iter().all(|other| other.name != *was));
    let was = was.and_then(|was| latest(known, was));
    let index = match (by_name, was) {
        (Some(index), Some(was)) if known[index].gone.is_some() && known[was].gone.is_none() => was,
        (by_name, was) => by_name.or(was)?,
    };
    Some(known.swap_remove(index))
}

/// Where the lane of a name is: the one that is in the plan, or that left it last.
fn latest(known: &[LaneRow], name: &str) -> Option<usize> {
    let named = known.iter().enumerate().filter(|(_, row)| row.name == name);
    named.max_by_key(|(_, row)| row.gone.unwrap_or(i64::MAX)).map(|(index, _)| index)
}

/// Reads feeds and queues into a standing, verifying that each queue holds what it says.
pub(super) fn load_queues(db: &Connection, standing: &mut Standing) -> Result<(), Trouble> {
    for row in select::<QueueRow>(db, "ORDER BY id", [])? {
        let queue = QueueId(u32::try_from(row.id).unwrap_or(u32::MAX));
        if standing.extent(queue).is_none() {
            return Err(Trouble::damaged(format!("queue {} has no feed", row.id)));
        }
        super::open::check_ends(db, &row)?;
        standing.apply(super::standing::Change::Queue { queue, extent: extent(&row)? });
    }
    Ok(())
}
