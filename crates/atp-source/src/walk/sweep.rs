//! The sweep: a day is read again, and what is owed is asked for again.

use crate::ticks::{self, DAY, HOUR};
use crate::walk::effort::Trouble;
use crate::walk::window::{Pass, Window};
use crate::walk::{DebtOf, Walk};

/// How often a sweep is made, in the server's time.
const SWEEP_EVERY: i64 = 6 * HOUR;
/// What a sweep covers.
const SWEEP_COVERS: i64 = DAY;

impl Walk {
    pub(super) fn begin_sweep_if_due(&mut self) {
        let Some(state) = &mut self.state else { return };
        if state.server_time - state.sweep_at < SWEEP_EVERY {
            return;
        }
        state.forgive();
        state.sweep_at = state.server_time;
        let from = ticks::floor_to_millisecond(state.server_time - SWEEP_COVERS).max(state.origin);
        let span = (from, state.floor());
        state.sweep = Some(span);
        self.fill_sweep(span);
    }

    pub(super) fn fill_sweep(&mut self, (from, to): (i64, i64)) {
        let effort = self.effort();
        let Some(state) = &self.state else { return };
        for debt in &state.debts {
            match &debt.of {
                DebtOf::Alert { id, .. } => self.sweep_alerts.push((id.clone(), Trouble::default())),
                DebtOf::Span { from, to } => {
                    self.sweep.push(Window::new(*from, Some(*to), Pass::Sweep, effort));
                }
            }
        }
        if from < to {
            self.sweep.push(Window::new(from, Some(to), Pass::Sweep, effort));
        }
        self.note_sweep();
    }

    /// Notes what is left of the sweep.
    pub(super) fn note_sweep(&mut self) {
        let Some(state) = &mut self.state else { return };
        let Some((from, to)) = state.sweep else { return };
        if self.sweep.is_empty() && self.sweep_alerts.is_empty() {
            state.sweep = None;
        } else {
            let left = self.sweep.iter().filter_map(|window| window.to).max().unwrap_or(from);
            state.sweep = Some((from, left.clamp(from, to.max(from))));
        }
    }
}
