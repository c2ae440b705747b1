//! Where everything stands, in memory: the extents of the queues and the marks of the lanes, as of the last commit.
//! Its size grows with feeds and with what lanes take of them, never with entries.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::watch;

use super::trouble::Trouble;
use crate::{FeedId, FeedInfo, FeedName, Lane, LaneId, QueueId, Takes};

/// Feeds, queues and lanes as of the last commit.
#[derive(Default)]
pub(super) struct Standing {
    feeds: BTreeMap<FeedId, FeedStanding>,
    ids: HashMap<FeedName, FeedId>,
    queues: BTreeMap<QueueId, Queue>,
    /// Those of the plan in its order, then those that have left it.
    lanes: Vec<LaneState>,
    /// Where each of them is.
    places: HashMap<LaneId, usize>,
    /// The lanes were set since the journal was opened: only then may anything be trimmed.
    pub(super) is_set: bool,
    /// Rises whenever lanes are set or a feed is forgotten: what a reader remembers of queues may be wrong then.
    generation: u64,
}

/// A feed, with the lanes that take it.
struct FeedStanding {
    info: Arc<FeedInfo>,
    live: Option<QueueId>,
    back_fill: Option<QueueId>,
    takers: Vec<LaneId>,
}

/// A queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    pub(super) owner: Owner,
    pub(super) extent: Extent,
}

/// Whose a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// What is read of a feed as it comes, for all lanes that take it.
    Live(FeedId),
    /// Old spans of a feed, for all lanes that take it.
    BackFill(FeedId),
    /// What one lane is to get of a feed again, past the ledger.
    Repair(FeedId, LaneId),
    /// The dead letters that a lane is to get again.
    Replay(LaneId),
}

/// The places that a queue holds: from `base` up to, not including, `tail`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) base: u64,
    pub(super) tail: u64,
}

/// Where a lane stands.
pub(super) struct LaneState {
    pub(super) lane: Lane,
    pub(super) in_plan: bool,
    /// Which feeds it takes; unknown until the lanes are set.
    pub(super) takes: Option<Takes>,
    /// By queue that it takes.
    marks: HashMap<QueueId, Mark>,
    /// The queues in which something came, by when that was: readers go on from what they have seen.
    news: BTreeMap<u64, QueueId>,
    next_news: u64,
    /// Entries that it has still to account for.
    waiting: u64,
    pub(super) count: LaneCount,
    /// Told whenever something came.
    bell: watch::Sender<()>,
}

#[derive(Clone, Copy)]
struct Mark {
    place: u64,
    /// Its number in [`LaneState::news`].
    news: Option<u64>,
}

/// What a lane has done with its entries since it was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LaneCount {
    pub(super) delivered: u64,
    pub(super) filtered: u64,
    pub(super) skipped: u64,
}

/// What a committed transaction changed.
pub(super) enum Change {
    /// A feed is new, or of another kind.
    Feed {
        id: FeedId,
        info: Arc<FeedInfo>,
    },
    /// A tenant's feeds are gone, with their queues and everything in them.
    Forgotten {
        feeds: Vec<FeedId>,
    },
    Lane {
        lane: LaneId,
        count: LaneCount,
    },
    /// All lanes, with all their marks.
    Lanes(Vec<NewLane>),
    /// They are those of the plan.
    LanesAreSet,
    Mark {
        lane: LaneId,
        queue: QueueId,
        place: u64,
    },
    /// A queue is new, for one lane.
    Taken {
        lane: LaneId,
        queue: QueueId,
        place: u64,
    },
    Queue {
        queue: QueueId,
        owner: Owner,
        extent: Extent,
    },
    /// Dead letters that a lane was to get again are so many more, or fewer.
    Replays {
        lane: LaneId,
        queue: QueueId,
        more: i64,
    },
}

