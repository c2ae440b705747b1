//! The calls that an application may make in a minute and in an hour.

use std::collections::VecDeque;

use crate::knobs::RateLimit;
use crate::ticks;

const MINUTE: i64 = 60 * ticks::PER_SECOND;
const HOUR: i64 = 60 * MINUTE;

/// The calls of the last hour.
#[derive(Default)]
pub(crate) struct Quota(VecDeque<i64>);

/// A call too many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Exceeded {
    pub(crate) allowed: u32,
    /// `00:01:00` or `01:00:00`, as the API prints it.
    pub(crate) window: &'static str,
    /// Whole seconds until the next call is allowed.
    pub(crate) retry_after: i64,
}

impl Quota {
    /// Takes a call into account; one too many is refused and not counted.
    pub(crate) fn call(&mut self, now: i64, limit: RateLimit) -> Result<(), Exceeded> {
        while self.0.front().is_some_and(|oldest| *oldest <= now - HOUR) {
            self.0.pop_front();
        }
        self.check(now, limit.per_minute, MINUTE, "00:01:00")?;
        self.check(now, limit.per_hour, HOUR, "01:00:00")?;
        self.0.push_back(now);
        Ok(())
    }

    fn check(&self, now: i64, allowed: u32, span: i64, window: &'static str) -> Result<(), Exceeded> {
        let Some(nth_last) = self.0.len().checked_sub(allowed as usize) else { return Ok(()) };
        // With none allowed there is no call whose age could be waited for.
        let frees = self.0.get(nth_last).map_or(now, |call| *call) + span;
        if frees <= now {
            return Ok(());
        }
        let seconds = (frees - now + ticks::PER_SECOND - 1) / ticks::PER_SECOND;
        Err(Exceeded { allowed, window, retry_after: seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 639_000_000_000_000_000;

    /// The minute's limit holds over any minute, says when to come back, and keeps its word.
    #[test]
    fn minute_slides() {
        let limit = RateLimit { per_minute: 2, per_hour: 100, retry_after: true };
        let mut quota = Quota::default();
        assert!(quota.call(START, limit).is_ok());
        assert!(quota.call(START + 10 * ticks::PER_SECOND, limit).is_ok());
        let refused = quota.call(START + 20 * ticks::PER_SECOND, limit).unwrap_err();
        assert_eq!(refused, Exceeded { allowed: 2, window: "00:01:00", retry_after: 40 });
        assert!(quota.call(START + 60 * ticks::PER_SECOND, limit).is_ok());
    }

    /// The hour's limit holds too.
    #[test]
    fn hour_slides() {
        let limit = RateLimit { per_minute: 100, per_hour: 3, retry_after: true };
        let mut quota = Quota::default();
        let minutes = |count: i64| START + count * MINUTE;
        assert!((0..3).all(|nth| quota.call(minutes(nth), limit).is_ok()));
        assert_eq!(quota.call(minutes(30), limit).unwrap_err().window, "01:00:00");
        assert!(quota.call(minutes(60), limit).is_ok());
    }
}
