//! The command: a simulator until it is interrupted.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use atp_sim::{Clock, Fault, Faults, Options, Population, RateLimit, Simulator, TenantOptions, TlsOptions};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Entra and Defender in small, misbehaving on request.
///
/// Prints its addresses and a pipeline file that reads it, and serves until it is interrupted. While it runs,
/// `/_sim/record` shows what it has sent, `/_sim/clock` its clock, and `/_sim/control` changes its faults.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// All options from a JSON file, instead of the other flags
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// Where Entra and the public API listen
    #[arg(long, default_value = "127.0.0.1:4180", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where the legacy export listens
    #[arg(long, default_value = "127.0.0.1:4181", value_name = "ADDRESS")]
    export_listen: SocketAddr,
    /// Serve HTTPS, and write the certificate of its authority to this file
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Where all chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A tenant's name; can be given several times [default: contoso]
    #[arg(long = "tenant", value_name = "NAME")]
    tenants: Vec<String>,
    /// Alerts of each tenant that are there at the start
    #[arg(long, default_value_t = 200, value_name = "COUNT")]
    backlog: u32,
    /// How many of them share one update time
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    ties: u32,
    /// How many of them are updated within ten minutes of the start
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    live_updates: u32,
    /// New alerts of each tenant in a simulated minute
    #[arg(long, default_value_t = 6.0, value_name = "COUNT")]
    per_minute: f64,
    /// The share of new alerts that show up to ten minutes late
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    late: f64,
    /// The share of new alerts from the future
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    from_future: f64,
    /// The share of new alerts on whole minutes and milliseconds
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    on_boundary: f64,
    /// Simulated seconds after which nothing new comes into being
    #[arg(long, value_name = "SECONDS")]
    stop_after: Option<u64>,
    /// Simulated seconds in one second; the clock starts at the present time
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Let one call in so many go wrong
    #[arg(long, default_value_t = 7, value_name = "N", requires = "faults")]
    every_nth: u32,
    /// How they go wrong, in turn: 401, 429, 500, 502, 503, cut, duplicates, html, reset, revoked, truncated
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault)]
    faults: Vec<Fault>,
    /// Refuse calls beyond 100 in a minute and 1,500 in an hour
    #[arg(long)]
    rate_limit: bool,
    /// Write what was sent completely to this file, at the end and whenever `/_sim/record` is asked
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built once at the start");
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "simulator failed");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let simulator = Simulator::start(arguments.options()?).await?;
    println!("# Entra and the public API: {}", simulator.url());
    println!("# legacy export:            {}", simulator.export_url());
    println!("# control:                  {}/_sim/record, /_sim/clock, /_sim/control", simulator.url());
    println!("#");
    for (name, secret) in simulator.secrets() {
        println!("# export {name}='{secret}'");
    }
    print!("{}", simulator.pipeline_file());
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    simulator.stop().await?;
    Ok(())
}

impl Arguments {
    fn options(self) -> Result<Options, Box<dyn Error>> {
        if let Some(file) = self.options {
            return Ok(serde_json::from_slice(&fs::read(file)?)?);
        }
        let names = if self.tenants.is_empty() { vec!["contoso".to_owned()] } else { self.tenants };
        let alerts = Population {
            backlog: self.backlog,
            ties: self.ties,
            live_updates: self.live_updates,
            per_minute: self.per_minute,
            late: self.late,
            from_future: self.from_future,
            on_boundary: self.on_boundary,
            stop_after: self.stop_after.map(Duration::from_secs),
            ..Population::default()
        };
        let mut options = Options {
            seed: self.seed,
            tenants: names.iter().map(|name| TenantOptions::named(name).with_alerts(alerts.clone())).collect(),
            clock: Clock { speed: self.speed, ..Clock::real() },
            listen: self.listen,
            export_listen: self.export_listen,
            tls: self.tls_ca.map(|ca_file| TlsOptions { ca_file }),
            record_file: self.record,
            ..Options::default()
        };
        if !self.faults.is_empty() {
            options.faults = Faults::every_nth(self.every_nth, self.faults);
        }
        if self.rate_limit {
            options.knobs.rate_limit = Some(RateLimit::default());
        }
        Ok(options)
    }
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::named(name).ok_or_else(|| format!("there is no fault '{name}'"))
}
