//! The walk against a model of the API: late arrivals, ties, caps, updates, failures and restarts.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::ticks::{DAY, HOUR, MILLISECOND, SECOND};

/// The server's time when every story begins.
const BEGIN: i64 = 638_000_000_000_000_000;

/// An alert and the revisions that it goes through.
#[derive(Clone, Debug)]
struct Alert {
    /// `None` where the API does not say it.
    created: Option<i64>,
    /// Update time, and when the API begins to show it, both rising.
    revisions: Vec<(i64, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    NewestFirst,
    OldestFirst,
    ById,
}

/// An API in small.
#[derive(Clone, Debug)]
struct Model {
    alerts: Vec<Alert>,
    order: Order,
    /// The most rows in an answer, which the API does not tell.
    cap: usize,
    /// `limit` keeps the newest, bounds are shifted by a tick, and creation times cannot be asked for.
    export: bool,
    poison: Option<Poison>,
    /// The filter is not heeded.
    deaf: bool,
}

/// An alert that fails every answer it is in.
#[derive(Clone, Copy, Debug)]
struct Poison {
    alert: usize,
    until: i64,
    /// Without its evidence too.
    even_bare: bool,
}

/// Which revision of which alert.
type Seen = (usize, i64);

impl Model {
    /// The revision of an alert that is shown at `now`.
    fn shown(&self, alert: usize, now: i64) -> Option<i64> {
        self.alerts[alert].revisions.iter().rev().find(|revision| revision.1 <= now).map(|revision| revision.0)
    }

    fn window(&self, ask: WindowAsk, now: i64) -> Result<Vec<Seen>, Failure> {
        let low = if self.export { ask.from - MILLISECOND } else { ask.from };
        let mut rows: Vec<Seen> = (0..self.alerts.len())
            .filter_map(|alert| self.shown(alert, now).map(|time| (alert, time)))
            .filter(|&(_, time)| self.deaf || (time >= low && ask.to.is_none_or(|to| time < to)))
            .filter(|&(alert, _)| {
                let created = self.alerts[alert].created;
                let from = ask.created_from.is_none_or(|from| created.is_some_and(|created| created >= from));
                from && ask.created_to.is_none_or(|to| created.is_some_and(|created| created < to))
            })
            .collect();
        match self.order {
            Order::NewestFirst => rows.sort_by_key(|&(alert, time)| std::cmp::Reverse((time, alert))),
            Order::OldestFirst => rows.sort_by_key(|&(alert, time)| (time, alert)),
            Order::ById => rows.sort_by_key(|&(alert, _)| (alert * 7_919) % 10_007),
        }
        if self.export {
            rows.sort_by_key(|&(alert, time)| std::cmp::Reverse((time, alert)));
        }
        let top = ask.top.map_or(usize::MAX, |top| top as usize).min(self.cap);
        let page: Vec<Seen> = rows.into_iter().skip(ask.skip as usize).take(top).collect();
        if page.iter().any(|row| self.is_poisoned(row.0, ask.expand, now)) { Err(Failure::Page) } else { Ok(page) }
    }

    fn is_poisoned(&self, alert: usize, expand: bool, now: i64) -> bool {
        self.poison.is_some_and(|poison| poison.alert == alert && now < poison.until && (expand || poison.even_bare))
    }

    fn answer(&self, ask: &Ask, now: i64) -> Result<Vec<Seen>, Failure> {
        match ask {
            Ask::Clock => Ok(Vec::new()),
            Ask::Window(ask) => self.window(*ask, now),
            Ask::Alert { id } => {
                let alert: usize = id.parse().unwrap();
                if self.is_poisoned(alert, true, now) {
                    return Err(Failure::Page);
                }
                Ok(self.shown(alert, now).map(|time| (alert, time)).into_iter().collect())
            }
        }
    }

