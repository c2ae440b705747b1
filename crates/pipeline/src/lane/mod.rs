//! A lane: one sink's way from the journal to its destination, and the only place where delivery is tried again.
//!
//! ```text
//! journal ──run──► filter, render ──► delivery ──batch──► sink
//!    ▲                                 │    ▲               │
//!    └────────────── settlement ◄──────┘    └─── answer ◄───┘
//! ```
//!
//! [`Delivery`] decides, the lane does: it asks the machine what to do next, does it, and tells what came of it.

mod delivery;
mod rendering;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use fault::{Fault, Verdict};
use journal::{DeadLetters, EntryRef, JournalError, LaneJournal, Reader, Run, Settlement, Taken};
use sink::{Batch, Sink};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(crate) use crate::lane::delivery::Rate;
pub(crate) use crate::lane::rendering::{PARTIAL, Per, Rendering, time};

use crate::lane::delivery::{Delivery, Do, Event, GRACE, Marks, Notice, Options, Waiting};
use crate::signal::Signal;
use crate::status::LaneStatus;

/// One sink's way.
pub(crate) struct Lane {
    journal: LaneParts,
    reader: Box<dyn Reader>,
    rendering: Rendering,
    sink: Box<dyn Sink>,
    status: Arc<LaneStatus>,
    /// Raised once all feeds are read.
    drain: Signal,
    delivery: Delivery,
    settling: Option<JoinHandle<Result<(), JournalError>>>,
}

/// What a lane needs of the journal.
#[derive(Clone)]
pub(crate) struct LaneParts {
    pub(crate) lane: Arc<dyn LaneJournal>,
    pub(crate) dead_letters: Arc<dyn DeadLetters>,
    /// The journal's identity, which marks carry.
    pub(crate) identity: [u8; 16],
}

/// Why a lane ended without a failure of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneEnd {
    /// Everything up to the end is settled.
    Drained,
    /// A person must act.
    Halted,
    /// The reader of standard output has gone, and no other will come.
    ReaderGone,
    /// It was asked to stop.
    Stopped,
}

/// Where a lane sends to, and how fast.
pub(crate) struct Destination {
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) rate: Option<Rate>,
    /// It is standard output, whose reader does not come back once it has gone.
    pub(crate) one_reader: bool,
    /// How many records it may have refused before a person must look at them.
    pub(crate) max_dead_letters: u64,
}

impl Lane {
    pub(crate) fn new(
        journal: LaneParts,
        rendering: Rendering,
        destination: Destination,
        status: Arc<LaneStatus>,
        drain: Signal,
    ) -> Self {
        let Destination { sink, rate, one_reader, max_dead_letters } = destination;
        let options = Options { limits: sink.limits(), one_reader, max_dead_letters };
        let delivery = Delivery::new(options, rate, Arc::clone(&status), Instant::now());
        let reader = journal.lane.reader();
        Self { journal, reader, rendering, sink, status, drain, delivery, settling: None }
    }

    /// Delivers until it is stopped, drained or, while draining, halted.
    ///
    /// # Errors
    /// The journal's, those that pass included: what was not settled is read again by whoever starts the lane anew.
    pub(crate) async fn run(mut self, mut stop: Signal) -> Result<LaneEnd, JournalError> {
        loop {
            let next = self.delivery.next(Instant::now(), self.waiting());
            self.tell();
            match next {
                Do::End(end) => return Ok(end),
                Do::Settle(settlement) => self.settling = Some(self.settle(settlement)),
                Do::Hold(queue) => self.reader.hold(queue),
                Do::Release(queue, from) => self.reader.release(queue, from),
                Do::Flush => self.flush().await,
                Do::Send(batch) => self.send(batch, &mut stop).await,
                Do::CountDeadLetters => {
                    let count = self.journal.dead_letters.dead_letter_count(self.journal.lane.id()).await?;
                    self.on(Event::Counted(count));
                }
                Do::AskForMarks => self.ask_for_marks(&mut stop).await?,
                Do::Probe => self.probe(&mut stop).await,
                Do::Wait { until, read } => self.wait(until, read, &mut stop).await?,
            }
        }
    }

