//! A folder for one test: pipeline file, secrets, journal, output.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use atp_sim::{Simulator, TenantOptions};
use tempfile::TempDir;

use crate::process::{Running, program};

/// A folder for one test. It goes when this is dropped.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
}

/// What a test says in its pipeline file; the rest follows from the simulator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The sources, as YAML under `sources:`, one line each.
    pub sources: Vec<String>,
    /// The keys of `journal.embedded` beside its path.
    pub journal: String,
    /// More sinks than `out`, as YAML under `sinks:`, one line each.
    pub sinks: Vec<String>,
    /// More keys of the sink `out`.
    pub out: String,
    /// The format of the sink `out`.
    pub format: String,
}

impl Default for Settings {
    fn default() -> Self {
        let quota = "quota: { per_minute: 100000, per_hour: 1000000, reserve: 0% }";
        Self {
            sources: vec![format!("alerts: {{ mde_alerts: {{ {quota} }} }}")],
            journal: String::new(),
            sinks: Vec::new(),
            out: String::new(),
            format: "{ json: { envelope: wrap } }".to_owned(),
        }
    }
}

impl Settings {
    /// One `mde_alerts` source with these keys, its quota out of the way.
    pub fn mde(keys: &str) -> Self {
        Self::source("mde_alerts", keys)
    }

    /// One `alerts_export` source with these keys, its quota out of the way.
    pub fn export(keys: &str) -> Self {
        Self::source("alerts_export", keys)
    }

    /// One `mde_alerts` source; the sink `out` writes CEF, beside these sinks.
    pub fn beside_cef(sinks: Vec<String>) -> Self {
        Self { format: "cef".to_owned(), sinks, ..Self::mde("page_size: 2500, start: 7d") }
    }

    fn source(kind: &str, keys: &str) -> Self {
        let quota = "quota: { per_minute: 100000, per_hour: 1000000, reserve: 0% }";
        Self { sources: vec![format!("alerts: {{ {kind}: {{ {quota}, {keys} }} }}")], ..Self::default() }
    }
}

impl Place {
    /// A folder with a pipeline file that reads `tenants` from `simulator` and writes wrapped JSON to one file.
    ///
    /// # Panics
    /// Where the folder cannot be written.
    pub fn new(simulator: &Simulator, tenants: &[TenantOptions], settings: &Settings) -> Self {
        let place = Self::empty();
        place.set_up(simulator, tenants, settings);
        place
    }

    /// A folder without a pipeline file, for what has to be there before it.
    ///
    /// # Panics
    /// Where the system has no folder for temporary files.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("the system has a folder for temporary files") }
    }

    /// Writes the pipeline file, as [`Place::new`] does, or writes it anew.
    ///
    /// # Panics
    /// Where the folder cannot be written.
    pub fn set_up(&self, simulator: &Simulator, tenants: &[TenantOptions], settings: &Settings) {
        for tenant in tenants {
            fs::write(self.path(&format!("{}.secret", tenant.name)), &tenant.client_secret).expect("writable");
        }
        fs::write(self.path("pipeline.yaml"), file(simulator, tenants, settings)).expect("writable");
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The journal's folder.
    pub fn journal(&self) -> PathBuf {
        self.path("data")
    }

    /// The journal's database file.
    pub fn database(&self) -> PathBuf {
        self.journal().join("journal.db")
    }

    /// Changes the bytes of the journal's database, which nobody has open.
    ///
    /// # Panics
    /// Where there is none.
    pub fn harm_journal(&self, harm: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.database()).expect("the journal is there");
        harm(&mut bytes);
        fs::write(self.database(), bytes).expect("the journal is writable");
    }

    /// Takes `max_rate` out of the pipeline file, so that what is left comes at once.
    ///
    /// # Panics
    /// Where the folder cannot be written.
    pub fn lift_rate(&self) {
        let file = fs::read_to_string(self.path("pipeline.yaml")).expect("the file is there");
        let (before, behind) = file.split_once("max_rate: ").expect("a rate is set");
        let rest = behind.split_once(", ").expect("another key follows").1;
        fs::write(self.path("pipeline.yaml"), format!("{before}{rest}")).expect("writable");
    }

    /// Where the sink `out` writes.
    pub fn output(&self) -> PathBuf {
        self.path("out.json")
    }

    /// The program with this folder's pipeline file.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("atp-forwarder"));
        command.arg("-c").arg(self.path("pipeline.yaml")).args(arguments);
        command
    }

    /// Starts the program.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_command(&mut self.command(arguments))
    }

    /// Starts a command that writes its log into this folder.
    pub fn start_command(&self, command: &mut Command) -> Running {
        Running::start(command, &self.path("log"))
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn file(simulator: &Simulator, tenants: &[TenantOptions], settings: &Settings) -> String {
    let mut yaml = String::from("version: 1\ntenants:\n");
    let (authority, mde, export) = (simulator.authority_url(), simulator.mde_url(), simulator.export_url());
    for tenant in tenants {
        let TenantOptions { name, tenant_id, client_id, .. } = tenant;
        write!(
            yaml,
            "  {name}:\n    tenant_id: {tenant_id}\n    client_id: {client_id}\n    client_secret: {{ file: {name}.secret }}\n    \
             endpoints: {{ authority: \"{authority}\", mde: \"{mde}\", export: \"{export}\" }}\n"
        )
        .expect("a string takes all");
    }
    let indented = |lines: &[String]| lines.iter().map(|line| format!("  {line}\n")).collect::<String>();
    let journal = &settings.journal;
    let comma = if journal.is_empty() { "" } else { ", " };
    write!(
        yaml,
        "sources:\n{}journal: {{ embedded: {{ path: ./data{comma}{journal} }} }}\nsinks:\n  \
         out: {{ format: {}, {}file: {{ path: ./out.json }} }}\n{}",
        indented(&settings.sources),
        settings.format,
        if settings.out.is_empty() { String::new() } else { format!("{}, ", settings.out) },
        indented(&settings.sinks),
    )
    .expect("a string takes all");
    yaml
}
