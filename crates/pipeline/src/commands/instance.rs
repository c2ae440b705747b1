//! The instance that runs, as a command asks it.

use std::io::{self, ErrorKind, Write as _};

use admin::control::{Client, ClientError, Outcome};
use pipeline_file::plan::Plan;

use crate::control::done;
use crate::exit::{Failure, FailureKind};

/// A connection to the instance of the file's state folder; `None` where none runs.
pub(super) async fn connect(plan: &Plan) -> Result<Option<Client>, Failure> {
    match Client::connect(&plan.journal.path).await {
        Ok(client) => Ok(Some(client)),
        Err(ClientError::NobodyListens) => Ok(None),
        Err(error) => Err(not_asked(plan, &error)),
    }
}

/// Prints what came of a command that the instance has answered.
pub(super) fn told(plan: &Plan, answer: Result<Outcome, ClientError>) -> Result<(), Failure> {
    let lines = done(answer.map_err(|error| not_asked(plan, &error))?)?;
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::because(FailureKind::Failed, "failed to print the answer of the instance", &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// No instance runs on the file's state folder, though one must.
pub(super) fn none_runs(plan: &Plan) -> Failure {
    let folder = plan.journal.path.display();
    let sentence = format!(
        "no instance runs with the disk buffer in {folder}\n\
         hint: start one with `atp-forwarder run`; for one that systemd runs, set STATE_DIRECTORY as its unit does"
    );
    Failure::new(FailureKind::Failed, sentence)
}

fn not_asked(plan: &Plan, error: &ClientError) -> Failure {
    let folder = plan.journal.path.display();
    let hint = match error {
        ClientError::NobodyListens => return none_runs(plan),
        ClientError::Unreachable(_) => {
            "only the user that runs the instance, and root, can give it commands".to_owned()
        }
        ClientError::Lost(_) => format!("{folder}/control.log says whether the command was carried out"),
        ClientError::NotUnderstood(_) => "the instance may be of another version than this program".to_owned(),
    };
    let doing = format!("the instance with the disk buffer in {folder} was not asked");
    let failure = Failure::because(FailureKind::Failed, &doing, error);
    Failure::new(FailureKind::Failed, format!("{failure}\nhint: {hint}"))
}