    /// Waits for the first thing that happens. What has its time is always waited for; what there is nothing of never
    /// comes. Dropping any of these loses nothing.
    async fn wait(&mut self, until: Option<Instant>, read: bool, stop: &mut Signal) -> Result<(), JournalError> {
        let (is_draining, is_stopping) = (self.delivery.is_draining(), self.delivery.is_stopping());
        let event = tokio::select! {
            biased;
            () = raised(stop, is_stopping) => Event::Stop,
            settled = finished(&mut self.settling) => {
                settled?;
                Event::Settled
            }
            answer = self.sink.answer() => Event::Answered(answer),
            () = raised(&mut self.drain, is_draining) => Event::Drain,
            () = time_of(until) => return Ok(()),
            taken = next_of(&mut self.reader, read) => match taken? {
                Taken::Run(run) => {
                    self.prepare(&run);
                    return Ok(());
                }
                Taken::Revoked(queues) => Event::Revoked(queues),
            },
        };
        self.on(event);
        Ok(())
    }

    fn on(&mut self, event: Event) {
        self.delivery.on(Instant::now(), event);
    }

    fn waiting(&self) -> Waiting {
        let all = self.journal.lane.waiting();
        let held: u64 = self.delivery.held().map(|queue| self.journal.lane.waiting_in(queue)).sum();
        Waiting { all, elsewhere: all.saturating_sub(held) }
    }

    /// Filters and renders a run.
    fn prepare(&mut self, run: &Run) {
        for entry in &run.entries {
            let Some(skip) = self.delivery.take(run.queue, entry) else { continue };
            let at = EntryRef { queue: run.queue, place: entry.place };
            match self.rendering.records(entry) {
                Ok(records) => self.delivery.records((at, entry.key.id), skip, records),
                Err(end) => self.delivery.ended(at, end),
            }
        }
    }

    async fn send(&mut self, batch: Batch, stop: &mut Signal) {
        tracing::trace!(sink = self.status.name, batch = batch.id.0, "a batch is handed over");
        let event = tokio::select! {
            biased;
            () = stop.raised() => {
                self.on(Event::CutShort);
                Event::Stop
            }
            taken = self.sink.send(batch) => taken.map_or_else(Event::NotTaken, |()| Event::Taken),
        };
        self.on(event);
    }

    /// A sink that does not come back from this has nothing settled by it.
    async fn flush(&mut self) {
        if timeout(GRACE, self.sink.flush()).await.is_err() {
            tracing::warn!(sink = self.status.name, "a sink did not finish in time, what is open goes out again");
        }
    }

    async fn probe(&mut self, stop: &mut Signal) {
        let event = tokio::select! {
            biased;
            () = stop.raised() => Event::Stop,
            probed = timeout(PROBE, self.sink.probe()) => Event::Probed(probed.unwrap_or_else(|_| Err(no_answer()))),
        };
        self.on(event);
    }

    /// Asks the sink for its marks.
    async fn ask_for_marks(&mut self, stop: &mut Signal) -> Result<(), JournalError> {
        let kept = tokio::select! {
            biased;
            () = stop.raised() => {
                self.on(Event::Stop);
                return Ok(());
            }
            kept = self.sink.marks() => kept,
        };
        let kept = match kept {
            Ok(kept) => kept,
            Err(fault) => {
                self.on(Event::MarksFailed(fault));
                return Ok(());
            }
        };
        let Some(kept) = kept else {
            self.delivery.adopt(None);
            return Ok(());
        };
        let (marks, foreign) = Marks::adopt(&*self.journal.lane, self.journal.identity, &kept).await?;
        if foreign > 0 {
            tracing::warn!(
                sink = self.status.name,
                foreign,
                "the destination keeps marks of another journal: they count for nothing, and this lane starts where its \
                 own journal stands; what the other had in flight when it stopped may arrive twice"
            );
        }
        self.delivery.adopt(Some(marks));
        Ok(())
    }

