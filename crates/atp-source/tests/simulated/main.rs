//! The source against the simulator, over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod faults;
mod reader;
mod reading;
mod tokens;
