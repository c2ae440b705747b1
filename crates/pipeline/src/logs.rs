//! Logs: human on a terminal, JSON on request, written through the progress line where there is one.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people; with colours on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error. `level` is a filter such as `info` or `atp_source=debug`.
pub(crate) fn start(format: LogFormat, level: &str, bars: &MultiProgress) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(ThroughBars(bars.clone()));
    match format {
        LogFormat::Human => logs.with_target(false).with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
}

/// Writes to standard error with the progress line out of the way.
struct ThroughBars(MultiProgress);

impl<'a> MakeWriter<'a> for ThroughBars {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { bars: self.0.clone(), bytes: Vec::new() }
    }
}

/// One log line: it is collected and written at once when it is dropped.
struct Line {
    bars: MultiProgress,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Where standard error is gone there is nobody to tell.
        let _ = self.bars.suspend(|| io::stderr().write_all(&self.bytes));
    }
}
