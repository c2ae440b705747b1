//! A span of update times that is being read.

use crate::ticks::{self, MILLISECOND};
use crate::walk::crowd::{self, Crowd};
use crate::walk::cut::{Cut, cut};
use crate::walk::debt::Reason;
use crate::walk::effort::{Effort, Trouble};
use crate::walk::pace::Pace;
use crate::walk::{Fetched, Limits, WindowAsk};

/// A span of update times that is being read, in the walk's order: each belongs to a pass.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) from: i64,
    /// `None` where it is open towards the future.
    pub(crate) to: Option<i64>,
    pub(crate) pass: Pass,
    pub(crate) effort: Effort,
    pub(crate) trouble: Trouble,
    pub(crate) inside: Inside,
}

/// What a window belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Live,
    LookBack,
    Sweep,
}

/// How far a window has come.
#[derive(Clone, Debug)]
pub(crate) enum Inside {
    /// One millisecond that one answer could not hold, told apart by creation time.
    Crowd(Crowd),
    /// Rows that came without evidence, which is being fetched for each.
    Singles(Singles),
    /// One millisecond that one answer could not hold, asked for without a limit.
    Unlimited,
    /// Nothing was read yet.
    Whole,
}

/// Rows that came without evidence.
#[derive(Clone, Debug)]
pub(crate) struct Singles {
    /// All of them, sorted.
    pub(crate) listed: Vec<Fetched>,
    /// The next to fetch.
    pub(crate) next: usize,
    /// The listing was a full answer.
    pub(crate) full: bool,
    pub(crate) trouble: Trouble,
    /// What the window goes on with afterwards.
    pub(crate) then: Box<Inside>,
}

/// What became of a window.
#[derive(Debug)]
pub(crate) enum Progress {
    /// It was read to its end.
    Finished,
    /// It cannot be read to its end.
    Owed(Reason),
    /// It goes on as these, the last first.
    Split(Vec<Window>),
}

impl Window {
    pub(crate) fn new(from: i64, to: Option<i64>, pass: Pass, effort: Effort) -> Self {
        Self { from, to, pass, effort, trouble: Trouble::default(), inside: Inside::Whole }
    }

    /// A part of this window.
    fn part(&self, from: i64, to: Option<i64>, effort: Effort) -> Self {
        Self::new(from, to, self.pass, effort)
    }

    /// A window one millisecond wide cannot be split by update time.
    fn is_single(&self) -> bool {
        self.to.is_some_and(|to| to - self.from <= MILLISECOND)
    }

    /// The window in two, where that is known to be needed before anything is asked.
    /// `now` is the server's time.
    pub(crate) fn paced(&self, pace: &Pace, now: i64) -> Option<[Self; 2]> {
        if !matches!(self.inside, Inside::Whole) {
            return None;
        }
        let end = ticks::floor_to_millisecond(self.to.unwrap_or(now));
        let at = pace.cut(Some(self.from), end, self.effort.top)?;
        Some([self.part(self.from, Some(at), self.effort), self.part(at, self.to, self.effort)])
    }

    /// The window in up to three, with the millisecond of `time` alone, where something is owed: asked for without
    /// evidence where it is that.
    pub(crate) fn with_apart(&self, time: i64, bare: bool) -> Option<Vec<Self>> {
        let ms = time - time.rem_euclid(MILLISECOND);
        let inside = self.from <= time && self.to.is_none_or(|to| time < to);
        if !inside || self.is_single() || self.effort.bare || !matches!(self.inside, Inside::Whole) {
            return None;
        }
        let effort = if bare { Effort::bare() } else { self.effort };
        let mut parts = vec![self.part(ms, Some(ms + MILLISECOND), effort)];
        if self.from < ms {
            parts.insert(0, self.part(self.from, Some(ms), self.effort));
        }
        if self.to.is_none_or(|to| ms + MILLISECOND < to) {
            parts.push(self.part(ms + MILLISECOND, self.to, self.effort));
        }
        Some(parts)
    }

    /// What to ask next.
    pub(crate) fn ask(&mut self, has_evidence: bool) -> WindowAsk {
        let top = self.effort.top;
        let cell = match &mut self.inside {
            Inside::Crowd(crowd) => Some(crowd.ask(top)),
            Inside::Singles(_) | Inside::Unlimited | Inside::Whole => None,
        };
        WindowAsk {
            from: self.from,
            to: self.to,
            created_from: cell.and_then(|cell| cell.from),
            created_to: cell.and_then(|cell| cell.to),
            skip: cell.map_or(0, |cell| cell.skip),
            top: (!matches!(self.inside, Inside::Unlimited)).then_some(top),
            expand: has_evidence && !self.effort.bare,
        }
    }

    /// Takes the answer, all of whose rows are handed out already.
    pub(crate) fn answered(mut self, rows: &[Fetched], full: bool, limits: &Limits) -> Progress {
        self.trouble = Trouble::default();
        match &mut self.inside {
            Inside::Crowd(crowd) => match crowd.answered(rows, full) {
                crowd::Step::Finished => Progress::Finished,
                crowd::Step::More => Progress::Split(vec![self]),
                crowd::Step::Stuck(reason) => Progress::Owed(reason),
            },
            Inside::Unlimited if full => Progress::Owed(Reason::Crowded),
            Inside::Unlimited => Progress::Finished,
            Inside::Singles(_) | Inside::Whole if !full => Progress::Finished,
            Inside::Singles(_) | Inside::Whole => self.overfull(rows, limits),
        }
    }

    /// Splits the window, whose answer was full.
    fn overfull(mut self, rows: &[Fetched], limits: &Limits) -> Progress {
        let times = || rows.iter().map(|row| row.row.time);
        if limits.keeps_newest && times().any(|time| time < self.from) {
            // Its windows overlap downwards, and what is cut off an answer is the oldest: all of this window came.
            let inside = times().any(|time| time >= self.from);
            if !inside || self.is_single() {
                return Progress::Finished;
            }
        }
        if self.is_single() {
            self.inside = if limits.filters_created { Inside::Crowd(Crowd::new(rows)) } else { Inside::Unlimited };
            return Progress::Split(vec![self]);
        }
        let larger = self.effort.larger(limits.page_size);
        match cut(Some(self.from), self.to, times()) {
            Cut::At(at) => {
                let older = self.part(self.from, Some(at), larger);
                Progress::Split(vec![older, self.part(at, self.to, self.effort)])
            }
            Cut::Apart(at) => {
                let after = at + MILLISECOND;
                let crowded = self.part(at, Some(after), self.effort);
                Progress::Split(vec![crowded, self.part(after, self.to, self.effort)])
            }
            Cut::Nowhere => Progress::Owed(Reason::Unfiltered),
        }
    }

    /// The window after a failure that calls for a smaller page. `now` is the server's time.
    pub(crate) fn smaller(mut self, has_evidence: bool, now: i64) -> Progress {
        if let Some(effort) = self.effort.smaller(has_evidence) {
            return Progress::Split(vec![self.part(self.from, self.to, effort)]);
        }
        if self.is_single() {
            return Progress::Owed(Reason::Fails);
        }
        // Nothing is known of its rows: half of the time it spans is as good as any.
        let middle = self.to.map_or(now, |to| self.from + (to - self.from) / 2);
        let at = middle - middle.rem_euclid(MILLISECOND);
        if at <= self.from {
            self.trouble = Trouble::default();
            return Progress::Split(vec![self]);
        }
        Progress::Split(vec![self.part(self.from, Some(at), self.effort), self.part(at, self.to, self.effort)])
    }
}
