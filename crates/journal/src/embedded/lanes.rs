//! The lanes of the plan, found in the journal or made known to it.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};

use super::append::info;
use super::chunk::place_out;
use super::row::{FeedRow, LaneRow, MarkRow, QueueRow, StoredRow, select};
use super::settle::lane_count;
use super::standing::{Change, NewLane, Owner};
use super::store::{Store, lane_id, queue_id, span};
use super::trouble::Trouble;
use crate::{FeedInfo, JournalError, Lane, LaneId, LanePlan, LaneStanding, LaneStart};

/// A lane of the plan as the journal knows it.
struct Planned<'a> {
    plan: &'a LanePlan,
    row: LaneRow,
    /// It was not known before.
    is_new: bool,
}

/// The queues of feeds, with what lanes ask of these.
struct FeedQueues {
    queues: Vec<(QueueRow, FeedInfo)>,
}

impl Store {
    /// Sets the lanes of the plan.
    pub(super) fn set_lanes(&mut self, plan: &[LanePlan]) -> Result<(), Trouble> {
        let mut known = select::<LaneRow>(&self.db, "", [])?;
        check_former_names(plan, &known)?;
        let mut next = known.iter().map(|row| row.id + 1).max().unwrap_or(1);
        let mut planned = Vec::with_capacity(plan.len());
        for lane in plan {
            let found = take_known(&mut known, lane, plan);
            let is_new = found.is_none();
            let row = found.unwrap_or_else(|| {
                next += 1;
                LaneRow { id: next - 1, name: lane.name.clone(), gone: None, delivered: 0, filtered: 0, skipped: 0 }
            });
            planned.push(Planned { plan: lane, row, is_new });
        }
        self.refuse_to_leave(&known)?;
        let queues = self.feed_queues()?;
        let mut lanes = Vec::with_capacity(planned.len() + known.len());
        for lane in planned {
            lanes.push(self.set_lane(lane, &queues)?);
        }
        for gone in known {
            lanes.extend(self.part_with(gone)?);
        }
        self.changes.push(Change::Lanes(lanes));
        self.changes.push(Change::LanesAreSet);
        Ok(())
    }

    /// Refuses a plan that leaves out a lane for which something waits.
    fn refuse_to_leave(&self, leaving: &[LaneRow]) -> Result<(), Trouble> {
        let mut lanes = Vec::new();
        for row in leaving.iter().filter(|row| row.gone.is_none()) {
            let waiting = self.waiting(row.id)?;
            if waiting > 0 {
                lanes.push(LaneStanding { waiting, ..standing(row)? });
            }
        }
        if lanes.is_empty() { Ok(()) } else { Err(Trouble::Refused(JournalError::LeftWaiting { lanes })) }
    }

    /// How many entries a lane has still to account for, as the rows say.
    fn waiting(&self, lane: i64) -> Result<u64, Trouble> {
        let sql = "SELECT COALESCE(SUM(q.tail - MAX(m.place, q.base)), 0) FROM mark m JOIN queue q ON q.id = m.queue \
                   WHERE m.lane = ? AND q.kind <> 3";
        let waiting: i64 = self.db.query_row(sql, [lane], |row| row.get(0))?;
        Ok(waiting.unsigned_abs() + replays(&self.db, lane)?)
    }

    fn feed_queues(&self) -> Result<FeedQueues, Trouble> {
        let feeds: HashMap<i64, FeedInfo> =
            select::<FeedRow>(&self.db, "", [])?.into_iter().map(|row| (row.id, info(&row))).collect();
        let mut queues = Vec::new();
        for row in select::<QueueRow>(&self.db, "ORDER BY id", [])? {
            let is_shared =
                matches!(Owner::from_stored(row.kind, row.feed, row.lane)?, Owner::Live(_) | Owner::BackFill(_));
            let Some(feed) = row.feed.filter(|_| is_shared) else { continue };
            let missing = || Trouble::damaged(format!("queue {} has no feed", row.id));
            queues.push((row, feeds.get(&feed).cloned().ok_or_else(missing)?));
        }
        Ok(FeedQueues { queues })
    }

