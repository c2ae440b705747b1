//! The walk over a feed, without any input or output: it plans the next question and takes its answer.
//!
//! Windows of update time wait on two stacks, the newest on top. The first holds what is read as it comes: polls, passes
//! that look back, gaps that a long reading has left. The second holds the sweep, which gets its turn when the first
//! has nothing to do. An answer that is not full finishes its window, and the floor rises over windows that touch it. A
//! full answer proves nothing about its window, which is split.
//!
//! Every row of every answer is handed out. The ledger keeps second sights out.

mod crowd;
mod cut;
mod debt;
mod effort;
#[cfg(test)]
mod model;
mod pace;
mod question;
mod singles;
mod spans;
mod state;
mod sweep;
mod window;

pub(crate) use crate::walk::debt::DebtOf;
pub(crate) use crate::walk::effort::Failure;
pub(crate) use crate::walk::question::{Answer, Ask, Fetched, Limits, Next, WindowAsk};
pub(crate) use crate::walk::state::State;

use crate::feed::Row;
use crate::ticks::{self, MINUTE};
use crate::walk::debt::Reason;
use crate::walk::effort::{Effort, Trouble};
use crate::walk::pace::Pace;
use crate::walk::state::RETENTION;
use crate::walk::window::{Inside, Pass, Progress, Singles, Window};

/// How far a poll reaches below what was read.
const OVERLAP: i64 = MINUTE;
/// How often a pass looks back, in the server's time.
const LOOK_BACK_EVERY: i64 = 5 * MINUTE;
/// An answer with fewer rows than this is not thought to be cut at a limit that nobody told us of.
const LEAST_HIDDEN_LIMIT: u32 = 20;
/// With more debts than this, their milliseconds are no longer set apart in advance.
const DEBTS_SET_APART: usize = 8;

/// Where a walk begins that has no checkpoint.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    /// How far below the server's time.
    back: i64,
    /// And not above this.
    at_most: i64,
}

/// The walk over a feed.
#[derive(Debug)]
pub(crate) struct Walk {
    limits: Limits,
    beginning: Beginning,
    /// `None` before the server's time is known.
    state: Option<State>,
    live: Vec<Window>,
    sweep: Vec<Window>,
    /// Alerts whose evidence is asked for again in this sweep, the last first.
    sweep_alerts: Vec<(String, Trouble)>,
    pace: Pace,
    /// Calls that succeeded.
    succeeded: u64,
    /// Some other window had its turn since the last poll began.
    rested: bool,
    /// The server's time in the first answer of this run.
    first_answer: Option<i64>,
    /// This run has begun a pass that looks back.
    looked_back: bool,
}

impl Walk {
    /// A walk that continues from a checkpoint. See [`crate::Feed::new`].
    pub(crate) fn new(limits: Limits, checkpoint: Option<&[u8]>, reread_from: Option<i64>) -> Result<Self, String> {
        let mut state = checkpoint.map(State::read).transpose()?;
        let mut beginning = Beginning { back: limits.start, at_most: i64::MAX };
        match (reread_from, &mut state) {
            (Some(i64::MIN), Some(state)) => state.read_again_from(state.server_time - RETENTION),
            (Some(i64::MIN), None) => beginning.back = limits.start.max(RETENTION),
            (Some(time), Some(state)) => state.read_again_from(time),
            (Some(time), None) => beginning.at_most = time,
            (None, _) => {}
        }
        let mut walk = Self {
            limits,
            beginning,
            state,
            live: Vec::new(),
            sweep: Vec::new(),
            sweep_alerts: Vec::new(),
            pace: Pace::default(),
            succeeded: 0,
            rested: true,
            first_answer: None,
            looked_back: false,
        };
        walk.resume();
        Ok(walk)
    }

    /// Takes up what the checkpoint has left open.
    fn resume(&mut self) {
        let effort = self.effort();
        let Some(state) = &self.state else { return };
        let gap = |(from, to)| Window::new(from, Some(to), Pass::Live, effort);
        self.live = state.gaps().into_iter().map(gap).collect();
        if let Some(left) = state.sweep {
            self.fill_sweep(left);
        }
    }

    fn effort(&self) -> Effort {
        Effort { top: self.limits.page_size, bare: false }
    }

