//! How a page that keeps failing is made smaller.

/// Failures in a row before a page may be made smaller.
const PATIENCE: u32 = 3;
/// The smallest page with evidence, and the largest without, whose rows are then fetched one by one.
const FEW: u32 = 16;
/// By how much a page is made smaller at a time.
const SHRINK: u32 = 8;
/// By how much the older part of a page that was had is tried larger again.
const GROW: u32 = 4;

/// Why a call brought no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing that the page had to do with: token, quota, connection.
    Elsewhere,
    /// A server error, a time-out, a cut or nonsense body: perhaps the page, perhaps the server.
    Page,
    /// The API refused the question itself (400).
    Refused,
    /// The answer passed our limits.
    TooLarge,
}

/// How much is asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    /// Rows.
    pub(crate) top: u32,
    /// Without evidence, which is then fetched row by row.
    pub(crate) bare: bool,
}

impl Effort {
    /// The next smaller one, if any. Only what has evidence can do without.
    pub(crate) fn smaller(self, has_evidence: bool) -> Option<Self> {
        if self.top > FEW {
            Some(Self { top: (self.top / SHRINK).max(FEW), ..self })
        } else if has_evidence && !self.bare {
            Some(Self::bare())
        } else {
            None
        }
    }

    /// For the part of a page that is less likely the one that failed.
    pub(crate) fn larger(self, page_size: u32) -> Self {
        Self { top: self.top.saturating_mul(GROW).min(page_size), bare: false }
    }

    /// Without evidence.
    pub(crate) fn bare() -> Self {
        Self { top: FEW, bare: true }
    }
}

/// Failures in a row of one question.
///
/// An outage fails every question, so failures alone never make a page smaller: some other call must have succeeded
/// since the last of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trouble {
    failures: u32,
    /// How many calls of the walk had succeeded at the last failure.
    succeeded: u64,
}

impl Trouble {
    /// Counts a failure. Whether the page is to be made smaller.
    pub(crate) fn failed(&mut self, failure: Failure, succeeded: u64) -> bool {
        match failure {
            Failure::Elsewhere => false,
            Failure::Refused | Failure::TooLarge => true,
            Failure::Page => {
                let alive = self.failures >= PATIENCE && succeeded > self.succeeded;
                self.failures += 1;
                self.succeeded = succeeded;
                alive
            }
        }
    }

    /// Whether it must first be seen that the API answers anything at all.
    pub(crate) fn wants_proof(&self, succeeded: u64) -> bool {
        self.failures >= PATIENCE && succeeded == self.succeeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_makes_no_page_smaller() {
        let mut trouble = Trouble::default();
        assert!((0..100).all(|_| !trouble.failed(Failure::Page, 7)));
        assert!(trouble.wants_proof(7));
    }

    #[test]
    fn a_page_that_fails_while_others_pass_is_made_smaller() {
        let mut trouble = Trouble::default();
        assert!((0..3).all(|_| !trouble.failed(Failure::Page, 7)));
        assert!(!trouble.wants_proof(8));
        assert!(trouble.failed(Failure::Page, 8));
    }

    #[test]
    fn steps_go_down_to_few_rows_then_to_none_with_evidence() {
        let mut steps = vec![Effort { top: 1_000, bare: false }];
        while let Some(next) = steps.last().and_then(|effort| effort.smaller(true)) {
            steps.push(next);
        }
        let tops: Vec<_> = steps.iter().map(|effort| (effort.top, effort.bare)).collect();
        assert_eq!(tops, [(1_000, false), (125, false), (16, false), (16, true)]);
        assert_eq!(Effort { top: 16, bare: false }.smaller(false), None);
    }
}
