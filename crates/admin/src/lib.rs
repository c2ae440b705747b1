#![doc = include_str!("../README.md")]

mod metrics;
mod server;
mod snapshot;

pub use crate::server::Server;
pub use crate::snapshot::{Condition, DeadLetters, Feed, JournalSpace, Sink, Snapshot, Snapshots};
