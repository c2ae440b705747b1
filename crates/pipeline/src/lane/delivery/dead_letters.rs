//! How many dead letters a lane may have. Whatever is wrong with every alert, a mapping or a limit of the destination,
//! must not turn the journal into dead letters one by one.

use std::time::Duration;

use journal::DeadLetterCount;

/// How many dead letters a lane has, and how many it may have.
#[derive(Debug)]
pub(crate) struct DeadLetterLimit {
    /// Those that do not wait to be replayed.
    kept: u64,
    most: u64,
}

impl DeadLetterLimit {
    pub(crate) fn new(most: u64) -> Self {
        Self { kept: 0, most }
    }

    /// Takes over what the journal says.
    pub(crate) fn count(&mut self, count: &DeadLetterCount) {
        // Those that are replayed are on their way out: a lane that stopped for them could never send them.
        self.kept = count.kept.saturating_sub(count.replaying);
    }

    /// Counts one more. Says whether the lane has as many as it may have by this one.
    pub(crate) fn add(&mut self) -> bool {
        self.kept += 1;
        self.kept == self.most
    }

    /// Whether the lane has as many as it may have.
    pub(crate) fn is_full(&self) -> bool {
        self.kept >= self.most
    }

    /// What a person must do.
    pub(crate) fn sentence(&self, sink: &str) -> String {
        format!(
            "{} alerts were refused and set aside, as many as `max_dead_letters` allows. See `atp-forwarder dead-letters \
             list --sink {sink}`, mend what refuses them, then replay or drop them",
            self.kept
        )
    }
}

/// How often a full lane looks whether letters were replayed or dropped.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use journal::{Lane, LaneId};

    use super::*;

    /// Guarantee: what is replayed makes room, what is refused again takes it.
    #[test]
    fn letters_that_are_replayed_make_room() {
        let count = |kept, replaying| DeadLetterCount {
            lane: Lane { id: LaneId(1), name: String::new() },
            in_plan: true,
            kept,
            replaying,
        };
        let mut limit = DeadLetterLimit::new(3);
        limit.count(&count(2, 0));
        assert!(!limit.is_full());
        assert!(limit.add(), "the third is the last");
        assert!(!limit.add(), "it is said once");
        assert!(limit.is_full());
        limit.count(&count(4, 2));
        assert!(!limit.is_full());
    }
}