    fn fetched(&self, (alert, time): Seen, partial: bool) -> Fetched {
        let digest = Sha256::digest(format!("{alert} {time} {partial}"));
        let id = digest[..16].try_into().unwrap();
        let text = format!("{alert}");
        let row = Row { time, id, partial, bytes: Bytes::from(text.clone()) };
        Fetched { row, created: self.alerts[alert].created, alert: partial.then_some(text) }
    }
}

/// A walk over a model, with a ledger, on a clock of its own.
struct Story {
    model: Model,
    limits: Limits,
    now: i64,
    /// How far the server's `Date` is ahead of its data.
    skew: i64,
    walk: Walk,
    checkpoint: Option<Vec<u8>>,
    next_poll: i64,
    done: bool,
    calls: u64,
    rows_fetched: u64,
    /// What came in whole answers, but for what a death has taken.
    sent: HashSet<Seen>,
    whole: HashMap<Seen, u32>,
    partial: HashSet<Seen>,
    /// When each revision was first handed out.
    first: HashMap<Seen, i64>,
}

impl Story {
    fn new(model: Model, limits: Limits) -> Self {
        let walk = Walk::new(limits, None, None).unwrap();
        Self {
            model,
            limits,
            now: BEGIN,
            skew: 0,
            walk,
            checkpoint: None,
            next_poll: BEGIN,
            done: false,
            calls: 0,
            rows_fetched: 0,
            sent: HashSet::new(),
            whole: HashMap::new(),
            partial: HashSet::new(),
            first: HashMap::new(),
        }
    }

    /// The process dies and comes back with what was kept.
    fn restart(&mut self) {
        self.sent.retain(|seen| self.first.contains_key(seen));
        self.walk = Walk::new(self.limits, self.checkpoint.as_deref(), None).unwrap();
        self.next_poll = self.now;
    }

    /// One step: a call, or waiting for the next poll. `fate` says what becomes of a call.
    fn step(&mut self, fate: Fate) {
        if self.now >= self.next_poll && self.walk.poll() {
            self.next_poll = self.now + MINUTE;
        }
        let ask = match self.walk.next() {
            Next::Ask(ask) => ask,
            Next::Idle => {
                self.now = self.next_poll.max(self.now + SECOND);
                return;
            }
            Next::Done => {
                self.done = true;
                return;
            }
        };
        assert_eq!(self.walk.next(), Next::Ask(ask.clone()), "asking twice gives the same question");
        self.calls += 1;
        assert!(self.calls < 40_000, "the walk asks without end");
        self.now += SECOND / 3;
        let answer = if fate == Fate::Fail { Err(Failure::Page) } else { self.model.answer(&ask, self.now) };
        let rows = match answer {
            Ok(seen) => {
                self.rows_fetched += seen.len() as u64;
                self.sent.extend(&seen);
                let bare = matches!(&ask, Ask::Window(ask) if !ask.expand && self.limits.has_evidence);
                let mut rows: Vec<_> = seen.into_iter().map(|seen| self.model.fetched(seen, bare)).collect();
                rows.sort_by_key(|fetched| (fetched.row.time, fetched.row.id));
                let server_time = self.now - self.now % SECOND + self.skew;
                self.walk.answered(&ask, Answer { rows, server_time, more: false })
            }
            Err(failure) => self.walk.failed(&ask, failure).expect("the model refuses no question"),
        };
        let state = self.walk.state();
        assert!(
            state.is_none_or(|state| state.floor() <= self.now + self.skew),
            "the floor has passed the server's time"
        );
        if fate == Fate::DieBeforeKeeping {
            self.restart();
            return;
        }
        self.checkpoint = state.map(State::checkpoint);
        for row in rows {
            self.keep(&row);
        }
        if fate == Fate::DieAfterKeeping {
            self.restart();
        }
    }

    fn keep(&mut self, row: &Row) {
        let alert = std::str::from_utf8(&row.bytes).unwrap().parse().unwrap();
        let seen = (alert, row.time);
        self.first.entry(seen).or_insert(self.now);
        if row.partial {
            self.partial.insert(seen);
        } else {
            *self.whole.entry(seen).or_default() += 1;
        }
    }

    fn run_until(&mut self, until: i64) {
        while self.now < until {
            self.step(Fate::Pass);
        }
    }

    /// The last revision of every alert that the walk is to deliver.
    fn last_revisions(&self) -> Vec<Seen> {
        let origin = self.walk.state().unwrap().origin;
        let last = |(alert, story): (usize, &Alert)| (alert, story.revisions.last().unwrap().0);
        self.model.alerts.iter().enumerate().map(last).filter(|seen| seen.1 >= origin).collect()
    }

