//! The alerts that one tenant's API shows at the present simulated time, kept small: no bodies, only when and which.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;

use crate::alert::initial_parts;
use crate::dice;
use crate::tenant::schedule::{Revision, Schedule};
use crate::ticks;

/// The first index of alerts that are added by hand: the planned ones keep theirs, whatever is added meanwhile.
const FIRST_ADDED: u32 = 1 << 31;

/// An alert's present state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AlertRow {
    pub(crate) index: u32,
    pub(crate) revision: u16,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

/// A row of the export: one detection of an alert. It never changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DetectionRow {
    pub(crate) index: u32,
    pub(crate) part: u16,
    pub(crate) created: i64,
    pub(crate) processed: i64,
}

/// All that one tenant's API shows.
pub(crate) struct Holdings {
    seed: u64,
    schedule: Schedule,
    next_arrival: u32,
    alerts: Vec<AlertState>,
    added: Vec<AlertState>,
    by_update: BTreeSet<(i64, u32)>,
    detections: BTreeSet<(i64, u32, u16)>,
    coming: BinaryHeap<Reverse<Coming>>,
}

#[derive(Clone, Copy)]
struct AlertState {
    created: i64,
    updated: i64,
    revision: u16,
    shown: bool,
}

impl AlertState {
    fn hidden(created: i64) -> Self {
        Self { created, updated: 0, revision: 0, shown: false }
    }
}

#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Coming {
    visible: i64,
    index: u32,
    number: u16,
    updated: i64,
}

impl Holdings {
    /// The alerts as they are at `start`.
    pub(crate) fn new(seed: u64, start: i64, schedule: Schedule) -> Self {
        let mut holdings = Self {
            seed,
            next_arrival: 0,
            alerts: Vec::with_capacity(schedule.plan().backlog as usize),
            added: Vec::new(),
            by_update: BTreeSet::new(),
            detections: BTreeSet::new(),
            coming: BinaryHeap::new(),
            schedule,
        };
        holdings.take_backlog(start);
        holdings.advance(start);
        holdings
    }

    /// Lets everything show that has its time up to `now`.
    pub(crate) fn advance(&mut self, now: i64) {
        while self.schedule.arrival(self.next_arrival).is_some_and(|arrival| arrival <= now) {
            let Some(life) = self.schedule.alert(self.next_arrival) else { break };
            let index = self.next_arrival;
            self.alerts.push(AlertState::hidden(life.created));
            self.coming.extend(life.revisions.iter().map(|revision| coming(index, revision)));
            self.next_arrival += 1;
        }
        while let Some(Reverse(next)) = self.coming.peek().filter(|next| next.0.visible <= now).copied() {
            self.coming.pop();
            self.show(next);
        }
    }

    /// When everything planned has shown, if ever.
    pub(crate) fn rest(&self) -> Option<i64> {
        let planned = self.schedule.rest()?;
        Some(self.coming.iter().map(|next| next.0.visible).max().map_or(planned, |last| last.max(planned)))
    }

    /// Adds an alert by hand; it shows at `visible`. Answers its index.
    pub(crate) fn add(&mut self, created: i64, updated: i64, visible: i64) -> u32 {
        let index = FIRST_ADDED + u32::try_from(self.added.len()).unwrap_or_default();
        self.added.push(AlertState::hidden(created));
        self.coming.push(coming(index, &Revision { number: 0, updated, visible }));
        index
    }

    /// Updates an alert by hand; false where there is none of this index.
    pub(crate) fn update(&mut self, index: u32, updated: i64, visible: i64) -> bool {
        let Some(alert) = self.state(index).copied() else { return false };
        let planned =
            self.coming.iter().filter(|next| next.0.index == index).map(|next| next.0.number.saturating_add(1)).max();
        let number = planned.unwrap_or(alert.revision.saturating_add(u16::from(alert.shown)));
        self.coming.push(coming(index, &Revision { number, updated, visible }));
        true
    }