    /// Settles beside everything else.
    fn settle(&self, settlement: Settlement) -> JoinHandle<Result<(), JournalError>> {
        let (journal, status) = (Arc::clone(&self.journal.lane), Arc::clone(&self.status));
        tokio::spawn(async move {
            tracing::trace!(sink = status.name, "marks are settled");
            loop {
                match journal.settle(settlement.clone()).await {
                    // Others have filled the disk to the last byte: it is tried again, and nothing moves meanwhile.
                    Err(JournalError::Full(_)) => sleep(SETTLE_AGAIN).await,
                    settled => {
                        tracing::trace!(sink = status.name, "marks were settled");
                        return settled;
                    }
                }
            }
        })
    }

    /// Says what there is to say.
    fn tell(&mut self) {
        let sink = &self.status.name;
        for notice in self.delivery.take_notices() {
            match notice {
                Notice::DeadLetter(reason) => tracing::warn!(sink, reason, "an alert is set aside as a dead letter"),
                Notice::Failing { fault, wait } => tell_failing(sink, &fault, wait),
                Notice::Holding { queue, fault, wait } => {
                    let (error, advice) = (format!("{fault:#}"), fault.advice());
                    tracing::error!(
                        sink,
                        queue = queue.0,
                        error,
                        advice,
                        again_in = ?wait,
                        "alerts of one tenant cannot be delivered and wait; others go on"
                    );
                }
                Notice::Recovered => tracing::info!(sink, "a sink takes alerts again"),
                Notice::TooManyDeadLetters(error) => {
                    tracing::error!(sink, error, "a sink needs a person, all waits in the journal");
                }
                Notice::Unfinished => {
                    tracing::warn!(sink, "a sink did not finish in time, what is open goes out again");
                }
            }
        }
    }
}

fn tell_failing(sink: &str, fault: &Fault, wait: Duration) {
    let (error, advice) = (format!("{fault:#}"), fault.advice());
    match fault.verdict() {
        Verdict::Halt => tracing::error!(sink, error, advice, "a sink needs a person, all waits in the journal"),
        Verdict::Reject | Verdict::Retry => {
            tracing::warn!(sink, error, advice, again_in = ?wait, "a sink does not take alerts, all waits in the journal");
        }
    }
}

fn no_answer() -> Fault {
    Fault::retry("failed to reach the destination: it did not answer in time")
}

/// Waits for a signal that was not heard of yet.
async fn raised(signal: &mut Signal, was_heard: bool) {
    if was_heard { std::future::pending().await } else { signal.raised().await }
}

/// Waits for a time, if there is one.
async fn time_of(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Waits for what the journal has next, if it is wanted.
async fn next_of(reader: &mut Box<dyn Reader>, is_wanted: bool) -> Result<Taken, JournalError> {
    if is_wanted { reader.next(RUN_BYTES).await } else { std::future::pending().await }
}

/// Waits for the settlement that is under way, if one is.
async fn finished(settling: &mut Option<JoinHandle<Result<(), JournalError>>>) -> Result<(), JournalError> {
    let Some(settlement) = settling else { return std::future::pending().await };
    let settled = settlement.await;
    *settling = None;
    // Of a panic nothing is known but that this lane did not go on: it is started again.
    settled.unwrap_or(Err(JournalError::Unavailable { doing: "settle", retry_after: SETTLE_AGAIN }))
}

/// Raw bytes that are read and rendered in one piece.
const RUN_BYTES: usize = 256 << 10;

/// How long a destination may take to say that it is there.
const PROBE: Duration = Duration::from_secs(5);

/// How long a settlement waits for a disk that others have filled.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);
