//! `max_rate`: how many records a lane may send in a second.

use std::time::Duration;

use tokio::time::Instant;

/// An allowance that fills with time, up to a tenth of a second's records (at least one).
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    allowance: f64,
    counted_at: Instant,
}

impl Rate {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: f64::from(per_second), allowance: 1.0, counted_at: now }
    }

    /// How many records may go now.
    pub(crate) fn allowed(&mut self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.counted_at = now;
        self.allowance = (self.allowance + passed * self.per_second).min(self.burst());
        self.allowance as usize
    }

    /// Counts records that went.
    pub(crate) fn spend(&mut self, records: usize) {
        self.allowance -= records as f64;
    }

    /// How long until the burst is whole again, so that few and full batches go rather than many of one record.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_secs_f64(((self.burst() - self.allowance) / self.per_second).max(0.001))
    }

    fn burst(&self) -> f64 {
        (self.per_second / 10.0).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: over any stretch of time no more goes than the rate and one burst.
    #[test]
    fn no_more_goes_than_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(500, start);
        let mut now = start;
        let mut sent = 0;
        while now < start + Duration::from_secs(10) {
            let allowed = rate.allowed(now);
            rate.spend(allowed);
            sent += allowed;
            now += rate.wait();
        }
        assert!((4_900..=5_050).contains(&sent), "sent {sent} in ten seconds at 500 a second");
    }

    #[test]
    fn one_record_a_second_is_a_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(1, start);
        assert_eq!(rate.allowed(start), 1);
        rate.spend(1);
        assert_eq!(rate.allowed(start + Duration::from_millis(900)), 0);
        assert_eq!(rate.allowed(start + Duration::from_millis(1_100)), 1);
    }
}