/// A lane as it is set.
pub(super) struct NewLane {
    pub(super) lane: Lane,
    pub(super) in_plan: bool,
    pub(super) takes: Option<Takes>,
    pub(super) count: LaneCount,
    pub(super) marks: Vec<(QueueId, u64)>,
    /// Dead letters that it is to get again.
    pub(super) replays: u64,
}

impl Standing {
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Feed { id, info } => self.set_feed(id, info),
            Change::Forgotten { feeds } => self.forget(&feeds),
            Change::Lane { lane, count } => self.with_lane(lane, |state| state.count = count),
            Change::Lanes(lanes) => self.set_lanes(lanes),
            Change::LanesAreSet => self.is_set = true,
            Change::Mark { lane, queue, place } => self.set_mark(lane, queue, place),
            Change::Taken { lane, queue, place } => self.set_taken(lane, queue, place),
            Change::Queue { queue, owner, extent } => self.set_extent(queue, owner, extent),
            Change::Replays { lane, queue, more } => self.with_lane(lane, |state| {
                state.waiting = state.waiting.saturating_add_signed(more);
                if more > 0 {
                    state.tell(queue);
                }
            }),
        }
    }

    fn with_lane(&mut self, lane: LaneId, change: impl FnOnce(&mut LaneState)) {
        if let Some(place) = self.places.get(&lane) {
            change(&mut self.lanes[*place]);
        }
    }

    fn set_feed(&mut self, id: FeedId, info: Arc<FeedInfo>) {
        self.ids.insert(info.name.clone(), id);
        match self.feeds.entry(id) {
            Entry::Occupied(mut feed) => feed.get_mut().info = info,
            Entry::Vacant(place) => {
                place.insert(FeedStanding { info, live: None, back_fill: None, takers: Vec::new() });
            }
        }
    }

    fn forget(&mut self, feeds: &[FeedId]) {
        self.generation += 1;
        for id in feeds {
            if let Some(feed) = self.feeds.remove(id) {
                self.ids.remove(&feed.info.name);
            }
        }
        let gone: Vec<QueueId> = self.queues_of(|owner| owner.feed().is_some_and(|feed| feeds.contains(&feed)));
        for queue in gone {
            let tail = self.queues.remove(&queue).map_or(0, |queue| queue.extent.tail);
            for lane in &mut self.lanes {
                lane.let_go(queue, tail);
                lane.bell.send_replace(());
            }
        }
    }

    fn queues_of(&self, are_meant: impl Fn(Owner) -> bool) -> Vec<QueueId> {
        self.queues.iter().filter(|(_, queue)| are_meant(queue.owner)).map(|(id, _)| *id).collect()
    }

    fn set_extent(&mut self, id: QueueId, owner: Owner, extent: Extent) {
        let before = self.queues.insert(id, Queue { owner, extent });
        match (owner, owner.feed().and_then(|feed| self.feeds.get_mut(&feed))) {
            (Owner::Live(_), Some(feed)) => feed.live = Some(id),
            (Owner::BackFill(_), Some(feed)) => feed.back_fill = Some(id),
            _ => {}
        }
        let came = extent.tail - before.map_or(0, |queue| queue.extent.tail);
        // Of a queue of dead letters the journal counts what is in it by itself: they may be dropped.
        if came == 0 || matches!(owner, Owner::Replay(_)) {
            return;
        }
        let takers = match owner {
            Owner::Live(feed) | Owner::BackFill(feed) => self.feeds.get(&feed).map(|feed| feed.takers.clone()),
            Owner::Repair(_, lane) | Owner::Replay(lane) => Some(vec![lane]),
        };
        for taker in takers.unwrap_or_default() {
            self.with_lane(taker, |lane| {
                lane.waiting += came;
                lane.tell(id);
            });
        }
    }

    fn set_mark(&mut self, lane: LaneId, queue: QueueId, place: u64) {
        let counts = self.queues.get(&queue).is_some_and(|queue| !matches!(queue.owner, Owner::Replay(_)));
        self.with_lane(lane, |state| {
            let Some(mark) = state.marks.get_mut(&queue) else { return };
            if counts {
                state.waiting -= place - mark.place;
            }
            mark.place = place;
        });
    }

    fn set_taken(&mut self, lane: LaneId, queue: QueueId, place: u64) {
        if let Some(Owner::Live(feed)) = self.queues.get(&queue).map(|queue| queue.owner)
            && let Some(feed) = self.feeds.get_mut(&feed)
            && !feed.takers.contains(&lane)
        {
            feed.takers.push(lane);
        }
        self.with_lane(lane, |state| {
            state.marks.entry(queue).or_insert(Mark { place, news: None });
        });
    }

    /// The lanes that take a feed which is new.
    pub(super) fn takers_of(&self, info: &FeedInfo) -> Vec<LaneId> {
        let takes = |state: &&LaneState| state.in_plan && state.takes.as_ref().is_some_and(|takes| takes.takes(info));
        self.lanes.iter().filter(takes).map(|state| state.lane.id).collect()
    }

    fn set_lanes(&mut self, lanes: Vec<NewLane>) {
        self.generation += 1;
        let mut bells: HashMap<LaneId, watch::Sender<()>> =
            self.lanes.drain(..).map(|state| (state.lane.id, state.bell)).collect();
        self.feeds.values_mut().for_each(|feed| feed.takers.clear());
        for lane in lanes {
            let bell = bells.remove(&lane.lane.id).unwrap_or_default();
            let state = self.state(lane, bell);
            if state.in_plan {
                for queue in state.marks.keys() {
                    if let Some(Owner::Live(feed)) = self.queues.get(queue).map(|queue| queue.owner)
                        && let Some(feed) = self.feeds.get_mut(&feed)
                    {
                        feed.takers.push(state.lane.id);
                    }
                }
            }
            state.bell.send_replace(());
            self.lanes.push(state);
        }
        self.places = self.lanes.iter().enumerate().map(|(place, state)| (state.lane.id, place)).collect();
        // A lane that is gone for good leaves nobody waiting at its bell.
        bells.into_values().for_each(|bell| {
            bell.send_replace(());
        });
    }

    fn state(&self, new: NewLane, bell: watch::Sender<()>) -> LaneState {
        let NewLane { lane, in_plan, takes, count, marks, replays } = new;
        let mut state = LaneState {
            lane,
            in_plan,
            takes,
            marks: HashMap::with_capacity(marks.len()),
            news: BTreeMap::new(),
            next_news: 0,
            waiting: if in_plan { replays } else { 0 },
            count,
            bell,
        };
        for (queue, place) in marks {
            state.marks.insert(queue, Mark { place, news: None });
            let Some(known) = self.queues.get(&queue).filter(|_| in_plan) else { continue };
            let is_replay = matches!(known.owner, Owner::Replay(_));
            if known.extent.tail > place {
                state.waiting += if is_replay { 0 } else { known.extent.tail - place };
                state.tell(queue);
            }
        }
        state
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn feed_id(&self, name: &FeedName) -> Option<FeedId> {
        self.ids.get(name).copied()
    }

    pub(super) fn feed(&self, id: FeedId) -> Option<&Arc<FeedInfo>> {
        self.feeds.get(&id).map(|feed| &feed.info)
    }

    /// The queues of a feed: of what is read as it comes, and of old spans.
    pub(super) fn queues_of_feed(&self, feed: FeedId) -> Option<(QueueId, QueueId)> {
        let feed = self.feeds.get(&feed)?;
        Some((feed.live?, feed.back_fill?))
    }

    /// Every feed.
    pub(super) fn feeds(&self) -> impl Iterator<Item = (FeedId, &Arc<FeedInfo>)> + '_ {
        self.feeds.iter().map(|(id, feed)| (*id, &feed.info))
    }

    pub(super) fn queue(&self, queue: QueueId) -> Option<Queue> {
        self.queues.get(&queue).copied()
    }

    /// Every queue.
    pub(super) fn queues(&self) -> impl Iterator<Item = (QueueId, Queue)> + '_ {
        self.queues.iter().map(|(id, queue)| (*id, *queue))
    }

    pub(super) fn lane(&self, lane: LaneId) -> Option<&LaneState> {
        self.places.get(&lane).map(|place| &self.lanes[*place])
    }

    pub(super) fn lanes(&self) -> &[LaneState] {
        &self.lanes
    }

    /// Wakes everybody who waits for something to come.
    pub(super) fn ring(&self) {
        for lane in &self.lanes {
            lane.bell.send_replace(());
        }
    }

    /// The place before which every lane that takes a queue has settled it.
    pub(super) fn settled_to(&self, id: QueueId) -> u64 {
        let Some(queue) = self.queues.get(&id) else { return 0 };
        let settled = |lane: &LaneId| self.lane(*lane).filter(|lane| lane.in_plan).and_then(|lane| lane.mark(id));
        let first = match queue.owner {
            Owner::Live(feed) | Owner::BackFill(feed) => {
                self.feeds.get(&feed).and_then(|feed| feed.takers.iter().filter_map(settled).min())
            }
            Owner::Repair(_, lane) | Owner::Replay(lane) => settled(&lane),
        };
        first.unwrap_or(queue.extent.tail)
    }
}

