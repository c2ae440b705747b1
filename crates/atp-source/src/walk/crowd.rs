//! One millisecond that holds more rows than one answer.

use crate::ticks::{self, MILLISECOND};
use crate::walk::Fetched;
use crate::walk::cut::{Cut, cut};
use crate::walk::debt::Reason;
use crate::walk::pace::Pace;

/// How many passes with `$skip` are made over rows that nothing tells apart before they are owed.
const PASSES: u32 = 6;

/// One millisecond of update time, told apart by creation time: cells, the newest asked first.
///
/// Only a cell of one millisecond of creation time is paged with `$skip`, and at the end the whole: no filter on the
/// creation time finds rows that have none. Rows leave a cell when they are updated, and those behind them move up
/// unseen, so a cell is read once two passes in a row have brought the same rows.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    cells: Vec<Cell>,
    pace: Pace,
}

#[derive(Clone, Debug)]
struct Cell {
    from: Option<i64>,
    to: Option<i64>,
    paging: Option<Paging>,
}

/// Passes with `$skip` over one cell.
#[derive(Clone, Debug, Default)]
struct Paging {
    skip: u32,
    this: Sum,
    before: Option<Sum>,
    last_page: Sum,
    passes: u32,
}

/// Which rows were seen, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    digests: u128,
}

/// What is asked next within the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellAsk {
    /// From this creation time on.
    pub(crate) from: Option<i64>,
    /// Below this creation time.
    pub(crate) to: Option<i64>,
    /// Past this many rows.
    pub(crate) skip: u32,
}

/// What an answer did to the crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Everything was read.
    Finished,
    /// There is more to ask.
    More,
    /// It cannot be read to its end.
    Stuck(Reason),
}

impl Crowd {
    /// A crowd, given the full answer that showed it.
    pub(crate) fn new(rows: &[Fetched]) -> Self {
        let whole = |paging| Cell { from: None, to: None, paging };
        let mut crowd = Self { cells: vec![whole(Some(Paging::default()))], pace: Pace::default() };
        if rows.iter().all(|row| row.created.is_some()) {
            crowd.cells.push(whole(None));
            crowd.split(rows);
        }
        crowd
    }

    /// What to ask next, in answers of at most `top` rows.
    pub(crate) fn ask(&mut self, top: u32) -> CellAsk {
        let cell = self.cells.last().expect("a crowd without cells is finished");
        if cell.paging.is_none()
            && let Some(to) = cell.to
            && let Some(at) = self.pace.cut(cell.from, to, top)
        {
            let older = Cell { from: cell.from, to: Some(at), paging: None };
            let newer = Cell { from: Some(at), to: Some(to), paging: None };
            self.cells.pop();
            self.cells.extend([older, newer]);
        }
        let cell = self.cells.last().expect("a crowd without cells is finished");
        let skip = cell.paging.as_ref().map_or(0, |paging| paging.skip);
        CellAsk { from: cell.from, to: cell.to, skip }
    }

    /// Takes the answer to the last question.
    pub(crate) fn answered(&mut self, rows: &[Fetched], full: bool) -> Step {
        let cell = self.cells.last_mut().expect("a question came from a cell");
        if let Some(paging) = &mut cell.paging {
            match paging.answered(rows, full) {
                Step::Finished => drop(self.cells.pop()),
                other => return other,
            }
        } else if full {
            self.pace.observe_full(width(cell, rows), rows.len());
            self.split(rows);
        } else {
            self.pace.observe(width(cell, rows), rows.len());
            self.cells.pop();
        }
        if self.cells.is_empty() { Step::Finished } else { Step::More }
    }

    /// Splits the cell on top, which one answer could not hold.
    fn split(&mut self, rows: &[Fetched]) {
        let mut cell = self.cells.pop().expect("a cell is split while it is on top");
        let single = cell.from.zip(cell.to).is_some_and(|(from, to)| to - from <= MILLISECOND);
        let cut =
            if single { Cut::Nowhere } else { cut(cell.from, cell.to, rows.iter().filter_map(|row| row.created)) };
        let part = |from, to| Cell { from, to, paging: None };
        match cut {
            Cut::At(at) => self.cells.extend([part(cell.from, Some(at)), part(Some(at), cell.to)]),
            Cut::Apart(at) => {
                let after = at + MILLISECOND;
                self.cells.extend([part(Some(at), Some(after)), part(Some(after), cell.to)]);
            }
            Cut::Nowhere => {
                cell.paging = Some(Paging::default());
                self.cells.push(cell);
            }
        }
    }
}

impl Paging {
    fn answered(&mut self, rows: &[Fetched], full: bool) -> Step {
        let page = Sum::of(rows);
        if full && page == self.last_page {
            return Step::Stuck(Reason::SkipUnheeded);
        }
        self.this.add(page);
        if full {
            self.last_page = page;
            self.skip = self.skip.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            return Step::More;
        }
        if self.before == Some(self.this) {
            return Step::Finished;
        }
        let passes = self.passes + 1;
        *self = Self { before: Some(self.this), passes, ..Self::default() };
        if passes < PASSES { Step::More } else { Step::Stuck(Reason::Changing) }
    }
}

impl Sum {
    fn of(rows: &[Fetched]) -> Self {
        let mut sum = Self::default();
        for fetched in rows {
            // The time is part of the digest.
            sum.add(Self { rows: 1, digests: u128::from_be_bytes(fetched.row.id) });
        }
        sum
    }

    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.digests = self.digests.wrapping_add(other.digests);
    }
}

/// How wide a cell is, as far as its rows say.
fn width(cell: &Cell, rows: &[Fetched]) -> i64 {
    let created = || rows.iter().filter_map(|row| row.created);
    let from = cell.from.or_else(|| created().min()).unwrap_or_default();
    let to = cell.to.or_else(|| created().max().map(|time| time + 1)).unwrap_or(from);
    ticks::floor_to_millisecond(to - from)
}
