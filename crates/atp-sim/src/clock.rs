//! The simulator's clock: a start, and how many times faster than ours it runs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ticks;

/// When the simulated time begins, and how fast it runs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clock {
    /// The simulated time at which the simulator starts.
    #[serde(with = "crate::serial::instant")]
    pub start: DateTime<Utc>,
    /// Simulated seconds in one second of ours; 0 stands still until it is set.
    pub speed: f64,
}

impl Clock {
    /// A clock that shows our own time.
    pub fn real() -> Self {
        Self { start: Utc::now(), speed: 1.0 }
    }
}

impl Default for Clock {
    /// A fixed start, so that two runs are alike.
    fn default() -> Self {
        Self { start: DateTime::from_timestamp(1_772_438_400, 0).unwrap_or_default(), speed: 1.0 }
    }
}

/// The clock while it runs. It never goes back unless it is set.
pub(crate) struct RunningClock(Mutex<State>);

struct State {
    simulated: i64,
    since: Instant,
    speed: f64,
}

impl RunningClock {
    pub(crate) fn new(clock: &Clock) -> Self {
        let simulated = ticks::from_utc(clock.start);
        Self(Mutex::new(State { simulated, since: Instant::now(), speed: clock.speed }))
    }

    /// The simulated time, in ticks.
    pub(crate) fn now(&self) -> i64 {
        self.state().now()
    }

    pub(crate) fn speed(&self) -> f64 {
        self.state().speed
    }

    pub(crate) fn set(&self, ticks: i64) {
        let mut state = self.state();
        state.simulated = ticks;
        state.since = Instant::now();
    }

    pub(crate) fn set_speed(&self, speed: f64) {
        let mut state = self.state();
        state.simulated = state.now();
        state.since = Instant::now();
        state.speed = speed;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    #[expect(clippy::cast_possible_truncation, reason = "a float of ticks saturates, and centuries fit")]
    fn now(&self) -> i64 {
        let elapsed = self.since.elapsed().as_secs_f64() * self.speed;
        self.simulated + (elapsed * 1e7) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that stands still shows what it was set to.
    #[test]
    fn stands_still_at_speed_zero() {
        let clock = RunningClock::new(&Clock { speed: 0.0, ..Clock::default() });
        let start = ticks::from_utc(Clock::default().start);
        assert_eq!(clock.now(), start);
        clock.set(start + 42);
        assert_eq!(clock.now(), start + 42);
    }
}