    /// What is remembered, once the server's time is known.
    pub(crate) fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Begins a poll, where none is under way and the walk is not at its end. Whether it did.
    pub(crate) fn poll(&mut self) -> bool {
        if self.is_done() {
            return false;
        }
        let effort = self.effort();
        let waiting = !self.live.is_empty() || !self.sweep.is_empty() || !self.sweep_alerts.is_empty();
        let polling = self.live.iter().any(|window| window.to.is_none());
        let Some(state) = &mut self.state else { return false };
        if polling || (waiting && !self.rested) {
            return false;
        }
        let looking_back = self.live.iter().any(|window| window.pass == Pass::LookBack);
        let due = state.server_time - state.look_back_at >= LOOK_BACK_EVERY || (self.limits.once && !self.looked_back);
        let (spans, open, pass) = if due && !looking_back {
            let (spans, open) = state.look_back(self.limits.look_back, LOOK_BACK_EVERY);
            self.looked_back = true;
            (spans, open, Pass::LookBack)
        } else {
            (Vec::new(), state.top() - OVERLAP, Pass::Live)
        };
        let (origin, open) = (state.origin, ticks::floor_to_millisecond(open));
        for (from, to) in spans {
            self.live.push(Window::new(from, Some(to), pass, effort));
        }
        self.live.push(Window::new(open.max(origin), None, pass, effort));
        self.rested = false;
        true
    }

    /// What to do next. Asking twice gives the same answer.
    pub(crate) fn next(&mut self) -> Next {
        if self.state.is_none() {
            return Next::Ask(Ask::Clock);
        }
        if self.live.is_empty() && self.sweep.is_empty() && self.sweep_alerts.is_empty() {
            self.begin_sweep_if_due();
        }
        if let Some(ask) = self.ask_window() {
            return Next::Ask(ask);
        }
        if let Some((id, trouble)) = self.sweep_alerts.last() {
            let proof = trouble.wants_proof(self.succeeded);
            return Next::Ask(if proof { Ask::Clock } else { Ask::Alert { id: id.clone() } });
        }
        if self.is_done() { Next::Done } else { Next::Idle }
    }

    fn is_done(&self) -> bool {
        let reached = |state: &State| self.first_answer.is_some_and(|target| state.floor() >= target);
        self.limits.once && self.looked_back && self.state.as_ref().is_some_and(reached)
    }

    /// The stack whose top is asked next.
    fn stack(&mut self) -> &mut Vec<Window> {
        if self.live.is_empty() { &mut self.sweep } else { &mut self.live }
    }

    /// The question of the window on top, after the splits that are known to be needed.
    fn ask_window(&mut self) -> Option<Ask> {
        self.split_in_advance();
        let (succeeded, has_evidence) = (self.succeeded, self.limits.has_evidence);
        let window = self.stack().last_mut()?;
        let trouble = if let Inside::Singles(singles) = &window.inside { singles.trouble } else { window.trouble };
        if trouble.wants_proof(succeeded) {
            return Some(Ask::Clock);
        }
        if let Inside::Singles(singles) = &window.inside
            && let Some(id) = singles.listed[singles.next].alert.clone()
        {
            return Some(Ask::Alert { id });
        }
        Some(Ask::Window(window.ask(has_evidence)))
    }

    fn split_in_advance(&mut self) {
        let pace = self.pace;
        let now = self.state.as_ref().map_or(0, |state| state.server_time);
        let owed = self.owed_milliseconds();
        let stack = self.stack();
        for (time, bare) in owed {
            if let Some(parts) = stack.last().and_then(|window| window.with_apart(time, bare)) {
                stack.pop();
                stack.extend(parts);
            }
        }
        if let Some(parts) = stack.last().and_then(|window| window.paced(&pace, now)) {
            stack.pop();
            stack.extend(parts);
        }
    }

    /// Where calls fail for what is owed, in rising order, if that is in few places; and whether it is evidence. Set
    /// apart, it no longer fails what lies around it.
    fn owed_milliseconds(&self) -> Vec<(i64, bool)> {
        let debts = self.state.iter().flat_map(|state| &state.debts);
        let mut owed: Vec<(i64, bool)> = debts
            .filter_map(|debt| match debt.of {
                DebtOf::Alert { time, .. } => Some((time, true)),
                DebtOf::Span { from, .. } => (debt.reason == Reason::Fails).then_some((from, false)),
            })
            .collect();
        if owed.len() > DEBTS_SET_APART {
            owed.clear();
        }
        owed.sort_unstable();
        owed
    }

    /// Takes the answer to the last question. Returns the rows to hand out.
    pub(crate) fn answered(&mut self, ask: &Ask, answer: Answer) -> Vec<Row> {
        self.succeeded += 1;
        self.observe(answer.server_time);
        match ask {
            Ask::Clock => answer.rows.into_iter().map(|fetched| fetched.row).collect(),
            Ask::Alert { .. } => self.answered_alert(answer.rows),
            Ask::Window(ask) => self.answered_window(*ask, answer),
        }
    }

    fn observe(&mut self, now: i64) {
        self.first_answer.get_or_insert(now);
        if let Some(state) = &mut self.state {
            state.observe(now, self.limits.look_back);
            return;
        }
        let origin = (now - self.beginning.back).min(self.beginning.at_most);
        self.state = Some(State::begin(now, origin));
        // The first reading looks back by itself.
        self.looked_back = true;
    }