    /// Last revisions that were not delivered whole. There is none that was sent and not handed out at all.
    fn missing(&self) -> Vec<Seen> {
        let kept_back: Vec<_> = self.sent.iter().filter(|seen| !self.first.contains_key(*seen)).collect();
        assert!(kept_back.is_empty(), "sent and not handed out: {kept_back:?}");
        self.last_revisions().into_iter().filter(|seen| !self.whole.contains_key(seen)).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    DieAfterKeeping,
    DieBeforeKeeping,
    Fail,
    Pass,
}

fn limits(page_size: u32) -> Limits {
    Limits {
        page_size,
        cap: 10_000,
        has_evidence: true,
        filters_created: true,
        keeps_newest: false,
        look_back: 15 * MINUTE,
        start: DAY,
        once: false,
    }
}

fn export_limits(page_size: u32) -> Limits {
    Limits { has_evidence: false, filters_created: false, keeps_newest: true, cap: u32::MAX, ..limits(page_size) }
}

fn model(alerts: Vec<Alert>) -> Model {
    Model { alerts, order: Order::NewestFirst, cap: 10_000, export: false, poison: None, deaf: false }
}

/// An alert that is shown as it is from `time` on.
fn still(time: i64, created: i64) -> Alert {
    Alert { created: Some(created), revisions: vec![(time, time)] }
}

/// A backlog of a day, `ties` of it at one update time.
fn backlog(count: i64, ties: i64) -> Vec<Alert> {
    let spread = (0..count - ties).map(|n| {
        let time = BEGIN - DAY + 2 * MINUTE + n * ((DAY - 4 * MINUTE) / count);
        still(time, time - MINUTE)
    });
    let crowd = (0..ties).map(|n| still(BEGIN - 5 * HOUR + 1_234_567, BEGIN - 9 * HOUR + n * SECOND / 7));
    spread.chain(crowd).collect()
}

/// Scenario: 100,000 alerts, newest first, 25,000 of them at one update time, pages of the largest size.
/// Guarantee: all are delivered, within four times the calls that the rows alone need.
#[test]
fn a_large_backlog_takes_a_sane_number_of_calls() {
    for (page_size, order) in [(10_000, Order::NewestFirst), (10_000, Order::ById), (1_000, Order::NewestFirst)] {
        let model = Model { order, ..model(backlog(100_000, 25_000)) };
        let mut story = Story::new(model, Limits { once: true, ..limits(page_size) });
        while !story.done {
            story.step(Fate::Pass);
        }
        assert_eq!(story.missing(), []);
        let least = u64::from(100_000 / page_size);
        println!("{order:?}, pages of {page_size}: {} calls, at least {least} are needed", story.calls);
        assert!(story.calls <= 4 * least, "{} calls, {least} at least", story.calls);
    }
}

/// Scenario: thousands of rows equal in update time, and in creation time or without one.
/// Guarantee: `$skip` reads them all, and nothing is owed.
#[test]
fn rows_equal_in_both_times_are_paged() {
    for created in [Some(BEGIN - 2 * HOUR), None] {
        let mut alerts = backlog(500, 0);
        let mut crowd: Vec<_> = (0..4_321).map(|n| still(BEGIN - HOUR, BEGIN - 2 * HOUR - n * MINUTE)).collect();
        crowd.iter_mut().step_by(2).for_each(|alert| alert.created = created);
        alerts.extend(crowd);
        let mut story = Story::new(model(alerts), limits(500));
        story.run_until(BEGIN + 10 * MINUTE);
        assert_eq!(story.missing(), []);
        assert_eq!(story.walk.state().unwrap().debts, []);
    }
}

/// Scenario: rows equal in update time, of which the first page shows none without a creation time though there are some.
/// Guarantee: these are read too.
#[test]
fn rows_without_a_creation_time_behind_a_full_page_are_read() {
    let tie = BEGIN - HOUR;
    let mut alerts: Vec<_> = (0..250).map(|n| still(tie + 5_000, tie - n * SECOND)).collect();
    alerts.extend((0..3).map(|_| Alert { created: None, ..still(tie, tie) }));
    let mut story = Story::new(model(alerts), Limits { once: true, ..limits(100) });
    while !story.done {
        story.step(Fate::Pass);
    }
    assert_eq!(story.missing(), []);
}

/// Scenario: rows equal in both times, of which some are updated while they are paged, so that others move up unseen.
/// Guarantee: all are there before anything looks back.
#[test]
fn rows_that_move_up_while_they_are_paged_are_not_missed() {
    let tie = BEGIN - HOUR;
    let alerts = (0..1_000).map(|n| {
        let updated = (n >= 900).then(|| BEGIN + (n - 899) * SECOND / 10);
        let revisions = [Some((tie, tie)), updated.map(|time| (time, time))].into_iter().flatten().collect();
        Alert { created: Some(tie), revisions }
    });
    let mut story = Story::new(model(alerts.collect()), limits(100));
    story.run_until(BEGIN + 2 * MINUTE);
    assert_eq!(story.missing(), []);
    assert_eq!(story.walk.state().unwrap().debts, []);
}

/// Scenario: an alert changes between the listing that shows it without evidence and the call that fetches it alone.
/// Guarantee: the listed revision is handed out too, for nobody will see it again.
#[test]
fn a_listed_revision_that_is_gone_is_handed_out() {
    let tie = BEGIN + MINUTE;
    let mut alerts: Vec<_> = (0..8).map(|n| still(tie + n * SECOND, tie)).collect();
    let changes = (0..600).map(|n| (tie + 10 * SECOND + n * SECOND / 2, tie + 10 * SECOND + n * SECOND / 2));
    alerts.push(Alert { created: Some(tie), revisions: changes.collect() });
    let poison = Some(Poison { alert: 3, until: BEGIN + HOUR, even_bare: false });
    let mut story = Story::new(Model { poison, ..model(alerts) }, limits(1_000));
    story.run_until(BEGIN + 30 * MINUTE);
    assert_eq!(story.missing(), [(3, tie + 3 * SECOND)]);
    assert!(story.partial.iter().any(|seen| seen.0 == 8), "no revision was listed and gone");
}

/// Scenario: the export holds more rows in one millisecond than fit into a page.
/// Guarantee: all are delivered, and the millisecond is owed, for the export cannot tell whether it gave all.
#[test]
fn a_crowded_millisecond_of_the_export_is_owed() {
    let alerts = backlog(2_000, 700);
    let crowded = alerts.last().unwrap().revisions[0].0;
    let export = Model { export: true, cap: usize::MAX, ..model(alerts) };
    let mut story = Story::new(export, export_limits(100));
    story.run_until(BEGIN + 10 * MINUTE);
    assert_eq!(story.missing(), []);
    let debts = &story.walk.state().unwrap().debts;
    let from = ticks::floor_to_millisecond(crowded);
    assert_eq!(debts.len(), 1, "{debts:?}");
    assert_eq!(debts[0].of, DebtOf::Span { from, to: from + MILLISECOND });
}

/// Scenario: one alert whose evidence makes every page fail for seven hours, then does not.
/// Guarantee: the others are delivered at once, it goes out partial and is owed, and the sweep brings the whole.
#[test]
fn a_poisoned_alert_holds_nothing_up() {
    let alerts = backlog(3_000, 0);
    let poison = 2_990;
    let poisoned =
        Model { poison: Some(Poison { alert: poison, until: BEGIN + 7 * HOUR, even_bare: false }), ..model(alerts) };
    let mut story = Story::new(poisoned, limits(1_000));
    story.run_until(BEGIN + HOUR);
    let seen = (poison, story.model.alerts[poison].revisions[0].0);
    assert_eq!(story.missing(), [seen]);
    assert!(story.partial.contains(&seen));
    assert_eq!(story.walk.state().unwrap().debts.len(), 1);
    let calls = story.calls;
    story.run_until(BEGIN + 2 * HOUR);
    assert!(story.calls - calls < 200, "{} calls in a quiet hour", story.calls - calls);
    story.run_until(BEGIN + 13 * HOUR);
    assert_eq!(story.missing(), []);
    assert_eq!(story.walk.state().unwrap().debts, []);
}

/// Scenario: one alert that fails every answer it is in, for seven hours. Guarantee: the others are delivered, its
/// millisecond is owed and then left alone but for one call in a pass, and the sweep brings it.
#[test]
fn an_alert_that_cannot_be_had_is_owed() {
    for export in [false, true] {
        let alert = 2_990;
        let poison = Some(Poison { alert, until: BEGIN + 7 * HOUR, even_bare: true });
        let cap = if export { usize::MAX } else { 10_000 };
        let poisoned = Model { poison, export, cap, ..model(backlog(3_000, 0)) };
        let mut story = Story::new(poisoned, if export { export_limits(1_000) } else { limits(1_000) });
        story.run_until(BEGIN + 30 * MINUTE);
        assert_eq!(story.missing(), [(alert, story.model.alerts[alert].revisions[0].0)]);
        // Windows of the export overlap by a millisecond, so two of them hold it.
        assert_eq!(story.walk.state().unwrap().debts.len(), 1 + usize::from(export));
        let calls = story.calls;
        story.run_until(BEGIN + 90 * MINUTE);
        assert!(story.calls - calls < 150, "{} calls in a quiet hour", story.calls - calls);
        story.run_until(BEGIN + 13 * HOUR);
        assert_eq!(story.missing(), []);
        assert_eq!(story.walk.state().unwrap().debts, []);
    }
}

/// Scenario: ten alerts a minute for two days, a tenth of them up to ten minutes late.
/// Guarantee: at most twelve rows are fetched for each row delivered, and the late ones come before any sweep.
#[test]
fn steady_load_costs_at_most_twelve_rows_for_each() {
    for (per_minute, page_size) in [(10, 1_000), (10, 100), (1, 1_000), (7, 10_000)] {
        let minutes = 36 * 60;
        let alerts = (0..minutes * per_minute)
            .map(|n| {
                let time = BEGIN + n * (MINUTE / per_minute) + (n * 31 % 300) * 33_333;
                let late = if n % 10 == 0 { (n / 10 % 10) * MINUTE + 59 * SECOND } else { 0 };
                Alert { created: Some(time), revisions: vec![(time, time + late)] }
            })
            .collect();
        let mut story = Story::new(model(alerts), limits(page_size));
        story.run_until(BEGIN + (minutes + 20) * MINUTE);
        assert_eq!(story.missing(), []);
        let delivered = story.whole.len() as u64;
        let hundredths = story.rows_fetched * 100 / delivered;
        println!("{per_minute} a minute, pages of {page_size}: {hundredths} rows fetched for 100 delivered");
        assert!(hundredths <= 1_200, "{hundredths} rows fetched for 100 delivered");
        for (&(alert, time), &first) in &story.first {
            let shown = story.model.alerts[alert].revisions[0].1;
            assert!(first - shown <= 7 * MINUTE, "shown at {shown}, had {} s later ({time})", (first - shown) / SECOND);
        }
    }
}

/// Scenario: a poll falls due again and again while a long reading is under way.
/// Guarantee: what was read is not read again for it, and fresh alerts are there within minutes.
#[test]
fn a_long_reading_holds_up_no_fresh_alert() {
    let mut alerts = backlog(60_000, 0);
    alerts.extend((0..60).map(|n| still(BEGIN + n * 20 * SECOND, BEGIN)));
    let mut story = Story::new(model(alerts), limits(50));
    while story.walk.state().is_none_or(|state| state.floor() < BEGIN) {
        story.step(Fate::Pass);
    }
    assert!(story.now > BEGIN + 6 * MINUTE, "the reading was not long");
    for fresh in 60_000..60_012 {
        let shown = story.model.alerts[fresh].revisions[0].1;
        let first = story.first[&(fresh, shown)];
        assert!(first - shown < 3 * MINUTE, "had {} s later", (first - shown) / SECOND);
    }
    println!("{} calls for 60,000 rows in pages of 50", story.calls);
    assert!(story.calls < 3 * 60_000 / 50, "{} calls", story.calls);
}

/// Scenario: rows whose update time lies in the future.
/// Guarantee: they are delivered, and what comes before them is not passed over.
#[test]
fn a_row_from_the_future_moves_nothing() {
    let ahead = Alert { created: Some(BEGIN), revisions: vec![(BEGIN + 30 * MINUTE, BEGIN)] };
    let after = still(BEGIN + 10 * MINUTE, BEGIN + 10 * MINUTE);
    let mut story = Story::new(model(vec![ahead, after]), limits(1_000));
    story.run_until(BEGIN + 3 * MINUTE);
    assert!(story.first.contains_key(&(0, BEGIN + 30 * MINUTE)));
    assert!(story.walk.state().unwrap().floor() <= story.now);
    story.run_until(BEGIN + 15 * MINUTE);
    assert_eq!(story.missing(), []);
}

/// Scenario: the API is away for a day, then back.
/// Guarantee: what appeared meanwhile is delivered and no page was made smaller for it.
#[test]
fn an_outage_is_no_reason_for_smaller_pages() {
    let alerts = (0..2_000).map(|n| still(BEGIN + n * 43 * SECOND, BEGIN)).collect();
    let mut story = Story::new(model(alerts), limits(1_000));
    story.run_until(BEGIN + MINUTE);
    for _ in 0..1_440 {
        story.step(Fate::Fail);
        story.now += MINUTE;
    }
    let (calls, rows) = (story.calls, story.rows_fetched);
    story.run_until(BEGIN + 25 * HOUR);
    assert_eq!(story.missing(), []);
    assert_eq!(story.walk.state().unwrap().debts, []);
    assert!(story.rows_fetched - rows < 12_000, "{} rows", story.rows_fetched - rows);
    assert!(story.calls - calls < 150, "{} calls", story.calls - calls);
}

/// Scenario: the server's clock is a day ahead for three minutes, then right again.
/// Guarantee: no row of that time is passed over, and the floor comes back with the clock.
#[test]
fn a_clock_that_was_wrong_costs_no_row() {
    let alerts = (0..120).map(|n| still(BEGIN + n * 10 * SECOND, BEGIN)).collect();
    let mut story = Story::new(model(alerts), limits(1_000));
    story.run_until(BEGIN + 5 * MINUTE);
    story.skew = DAY;
    story.run_until(BEGIN + 8 * MINUTE);
    assert!(story.walk.state().unwrap().floor() > BEGIN + 23 * HOUR);
    story.skew = 0;
    story.step(Fate::Pass);
    story.run_until(BEGIN + 25 * MINUTE);
    assert_eq!(story.missing(), []);
    assert!(story.walk.state().unwrap().floor() <= story.now);
}

/// Scenario: the API heeds no filter, so that every answer is full of other rows.
/// Guarantee: the walk neither ends nor runs wild: the span is owed, as one.
#[test]
fn an_api_that_heeds_no_filter_is_owed() {
    let deaf = Model { deaf: true, ..model((0..200).map(|n| still(BEGIN - 2 * DAY + n * SECOND, BEGIN)).collect()) };
    let mut story = Story::new(deaf, limits(50));
    story.run_until(BEGIN + HOUR);
    let debts = &story.walk.state().unwrap().debts;
    assert_eq!(debts.len(), 1, "{debts:?}");
    assert_eq!(debts[0].reason, Reason::Unfiltered);
    assert!(story.calls < 150, "{} calls", story.calls);
}

/// Guarantee: a damaged journal's span is read again.
#[test]
fn a_lowered_floor_reads_again() {
    let mut story = Story::new(model(backlog(1_000, 0)), limits(1_000));
    story.run_until(BEGIN + 10 * MINUTE);
    story.whole.clear();
    story.walk = Walk::new(story.limits, story.checkpoint.as_deref(), Some(BEGIN - DAY)).unwrap();
    story.next_poll = story.now;
    story.run_until(BEGIN + 20 * MINUTE);
    assert_eq!(story.missing(), []);
    let walk = Walk::new(story.limits, story.checkpoint.as_deref(), Some(i64::MIN)).unwrap();
    assert!(walk.state().unwrap().floor() <= BEGIN - 179 * DAY);
}

/// An alert of a generated history: coarse times make ties.
fn any_alert() -> impl Strategy<Value = Alert> {
    let revision = (1_i64..40, 0_i64..10, prop::bool::weighted(0.1), 0_i64..3);
    (-60_i64..120, prop::collection::vec(revision, 1..4), 0_i64..3).prop_map(|(begin, steps, created)| {
        let (mut time, mut shown) = (BEGIN + begin * MINUTE, i64::MIN);
        let created = Some(time - created * MILLISECOND).filter(|_| begin % 7 != 0);
        let mut revisions = Vec::new();
        for (step, late, ahead, fine) in steps {
            time += (step / 4) * MINUTE + fine * MILLISECOND / 2;
            let from = if ahead { time - 3 * MINUTE } else { time + late * MINUTE };
            shown = shown.max(from).max(BEGIN - HOUR);
            revisions.push((time, shown));
            time += 1;
            shown += SECOND;
        }
        Alert { created, revisions }
    })
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        20 => Just(Fate::Pass),
        3 => Just(Fate::Fail),
        1 => Just(Fate::DieBeforeKeeping),
        1 => Just(Fate::DieAfterKeeping),
    ]
}

fn any_model() -> impl Strategy<Value = Model> {
    let alerts = prop_oneof![prop::collection::vec(any_alert(), 1..150), prop::collection::vec(any_alert(), 1..12)];
    let order = prop_oneof![Just(Order::NewestFirst), Just(Order::OldestFirst), Just(Order::ById)];
    let cap = prop_oneof![Just(10_000_usize), Just(25)];
    let poison = prop::option::weighted(0.3, (any::<prop::sample::Index>(), 1_i64..5, any::<bool>()));
    (alerts, order, cap, any::<bool>(), poison).prop_map(|(alerts, order, cap, export, poison)| {
        let poison = poison.map(|(alert, hours, even_bare)| {
            let alert = alert.index(alerts.len());
            Poison { alert, until: BEGIN + hours * HOUR, even_bare: even_bare || export }
        });
        Model { alerts, order, cap: if export { usize::MAX } else { cap }, export, poison, deaf: false }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Scenario: any history of alerts, any order and hidden cap of the API, failures, and deaths with a restart from
    /// whatever checkpoint was kept. Guarantee: every alert's last revision is delivered, and no call is made in vain
    /// for ever.
    #[test]
    fn nothing_that_stays_visible_is_missed(
        model in any_model(), page_size in 2_u32..40, fates in prop::collection::vec(any_fate(), 0..200)
    ) {
        let limits = if model.export { export_limits(page_size) } else { limits(page_size) };
        let mut story = Story::new(model, limits);
        for fate in fates {
            story.step(fate);
        }
        // The last revision is shown within five hours; sweeps bring what failed until then.
        story.run_until(BEGIN + 13 * HOUR);
        prop_assert_eq!(story.missing(), []);
        prop_assert!(story.calls < 20_000, "{} calls", story.calls);
        prop_assert!(story.walk.state().unwrap().floor() > BEGIN + 12 * HOUR);
        let debts = &story.walk.state().unwrap().debts;
        prop_assert!(story.model.export || debts.is_empty(), "{:?}", debts);
    }

    /// Scenario: a run that reads once, with failures and deaths in it. Guarantee: it ends, and everything that was
    /// visible when it began is delivered.
    #[test]
    fn reading_once_reads_everything_and_ends(
        model in any_model(), page_size in 2_u32..40, fates in prop::collection::vec(any_fate(), 0..100)
    ) {
        let model = Model { poison: None, ..model };
        let limits = if model.export { export_limits(page_size) } else { limits(page_size) };
        let mut story = Story::new(model, Limits { once: true, ..limits });
        let visible: Vec<Seen> = (0..story.model.alerts.len())
            .filter_map(|alert| story.model.shown(alert, BEGIN).map(|time| (alert, time)))
            .collect();
        for fate in fates {
            story.step(fate);
        }
        while !story.done {
            story.step(Fate::Pass);
            prop_assert!(story.calls < 10_000);
        }
        for seen in visible {
            let superseded = story.model.shown(seen.0, story.now) != Some(seen.1);
            prop_assert!(superseded || story.whole.contains_key(&seen), "{:?}", seen);
        }
    }

    /// Guarantee: a checkpoint read back is the state that wrote it; anything else is an error, never a panic.
    #[test]
    fn checkpoints_are_read_back(bytes in prop::collection::vec(any::<u8>(), 0..60), origin in any::<i32>()) {
        let state = State::begin(BEGIN, BEGIN - i64::from(origin));
        prop_assert_eq!(State::read(&state.checkpoint()), Ok(state));
        prop_assert!(State::read(&bytes).is_err());
    }
}
