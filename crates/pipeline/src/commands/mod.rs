//! What the program does, a file for each command.

mod dead_letters;
mod demo;
mod instance;
mod lanes;
mod preview;
mod reload;
mod run;
mod schema;
mod validate;

use std::path::{Path, PathBuf};

use indicatif::MultiProgress;
use pipeline_file::plan::Plan;

use crate::cli::{Cli, Command};
use crate::exit::{Failure, FailureKind};

/// Does what the command line asks for.
pub(crate) async fn run(cli: Cli, bars: MultiProgress) -> Result<(), Failure> {
    match &cli.command {
        Command::DeadLetters(command) => dead_letters::dead_letters(&plan(&cli)?, command).await,
        Command::Demo(args) => demo::demo(args).await,
        Command::Lanes(command) => lanes::lanes(&plan(&cli)?, command).await,
        Command::Preview(args) => preview::preview(args, || plan(&cli)).await,
        Command::Reload(args) => reload::reload(&plan(&cli)?, args).await,
        Command::Run(args) => run::run(&file(&cli)?, &plan(&cli)?, args, bars).await,
        Command::Schema => schema::schema(),
        Command::Validate(args) => validate::validate(&file(&cli)?, &plan(&cli)?, args),
    }
}

fn plan(cli: &Cli) -> Result<Plan, Failure> {
    pipeline_file::load(&file(cli)?).map_err(|faults| Failure::new(FailureKind::FileWrong, faults.to_string()))
}

/// The file that was named, or the first that is there.
fn file(cli: &Cli) -> Result<PathBuf, Failure> {
    if let Some(path) = &cli.config {
        return Ok(path.clone());
    }
    let found = PLACES.iter().map(Path::new).find(|path| path.exists());
    found.map(Path::to_owned).ok_or_else(|| {
        let places = PLACES.join(" nor ");
        Failure::new(
            FailureKind::FileWrong,
            format!("there is no pipeline file: neither {places}; name one with -c FILE, or try `atp-forwarder demo`"),
        )
    })
}

const PLACES: [&str; 2] = ["./pipeline.yaml", "/etc/atp-forwarder/pipeline.yaml"];
