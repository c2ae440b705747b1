//! Quota: when the next call of an API may be made.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// The calls that an API allows to one application in one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Calls in a minute.
    pub per_minute: u32,
    /// Calls in an hour.
    pub per_hour: u32,
    /// The share, 0 to 90 percent, that is left to the owner's other tools.
    pub reserve_percent: u8,
}

/// Plans the calls of one (application, tenant, API), shared by all feeds that make them.
///
/// The windows slide over the times of real calls, refused ones included, since the API counts those too. Time is
/// tokio's, which a test can stop and turn.
pub struct Planner {
    calls: Mutex<Calls>,
}

impl Planner {
    /// A planner that has seen no call.
    pub fn new(quota: Quota) -> Self {
        Self { calls: Mutex::new(Calls::new(quota)) }
    }

    /// Waits until a call may be made and counts it. Dropping the future while it waits counts nothing.
    pub async fn admit(&self) {
        while let Err(until) = self.with(|calls| calls.admit(Instant::now())) {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Lets no call through for this long: the API has said so.
    pub fn close_for(&self, wait: Duration) {
        self.with(|calls| calls.close_until(Instant::now() + wait));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Calls) -> T) -> T {
        act(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The calls of the last hour.
struct Calls {
    per_minute: usize,
    per_hour: usize,
    /// The times of the calls, in order; those older than an hour are gone.
    times: VecDeque<Instant>,
    closed_until: Option<Instant>,
}

impl Calls {
    fn new(quota: Quota) -> Self {
        let ours = |calls: u32| {
            let share = u64::from(calls) * u64::from(100 - quota.reserve_percent.min(90)) / 100;
            usize::try_from(share).unwrap_or(usize::MAX).max(1)
        };
        Self {
            per_minute: ours(quota.per_minute),
            per_hour: ours(quota.per_hour),
            times: VecDeque::new(),
            closed_until: None,
        }
    }

    /// Counts a call made `now`, or says when to ask again.
    fn admit(&mut self, now: Instant) -> Result<(), Instant> {
        while self.times.front().is_some_and(|time| *time + HOUR <= now) {
            self.times.pop_front();
        }
        let free_at = |calls: usize, window: Duration| {
            let oldest = self.times.len().checked_sub(calls)?;
            Some(self.times[oldest] + window)
        };
        let waits = [free_at(self.per_minute, MINUTE), free_at(self.per_hour, HOUR), self.closed_until];
        match waits.into_iter().flatten().filter(|until| *until > now).max() {
            Some(until) => Err(until),
            None => {
                self.times.push_back(now);
                Ok(())
            }
        }
    }

    fn close_until(&mut self, until: Instant) {
        self.closed_until = self.closed_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { per_minute: 10, per_hour: 50, reserve_percent: 20 };

    proptest! {
        /// Guarantee: no minute and no hour ever holds more calls than our share, however they come.
        #[test]
        fn no_window_holds_more_than_our_share(gaps in prop::collection::vec(0_u64..400, 1..400)) {
            let mut calls = Calls::new(QUOTA);
            let mut now = Instant::now();
            let mut made: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_secs(gap);
                if calls.admit(now).is_ok() {
                    made.push(now);
                }
                let within = |window| made.iter().filter(|time| **time + window > now).count();
                prop_assert!(within(MINUTE) <= 8 && within(HOUR) <= 40);
            }
        }

        /// Guarantee: at the time it names, a call is let through: nobody waits for nothing.
        #[test]
        fn the_named_time_is_free(gaps in prop::collection::vec(0_u64..20, 1..200)) {
            let mut calls = Calls::new(QUOTA);
            let mut now = Instant::now();
            for gap in gaps {
                now += Duration::from_secs(gap);
                if let Err(until) = calls.admit(now) {
                    prop_assert!(until > now);
                    now = until;
                    prop_assert_eq!(calls.admit(now), Ok(()));
                }
            }
        }
    }

    /// Guarantee: the other side's wait holds, and the longer of two.
    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_opens_when_its_time_has_come() {
        let planner = Planner::new(QUOTA);
        let begin = Instant::now();
        planner.close_for(Duration::from_secs(30));
        planner.close_for(Duration::from_secs(7));
        planner.admit().await;
        assert_eq!(begin.elapsed().as_secs(), 30);
    }
}
