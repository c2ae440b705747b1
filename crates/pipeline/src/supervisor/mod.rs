//! The supervisor: one place that holds the running feeds and lanes, and drives them to what is wanted.
//!
//! A start, a reload and the end of a task are its callers. What fails for one feed or lane is contained there, told, and
//! started again after a while; only a journal that cannot go on ends the process.

mod changes;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use atp_source::Mode;
use fault::{BackOff, Fault, Waits};
use journal::{EmbeddedJournal, FeedName, Journal, JournalError, LanePlan};
use pipeline_file::plan::{DestinationPlan, Plan, SinkPlan};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use self::changes::{Wanted, WantedFeed};
use crate::control::{ControlRequest, outcome};
use crate::exit::{Failure, FailureKind};
use crate::intake::Intake;
use crate::lane::{Destination, Lane, LaneEnd, LaneParts, Rate, Rendering};
use crate::registry::{self, Sources};
use crate::signal::{Raise, Signal, signal};
use crate::status::{Condition, FeedStatus, LaneStatus, Status};
use crate::tenants::Tenants;

/// The running instance.
pub(crate) struct Supervisor {
    journal: Arc<EmbeddedJournal>,
    mode: Mode,
    plan: Plan,
    sources: Sources,
    tenants: watch::Sender<Arc<Tenants>>,
    status: Arc<Status>,
    /// What is wanted, and what of it was started.
    wanted: Wanted,
    tasks: JoinSet<Ended>,
    running: BTreeMap<Member, Running>,
    /// What is to be started again, and when.
    again: BTreeMap<Member, Instant>,
    /// How often each has failed in a row.
    waits: BTreeMap<Member, Waits>,
    drain: (Raise, Signal),
    next_number: u64,
    /// Why the instance ends, where that was met while something else was waited for.
    fatal: Option<Failure>,
}

/// A feed or a lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Feed(FeedName),
    Lane(String),
}

/// A task that runs.
struct Running {
    /// Tells it from an earlier task of the same member.
    number: u64,
    stop: Raise,
    since: Instant,
}

/// A task that has ended.
struct Ended {
    member: Member,
    number: u64,
    how: Result<TaskEnd, JoinError>,
}

/// How a task ended by itself.
enum TaskEnd {
    Feed(Result<(), JournalError>),
    Lane(Result<LaneEnd, JournalError>),
}

impl Supervisor {
    /// Opens the journal and sets its lanes; reads and sends nothing yet.
    ///
    /// # Errors
    /// The journal cannot be opened, or a sink has left the file with alerts waiting.
    pub(crate) async fn build(plan: &Plan, mode: Mode) -> Result<Self, Failure> {
        let failed = |fault| Failure::from_fault(FailureKind::Failed, &fault);
        let sources = Sources::new(plan, mode).map_err(failed)?;
        let journal = EmbeddedJournal::open(registry::journal(plan)).await?;
        let tenants = Arc::new(Tenants::new(plan));
        if let Err(error) = journal.set_lanes(&registry::lanes(plan, &tenants)).await {
            journal.close().await;
            return Err(error.into());
        }
        Ok(Self {
            journal,
            mode,
            plan: plan.clone(),
            sources,
            tenants: watch::Sender::new(tenants),
            status: Arc::default(),
            wanted: Wanted::default(),
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            again: BTreeMap::new(),
            waits: BTreeMap::new(),
            drain: signal(),
            next_number: 0,
            fatal: None,
        })
    }

    /// What the instance knows of itself.
    pub(crate) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// What its journal knows, for whoever only looks.
    pub(crate) fn journal(&self) -> Arc<dyn Journal> {
        self.journal.clone()
    }

    /// Runs until it is stopped; once, until every feed is read and every lane drained or halted. Meanwhile it takes
    /// commands; `load` reads the file anew.
    ///
    /// # Errors
    /// The journal cannot go on, or the reader of standard output has gone.
    pub(crate) async fn run(
        &mut self,
        mut stop: Signal,
        load: impl Fn() -> Result<Plan, Failure>,
        requests: &mut mpsc::Receiver<ControlRequest>,
    ) -> Result<(), Failure> {
        self.drive_to(Wanted::of(&self.plan)).await;
        let ended = self.supervise(&mut stop, &load, requests).await;
        self.stop_all().await;
        ended
    }

    /// Lets go of the journal. Returns the plan that was taken over last.
    pub(crate) async fn close(self) -> Plan {
        self.journal.close().await;
        self.plan
    }

