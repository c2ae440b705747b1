//! Syslog against real receivers: rsyslog, syslog-ng and one of our own that can be killed at any frame.

mod receivers;

use std::time::{Duration, Instant};

/// Waits until something has come to pass.
///
/// # Panics
/// Where it does not within two minutes.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(120), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
