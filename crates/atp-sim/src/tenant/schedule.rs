//! When each alert comes, changes and shows: a pure function of the seed and the plan.

use std::time::Duration;

use fastrand::Rng;

use crate::dice::{self, Topic, chance};
use crate::population::Population;
use crate::ticks;

/// One state of one alert: its number from 0, when it was reached and when the API begins to show it (ticks).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Revision {
    pub(crate) number: u16,
    pub(crate) updated: i64,
    pub(crate) visible: i64,
}

/// An alert as it is planned: its creation and all its revisions, in order.
pub(crate) struct PlannedAlert {
    pub(crate) created: i64,
    pub(crate) revisions: Vec<Revision>,
}

/// The plan of one tenant.
pub(crate) struct Schedule {
    seed: u64,
    start: i64,
    plan: Population,
}

impl Schedule {
    pub(crate) fn new(seed: u64, start: i64, plan: Population) -> Self {
        Self { seed, start, plan }
    }

    pub(crate) fn plan(&self) -> &Population {
        &self.plan
    }

    /// When the alert of this index comes into being; `None` where there is none.
    pub(crate) fn arrival(&self, index: u32) -> Option<i64> {
        if index < self.plan.backlog {
            return Some(self.start);
        }
        if self.plan.per_minute <= 0.0 {
            return None;
        }
        let nth = f64::from(index - self.plan.backlog) + self.rng(index).f64();
        let offset = ticks::span(Duration::try_from_secs_f64(nth * 60.0 / self.plan.per_minute).ok()?);
        (offset < self.end_after()).then_some(self.start + offset)
    }

    /// The whole life of the alert of this index.
    pub(crate) fn alert(&self, index: u32) -> Option<PlannedAlert> {
        let arrival = self.arrival(index)?;
        let alert = if index < self.plan.backlog { self.of_backlog(index) } else { self.fresh(index, arrival) };
        Some(alert)
    }

    /// When everything planned has shown, where activity ends at all.
    pub(crate) fn rest(&self) -> Option<i64> {
        let updates = ticks::span(self.plan.update_within).saturating_mul(i64::from(self.plan.most_updates));
        let end = match self.plan.stop_after {
            Some(_) => self.end_after(),
            None if self.plan.per_minute > 0.0 => return None,
            None => updates.max(ticks::span(self.plan.live_updates_within)),
        };
        let delay = self.plan.late_by.max(self.plan.future_by).max(self.plan.usual_delay);
        Some(self.start + end + 2 * ticks::span(delay) + ticks::PER_SECOND)
    }

    fn of_backlog(&self, index: u32) -> PlannedAlert {
        let mut rng = self.rng(index);
        let _arrival = rng.f64();
        let created = self.backlog_creation(index, &mut rng);
        let first = if index < self.plan.ties { self.tie() } else { created + rng.i64(1..120 * ticks::PER_SECOND) };
        let first = ticks::on_sql_grid(first.min(self.start - ticks::PER_SECOND));
        let mut revisions = vec![Revision { number: 0, updated: first, visible: first }];
        if index >= self.plan.ties {
            self.add_updates(&mut revisions, &mut rng);
        }
        self.add_live_update(index, &mut revisions, &mut rng);
        PlannedAlert { created, revisions }
    }

    fn backlog_creation(&self, index: u32, rng: &mut Rng) -> i64 {
        let span = ticks::span(self.plan.backlog_span).max(240 * ticks::PER_SECOND);
        let by_chance = self.start - rng.i64(121 * ticks::PER_SECOND..=span);
        if index >= self.plan.ties {
            return by_chance;
        }
        let together = self.tie() - 60 * ticks::PER_SECOND + 1_234_567;
        if index < self.plan.ties_created_together {
            return together;
        }
        // Spread over the minute before the common update, as a bulk action on a burst of alerts would find them.
        together + rng.i64(0..50 * ticks::PER_SECOND)
    }

    /// The update time that the tied alerts share: in the middle of the backlog.
    fn tie(&self) -> i64 {
        let half = ticks::span(self.plan.backlog_span) / 2;
        ticks::on_sql_grid(self.start - half.max(120 * ticks::PER_SECOND) + 333_400)
    }

    fn fresh(&self, index: u32, arrival: i64) -> PlannedAlert {
        let mut rng = self.rng(index);
        let _arrival = rng.f64();
        let mut updated = ticks::on_sql_grid(arrival);
        let mut visible = arrival + within(&mut rng, self.plan.usual_delay);
        if chance(&mut rng, self.plan.on_boundary) {
            let unit = if rng.bool() { 60 * ticks::PER_SECOND } else { 10 * ticks::PER_MILLISECOND };
            updated -= updated.rem_euclid(unit);
        }
        if chance(&mut rng, self.plan.late) {
            visible = updated + within(&mut rng, self.plan.late_by);
        } else if chance(&mut rng, self.plan.from_future) {
            updated = ticks::on_sql_grid(updated + ticks::PER_SECOND + within(&mut rng, self.plan.future_by));
        }
        let created = updated.min(arrival) - rng.i64(1..20 * ticks::PER_SECOND);
        let mut revisions = vec![Revision { number: 0, updated, visible: visible.max(arrival) }];
        self.add_updates(&mut revisions, &mut rng);
        PlannedAlert { created, revisions }
    }

