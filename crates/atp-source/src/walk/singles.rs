//! Alerts fetched one by one: those that were listed without evidence, and those whose evidence is owed.

use crate::feed::Row;
use crate::walk::debt::Reason;
use crate::walk::effort::{Failure, Trouble};
use crate::walk::window::{Inside, Singles, Window};
use crate::walk::{DebtOf, Fetched, Walk};

impl Walk {
    /// Hands out listed rows up to the next whose evidence is to be fetched; without one the window goes on.
    pub(super) fn next_single(&mut self, mut window: Window, mut singles: Singles, mut rows: Vec<Row>) -> Vec<Row> {
        while let Some(fetched) = singles.listed.get(singles.next) {
            if fetched.alert.is_some() && !self.is_owed(fetched) {
                window.inside = Inside::Singles(singles);
                self.put_back(window);
                return rows;
            }
            rows.push(fetched.row.clone());
            singles.next += 1;
        }
        let full = singles.full;
        window.inside = *singles.then;
        self.went_on(window, &singles.listed, full);
        rows
    }

    /// The evidence of this revision is known not to be had: it is asked for again by the sweep alone.
    fn is_owed(&self, fetched: &Fetched) -> bool {
        self.state.iter().flat_map(|state| &state.debts).any(|debt| match &debt.of {
            DebtOf::Alert { id, time } => *time == fetched.row.time && fetched.alert.as_ref() == Some(id),
            DebtOf::Span { .. } => false,
        })
    }

    fn pop_singles(&mut self) -> Option<(Window, Singles)> {
        let stack = self.stack();
        if !matches!(stack.last()?.inside, Inside::Singles(_)) {
            return None;
        }
        let mut window = stack.pop()?;
        match std::mem::replace(&mut window.inside, Inside::Whole) {
            Inside::Singles(singles) => Some((window, singles)),
            _ => None,
        }
    }

    /// An alert came alone, or the API said that it is gone.
    pub(super) fn answered_alert(&mut self, whole: Vec<Fetched>) -> Vec<Row> {
        let mut rows: Vec<Row> = whole.into_iter().map(|fetched| fetched.row).collect();
        self.rested = true;
        let Some((window, mut singles)) = self.pop_singles() else {
            if let (Some((id, _)), Some(state)) = (self.sweep_alerts.pop(), &mut self.state) {
                state.pay_alert(&id);
            }
            self.note_sweep();
            return rows;
        };
        let listed = &singles.listed[singles.next];
        // The alert may have changed since it was listed: then the listed revision is one that only we have seen.
        if !rows.iter().any(|row| row.time == listed.row.time) {
            rows.insert(0, listed.row.clone());
        }
        singles.next += 1;
        singles.trouble = Trouble::default();
        self.next_single(window, singles, rows)
    }

    pub(super) fn failed_alert(&mut self, failure: Failure) -> Vec<Row> {
        let succeeded = self.succeeded;
        let Some((mut window, mut singles)) = self.pop_singles() else {
            let given_up = self.sweep_alerts.last_mut().is_some_and(|(_, trouble)| trouble.failed(failure, succeeded));
            if given_up {
                self.sweep_alerts.pop();
                self.note_sweep();
            }
            return Vec::new();
        };
        if !singles.trouble.failed(failure, succeeded) {
            window.inside = Inside::Singles(singles);
            self.put_back(window);
            return Vec::new();
        }
        let listed = &singles.listed[singles.next];
        let of = DebtOf::Alert { id: listed.alert.clone().unwrap_or_default(), time: listed.row.time };
        let rows = vec![listed.row.clone()];
        if let Some(state) = &mut self.state {
            state.owe(of, Reason::Fails);
        }
        singles.next += 1;
        singles.trouble = Trouble::default();
        self.next_single(window, singles, rows)
    }
}
