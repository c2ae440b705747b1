//! `atp-forwarder`: read the command line and the file, build, run, drain.
//!
//! The README of this crate says how the parts are wired.
#![doc = include_str!("../README.md")]

mod admin_address;
mod cli;
mod commands;
mod control;
mod exit;
mod intake;
mod lane;
mod logs;
mod progress;
mod registry;
mod signal;
mod status;
mod supervisor;
mod tenants;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{MultiProgress, ProgressDrawTarget};

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
    logs::start(cli.log_format, &cli.log, &bars);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: failed to start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(commands::run(cli, bars));
    // librdkafka's threads must be gone before the process is taken down around them; but a thread that is stuck in a write
    // to a pipe that nobody reads must not keep it.
    runtime.shutdown_timeout(Duration::from_secs(5));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.code()
        }
    }
}
