//! The running instance: built without running, run until it is stopped or done.

use std::sync::Arc;

use atp_source::Mode;
use journal::{EmbeddedJournal, FeedName, Journal, JournalError};
use pipeline_file::plan::{DestinationPlan, Plan, SinkPlan, SourcePlan, TenantPlan};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::exit::{Failure, FailureKind};
use crate::intake::Intake;
use crate::lane::{Destination, Lane, LaneEnd, Rate, Rendering};
use crate::registry::{self, Sources};
use crate::signal::{Raise, Signal, signal};
use crate::status::{FeedStatus, LaneStatus, Status};
use crate::tenants::Tenants;

/// Feeds, journal and lanes, ready to run.
pub(crate) struct Forwarder {
    journal: Arc<EmbeddedJournal>,
    intakes: Vec<Intake>,
    lanes: Vec<Lane>,
    status: Arc<Status>,
    drain: Raise,
    mode: Mode,
}

/// How a task of the instance ended.
enum TaskEnd {
    Feed(Result<(), JournalError>),
    Lane(Result<LaneEnd, JournalError>),
}

impl Forwarder {
    /// Opens the journal and every destination; reads and sends nothing yet.
    pub(crate) async fn build(plan: &Plan, mode: Mode) -> Result<Self, Failure> {
        let journal = EmbeddedJournal::open(registry::journal(plan)).await?;
        let mut forwarder =
            Self { journal, intakes: Vec::new(), lanes: Vec::new(), status: Arc::default(), drain: signal().0, mode };
        match forwarder.connect(plan, mode) {
            Ok(()) => Ok(forwarder),
            Err(failure) => {
                forwarder.journal.close().await;
                Err(failure)
            }
        }
    }

    fn connect(&mut self, plan: &Plan, mode: Mode) -> Result<(), Failure> {
        let mut status = Status::default();
        let (drain, draining) = signal();
        let tenants = Arc::new(Tenants::new(plan));
        for sink in &plan.sinks {
            self.lanes.push(self.lane(sink, &tenants, draining.clone(), &mut status)?);
        }
        let failed = |fault| Failure::from_fault(FailureKind::Failed, &fault);
        let mut sources = Sources::new(plan, mode).map_err(failed)?;
        for tenant in plan.tenants.iter().filter(|tenant| tenant.enabled) {
            let application = sources.application(tenant).map_err(failed)?;
            for source in &tenant.sources {
                let intake = self.intake(tenant, source, &application, &mut sources, &mut status);
                self.intakes.push(Intake { once: mode == Mode::Once, ..intake });
            }
        }
        self.drain = drain;
        self.status = Arc::new(status);
        Ok(())
    }

    fn lane(
        &self,
        plan: &SinkPlan,
        tenants: &Arc<Tenants>,
        drain: Signal,
        status: &mut Status,
    ) -> Result<Lane, Failure> {
        let sink = registry::sink(plan).map_err(|fault| Failure::from_fault(FailureKind::Destination, &fault))?;
        let known = self.journal.lanes().iter().find(|lane| lane.name == plan.name);
        let id = known.expect("the journal was opened with every lane of the plan").id;
        let rendering =
            Rendering::new(registry::renderer(plan), registry::per(plan), plan.only.clone(), Arc::clone(tenants));
        let lane_status = Arc::new(LaneStatus { name: plan.name.clone(), ..LaneStatus::default() });
        lane_status.guarantee.set(Some(sink.word()));
        status.lanes.push(Arc::clone(&lane_status));
        tracing::info!(sink = plan.name, word = %sink.word(), "a sink is open");
        let journal: Arc<dyn Journal> = self.journal.clone();
        let destination = Destination {
            sink,
            rate: plan.max_rate.map(|per_second| Rate::new(per_second, Instant::now())),
            one_reader: plan.destination == DestinationPlan::StandardOutput,
            max_dead_letters: plan.max_dead_letters,
        };
        Ok(Lane::new(id, journal, rendering, destination, lane_status, drain))
    }

    fn intake(
        &self,
        tenant: &TenantPlan,
        source: &SourcePlan,
        application: &Arc<atp_source::Application>,
        sources: &mut Sources,
        status: &mut Status,
    ) -> Intake {
        let feed_status = Arc::new(FeedStatus::new(&tenant.name, &source.name));
        status.feeds.push(Arc::clone(&feed_status));
        Intake {
            journal: self.journal.clone(),
            name: FeedName { tenant_id: tenant.tenant_id.clone(), source: source.name.clone() },
            kind: source.kind.key(),
            application: Arc::clone(application),
            options: sources.feed(tenant, source),
            status: feed_status,
            once: false,
            lanes: status.lanes.clone(),
        }
    }

    /// What the instance knows of itself.
    pub(crate) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// What its journal knows, for whoever only looks.
    pub(crate) fn journal(&self) -> Arc<dyn Journal> {
        self.journal.clone()
    }

    /// Runs until it is stopped; once, until every feed is read and every lane drained or halted.
    pub(crate) async fn run(self, mut stop: Signal) -> Result<(), Failure> {
        let Self { journal, intakes, lanes, drain, mode, .. } = self;
        let (halt, halted) = signal();
        let mut feeds_left = intakes.len();
        let mut tasks = JoinSet::new();
        for intake in intakes {
            let intake = intake.run(halted.clone());
            tasks.spawn(async { TaskEnd::Feed(intake.await) });
        }
        for lane in lanes {
            let lane = lane.run(halted.clone());
            tasks.spawn(async { TaskEnd::Lane(lane.await) });
        }
        let mut first_failure = None;
        while !tasks.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = tasks.join_next() => {
                    feeds_left -= usize::from(matches!(ended, Ok(TaskEnd::Feed(_))));
                    if feeds_left == 0 && mode == Mode::Once {
                        drain.raise();
                    }
                    if let Some(failure) = failure(ended) {
                        halt.raise();
                        first_failure.get_or_insert(failure);
                    }
                }
                () = stop.raised(), if !halted.is_raised() => halt.raise(),
            }
        }
        journal.close().await;
        first_failure.map_or(Ok(()), Err)
    }
}

/// What the end of a task means for the instance: a halted feed or lane leaves the others running; a failure of the
/// journal or a panic ends it, and whoever supervises the process starts it anew.
fn failure(ended: Result<TaskEnd, JoinError>) -> Option<Failure> {
    match ended {
        Ok(TaskEnd::Lane(Ok(LaneEnd::ReaderGone))) => Some(Failure::reader_gone()),
        Ok(TaskEnd::Feed(Ok(())) | TaskEnd::Lane(Ok(_))) => None,
        Ok(TaskEnd::Feed(Err(error)) | TaskEnd::Lane(Err(error))) => Some(Failure::from(error)),
        Err(panic) => Some(Failure::because(FailureKind::Failed, "a task ended by itself", &panic)),
    }
}
