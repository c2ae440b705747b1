//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Args, Parser, Subcommand};

use crate::logs::LogFormat;

/// Forwards every alert revision of Microsoft Defender for Endpoint to a SIEM, and loses none.
#[derive(Debug, Parser)]
#[command(name = "atp-forwarder", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 file wrong, 3 action is required somewhere or time is over, \
                        4 destination, 5 state in use or damaged.")]
pub(crate) struct Cli {
    /// The pipeline file [default: ./pipeline.yaml, then /etc/atp-forwarder/pipeline.yaml]
    #[arg(short = 'c', long = "config", env = "ATP_FORWARDER_CONFIG", global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// How log lines look
    #[arg(long, env = "ATP_LOG_FORMAT", global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or a filter by module
    #[arg(long, env = "ATP_LOG", global = true, default_value = "info", value_name = "LEVEL")]
    pub(crate) log: String,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See, send again or give up alerts that a destination refused; no instance may be running
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Show alerts of a simulated tenant, as CEF, on the terminal; nothing to set up
    Demo(DemoArgs),
    /// Steer what waits for a sink
    #[command(subcommand)]
    Lanes(LanesCommand),
    /// Print alerts as they go on the wire
    Preview(PreviewArgs),
    /// Have the running instance take over the pipeline file as it is now
    Reload(ReloadArgs),
    /// Forward until stopped
    Run(RunArgs),
    /// Print the JSON Schema of the pipeline file
    Schema,
    /// Check the pipeline file and what it refers to
    Validate(ValidateArgs),
}

/// `dead-letters`
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Give dead letters up for good
    Drop(ChosenLetters),
    /// List dead letters with their reasons
    List(ListLettersArgs),
    /// Have dead letters sent again by the next run
    Replay(ChosenLetters),
    /// Show one dead letter with its alert
    Show(ShowLetterArgs),
}

/// `dead-letters list`
#[derive(Debug, Args)]
pub(crate) struct ListLettersArgs {
    /// Those of this sink alone
    #[arg(long, value_name = "NAME")]
    pub(crate) sink: Option<String>,

    /// List at most this many, the oldest first
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    pub(crate) limit: usize,

    /// Print a line of JSON for each
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dead-letters show`
#[derive(Debug, Args)]
pub(crate) struct ShowLetterArgs {
    /// Its number, as `list` shows it
    #[arg(value_name = "NUMBER")]
    pub(crate) number: i64,

    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dead-letters replay`, `dead-letters drop`
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ChosenLetters {
    /// Their numbers, as `list` shows them
    #[arg(value_name = "NUMBER")]
    pub(crate) numbers: Vec<i64>,

    /// All of this sink
    #[arg(long, value_name = "NAME")]
    pub(crate) sink: Option<String>,

    /// All of every sink
    #[arg(long)]
    pub(crate) all: bool,
}

/// `demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after this many alerts
    #[arg(long, value_name = "COUNT")]
    pub(crate) alerts: Option<u64>,

    /// How alerts are written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: DemoFormat,

    /// What the simulated tenant is made from: the same seed gives the same alerts
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) seed: u64,
}

/// How `demo` writes alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DemoFormat {
    /// Common Event Format
    #[default]
    Cef,
    /// What the API sent, in an envelope
    Json,
}

/// `lanes`
#[derive(Debug, Subcommand)]
pub(crate) enum LanesCommand {
    /// Give up all alerts that wait for a sink; its dead letters stay
    Skip(SkipArgs),
}

/// `lanes skip`
#[derive(Debug, Args)]
pub(crate) struct SkipArgs {
    /// The sink, which may have left the file
    #[arg(value_name = "NAME")]
    pub(crate) sink: String,

    /// The reason, which is recorded
    #[arg(long, value_parser = NonEmptyStringValueParser::new(), value_name = "TEXT")]
    pub(crate) why: String,
}

/// `preview`
#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    /// Alerts as an API sent them: JSON, an answer of the API, or JSON lines; `-` is standard input [default: one of each
    /// shape, built in]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// The latest alerts of a tenant of the pipeline file, asked for now; nothing is remembered or forwarded
    #[arg(long, conflicts_with = "file")]
    pub(crate) live: bool,

    /// With --live: at most this many
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100), value_name = "COUNT")]
    pub(crate) count: u32,

    /// Whom they are written for [default: generic]
    #[arg(long = "for", value_parser = PossibleValuesParser::new(pipeline_file::profiles()), value_name = "PROFILE")]
    pub(crate) profile: Option<String>,

    /// How they are written [default: what --for sets]
    #[arg(long, value_parser = ["cef", "leef", "json"], value_name = "FORMAT")]
    pub(crate) format: Option<String>,

    /// For what a record is made [default: alert]
    #[arg(long, value_parser = ["alert", "evidence"], value_name = "WHAT")]
    pub(crate) per: Option<String>,

    /// What stands before them [default: what --for sets]
    #[arg(long, value_parser = ["rfc5424", "rfc3164", "none"], value_name = "HEADER")]
    pub(crate) header: Option<String>,

    /// How messages are told apart [default: what --for sets]
    #[arg(long, value_parser = ["octet_counting", "lf"], value_name = "FRAMING")]
    pub(crate) framing: Option<String>,

    /// As this sink of the pipeline file writes them
    #[arg(long, conflicts_with_all = ["profile", "format", "per", "header", "framing"], value_name = "NAME")]
    pub(crate) sink: Option<String>,

    /// Whose alerts they are [default: contoso; with --live, the first tenant of the file; with --sink, the first whose
    /// alerts it gets]
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
}

/// `reload`
#[derive(Debug, Args)]
pub(crate) struct ReloadArgs {
    /// Take over also what is refused until a person has confirmed it: more than a tenth of all tenants gone
    #[arg(long)]
    pub(crate) confirm: bool,
}

/// `run`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Read every feed up to now, deliver everything, end
    #[arg(long)]
    pub(crate) once: bool,

    /// With --once: end after this time even so; the rest stays in the journal
    #[arg(long, requires = "once", value_parser = pipeline_file::duration, value_name = "DURATION")]
    pub(crate) within: Option<Duration>,
}

/// `validate`
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Look at the file alone: read no secret, no certificate, no folder
    #[arg(long)]
    pub(crate) offline: bool,
}
