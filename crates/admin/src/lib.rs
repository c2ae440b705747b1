#![doc = include_str!("../README.md")]

mod connection;
pub mod control;
mod metrics;
mod server;
mod snapshot;

pub use crate::server::Server;
pub use crate::snapshot::{Buffer, Condition, DeadLetters, Shard, Sink, Snapshot, Snapshots, Source};
