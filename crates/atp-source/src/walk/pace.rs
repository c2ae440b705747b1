//! How wide a window may be to fit into one answer.

use crate::ticks::MILLISECOND;

/// The share of a full answer that a window is cut to.
const TARGET: f64 = 0.75;
/// An estimate falls at most by this factor at a time: one quiet window says little about the next.
const STEADINESS: f64 = 8.0;

/// Rows per tick, as the last windows had them. It only shapes the next questions: a wrong one costs calls, not rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    rows_per_tick: Option<f64>,
    last_was_empty: bool,
}

impl Pace {
    /// A window of this width held this many rows.
    pub(crate) fn observe(&mut self, width: i64, rows: usize) {
        self.last_was_empty = rows == 0;
        let seen = rate(width, rows);
        self.rows_per_tick = match self.rows_per_tick {
            Some(before) => Some(seen.max(before / STEADINESS)),
            None if rows == 0 => None,
            None => Some(seen),
        };
    }

    /// A window of this width held at least this many rows.
    pub(crate) fn observe_full(&mut self, width: i64, rows: usize) {
        self.last_was_empty = false;
        self.rows_per_tick = self.rows_per_tick.map(|before| before.max(rate(width, rows)));
    }

    /// Where to cut a window that ends at `to` so that its newer part fits into an answer of `top` rows.
    /// `None` where it may fit whole, or where nothing is known.
    pub(crate) fn cut(&self, from: Option<i64>, to: i64, top: u32) -> Option<i64> {
        let rows_per_tick = self.rows_per_tick.filter(|rate| *rate > 0.0)?;
        let top = f64::from(top);
        let fits = match from {
            Some(from) => rate_width(to - from) * rows_per_tick <= top,
            None => self.last_was_empty,
        };
        if fits {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a saturated width only asks for more at once")]
        let width = (TARGET * top / rows_per_tick) as i64;
        let width = (width - width.rem_euclid(MILLISECOND)).max(MILLISECOND);
        let at = to.checked_sub(width)?;
        from.is_none_or(|from| from < at).then_some(at)
    }
}

fn rate(width: i64, rows: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let rows = rows as f64;
    rows / rate_width(width.max(MILLISECOND))
}

fn rate_width(width: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let width = width as f64;
    width
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticks::SECOND;

    #[test]
    fn a_window_that_cannot_fit_is_cut_to_three_quarters() {
        let mut pace = Pace::default();
        assert_eq!(pace.cut(Some(0), 1_000 * SECOND, 100), None, "nothing is known yet");
        pace.observe(100 * SECOND, 100);
        assert_eq!(pace.cut(Some(0), 1_000 * SECOND, 100), Some(925 * SECOND));
        assert_eq!(pace.cut(Some(0), 100 * SECOND, 100), None, "it fits");
    }

    #[test]
    fn one_empty_window_widens_the_next_but_not_without_bound() {
        let mut pace = Pace::default();
        pace.observe(100 * SECOND, 80);
        pace.observe(100 * SECOND, 0);
        assert_eq!(pace.cut(Some(0), 10_000 * SECOND, 80), Some(9_400 * SECOND));
        assert_eq!(pace.cut(None, 10_000 * SECOND, 80), None, "an open past is asked whole once a piece was empty");
    }
}
