//! Where a window that one answer could not hold is split.

use crate::ticks;

/// Where a window is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Into what lies below this time and what lies from it on.
    At(i64),
    /// Half of its rows share its first millisecond, this one: it is set apart.
    Apart(i64),
    /// None of its rows lies inside it.
    Nowhere,
}

/// Splits the window from `from` up to `to` at the median of its rows' times. Bounds are whole milliseconds.
pub(crate) fn cut(from: Option<i64>, to: Option<i64>, times: impl Iterator<Item = i64>) -> Cut {
    let inside = |time: &i64| from.is_none_or(|from| *time >= from) && to.is_none_or(|to| *time < to);
    let mut times: Vec<i64> = times.filter(inside).collect();
    if times.is_empty() {
        return Cut::Nowhere;
    }
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = ticks::floor_to_millisecond(*median);
    if from == Some(median) { Cut::Apart(median) } else { Cut::At(median) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ticks::MILLISECOND;

    const fn ms(count: i64) -> i64 {
        count * MILLISECOND
    }

    #[test]
    fn a_window_is_split_at_the_median_of_the_rows_inside_it() {
        let rows = [ms(1), ms(50), ms(60) + 7, ms(70), ms(900)];
        assert_eq!(cut(Some(ms(10)), Some(ms(100)), rows.into_iter()), Cut::At(ms(60)));
        assert_eq!(cut(Some(ms(10)), None, rows.into_iter()), Cut::At(ms(70)));
        assert_eq!(cut(Some(ms(901)), None, rows.into_iter()), Cut::Nowhere);
    }

    #[test]
    fn a_crowded_first_millisecond_is_set_apart() {
        let rows = [ms(10), ms(10) + 5, ms(10) + 9, ms(20)];
        assert_eq!(cut(Some(ms(10)), None, rows.into_iter()), Cut::Apart(ms(10)));
        assert_eq!(cut(None, None, rows.into_iter()), Cut::At(ms(10)));
    }

    proptest! {
        /// Guarantee: both parts are smaller than the window, so that splitting ends.
        #[test]
        fn splitting_makes_progress(
            from in 0_i64..100, width in 2_i64..100, rows in prop::collection::vec(0_i64..2_000_000, 1..30)
        ) {
            let (from, to) = (ms(from), ms(from + width));
            match cut(Some(from), Some(to), rows.into_iter()) {
                Cut::At(at) => prop_assert!(from < at && at < to && at % MILLISECOND == 0),
                Cut::Apart(at) => prop_assert!(at == from && at + MILLISECOND < to),
                Cut::Nowhere => {}
            }
        }
    }
}
