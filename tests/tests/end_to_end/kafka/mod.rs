//! Kafka against Apache Kafka itself.

mod apparatus;

use std::time::{Duration, Instant};

const TOPIC: &str = "alerts";

/// Waits until something has come to pass.
///
/// # Panics
/// Where it does not within five minutes.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(300), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