    /// The later lives of an alert, as far as activity lasts.
    fn add_updates(&self, revisions: &mut Vec<Revision>, rng: &mut Rng) {
        if self.plan.most_updates == 0 || !chance(rng, self.plan.updated) {
            return;
        }
        for _ in 0..rng.u8(1..=self.plan.most_updates) {
            let after = within(rng, self.plan.update_within);
            self.add_update(revisions, after, rng);
        }
    }

    fn add_live_update(&self, index: u32, revisions: &mut Vec<Revision>, rng: &mut Rng) {
        let (nth, of) = (u64::from(self.plan.live_updates), u64::from(self.plan.backlog));
        // Spread evenly: exactly `live_updates` of the backlog see the whole part of this step grow.
        let chosen = (u64::from(index) + 1) * nth / of != u64::from(index) * nth / of;
        let Some(last) = revisions.last().copied().filter(|_| chosen) else { return };
        let at = self.start + within(rng, self.plan.live_updates_within);
        self.add_update(revisions, at - last.updated, rng);
    }

    fn add_update(&self, revisions: &mut Vec<Revision>, after: i64, rng: &mut Rng) {
        let Some(last) = revisions.last().copied() else { return };
        // At least one step of the grid later, so that no two revisions share their update time.
        let updated = ticks::on_sql_grid(last.updated + after.max(2 * ticks::PER_SECOND / 300));
        let visible = (updated + within(rng, self.plan.usual_delay)).max(last.visible + 1);
        if updated < self.start.saturating_add(self.end_after()) {
            revisions.push(Revision { number: last.number + 1, updated, visible });
        }
    }

    fn end_after(&self) -> i64 {
        self.plan.stop_after.map_or(i64::MAX / 4, ticks::span)
    }

    fn rng(&self, index: u32) -> Rng {
        dice::dice(self.seed, u64::from(index), Topic::Schedule)
    }
}

fn within(rng: &mut Rng, most: Duration) -> i64 {
    rng.i64(0..=ticks::span(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 639_000_000_000_000_000;

    fn schedule(plan: Population) -> Schedule {
        Schedule::new(9, START, plan)
    }

    fn lives(schedule: &Schedule) -> Vec<PlannedAlert> {
        (0..).map_while(|index| schedule.alert(index)).collect()
    }

    fn busy() -> Population {
        Population {
            backlog: 1_000,
            ties: 300,
            ties_created_together: 40,
            per_minute: 60.0,
            late: 0.2,
            from_future: 0.2,
            on_boundary: 0.2,
            live_updates: 77,
            stop_after: Some(Duration::from_secs(1_200)),
            ..Population::default()
        }
    }

    /// So many alerts share one update time as are asked for, and so many of them their creation.
    #[test]
    fn ties_are_exact() {
        let schedule = schedule(Population { live_updates: 0, ..busy() });
        let lives = lives(&schedule);
        let tie = lives[0].revisions[0].updated;
        let tied: Vec<_> = lives.iter().filter(|life| life.revisions[0].updated == tie).collect();
        assert_eq!(tied.len(), 300);
        assert_eq!(tied.iter().filter(|life| life.created == lives[0].created).count(), 40);
    }

    /// Exactly so many alerts of the backlog are updated after the start as are asked for.
    #[test]
    fn live_updates_are_exact() {
        let schedule = schedule(Population { updated: 0.0, ..busy() });
        let updated = (0..1_000).filter_map(|index| schedule.alert(index));
        assert_eq!(updated.filter(|life| life.revisions.iter().any(|one| one.updated >= START)).count(), 77);
    }

    /// An alert's revisions follow one another in update time and in showing, and all lie on the grid.
    #[test]
    fn revisions_are_in_order() {
        for life in lives(&schedule(busy())) {
            assert!(life.revisions.is_sorted_by(|a, b| a.updated < b.updated && a.visible < b.visible));
            assert!(life.revisions.iter().all(|one| ticks::on_sql_grid(one.updated) == one.updated));
        }
    }

    /// Late rows, rows from the future and rows on whole minutes occur, within their limits.
    #[test]
    fn late_future_and_boundary_rows_occur() {
        let lives = lives(&schedule(busy()));
        let first: Vec<Revision> = lives[1_000..].iter().map(|life| life.revisions[0]).collect();
        let lag = |one: &&Revision| one.visible - one.updated;
        assert!(first.iter().filter(|one| lag(one) > 60 * ticks::PER_SECOND).count() > 50);
        assert!(first.iter().filter(|one| lag(one) < 0).count() > 50);
        assert!(first.iter().filter(|one| one.updated % (60 * ticks::PER_SECOND) == 0).count() > 50);
        assert!(first.iter().all(|one| lag(&one) <= 600 * ticks::PER_SECOND));
    }

    /// Everything has shown by the time of rest.
    #[test]
    fn comes_to_rest() {
        let schedule = schedule(busy());
        let rest = schedule.rest().unwrap();
        let last = lives(&schedule).iter().flat_map(|life| life.revisions.clone()).map(|one| one.visible).max();
        assert!(last.unwrap() <= rest);
    }
}
