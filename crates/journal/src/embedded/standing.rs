//! Where everything stands, in memory: the extents of the queues and the marks of the lanes, as of the last commit.
//! Its size grows with feeds and lanes, never with entries.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{FeedId, FeedInfo, FeedName, Lane, LaneId, QueueId, QueueKind};

/// Feeds, queues and lanes as of the last commit.
#[derive(Default)]
pub(super) struct Standing {
    feeds: Vec<Arc<FeedInfo>>,
    ids: HashMap<FeedName, FeedId>,
    queues: Vec<Extent>,
    lanes: Vec<LaneStanding>,
}

/// The places that a queue holds: from `base` up to, not including, `tail`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) base: u64,
    pub(super) tail: u64,
}

/// Where a lane of the plan stands.
pub(super) struct LaneStanding {
    pub(super) lane: Lane,
    /// By queue; a queue that is not in it yet has nothing settled.
    marks: Vec<u64>,
    /// Entries ahead of its marks.
    ahead: u64,
    pub(super) requeued: Requeued,
    pub(super) count: LaneCount,
}

/// What a lane is to get again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Requeued {
    /// How many entries are not settled yet.
    pub(super) waiting: u64,
    /// The number of the last of them that came, of which readers may not know yet.
    pub(super) last: i64,
}

/// What a lane has done with its entries since it was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCount {
    /// Entries that were delivered.
    pub delivered: u64,
    /// Entries that its filter left out.
    pub filtered: u64,
}

/// What a committed transaction changed.
pub(super) enum Change {
    Feed {
        id: FeedId,
        info: Arc<FeedInfo>,
    },
    Lane {
        index: usize,
        count: LaneCount,
    },
    Mark {
        index: usize,
        queue: QueueId,
        place: u64,
    },
    Queue {
        queue: QueueId,
        extent: Extent,
    },
    /// So many entries more are to come again; `last` is the number of the last of them.
    Requeued {
        index: usize,
        came: u64,
        last: i64,
    },
    /// So many of them were settled.
    CrossedOff {
        index: usize,
        count: u64,
    },
}

impl Standing {
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Feed { id, info } => self.set_feed(id, info),
            Change::Lane { index, count } => self.lanes[index].count = count,
            Change::Mark { index, queue, place } => self.set_mark(index, queue, place),
            Change::Queue { queue, extent } => self.set_extent(queue, extent),
            Change::Requeued { index, came, last } => {
                let requeued = &mut self.lanes[index].requeued;
                *requeued = Requeued { waiting: requeued.waiting + came, last };
            }
            Change::CrossedOff { index, count } => self.lanes[index].requeued.waiting -= count,
        }
    }

    /// Adds the next feed, whose number is [`Self::next_feed`], or renews one that is known.
    fn set_feed(&mut self, id: FeedId, info: Arc<FeedInfo>) {
        let index = id.0 as usize;
        self.ids.insert(info.name.clone(), id);
        if index < self.feeds.len() {
            self.feeds[index] = info;
        } else {
            self.feeds.push(info);
            self.queues.resize(2 * self.feeds.len(), Extent::default());
        }
    }

    fn set_extent(&mut self, queue: QueueId, extent: Extent) {
        let held = &mut self.queues[queue.0 as usize];
        let came = extent.tail - held.tail;
        *held = extent;
        for lane in &mut self.lanes {
            lane.ahead += came;
        }
    }

    fn set_mark(&mut self, index: usize, queue: QueueId, place: u64) {
        let queues = self.queues.len();
        let lane = &mut self.lanes[index];
        if lane.marks.len() < queues {
            lane.marks.resize(queues, 0);
        }
        let mark = &mut lane.marks[queue.0 as usize];
        lane.ahead -= place - *mark;
        *mark = place;
    }

    /// Adds a lane with its marks by queue.
    pub(super) fn add_lane(&mut self, lane: Lane, marks: Vec<u64>, count: LaneCount, requeued: Requeued) {
        let ahead = self.queues.iter().zip(&marks).map(|(extent, mark)| extent.tail - mark).sum();
        self.lanes.push(LaneStanding { lane, marks, ahead, requeued, count });
    }

    pub(super) fn next_feed(&self) -> u32 {
        u32::try_from(self.feeds.len()).expect("feeds are fewer than 2^31")
    }

    pub(super) fn feed_id(&self, name: &FeedName) -> Option<FeedId> {
        self.ids.get(name).copied()
    }

    pub(super) fn feed(&self, id: FeedId) -> Option<&Arc<FeedInfo>> {
        self.feeds.get(id.0 as usize)
    }

    pub(super) fn extent(&self, queue: QueueId) -> Option<Extent> {
        self.queues.get(queue.0 as usize).copied()
    }

    /// Every queue with its extent.
    pub(super) fn queues(&self) -> impl Iterator<Item = (QueueId, Extent)> + '_ {
        (0..).map(QueueId).zip(self.queues.iter().copied())
    }

    pub(super) fn lane_index(&self, lane: LaneId) -> Option<usize> {
        self.lanes.iter().position(|standing| standing.lane.id == lane)
    }

    pub(super) fn lanes(&self) -> &[LaneStanding] {
        &self.lanes
    }

    /// The place before which every lane of the plan has settled a queue.
    pub(super) fn settled_to(&self, queue: QueueId) -> u64 {
        let tail = self.extent(queue).unwrap_or_default().tail;
        self.lanes.iter().map(|lane| lane.mark(queue)).min().unwrap_or(tail)
    }
}