impl LaneState {
    /// The place before which it has settled a queue; `None` for one that it does not take.
    pub(super) fn mark(&self, queue: QueueId) -> Option<u64> {
        self.marks.get(&queue).map(|mark| mark.place)
    }

    /// How many entries it has to account for.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    pub(super) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// The queues in which something came behind what is known by `seen`, and by what they are known.
    pub(super) fn news(&self, seen: u64) -> impl Iterator<Item = QueueId> + '_ {
        self.news.range(seen..).map(|(_, queue)| *queue)
    }

    pub(super) fn next_news(&self) -> u64 {
        self.next_news
    }

    fn tell(&mut self, queue: QueueId) {
        let number = self.next_news;
        self.next_news += 1;
        let mark = self.marks.entry(queue).or_insert(Mark { place: 0, news: None });
        if let Some(before) = mark.news.replace(number) {
            self.news.remove(&before);
        }
        self.news.insert(number, queue);
        self.bell.send_replace(());
    }

    fn let_go(&mut self, queue: QueueId, tail: u64) {
        let Some(mark) = self.marks.remove(&queue) else { return };
        if self.in_plan {
            self.waiting -= tail - mark.place;
        }
        if let Some(news) = mark.news {
            self.news.remove(&news);
        }
    }
}

impl Owner {
    /// The feed, where the queue is of one.
    pub(super) fn feed(self) -> Option<FeedId> {
        match self {
            Self::Live(feed) | Self::BackFill(feed) | Self::Repair(feed, _) => Some(feed),
            Self::Replay(_) => None,
        }
    }

