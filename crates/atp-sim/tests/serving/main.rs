//! The simulator over HTTP, as a client sees it.

mod alerts;
mod client;
mod command;
mod control;
mod detections;
mod faults;
mod tls;
mod tokens;