    /// The alert of this index, where it shows.
    pub(crate) fn alert(&self, index: u32) -> Option<AlertRow> {
        let alert = self.state(index).filter(|alert| alert.shown)?;
        Some(AlertRow { index, revision: alert.revision, created: alert.created, updated: alert.updated })
    }

    /// The alerts with update times in a span, oldest first.
    pub(crate) fn alerts(
        &self,
        from: Bound<i64>,
        to: Bound<i64>,
    ) -> impl DoubleEndedIterator<Item = AlertRow> + use<'_> {
        let keys = key_span(from, to, |time| (time, 0), |time| (time, u32::MAX));
        self.by_update.range(keys).filter_map(|(_, index)| self.alert(*index))
    }

    /// The rows of the export with processing times in a span, oldest first.
    pub(crate) fn detections(
        &self,
        from: Bound<i64>,
        to: Bound<i64>,
    ) -> impl DoubleEndedIterator<Item = DetectionRow> + use<'_> {
        let keys = key_span(from, to, |time| (time, 0, 0), |time| (time, u32::MAX, u16::MAX));
        self.detections.range(keys).map(|(processed, index, part)| {
            let created = self.state(*index).map_or(0, |alert| alert.created);
            DetectionRow { index: *index, part: *part, created, processed: *processed }
        })
    }

    /// The backlog is laid down in bulk: sorted once instead of a million times into the heap.
    fn take_backlog(&mut self, start: i64) {
        let (mut by_update, mut detections) = (Vec::new(), Vec::new());
        for index in 0..self.schedule.plan().backlog {
            let Some(life) = self.schedule.alert(index) else { break };
            self.alerts.push(AlertState::hidden(life.created));
            let shown = life.revisions.partition_point(|revision| revision.visible <= start);
            for revision in &life.revisions[..shown] {
                detections.extend(self.detections_of(index, revision.number, revision.updated));
            }
            if let Some(present) = life.revisions[..shown].last() {
                self.place(index, present.number, present.updated);
                by_update.push((present.updated, index));
            }
            self.coming.extend(life.revisions[shown..].iter().map(|revision| coming(index, revision)));
        }
        self.next_arrival = self.schedule.plan().backlog;
        self.by_update = by_update.into_iter().collect();
        self.detections = detections.into_iter().collect();
    }

    fn show(&mut self, next: Coming) {
        if let Some(before) = self.alert(next.index) {
            self.by_update.remove(&(before.updated, next.index));
        }
        self.by_update.insert((next.updated, next.index));
        let rows = self.detections_of(next.index, next.number, next.updated);
        self.detections.extend(rows);
        self.place(next.index, next.number, next.updated);
    }

    fn place(&mut self, index: u32, revision: u16, updated: i64) {
        let state = match index.checked_sub(FIRST_ADDED) {
            Some(nth) => self.added.get_mut(nth as usize),
            None => self.alerts.get_mut(index as usize),
        };
        if let Some(alert) = state {
            *alert = AlertState { created: alert.created, updated, revision, shown: true };
        }
    }

    fn state(&self, index: u32) -> Option<&AlertState> {
        match index.checked_sub(FIRST_ADDED) {
            Some(nth) => self.added.get(nth as usize),
            None => self.alerts.get(index as usize),
        }
    }

    /// What the export shows of a revision: an alert begins with some detections, each update brings one more.
    fn detections_of(&self, index: u32, revision: u16, updated: i64) -> Vec<(i64, u32, u16)> {
        let initial = initial_parts(self.seed, index);
        let parts = if revision == 0 { 0..initial } else { initial + revision - 1..initial + revision };
        parts.map(|part| (processed(updated), index, part)).collect()
    }
}

fn coming(index: u32, revision: &Revision) -> Reverse<Coming> {
    Reverse(Coming { visible: revision.visible, index, number: revision.number, updated: revision.updated })
}

