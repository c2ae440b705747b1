//! How many messages were cut.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts messages that were longer than the destination takes, and says so, ever more seldom.
#[derive(Debug)]
pub(crate) struct Cuts {
    count: AtomicU64,
    max_bytes: usize,
}

impl Cuts {
    pub(crate) fn new(max_bytes: Option<usize>) -> Self {
        Self { count: AtomicU64::new(0), max_bytes: max_bytes.unwrap_or(usize::MAX) }
    }

    pub(crate) fn count(&self, cut: bool) {
        if !cut {
            return;
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!(count, max_bytes = self.max_bytes, "messages were cut to `max_bytes`");
        }
    }
}