    async fn supervise(
        &mut self,
        stop: &mut Signal,
        load: &impl Fn() -> Result<Plan, Failure>,
        requests: &mut mpsc::Receiver<ControlRequest>,
    ) -> Result<(), Failure> {
        loop {
            if let Some(failure) = self.fatal.take() {
                return Err(failure);
            }
            if self.mode == Mode::Once {
                if !self.has_feeds() {
                    self.drain.0.raise();
                }
                if self.tasks.is_empty() && self.again.is_empty() {
                    return Ok(());
                }
            }
            let next = self.again.values().min().copied();
            tokio::select! {
                biased;
                () = stop.raised() => return Ok(()),
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => self.ended(unjoined(ended)?)?,
                Some(request) = requests.recv() => self.answer(request, load).await,
                () = time_of(next) => self.start_again(),
            }
        }
    }

    /// Whether feeds are still to be read, those that wait for another attempt included.
    fn has_feeds(&self) -> bool {
        let is_feed = |member: &Member| matches!(member, Member::Feed(_));
        self.running.keys().any(is_feed) || self.again.keys().any(is_feed)
    }

    async fn answer(&mut self, request: ControlRequest, load: &impl Fn() -> Result<Plan, Failure>) {
        match request {
            ControlRequest::Reload { confirm, answer } => {
                let done = match load() {
                    Ok(plan) if confirm || !self.loses_many(&plan) => self.reload(plan).await,
                    Ok(plan) => Err(self.unconfirmed(&plan)),
                    Err(failure) => Err(failure),
                };
                // Whoever asked may have gone meanwhile.
                let _ = answer.send(outcome(done));
            }
            ControlRequest::Skip { sink, why, answer } => {
                let done = skip(&*self.journal, &sink, &why).await;
                let _ = answer.send(outcome(done.map(|line| vec![line])));
            }
        }
    }

    /// Takes over another plan, all or nothing.
    ///
    /// # Errors
    /// Why it was not taken; everything is as it was.
    async fn reload(&mut self, plan: Plan) -> Result<Vec<String>, Failure> {
        let mut lines = self.needs_restart(&plan);
        let failed = |fault| Failure::from_fault(FailureKind::Failed, &fault);
        let sources = self.sources.renewed(&plan).map_err(failed)?;
        let tenants = Arc::new(Tenants::after(&plan, &self.tenants.borrow()));
        self.set_lanes(&registry::lanes(&plan, &tenants)).await?;
        let wanted = Wanted::of(&plan);
        lines.extend(self.wanted.changes(&wanted).lines());
        (self.sources, self.plan) = (sources, plan);
        self.tenants.send_replace(tenants);
        self.drive_to(wanted).await;
        if lines.is_empty() {
            lines.push("nothing has changed".to_owned());
        }
        tracing::info!(changes = lines.join("; "), "the file was read again");
        Ok(lines)
    }

    /// Sets the lanes. Of a sink that leaves, alerts may be on their way in this very moment: it has a while to end them,
    /// and only then is it refused.
    async fn set_lanes(&self, lanes: &[LanePlan]) -> Result<(), JournalError> {
        let until = Instant::now() + LEAVE_WITHIN;
        loop {
            match self.journal.set_lanes(lanes).await {
                Err(JournalError::LeftWaiting { .. }) if Instant::now() < until => sleep(LEAVE_POLL).await,
                set => return set,
            }
        }
    }

    /// Whether more than a tenth of all tenants, and more than one, would go at once: more likely a mistake than meant.
    fn loses_many(&self, plan: &Plan) -> bool {
        let gone = self.gone(plan);
        gone > 1 && gone * 10 > self.plan.tenants.len()
    }

    fn gone(&self, plan: &Plan) -> usize {
        let kept: BTreeSet<&str> = plan.tenants.iter().map(|tenant| tenant.tenant_id.as_str()).collect();
        self.plan.tenants.iter().filter(|tenant| !kept.contains(tenant.tenant_id.as_str())).count()
    }

    fn unconfirmed(&self, plan: &Plan) -> Failure {
        let (gone, all) = (self.gone(plan), self.plan.tenants.len());
        let sentence = format!(
            "{gone} of {all} tenants would go at once, so nothing was changed\n\
             hint: where that is meant, say so with `atp-forwarder reload --confirm`"
        );
        Failure::new(FailureKind::FileWrong, sentence)
    }

    /// What of a plan takes effect at the next start only.
    fn needs_restart(&self, plan: &Plan) -> Vec<String> {
        let mut lines = Vec::new();
        if self.plan.journal != plan.journal {
            lines.push("buffer: changed, and takes effect at the next start".to_owned());
        }
        if self.plan.admin != plan.admin {
            lines.push("admin: changed, and takes effect at the next start".to_owned());
        }
        lines
    }

