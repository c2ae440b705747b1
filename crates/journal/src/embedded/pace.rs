//! How often the writer may sync.

use std::time::{Duration, Instant};

/// Spaces the syncs out, so that many feeds share one: at most 50 in any second, however they fall. The first after a
/// quiet time waits for nobody.
pub(super) struct Pace {
    spacing: Duration,
    ready_at: Instant,
}

/// What each sync costs. Forty in a second leave room for those of the commit that ends a rest.
pub(super) const SPACING: Duration = Duration::from_millis(25);

impl Pace {
    pub(super) fn new(spacing: Duration, now: Instant) -> Self {
        Self { spacing, ready_at: now }
    }

    /// How long the next commit has to wait.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.ready_at.saturating_duration_since(now)
    }

    /// Notes syncs that were made.
    pub(super) fn spend(&mut self, syncs: u64, now: Instant) {
        let cost = self.spacing * u32::try_from(syncs).unwrap_or(u32::MAX);
        self.ready_at = self.ready_at.max(now) + cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: whatever the syncs of each commit, no second has more than 50.
    #[test]
    fn no_second_has_more_than_fifty_syncs() {
        let start = Instant::now();
        for per_commit in [1, 2, 4] {
            let mut pace = Pace::new(SPACING, start);
            let (mut now, mut made) = (start, Vec::new());
            while now < start + Duration::from_secs(5) {
                now += pace.wait(now);
                made.extend((0..per_commit).map(|_| now));
                pace.spend(per_commit, now);
            }
            for first in &made {
                let window = made.iter().filter(|at| *at >= first && **at < *first + Duration::from_secs(1));
                assert!(window.count() <= 50);
            }
        }
    }

    /// Guarantee: after a quiet time a commit waits for nothing.
    #[test]
    fn rest_is_not_saved_up_and_not_paid_for() {
        let start = Instant::now();
        let mut pace = Pace::new(SPACING, start);
        pace.spend(1, start);
        assert_eq!(pace.wait(start), SPACING);
        let later = start + Duration::from_secs(9);
        assert_eq!(pace.wait(later), Duration::ZERO);
        pace.spend(1, later);
        assert_eq!(pace.wait(later), SPACING);
    }
}
