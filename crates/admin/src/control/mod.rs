//! The control socket: commands to a running instance, by HTTP over a Unix socket in the state folder.
//!
//! Only the user that runs the instance, and root, can reach it (mode 0600). Each command is written to an audit log
//! beside the socket: who gave it, with what arguments, when, and what came of it.

mod audit;
mod client;
mod command;
mod server;
mod socket;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::client::{Client, ClientError};
pub use self::server::Server;

/// What a running instance can be told to do.
#[async_trait]
pub trait Control: Send + Sync {
    /// Reads the pipeline file again and takes over what has changed; with `confirm`, also a change that is refused until
    /// a person has confirmed it.
    async fn reload(&self, confirm: bool) -> Outcome;

    /// Gives up what waits for a sink, for a reason that is recorded.
    async fn skip(&self, sink: &str, why: &str) -> Outcome;
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The exit code of the command that asked; 0 where all was done.
    pub code: u8,
    /// Lines for the operator.
    pub lines: Vec<String>,
}