/// A span of times as a span of keys, of which `least` and `most` are the first and the last of one time.
fn key_span<K: Ord + Copy>(
    from: Bound<i64>,
    to: Bound<i64>,
    least: impl Fn(i64) -> K,
    most: impl Fn(i64) -> K,
) -> (Bound<K>, Bound<K>) {
    let (first, lower) = match from {
        Bound::Included(time) => (least(time), Bound::Included(least(time))),
        Bound::Excluded(time) => (most(time), Bound::Excluded(most(time))),
        Bound::Unbounded => (least(i64::MIN), Bound::Unbounded),
    };
    let (last, upper) = match to {
        Bound::Included(time) => (most(time), Bound::Included(most(time))),
        Bound::Excluded(time) => (least(time), Bound::Excluded(least(time))),
        Bound::Unbounded => (most(i64::MAX), Bound::Unbounded),
    };
    // A tree refuses a span that ends before it begins; a query may well hold one.
    if first > last { (Bound::Included(least(0)), Bound::Excluded(least(0))) } else { (lower, upper) }
}

/// When the back end processed what was updated then: a little later, with all seven digits, but on a whole second
/// exactly then. Equal times stay equal.
fn processed(updated: i64) -> i64 {
    if updated.rem_euclid(ticks::PER_SECOND) == 0 {
        return updated;
    }
    let jitter = dice::mix(updated.unsigned_abs(), 1) % 33_000;
    updated + i64::try_from(jitter).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::population::Population;

    const START: i64 = 639_000_000_000_000_000;

    fn holdings(plan: Population) -> Holdings {
        Holdings::new(5, START, Schedule::new(5, START, plan))
    }

    fn all(holdings: &Holdings) -> Vec<AlertRow> {
        holdings.alerts(Bound::Unbounded, Bound::Unbounded).collect()
    }

    fn detections(holdings: &Holdings) -> usize {
        holdings.detections(Bound::Unbounded, Bound::Unbounded).count()
    }

    fn busy() -> Population {
        Population {
            backlog: 500,
            per_minute: 120.0,
            stop_after: Some(Duration::from_secs(600)),
            ..Population::default()
        }
    }

    /// What shows at a time does not depend on how often one looked before.
    #[test]
    fn shows_the_same_however_it_got_there() {
        let (mut stepped, mut leapt) = (holdings(busy()), holdings(busy()));
        for second in 0..900 {
            stepped.advance(START + second * ticks::PER_SECOND);
        }
        leapt.advance(START + 899 * ticks::PER_SECOND);
        assert_eq!(all(&stepped), all(&leapt));
        assert_eq!(detections(&stepped), detections(&leapt));
    }

    /// An alert shows once, in its present revision; its detections stay.
    #[test]
    fn updates_replace_alerts_and_add_detections() {
        let mut holdings = holdings(Population::empty());
        let index = holdings.add(START - 100, START, START);
        holdings.advance(START);
        assert_eq!(all(&holdings).len(), 1);
        let before = detections(&holdings);
        assert!(holdings.update(index, START + 50, START + 60));
        holdings.advance(START + 59);
        assert_eq!(holdings.alert(index).map(|row| row.revision), Some(0));
        holdings.advance(START + 60);
        let row = AlertRow { index, revision: 1, created: START - 100, updated: START + 50 };
        assert_eq!(all(&holdings), [row]);
        assert_eq!(detections(&holdings), before + 1);
    }

    /// Spans keep their bounds, and one that ends before it begins is empty.
    #[test]
    fn spans_keep_their_bounds() {
        let mut holdings = holdings(Population::empty());
        for nth in 0..5 {
            holdings.add(START - 1, START + nth, START);
        }
        holdings.advance(START);
        let count = |from, to| holdings.alerts(from, to).count();
        assert_eq!(count(Bound::Included(START + 1), Bound::Excluded(START + 3)), 2);
        assert_eq!(count(Bound::Excluded(START + 1), Bound::Included(START + 3)), 2);
        assert_eq!(count(Bound::Excluded(START + 1), Bound::Excluded(START + 1)), 0);
        assert_eq!(count(Bound::Included(START + 3), Bound::Included(START + 1)), 0);
    }
}
