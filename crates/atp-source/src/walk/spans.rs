//! Spans of time that were read to their end.

use serde::{Deserialize, Serialize};

/// How far something has come: everything below the floor, and spans above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    floor: i64,
    above: Spans,
}

impl Reach {
    /// Nothing but what lies below `floor`.
    pub(crate) fn new(floor: i64) -> Self {
        Self { floor, above: Spans::default() }
    }

    /// Everything below this is covered.
    pub(crate) fn floor(&self) -> i64 {
        self.floor
    }

    /// The end of what is covered, gaps or not. It is the floor where there are no gaps.
    pub(crate) fn top(&self) -> i64 {
        self.above.end().unwrap_or(self.floor)
    }

    /// What lies between `from` and the top and is not covered, in rising order.
    pub(crate) fn gaps(&self, from: i64) -> Vec<(i64, i64)> {
        self.above.gaps(from.max(self.floor))
    }

    /// Covers a span.
    pub(crate) fn cover(&mut self, from: i64, to: i64) {
        self.above.insert(from, to);
        self.floor = self.above.raise(self.floor);
    }

    /// Takes back everything from `ceiling` on.
    pub(crate) fn lower(&mut self, ceiling: i64) {
        self.above.cut(ceiling);
        self.floor = self.floor.min(ceiling);
    }
}

/// Disjoint closed-open spans in rising order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Spans(Vec<(i64, i64)>);

impl Spans {
    /// Adds a span, joining what it touches. An empty span adds nothing.
    fn insert(&mut self, from: i64, to: i64) {
        if from >= to {
            return;
        }
        let first = self.0.partition_point(|span| span.1 < from);
        let last = self.0.partition_point(|span| span.0 <= to);
        let joined = self.0[first..last].iter().fold((from, to), |all, span| (all.0.min(span.0), all.1.max(span.1)));
        self.0.splice(first..last, [joined]);
    }

    /// Where a reader that has read everything below `floor` stands with these spans; spans below it are forgotten.
    fn raise(&mut self, mut floor: i64) -> i64 {
        self.0.retain(|&(from, to)| {
            let reached = from <= floor;
            if reached {
                floor = floor.max(to);
            }
            !reached
        });
        floor
    }

    /// The end of the last span.
    fn end(&self) -> Option<i64> {
        self.0.last().map(|span| span.1)
    }

    /// What lies between `floor` and the last span and belongs to none, in rising order.
    fn gaps(&self, floor: i64) -> Vec<(i64, i64)> {
        let mut from = floor;
        let mut gaps = Vec::new();
        for span in &self.0 {
            if from < span.0 {
                gaps.push((from, span.0));
            }
            from = from.max(span.1);
        }
        gaps
    }

    /// Forgets what lies at or above `ceiling`.
    fn cut(&mut self, ceiling: i64) {
        self.0.retain(|span| span.0 < ceiling);
        if let Some(last) = self.0.last_mut() {
            last.1 = last.1.min(ceiling);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Guarantee: spans say of every instant what a plain table says, and the floor rises only over what was read.
        #[test]
        fn spans_agree_with_a_table(inserted in prop::collection::vec((0_i64..60, 0_i64..20), 0..20), floor in 0_i64..60) {
            let mut spans = Spans::default();
            let mut table = [false; 100];
            for (from, width) in inserted {
                spans.insert(from, from + width);
                for at in from..from + width {
                    table[usize::try_from(at).unwrap()] = true;
                }
            }
            let mut expected = floor;
            while table[usize::try_from(expected).unwrap()] {
                expected += 1;
            }
            let gaps = spans.gaps(floor);
            for at in floor..spans.end().unwrap_or(floor) {
                let in_gap = gaps.iter().any(|gap| gap.0 <= at && at < gap.1);
                prop_assert_eq!(in_gap, !table[usize::try_from(at).unwrap()]);
            }
            prop_assert_eq!(spans.raise(floor), expected);
            prop_assert!(spans.0.windows(2).all(|pair| pair[0].1 < pair[1].0));
            prop_assert!(spans.0.iter().all(|span| span.0 > expected));
        }
    }
}