impl LaneStanding {
    pub(super) fn mark(&self, queue: QueueId) -> u64 {
        self.marks.get(queue.0 as usize).copied().unwrap_or(0)
    }

    /// How many entries it has to account for.
    pub(super) fn backlog(&self) -> u64 {
        self.ahead + self.requeued.waiting
    }
}

/// A feed has two queues, numbered from its own number: places need no table to say whose they are.
pub(super) fn queue_of(feed: FeedId, kind: QueueKind) -> QueueId {
    QueueId(2 * feed.0 + u32::from(kind == QueueKind::BackFill))
}

pub(super) fn feed_of(queue: QueueId) -> FeedId {
    FeedId(queue.0 / 2)
}

pub(super) fn kind_of(queue: QueueId) -> QueueKind {
    if queue.0.is_multiple_of(2) { QueueKind::Live } else { QueueKind::BackFill }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        let mut standing = Standing::default();
        let name = FeedName { tenant_id: "t".into(), source: "s".into() };
        standing.apply(Change::Feed { id: FeedId(0), info: Arc::new(FeedInfo { name, kind: "k".into() }) });
        for (id, name) in [(1, "a"), (2, "b")] {
            let lane = Lane { id: LaneId(id), name: name.into() };
            standing.add_lane(lane, vec![0, 0], LaneCount::default(), Requeued::default());
        }
        standing
    }

    /// Guarantee: what is settled is what the slowest lane has settled, and a backlog is what is ahead of a mark, with
    /// what is to come again.
    #[test]
    fn the_slowest_lane_decides_what_is_settled() {
        let mut standing = standing();
        let queue = queue_of(FeedId(0), QueueKind::Live);
        standing.apply(Change::Queue { queue, extent: Extent { base: 0, tail: 10 } });
        standing.apply(Change::Mark { index: 0, queue, place: 7 });
        assert_eq!(standing.settled_to(queue), 0);
        standing.apply(Change::Mark { index: 1, queue, place: 4 });
        assert_eq!(standing.settled_to(queue), 4);
        let backlogs = |standing: &Standing| standing.lanes().iter().map(LaneStanding::backlog).collect::<Vec<_>>();
        assert_eq!(backlogs(&standing), [3, 6]);
        standing.apply(Change::Requeued { index: 0, came: 2, last: 9 });
        standing.apply(Change::CrossedOff { index: 0, count: 1 });
        assert_eq!((backlogs(&standing), standing.settled_to(queue)), (vec![4, 6], 4));
    }

    /// Guarantee: a queue's number says whose it is and of which kind.
    #[test]
    fn queues_are_numbered_by_their_feed() {
        for kind in [QueueKind::BackFill, QueueKind::Live] {
            let queue = queue_of(FeedId(7), kind);
            assert_eq!((feed_of(queue), kind_of(queue)), (FeedId(7), kind));
        }
    }
}