    fn answered_window(&mut self, ask: WindowAsk, answer: Answer) -> Vec<Row> {
        let full = self.is_full(ask, &answer);
        let rows: Vec<Row> = answer.rows.iter().map(|fetched| fetched.row.clone()).collect();
        let mut window = self.stack().pop().expect("a question came from the window on top");
        self.rested |= window.to.is_some();
        if !ask.expand && self.limits.has_evidence && !answer.rows.is_empty() {
            let then = Box::new(std::mem::replace(&mut window.inside, Inside::Whole));
            let singles = Singles { listed: answer.rows, next: 0, full, trouble: Trouble::default(), then };
            return self.next_single(window, singles, Vec::new());
        }
        self.went_on(window, &answer.rows, full);
        rows
    }

    /// Whether there may be more rows than the answer shows.
    fn is_full(&mut self, ask: WindowAsk, answer: &Answer) -> bool {
        let rows = u32::try_from(answer.rows.len()).unwrap_or(u32::MAX);
        let largest = self.state.as_ref().map_or(0, |state| state.largest);
        if let Some(state) = &mut self.state {
            state.largest = largest.max(rows);
        }
        answer.more
            || ask.top.is_some_and(|top| rows >= top)
            || rows >= self.limits.cap
            || rows >= largest.max(LEAST_HIDDEN_LIMIT)
    }

    /// Goes on with a window after an answer.
    fn went_on(&mut self, window: Window, rows: &[Fetched], full: bool) {
        self.keep_pace(&window, rows, full);
        let (from, to, pass) = (window.from, window.to, window.pass);
        let progress = window.answered(rows, full, &self.limits);
        self.progressed(progress, from, to, pass);
    }

    /// Learns from an answer how many rows a span holds. A crowded millisecond says nothing about its neighbours.
    fn keep_pace(&mut self, window: &Window, rows: &[Fetched], full: bool) {
        let now = self.state.as_ref().map_or(0, |state| state.server_time);
        let width = window.to.unwrap_or(now) - window.from;
        if width <= ticks::MILLISECOND || !matches!(window.inside, Inside::Whole) {
            return;
        }
        if full {
            self.pace.observe_full(width, rows.len());
        } else {
            self.pace.observe(width, rows.len());
        }
    }

    fn put_back(&mut self, window: Window) {
        let stack = if window.pass == Pass::Sweep { &mut self.sweep } else { &mut self.live };
        stack.push(window);
    }

    fn progressed(&mut self, progress: Progress, from: i64, to: Option<i64>, pass: Pass) {
        let look_back = self.limits.look_back;
        let state = self.state.as_mut().expect("windows are asked for once the server's time is known");
        match progress {
            Progress::Finished => state.finish(from, to, look_back),
            Progress::Owed(reason) => {
                let to = to.unwrap_or(state.server_time).max(from);
                state.owe_span(from, to, reason, look_back);
            }
            Progress::Split(parts) => {
                for part in parts {
                    self.put_back(part);
                }
            }
        }
        if pass == Pass::Sweep {
            self.note_sweep();
        }
    }

    /// Takes a failure of the last question. Returns rows to hand out without their evidence.
    ///
    /// # Errors
    /// The API refuses the question, and it cannot be made smaller.
    pub(crate) fn failed(&mut self, ask: &Ask, failure: Failure) -> Result<Vec<Row>, Unanswerable> {
        match ask {
            Ask::Clock => match failure {
                Failure::Refused => Err(Unanswerable),
                _ => Ok(Vec::new()),
            },
            Ask::Alert { .. } => Ok(self.failed_alert(failure)),
            Ask::Window(_) => self.failed_window(failure).map(|()| Vec::new()),
        }
    }

    fn failed_window(&mut self, failure: Failure) -> Result<(), Unanswerable> {
        let succeeded = self.succeeded;
        let has_evidence = self.limits.has_evidence;
        let now = self.state.as_ref().map_or(0, |state| state.server_time);
        let failing: Vec<_> = self.state.iter().flat_map(State::failing_spans).collect();
        // A window that fails has had its turn too: what is fresh does not wait for it.
        self.rested = true;
        let stack = self.stack();
        let window = stack.last_mut().expect("a question came from the window on top");
        let known =
            failure == Failure::Page && window.pass != Pass::Sweep && failing.contains(&(window.from, window.to));
        if !window.trouble.failed(failure, succeeded) && !known {
            return Ok(());
        }
        if failure == Failure::Refused && window.effort.smaller(has_evidence).is_none() {
            return Err(Unanswerable);
        }
        let window = stack.pop().expect("it is still on top");
        if failure == Failure::Refused {
            // The API will refuse as many rows again.
            self.limits.page_size = window.effort.smaller(false).map_or(self.limits.page_size, |effort| effort.top);
        }
        let (from, to, pass) = (window.from, window.to, window.pass);
        let progress = if known { Progress::Owed(Reason::Fails) } else { window.smaller(has_evidence, now) };
        self.progressed(progress, from, to, pass);
        Ok(())
    }
}

/// The API refuses a question that cannot be made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unanswerable;
