//! What a walk remembers: the checkpoint.

use serde::{Deserialize, Serialize};

use crate::ticks::{self, DAY, MINUTE};
use crate::walk::debt::{Debt, DebtOf, Reason};
use crate::walk::spans::Reach;

/// The format of the checkpoint.
const VERSION: u32 = 1;

/// How far the server's time may fall behind the floor before its clock counts as set back.
const CLOCK_TOLERANCE: i64 = 10 * MINUTE;

/// How long these APIs keep an alert: what is older cannot be had any more.
pub(crate) const RETENTION: i64 = 180 * DAY;

/// What a walk remembers. All times are .NET ticks of the server's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
    /// The walk never asks below this.
    pub(crate) origin: i64,
    /// What was read.
    read: Reach,
    /// What was read at least the look-back after its update time, so that hardly anything can still appear in it.
    settled: Reach,
    /// When the last pass that looks back began.
    pub(crate) look_back_at: i64,
    /// When the last sweep began.
    pub(crate) sweep_at: i64,
    /// What is left of the sweep under way.
    pub(crate) sweep: Option<(i64, i64)>,
    /// What the API shows but will not give.
    pub(crate) debts: Vec<Debt>,
    /// The most rows that one answer has brought: an answer as large may have been cut there.
    pub(crate) largest: u32,
    /// The server's time in the last answer.
    pub(crate) server_time: i64,
}

impl State {
    /// The state of a feed that begins to be read at `now`, from `origin` on.
    pub(crate) fn begin(now: i64, origin: i64) -> Self {
        let origin = ticks::floor_to_millisecond(origin);
        Self {
            version: VERSION,
            origin,
            read: Reach::new(origin),
            settled: Reach::new(origin),
            look_back_at: now,
            sweep_at: now,
            sweep: None,
            debts: Vec::new(),
            largest: 0,
            server_time: now,
        }
    }

    /// Reads a checkpoint.
    pub(crate) fn read(checkpoint: &[u8]) -> Result<Self, String> {
        let state: Self = serde_json::from_slice(checkpoint).map_err(|error| error.to_string())?;
        if state.version != VERSION {
            return Err(format!("it has format {} and this program reads format {VERSION}", state.version));
        }
        Ok(state)
    }

    /// The checkpoint.
    pub(crate) fn checkpoint(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a state holds only numbers, lists and text")
    }

    /// The update time below which everything was read.
    pub(crate) fn floor(&self) -> i64 {
        self.read.floor()
    }

    /// The end of what was read, gaps or not. It is the floor where there are no gaps.
    pub(crate) fn top(&self) -> i64 {
        self.read.top()
    }

    /// What lies between the floor and the top and was not read.
    pub(crate) fn gaps(&self) -> Vec<(i64, i64)> {
        self.read.gaps(self.origin)
    }

    /// Begins a pass that looks back. Returns its bounded spans and where the open one begins.
    ///
    /// It reaches the look-back below the top, and further down to whatever was read too early, as after an outage.
    /// What was not read at all is left to those who read it.
    pub(crate) fn look_back(&mut self, look_back: i64, every: i64) -> (Vec<(i64, i64)>, i64) {
        self.look_back_at = self.server_time;
        let usual = self.top() - look_back;
        let last_gap = self.gaps().last().map_or(self.origin, |gap| gap.1);
        let lowest = usual.min(self.settled.floor() + every).max(last_gap);
        let mut spans = self.settled.gaps(lowest);
        spans.retain(|span| span.0 < usual);
        let open = self.settled.top().min(usual).max(lowest);
        if last_gap <= self.settled.floor() + every {
            self.settled.cover(self.settled.floor(), lowest);
        }
        (spans, ticks::floor_to_millisecond(open))
    }

    /// Takes note of the server's time. A clock that was set back far takes the floor with it.
    pub(crate) fn observe(&mut self, server_time: i64, look_back: i64) {
        self.server_time = server_time;
        if server_time < self.top() - CLOCK_TOLERANCE {
            let again = ticks::floor_to_millisecond(server_time - look_back).max(self.origin);
            self.read.lower(again);
            self.settled.lower(again);
            self.look_back_at = self.look_back_at.min(server_time);
            self.sweep_at = self.sweep_at.min(server_time);
        }
    }

    /// A window was read to its end: up to `to`, or to whatever there is. Nothing rises past the server's time.
    pub(crate) fn finish(&mut self, from: i64, to: Option<i64>, look_back: i64) {
        let to = to.unwrap_or(i64::MAX);
        self.debts.retain(|debt| !matches!(debt.of, DebtOf::Span { from: f, to: t } if from <= f && t <= to));
        self.pass_over(from, to, look_back);
    }

    /// A window cannot be read to its end: it is owed, and the floor passes over it.
    pub(crate) fn owe_span(&mut self, from: i64, to: i64, reason: Reason, look_back: i64) {
        self.owe(DebtOf::Span { from, to }, reason);
        self.pass_over(from, to, look_back);
    }

    fn pass_over(&mut self, from: i64, to: i64, look_back: i64) {
        self.read.cover(from, to.min(self.server_time));
        self.settled.cover(from, to.min(self.server_time - look_back));
    }

    /// Keeps a debt, once for each thing that is owed.
    pub(crate) fn owe(&mut self, of: DebtOf, reason: Reason) {
        if !self.debts.iter_mut().any(|debt| debt.absorb(&of, reason)) {
            self.debts.push(Debt { of, reason, since: self.server_time });
        }
    }

    /// The evidence of an alert was had after all, or the alert is gone.
    pub(crate) fn pay_alert(&mut self, paid: &str) {
        self.debts.retain(|debt| !matches!(&debt.of, DebtOf::Alert { id, .. } if id == paid));
    }

    /// The spans that fail whenever they are asked for, as windows have them.
    pub(crate) fn failing_spans(&self) -> impl Iterator<Item = (i64, Option<i64>)> {
        self.debts.iter().filter_map(|debt| match debt.of {
            DebtOf::Span { from, to } if debt.reason == Reason::Fails => Some((from, Some(to))),
            _ => None,
        })
    }

    /// Forgets debts that are older than anything the API keeps.
    pub(crate) fn forgive(&mut self) {
        let oldest = self.server_time - RETENTION;
        self.debts.retain(|debt| match debt.of {
            DebtOf::Alert { time, .. } => time >= oldest,
            DebtOf::Span { to, .. } => to >= oldest,
        });
    }

    /// Everything from `time` on is to be read again.
    pub(crate) fn read_again_from(&mut self, time: i64) {
        let time = ticks::floor_to_millisecond(time);
        self.origin = self.origin.min(time);
        self.read.lower(time);
        self.settled.lower(time);
    }
}