    /// Drives what runs to what is wanted: stops, in order, what goes or changes, then starts what is new.
    async fn drive_to(&mut self, wanted: Wanted) {
        let changes = self.wanted.changes(&wanted);
        let feeds = changes.stop_feeds.into_iter().map(Member::Feed);
        let lanes = changes.stop_lanes.into_iter().map(Member::Lane);
        self.stop(feeds.chain(lanes).collect()).await;
        self.wanted = wanted;
        for name in changes.start_lanes {
            self.start(&Member::Lane(name));
        }
        for name in changes.start_feeds {
            self.start(&Member::Feed(name));
        }
    }

    /// Stops members and waits until they have ended; each keeps to its own time limit.
    async fn stop(&mut self, members: Vec<Member>) {
        let mut numbers = Vec::new();
        for member in members {
            self.again.remove(&member);
            self.waits.remove(&member);
            self.status.remove(member.tenant_source(), member.sink());
            if let Some(running) = self.running.remove(&member) {
                running.stop.raise();
                numbers.push(running.number);
            }
        }
        while !numbers.is_empty() {
            let Some(ended) = self.tasks.join_next().await else { return };
            let Ok(ended) = unjoined(ended) else { continue };
            numbers.retain(|number| *number != ended.number);
            if let Err(failure) = self.ended(ended) {
                self.fatal.get_or_insert(failure);
            }
        }
    }

    async fn stop_all(&mut self) {
        for running in self.running.values() {
            running.stop.raise();
        }
        while self.tasks.join_next().await.is_some() {}
    }

    fn start_again(&mut self) {
        let now = Instant::now();
        let due: Vec<Member> =
            self.again.iter().filter(|(_, at)| **at <= now).map(|(member, _)| member.clone()).collect();
        for member in due {
            self.again.remove(&member);
            self.start(&member);
        }
    }

    fn start(&mut self, member: &Member) {
        match member {
            Member::Feed(name) => self.start_feed(name),
            Member::Lane(name) => self.start_lane(name),
        }
    }

    fn start_feed(&mut self, name: &FeedName) {
        let Some(WantedFeed { tenant, source }) = self.wanted.feeds.get(name).cloned() else { return };
        let status = self.status.feed(name, || FeedStatus::new(&tenant.name, &source.name));
        let application = match self.sources.application(&tenant) {
            Ok(application) => application,
            Err(fault) => {
                status.condition.set(Condition::after(&fault));
                self.fails_to_start(Member::Feed(name.clone()), &fault);
                return;
            }
        };
        let intake = Intake {
            journal: self.journal.clone(),
            name: name.clone(),
            kind: source.kind.key(),
            application,
            options: self.sources.feed(&tenant, &source),
            status,
            once: self.mode == Mode::Once,
            instance: Arc::clone(&self.status),
        };
        self.spawn(Member::Feed(name.clone()), async |stop| TaskEnd::Feed(intake.run(stop).await));
    }

    fn start_lane(&mut self, name: &str) {
        let Some(plan) = self.wanted.lanes.get(name).cloned() else { return };
        let status = self.status.lane(name);
        let member = Member::Lane(name.to_owned());
        match self.lane(&plan, &status) {
            Ok(lane) => self.spawn(member, async |stop| TaskEnd::Lane(lane.run(stop).await)),
            Err(fault) => {
                // Nobody but a person can mend what cannot even be opened; the others go on.
                status.condition.set(Condition::Halted(Condition::sentence(&fault)));
                self.fails_to_start(member, &fault);
            }
        }
    }

    fn lane(&self, plan: &SinkPlan, status: &Arc<LaneStatus>) -> Result<Lane, Fault> {
        let sink = registry::sink(plan)?;
        let lane = self.journal.lane(&plan.name);
        let lane = lane.ok_or_else(|| Fault::retry("failed to find the sink in the disk buffer"))?;
        let rendering =
            Rendering::new(registry::renderer(plan), registry::per(plan), plan.only.clone(), self.tenants.subscribe());
        status.guarantee.set(Some(sink.word()));
        tracing::info!(sink = plan.name, guarantee = %sink.word(), "a sink is open");
        let destination = Destination {
            sink,
            rate: plan.max_rate.map(|per_second| Rate::new(per_second, Instant::now())),
            one_reader: plan.destination == DestinationPlan::StandardOutput,
            max_dead_letters: plan.max_dead_letters,
        };
        let parts = LaneParts { lane, dead_letters: self.journal.clone(), identity: self.journal.identity() };
        Ok(Lane::new(parts, rendering, destination, Arc::clone(status), self.drain.1.clone()))
    }

