//! Runs the real program against the simulator, and compares what was delivered with what was sent.

mod black_hole;
mod certificates;
mod cost;
mod delivered;
mod expected;
mod kafka;
mod message;
mod parts;
mod phase;
mod place;
mod ports;
mod process;
mod receiver;
mod rsyslog;
mod site;
mod syslog_ng;

pub use crate::black_hole::BlackHole;
pub use crate::certificates::Certificates;
pub use crate::cost::{Cost, Memory, median, own_cpu};
pub use crate::delivered::Delivered;
pub use crate::expected::{Arrived, Expected};
pub use crate::kafka::{Kafka, KafkaRecord, Meant, Network, NetworkFault, Writer};
pub use crate::message::Message;
pub use crate::phase::phase;
pub use crate::place::{Place, Settings};
pub use crate::ports::free_port;
pub use crate::process::{Finished, Running, program};
pub use crate::receiver::{Receiver, Tail, Way};
pub use crate::site::{Site, Summary};

/// How much a benchmark measures: enough for figures, or, where `ATP_BENCH=short`, enough to see a bound broken.
pub fn extent<T>(full: T, short: T) -> T {
    if std::env::var_os("ATP_BENCH").is_some_and(|extent| extent == "short") { short } else { full }
}

/// A count of the usual run, or of the long one (`./tests/run --full`).
pub fn count(usual: u32, long: u32) -> u32 {
    if std::env::var_os("ATP_TESTS_FULL").is_some_and(|full| full == "yes") { long } else { usual }
}