    /// Its number, its feed's and its lane's, as they are stored.
    pub(super) fn stored(self) -> (i64, Option<i64>, Option<i64>) {
        match self {
            Self::Live(feed) => (0, Some(feed.0.into()), None),
            Self::BackFill(feed) => (1, Some(feed.0.into()), None),
            Self::Repair(feed, lane) => (2, Some(feed.0.into()), Some(lane.0.into())),
            Self::Replay(lane) => (3, None, Some(lane.0.into())),
        }
    }

    pub(super) fn from_stored(kind: i64, feed: Option<i64>, lane: Option<i64>) -> Result<Self, Trouble> {
        let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
        match (kind, number(feed).map(FeedId), number(lane).map(LaneId)) {
            (0, Some(feed), None) => Ok(Self::Live(feed)),
            (1, Some(feed), None) => Ok(Self::BackFill(feed)),
            (2, Some(feed), Some(lane)) => Ok(Self::Repair(feed, lane)),
            (3, None, Some(lane)) => Ok(Self::Replay(lane)),
            _ => Err(Trouble::damaged("a queue that is nobody's")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        let mut standing = Standing::default();
        for id in 0..2 {
            let name = FeedName { tenant_id: format!("t{id}"), source: "s".into() };
            standing.apply(Change::Feed { id: FeedId(id), info: Arc::new(FeedInfo { name, kind: "k".into() }) });
            let extent = Extent { base: 0, tail: 4 };
            standing.apply(Change::Queue { queue: QueueId(10 + id), owner: Owner::Live(FeedId(id)), extent });
        }
        standing
    }

    fn lane(id: u32, marks: &[(u32, u64)]) -> NewLane {
        NewLane {
            lane: Lane { id: LaneId(id), name: id.to_string() },
            in_plan: true,
            takes: Some(Takes::all()),
            count: LaneCount::default(),
            marks: marks.iter().map(|(queue, place)| (QueueId(*queue), *place)).collect(),
            replays: 0,
        }
    }

    fn waiting(standing: &Standing) -> Vec<u64> {
        standing.lanes().iter().map(LaneState::waiting).collect()
    }

    /// Guarantee: a queue is settled as far as the slowest lane that takes it is; another lane's marks are nothing to it,
    /// and a queue that nobody takes is settled whole.
    #[test]
    fn the_slowest_lane_of_a_queue_counts() {
        let mut standing = standing();
        assert_eq!(standing.settled_to(QueueId(10)), 4, "nobody takes it");
        standing.apply(Change::Lanes(vec![lane(1, &[(10, 3), (11, 1)]), lane(2, &[(10, 2)])]));
        assert_eq!((standing.settled_to(QueueId(10)), standing.settled_to(QueueId(11))), (2, 1));
        assert_eq!(waiting(&standing), [4, 2]);
        standing.apply(Change::Mark { lane: LaneId(2), queue: QueueId(10), place: 4 });
        assert_eq!((standing.settled_to(QueueId(10)), waiting(&standing)), (3, vec![4, 0]));
    }

    /// Guarantee: what comes into a queue is news to the lanes that take it, and to no other; it is told once to whoever
    /// goes on from what he has seen.
    #[test]
    fn news_are_for_those_who_take_them() {
        let mut standing = standing();
        standing.apply(Change::Lanes(vec![lane(1, &[(10, 4), (11, 4)]), lane(2, &[(10, 4)])]));
        let bells: Vec<_> = standing.lanes().iter().map(LaneState::bell).collect();
        let extent = Extent { base: 0, tail: 6 };
        standing.apply(Change::Queue { queue: QueueId(11), owner: Owner::Live(FeedId(1)), extent });
        let rung: Vec<bool> = bells.iter().map(|bell| bell.has_changed().unwrap()).collect();
        assert_eq!((rung, waiting(&standing)), (vec![true, false], vec![2, 0]));
        let one = standing.lane(LaneId(1)).unwrap();
        assert_eq!(one.news(0).collect::<Vec<_>>(), [QueueId(11)]);
        assert_eq!(one.news(one.next_news()).count(), 0);
    }

    /// Guarantee: a feed that is forgotten leaves nothing to wait for.
    #[test]
    fn what_is_forgotten_is_not_waited_for() {
        let mut standing = standing();
        standing.apply(Change::Lanes(vec![lane(1, &[(10, 1), (11, 4)])]));
        standing.apply(Change::Forgotten { feeds: vec![FeedId(0)] });
        assert_eq!((waiting(&standing), standing.queue(QueueId(10)).is_none()), (vec![0], true));
        assert_eq!(standing.lane(LaneId(1)).unwrap().news(0).count(), 0);
    }

    /// Guarantee: whose a queue is comes back as it was stored.
    #[test]
    fn owners_are_stored() {
        let (feed, lane) = (FeedId(7), LaneId(3));
        for owner in [Owner::Live(feed), Owner::BackFill(feed), Owner::Repair(feed, lane), Owner::Replay(lane)] {
            let (kind, of, to) = owner.stored();
            assert_eq!(Owner::from_stored(kind, of, to).unwrap(), owner);
        }
    }
}
