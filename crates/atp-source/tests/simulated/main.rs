//! The source against the simulator, over real HTTP.

mod faults;
mod reader;
mod reading;
mod tokens;
