//! `run`: forward until stopped, or once.

use std::path::Path;
use std::sync::Arc;

use atp_source::Mode;
use indicatif::MultiProgress;
use pipeline_file::plan::Plan;
use tokio::signal::unix::{SignalKind, signal as on_signal};
use tokio::time::sleep;

use crate::admin_address::{AdminAddress, Instance};
use crate::cli::RunArgs;
use crate::control::{ControlSocket, controls};
use crate::exit::{Failure, FailureKind};
use crate::progress;
use crate::signal::{Raise, Signal, signal};
use crate::status::{Condition, Status};
use crate::supervisor::Supervisor;

pub(crate) async fn run(file: &Path, plan: &Plan, args: &RunArgs, bars: MultiProgress) -> Result<(), Failure> {
    let (stop, stopped) = signal();
    stop_on_signals(stop.clone())?;
    if let Some(within) = args.within {
        tokio::spawn(async move {
            sleep(within).await;
            stop.raise();
        });
    }
    let load = || load(file);
    if !args.once {
        return forward(plan, load, Mode::Forever, &stopped, None).await.map(drop);
    }
    let status = forward(plan, load, Mode::Once, &stopped, Some(bars)).await?;
    eprintln!("{}", progress::line(&status));
    report(&status, stopped.is_raised())
}

/// Builds and runs an instance until it ends, anew where its journal is found damaged: opened again, a damaged
/// journal is set aside and the span that waited in it is read again. Not for ever, on a failing disk.
pub(crate) async fn forward(
    plan: &Plan,
    load: impl Fn() -> Result<Plan, Failure>,
    mode: Mode,
    stopped: &Signal,
    bars: Option<MultiProgress>,
) -> Result<Arc<Status>, Failure> {
    let admin = AdminAddress::open(plan.admin).await?;
    let (controls, mut requests) = controls();
    controls.clone().reload_on_hangup()?;
    let mut plan = plan.clone();
    for damages in 0.. {
        let mut supervisor = Supervisor::build(&plan, mode).await?;
        let socket = ControlSocket::open(&plan.journal.path, controls.clone());
        let status = supervisor.status();
        admin.show(Some(Instance { journal: supervisor.journal(), status: Arc::clone(&status) }));
        let progress = bars.clone().map(|bars| tokio::spawn(progress::show(Arc::clone(&status), bars)));
        let ended = supervisor.run(stopped.clone(), &load, &mut requests).await;
        admin.show(None);
        socket.close().await;
        plan = supervisor.close().await;
        if let Some(progress) = progress {
            progress.abort();
        }
        match ended {
            Err(failure) if failure.is_damage() && damages < DAMAGES && !stopped.is_raised() => {
                tracing::error!(error = %failure, "the journal is opened anew");
            }
            ended => return ended.map(|()| status),
        }
    }
    unreachable!("the last attempt is returned whatever came of it")
}

/// The file as it is now.
fn load(file: &Path) -> Result<Plan, Failure> {
    pipeline_file::load(file).map_err(|faults| Failure::new(FailureKind::FileWrong, faults.to_string()))
}

/// Exit code 3 where something is halted or was cut short.
pub(crate) fn report(status: &Status, cut_short: bool) -> Result<(), Failure> {
    let conditions = status
        .feeds()
        .into_iter()
        .map(|feed| ("feed", feed.name.clone(), feed.condition.get()))
        .chain(status.lanes().into_iter().map(|lane| ("sink", lane.name.clone(), lane.condition.get())));
    let mut sentences: Vec<String> = conditions
        .filter_map(|(what, name, condition)| match condition {
            Condition::Halted(sentence) | Condition::TooManyDeadLetters(sentence) => {
                Some(format!("{what} {name} is halted: {sentence}"))
            }
            Condition::Waiting(sentence) if cut_short => Some(format!("{what} {name} was waiting: {sentence}")),
            _ => None,
        })
        .collect();
    if cut_short {
        sentences.push("the run was ended before all was delivered; the rest stays in the journal".to_owned());
    }
    for feed in status.feeds() {
        for owed in feed.owed.get() {
            eprintln!("feed {}: owed: {owed}", feed.name);
        }
    }
    if sentences.is_empty() {
        return Ok(());
    }
    Err(Failure::new(FailureKind::HaltedOrOutOfTime, sentences.join("\n")))
}

/// The first SIGINT or SIGTERM stops in order; a second ends at once, which loses nothing either.
pub(crate) fn stop_on_signals(stop: Raise) -> Result<(), Failure> {
    let failed = |error| Failure::because(FailureKind::Failed, "failed to listen for signals", &error);
    let mut interrupt = on_signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = on_signal(SignalKind::terminate()).map_err(failed)?;
    tokio::spawn(async move {
        for attempt in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if attempt > 0 {
                std::process::exit(FailureKind::Failed as i32);
            }
            tracing::info!("stopping, a second signal ends at once");
            stop.raise();
        }
    });
    Ok(())
}

/// How often a run opens a journal anew that was found damaged.
const DAMAGES: u32 = 3;
