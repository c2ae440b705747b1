use std::time::Duration;

use crate::{Fault, Verdict};

/// How long to wait between attempts: doubling from `first` up to `ceiling`, jittered.
#[derive(Clone, Copy, Debug)]
pub struct BackOff {
    first: Duration,
    ceiling: Duration,
}

impl BackOff {
    /// A policy whose first wait is about `first` and whose longest is `ceiling`.
    ///
    /// # Panics
    /// Where `first` is zero or greater than `ceiling`: both are constants of the program.
    pub const fn new(first: Duration, ceiling: Duration) -> Self {
        assert!(!first.is_zero(), "a back-off starts above zero");
        assert!(first.as_nanos() <= ceiling.as_nanos(), "a back-off starts below its ceiling");
        Self { first, ceiling }
    }

    /// A fresh run of waits under this policy.
    pub fn waits(self) -> Waits {
        Waits { policy: self, attempts: 0 }
    }
}

/// The waits of one run of attempts; [`Waits::reset`] after a success.
#[derive(Clone, Debug)]
pub struct Waits {
    policy: BackOff,
    attempts: u32,
}

impl Waits {
    /// How long to wait before the attempt that follows `fault`.
    ///
    /// Half of the doubled wait is fixed and half is random, so that many waiters spread out and none comes at once.
    /// A hint of the other side is a lower bound and is never cut: a server that says an hour means an hour.
    /// A Halt waits for the ceiling at once.
    pub fn next(&mut self, fault: &Fault) -> Duration {
        let grown = match fault.verdict() {
            Verdict::Halt => self.policy.ceiling,
            Verdict::Reject | Verdict::Retry => {
                let doubled = self.policy.first.saturating_mul(1_u32 << self.attempts.min(20));
                doubled.min(self.policy.ceiling)
            }
        };
        self.attempts = self.attempts.saturating_add(1);
        let half = grown / 2;
        let jittered = half + half.mul_f64(fastrand::f64());
        jittered.max(fault.retry_after().unwrap_or_default())
    }

    /// How many attempts in a row have failed.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: BackOff = BackOff::new(Duration::from_millis(100), Duration::from_secs(30));

    proptest! {
        /// Scenario: any number of failures. Guarantee: a wait is never above the ceiling, never below half the first.
        #[test]
        fn waits_stay_in_their_window(attempts in 1_usize..200) {
            let mut waits = POLICY.waits();
            let fault = Fault::retry("x");
            for _ in 0..attempts {
                let wait = waits.next(&fault);
                prop_assert!(wait >= Duration::from_millis(50) && wait <= Duration::from_secs(30));
            }
        }
    }

    #[test]
    fn a_hint_is_a_lower_bound_even_above_the_ceiling() {
        let fault = Fault::retry("x").after(Duration::from_secs(3_600));
        assert_eq!(POLICY.waits().next(&fault), Duration::from_secs(3_600));
    }

    #[test]
    fn a_halt_asks_slowly_from_the_first_time() {
        assert!(POLICY.waits().next(&Fault::halt("x")) >= Duration::from_secs(15));
    }

    #[test]
    fn a_success_starts_over() {
        let mut waits = POLICY.waits();
        for _ in 0..10 {
            waits.next(&Fault::retry("x"));
        }
        waits.reset();
        assert!(waits.next(&Fault::retry("x")) <= Duration::from_millis(100));
    }
}