    /// A feed or sink that cannot be opened: it is said, and tried again slowly, but for a run that reads once.
    fn fails_to_start(&mut self, member: Member, fault: &Fault) {
        let (error, advice) = (format!("{fault:#}"), fault.advice());
        match &member {
            Member::Feed(feed) => tracing::error!(%feed, error, advice, "a feed cannot be opened, the others go on"),
            Member::Lane(sink) => tracing::error!(sink, error, advice, "a sink cannot be opened, the others go on"),
        }
        if self.mode != Mode::Once {
            self.again.insert(member, Instant::now() + OPEN_AGAIN);
        }
    }

    fn spawn<F: Future<Output = TaskEnd> + Send + 'static>(&mut self, member: Member, work: impl FnOnce(Signal) -> F) {
        let (stop, stopped) = signal();
        let number = self.next_number;
        self.next_number += 1;
        let task = tokio::spawn(work(stopped));
        let of = member.clone();
        self.tasks.spawn(async move { Ended { member: of, number, how: task.await } });
        self.running.insert(member, Running { number, stop, since: Instant::now() });
    }

    /// A task has ended by itself. What passes is tried again; what does not ends the instance.
    ///
    /// # Errors
    /// Why the instance ends.
    fn ended(&mut self, ended: Ended) -> Result<(), Failure> {
        let Ended { member, number, how } = ended;
        let Some(running) = self.running.get(&member).filter(|running| running.number == number) else { return Ok(()) };
        let ran = running.since.elapsed();
        self.running.remove(&member);
        let error = match how {
            Ok(TaskEnd::Lane(Ok(LaneEnd::ReaderGone))) => return Err(Failure::reader_gone()),
            Ok(TaskEnd::Feed(Ok(())) | TaskEnd::Lane(Ok(_))) => return Ok(()),
            Ok(TaskEnd::Feed(Err(error)) | TaskEnd::Lane(Err(error))) if !error.passes() => return Err(error.into()),
            Ok(TaskEnd::Feed(Err(error)) | TaskEnd::Lane(Err(error))) => error.to_string(),
            Err(panic) => format!("it ended by itself: {panic}"),
        };
        let waits = self.waits.entry(member.clone()).or_insert_with(|| BACK_OFF.waits());
        if ran > STEADY {
            waits.reset();
        }
        let wait = waits.next(&Fault::retry("failed to go on"));
        self.status.set_waiting(member.tenant_source(), member.sink(), &error);
        match &member {
            Member::Feed(feed) => {
                tracing::error!(%feed, error, again_in = ?wait, "a feed has failed and is started again")
            }
            Member::Lane(sink) => {
                tracing::error!(sink, error, again_in = ?wait, "a sink has failed and is started again")
            }
        }
        self.again.insert(member, Instant::now() + wait);
        Ok(())
    }
}

impl Member {
    fn tenant_source(&self) -> Option<&FeedName> {
        match self {
            Self::Feed(name) => Some(name),
            Self::Lane(_) => None,
        }
    }

    fn sink(&self) -> Option<&str> {
        match self {
            Self::Feed(_) => None,
            Self::Lane(name) => Some(name),
        }
    }
}

/// Gives up what waits for a sink, which may have left the file.
///
/// # Errors
/// The journal knows no such sink, or cannot be written.
pub(crate) async fn skip(journal: &dyn Journal, sink: &str, why: &str) -> Result<String, Failure> {
    let standings = journal.standings().await?;
    let Some(standing) = standings.iter().find(|standing| standing.lane.name == sink) else {
        let known: Vec<&str> = standings.iter().map(|standing| standing.lane.name.as_str()).collect();
        let sentence = format!("the disk buffer knows no sink {sink}\nhint: it knows {}", known.join(", "));
        return Err(Failure::new(FailureKind::Failed, sentence));
    };
    let count = journal.skip(standing.lane.id, why).await?;
    let alerts = if count == 1 { "1 alert".to_owned() } else { format!("{count} alerts") };
    tracing::warn!(sink, alerts = count, why, "what waited for a sink was given up");
    Ok(format!("sink {sink}: {alerts} given up"))
}

/// The tasks that are joined do nothing but wait for others, and cannot fail by themselves.
fn unjoined(ended: Result<Ended, JoinError>) -> Result<Ended, Failure> {
    ended.map_err(|error| Failure::because(FailureKind::Failed, "a task ended by itself", &error))
}

async fn time_of(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// How long a sink that leaves may take to end what is on its way, and how often that is looked at.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
const LEAVE_POLL: Duration = Duration::from_millis(20);

/// How long what has failed waits before it is started again.
const BACK_OFF: BackOff = BackOff::new(Duration::from_millis(500), Duration::from_secs(60));

/// What ran so long had not failed in a row.
const STEADY: Duration = Duration::from_secs(300);

/// How often what cannot be opened is tried again.
const OPEN_AGAIN: Duration = Duration::from_secs(30);
