//! `lanes`: steers what waits for a sink.

use pipeline_file::plan::Plan;

use super::instance;
use crate::cli::{LanesCommand, SkipArgs};
use crate::exit::Failure;

pub(crate) async fn lanes(plan: &Plan, command: &LanesCommand) -> Result<(), Failure> {
    match command {
        LanesCommand::Skip(args) => skip(plan, args).await,
    }
}

async fn skip(plan: &Plan, args: &SkipArgs) -> Result<(), Failure> {
    let client = instance::connect(plan).await?.ok_or_else(|| instance::none_runs(plan))?;
    instance::told(plan, client.skip(&args.sink, &args.why).await)
}
