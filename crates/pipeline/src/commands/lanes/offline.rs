//! `lanes skip` where no instance runs: it opens the journal itself.

use admin::control::Outcome;
use journal::{EmbeddedJournal, Journal};
use pipeline_file::plan::Plan;

use crate::control::outcome;
use crate::exit::{Failure, FailureKind};
use crate::registry;

/// Gives up what waits for a sink in the journal of the file.
pub(super) async fn offline_skip(plan: &Plan, sink: &str, why: &str) -> Result<Outcome, Failure> {
    if !EmbeddedJournal::is_in(&plan.journal.path) {
        let path = plan.journal.path.display();
        return Err(Failure::new(FailureKind::Failed, format!("there is no disk buffer in {path} yet")));
    }
    let journal = EmbeddedJournal::open(registry::journal(plan)).await?;
    let skipped = skip_lane(&*journal, sink, why).await;
    journal.close().await;
    Ok(outcome(skipped))
}

/// Gives up what waits for a sink, which may have left the file, and says how much that was.
pub(crate) async fn skip_lane(journal: &dyn Journal, sink: &str, why: &str) -> Result<Vec<String>, Failure> {
    let standings = journal.standings();
    let Some(standing) = standings.iter().find(|standing| standing.lane.name == sink) else {
        let known: Vec<&str> = standings.iter().map(|standing| standing.lane.name.as_str()).collect();
        let sentence = format!("the disk buffer knows no sink {sink}\nhint: it knows {}", known.join(", "));
        return Err(Failure::new(FailureKind::Failed, sentence));
    };
    let count = journal.skip(standing.lane.id, why).await?;
    let alerts = if count == 1 { "1 alert".to_owned() } else { format!("{count} alerts") };
    tracing::warn!(sink, alerts = count, why, "what waited for a sink was given up");
    Ok(vec![format!("sink {sink}: {alerts} given up")])
}
