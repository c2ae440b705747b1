//! `lanes`: steers what waits for a sink.

use journal::EmbeddedJournal;
use pipeline_file::plan::Plan;

use super::instance;
use crate::cli::{LanesCommand, SkipArgs};
use crate::control::outcome;
use crate::exit::{Failure, FailureKind};
use crate::registry;
use crate::supervisor;

pub(crate) async fn lanes(plan: &Plan, command: &LanesCommand) -> Result<(), Failure> {
    match command {
        LanesCommand::Skip(args) => skip(plan, args).await,
    }
}

async fn skip(plan: &Plan, args: &SkipArgs) -> Result<(), Failure> {
    let answer = match instance::connect(plan).await? {
        Some(client) => client.skip(&args.sink, &args.why).await,
        None => Ok(outcome(offline_skip(plan, &args.sink, &args.why).await.map(|line| vec![line]))),
    };
    instance::told(plan, answer)
}

/// Gives up what waits for a sink in the journal of the file, which nobody has open.
async fn offline_skip(plan: &Plan, sink: &str, why: &str) -> Result<String, Failure> {
    if !EmbeddedJournal::is_in(&plan.journal.path) {
        let path = plan.journal.path.display();
        return Err(Failure::new(FailureKind::Failed, format!("there is no disk buffer in {path} yet")));
    }
    let journal = EmbeddedJournal::open(registry::journal(plan)).await?;
    let skipped = supervisor::skip(&*journal, sink, why).await;
    journal.close().await;
    skipped
}