    /// Has a lane take what it takes from now on: it begins where it is new, and lets go of what it takes no longer.
    fn set_lane(&mut self, planned: Planned<'_>, queues: &FeedQueues) -> Result<NewLane, Trouble> {
        let Planned { plan, mut row, is_new } = planned;
        let lane = row.id;
        let mut marks: HashMap<i64, MarkRow> =
            select::<MarkRow>(&self.db, "WHERE lane = ?", [lane])?.into_iter().map(|mark| (mark.queue, mark)).collect();
        for (queue, feed) in &queues.queues {
            match (plan.takes.takes(feed), marks.get(&queue.id).copied()) {
                (true, None) => {
                    let place = if is_new { self.start(plan, queue)? } else { queue.tail };
                    let mark = MarkRow { lane, queue: queue.id, place, begun: place, identity: self.identity };
                    mark.write(&self.db)?;
                    marks.insert(queue.id, mark);
                }
                (false, Some(mark)) => {
                    row.filtered += queue.tail - mark.place.max(queue.base);
                    let sql = "DELETE FROM mark WHERE lane = ? AND queue = ?";
                    self.db.prepare_cached(sql)?.execute(params![lane, queue.id])?;
                    marks.remove(&queue.id);
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
        if is_new {
            tracing::info!(sink = plan.name, start = ?plan.start, "a sink is new to the disk buffer");
        }
        row.name.clone_from(&plan.name);
        row.gone = None;
        row.write(&self.db)?;
        new_lane(&self.db, self.identity, &row, Some(plan), marks.into_values())
    }

    fn start(&self, plan: &LanePlan, queue: &QueueRow) -> Result<i64, Trouble> {
        Ok(match plan.start {
            LaneStart::Now => queue.tail,
            LaneStart::Oldest => queue.base,
            LaneStart::Since(ago) => self.first_since(queue, self.millis().saturating_sub(span(ago)))?,
        })
    }

    /// The place of the first chunk that was appended at or after a time.
    fn first_since(&self, queue: &QueueRow, since: i64) -> Result<i64, Trouble> {
        let sql = "SELECT MIN(place) FROM chunk WHERE queue = ? AND at >= ?";
        let found: Option<i64> = self.db.query_row(sql, params![queue.id, since], |row| row.get(0))?;
        Ok(found.unwrap_or(queue.tail))
    }

    /// A lane that left the plan keeps its marks for a while, and its dead letters for good.
    fn part_with(&mut self, mut row: LaneRow) -> Result<Option<NewLane>, Trouble> {
        let now = self.millis();
        let sql = "SELECT EXISTS (SELECT 1 FROM dead_letter WHERE lane = ?)";
        let has_letters: bool = self.db.query_row(sql, [row.id], |row| row.get(0))?;
        let is_over = row.gone.is_some_and(|gone| gone.saturating_add(span(self.retention)) <= now);
        if is_over && !has_letters {
            for table in ["mark", "replay", "skipped"] {
                self.db.execute(&format!("DELETE FROM {table} WHERE lane = ?"), [row.id])?;
            }
            self.db.execute("DELETE FROM lane WHERE id = ?", [row.id])?;
            tracing::info!(sink = row.name, "a sink that left the file long ago is forgotten");
            return Ok(None);
        }
        if row.gone.is_none() {
            row.gone = Some(now);
            row.write(&self.db)?;
        }
        let marks = select::<MarkRow>(&self.db, "WHERE lane = ?", [row.id])?;
        new_lane(&self.db, self.identity, &row, None, marks.into_iter()).map(Some)
    }
}

/// The lanes as they were last set, those that had left it last.
pub(super) fn load_lanes(db: &Connection, identity: [u8; 16]) -> Result<Vec<NewLane>, Trouble> {
    let mut rows = select::<LaneRow>(db, "ORDER BY id", [])?;
    rows.sort_by_key(|row| row.gone.is_some());
    let load = |row: LaneRow| {
        let marks = select::<MarkRow>(db, "WHERE lane = ?", [row.id])?;
        new_lane(db, identity, &row, None, marks.into_iter())
    };
    rows.into_iter().map(load).collect()
}

/// A lane with its marks, as it stands in the standing.
fn new_lane(
    db: &Connection,
    identity: [u8; 16],
    row: &LaneRow,
    plan: Option<&LanePlan>,
    marks: impl Iterator<Item = MarkRow>,
) -> Result<NewLane, Trouble> {
    let mut places = Vec::new();
    for mark in marks {
        if mark.identity != identity {
            return Err(Trouble::damaged("a mark belongs to another journal"));
        }
        let missing = || Trouble::damaged("a mark in a queue that is not there");
        let queue = select::<QueueRow>(db, "WHERE id = ?", [mark.queue])?.pop().ok_or_else(missing)?;
        if mark.place > queue.tail {
            return Err(Trouble::damaged("a mark past the end of its queue"));
        }
        // A lane that was away may have missed what was trimmed meanwhile.
        places.push((queue_id(mark.queue)?, place_out(mark.place.max(queue.base))?.0));
    }
    Ok(NewLane {
        lane: Lane { id: lane_id(row.id)?, name: row.name.clone() },
        in_plan: row.gone.is_none(),
        takes: plan.map(|plan| plan.takes.clone()),
        count: lane_count(row),
        marks: places,
        replays: replays(db, row.id)?,
    })
}

/// How many dead letters wait to be given to a lane again.
fn replays(db: &Connection, lane: i64) -> Result<u64, Trouble> {
    let sql = "SELECT COUNT(*) FROM replay WHERE lane = ?";
    Ok(db.prepare_cached(sql)?.query_row([lane], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// Where a lane stands, without what waits.
fn standing(row: &LaneRow) -> Result<LaneStanding, Trouble> {
    let count = lane_count(row);
    Ok(LaneStanding {
        lane: Lane { id: lane_id(row.id)?, name: row.name.clone() },
        in_plan: row.gone.is_none(),
        waiting: 0,
        waiting_since: None,
        delivered: count.delivered,
        filtered: count.filtered,
        skipped: count.skipped,
    })
}

/// Refuses a plan that renames what is not there, where there are lanes at all.
fn check_former_names(plan: &[LanePlan], known: &[LaneRow]) -> Result<(), Trouble> {
    let names: HashSet<&str> = known.iter().map(|row| row.name.as_str()).collect();
    for lane in plan {
        if let Some(former) = &lane.renamed_from
            && !known.is_empty()
            && !names.contains(lane.name.as_str())
            && !names.contains(former.as_str())
        {
            let (name, renamed_from) = (lane.name.clone(), former.clone());
            return Err(Trouble::Refused(JournalError::NoFormerLane { name, renamed_from }));
        }
    }
    Ok(())
}

/// Takes the row of a lane of the plan: by its name, or else by the name that it had before. Where the lane by its name
/// had left the plan and the one by the former name had not, this is a renaming to a name that was free again: the
/// lane that left stays gone, beside one of the same name.
fn take_known(known: &mut Vec<LaneRow>, lane: &LanePlan, plan: &[LanePlan]) -> Option<LaneRow> {
    let by_name = latest(known, &lane.name);
    // A name that the plan still uses is another lane's.
    let former = lane.renamed_from.as_deref().filter(|former| plan.iter().all(|other| other.name != *former));
    let former = former.and_then(|former| latest(known, former));
    let index = match (by_name, former) {
        (Some(index), Some(former)) if known[index].gone.is_some() && known[former].gone.is_none() => former,
        (by_name, former) => by_name.or(former)?,
    };
    Some(known.swap_remove(index))
}

/// Where the lane of a name is: the one that is in the plan, or that left it last.
fn latest(known: &[LaneRow], name: &str) -> Option<usize> {
    let named = known.iter().enumerate().filter(|(_, row)| row.name == name);
    named.max_by_key(|(_, row)| row.gone.unwrap_or(i64::MAX)).map(|(index, _)| index)
}

/// When the first entry was appended that a lane has still to account for, in milliseconds since 1970.
pub(super) fn waiting_since(db: &Connection, lane: LaneId) -> Result<Option<i64>, Trouble> {
    let sql = "SELECT MIN((SELECT at FROM chunk WHERE queue = m.queue AND place <= MAX(m.place, q.base) AND part = 0 \
               ORDER BY place DESC LIMIT 1)) FROM mark m JOIN queue q ON q.id = m.queue \
               WHERE m.lane = ? AND m.place < q.tail AND q.kind <> 3";
    Ok(db.prepare_cached(sql)?.query_row([lane.0], |row| row.get(0))?)
}
