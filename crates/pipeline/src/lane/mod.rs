//! A lane: one sink's way from the journal to its destination, and the only place where delivery is tried again.
//!
//! ```text
//! journal ──run──► filter, render ──► outbox ──batch──► sink
//!    ▲                                                   │
//!    └──────── settlement ◄──── window ◄──── answer ◄────┘
//! ```
//!
//! The window knows every entry that was taken and moves a mark only over leading entries that have ended. Whatever
//! stops, panics or times out here moves nothing: what was not settled is read again.

mod letters;
mod marks;
mod outbox;
mod rate;
mod rendering;
mod settling;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::time::Duration;

use fault::{BackOff, Fault, Verdict, Waits};
use journal::{EntryRef, Journal, JournalError, LaneId, Reader, Run};
use sink::{Answer, BatchId, Sink};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(crate) use crate::lane::rate::Rate;
pub(crate) use crate::lane::rendering::{PARTIAL, Per, Rendering, time};

use crate::lane::letters::{LOOK_EVERY, Letters};
use crate::lane::marks::Marks;
use crate::lane::outbox::{Outbox, Parcel};
use crate::lane::settling::finished;
use crate::lane::window::{End, Ticket, Window};
use crate::signal::Signal;
use crate::status::{Condition, LaneStatus};

/// One sink's way.
pub(crate) struct Lane {
    id: LaneId,
    journal: Arc<dyn Journal>,
    reader: Box<dyn Reader>,
    rendering: Rendering,
    sink: Box<dyn Sink>,
    status: Arc<LaneStatus>,
    rate: Option<Rate>,
    one_reader: bool,
    letters: Letters,
    /// What the sink keeps beside the records, once it was asked.
    marks: Kept,
    /// Raised once all feeds are read: the lane ends when nothing waits any more, or at a Halt.
    drain: Signal,
    window: Window,
    outbox: Outbox,
    waits: Waits,
    /// Nothing is sent before, since a fault or the destination asks for it.
    hold_until: Option<Instant>,
    /// A failure was heard since a batch was last handed over.
    failing: bool,
    /// The sink was flushed since a batch was last handed over.
    flushed: bool,
    /// Nothing is sent before, for `max_rate`'s sake.
    rate_until: Option<Instant>,
    settling: Option<JoinHandle<Result<(), JournalError>>>,
    /// Entries that the running settlement accounts for.
    in_settlement: usize,
    /// Requeued entries and dead letters that it accounts for.
    requeued_in_settlement: Vec<EntryRef>,
    letters_in_settlement: bool,
    /// The batch that is being handed over: the sink does not answer for it where that is cut short.
    handing_over: Option<BatchId>,
}

/// What a sink keeps for the lane.
enum Kept {
    /// Nothing: it knows records only.
    Nothing,
    /// It was not asked yet.
    Unasked,
    /// Marks, which go with every batch.
    Marks(Box<Marks>),
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
        id: LaneId,
        journal: Arc<dyn Journal>,
        rendering: Rendering,
        destination: Destination,
        status: Arc<LaneStatus>,
        drain: Signal,
    ) -> Self {
        let Destination { sink, rate, one_reader, max_dead_letters } = destination;
        Self {
            id,
            reader: journal.reader(id),
            journal,
            rendering,
            status,
            rate,
            one_reader,
            letters: Letters::new(max_dead_letters),
            marks: Kept::Unasked,
            drain,
            window: Window::default(),
            outbox: Outbox::new(sink.limits()),
            sink,
            waits: BACK_OFF.waits(),
            hold_until: None,
            failing: false,
            flushed: false,
            rate_until: None,
            settling: None,
            in_settlement: 0,
            requeued_in_settlement: Vec::new(),
            letters_in_settlement: false,
            handing_over: None,
        }
    }

    /// Delivers until it is stopped, drained or, while draining, halted.
    pub(crate) async fn run(mut self, mut stop: Signal) -> Result<LaneEnd, JournalError> {
        self.count_letters().await?;
        let end = loop {
            if let Some(end) = self.end() {
                break end;
            }
            tokio::select! {
                biased;
                () = stop.raised() => break LaneEnd::Stopped,
                worked = self.work() => worked?,
            }
        };
        if end != LaneEnd::Drained {
            self.stop().await?;
        }
        Ok(end)
    }

    fn end(&self) -> Option<LaneEnd> {
        let halted = matches!(self.status.condition.get(), Condition::Halted(_));
        if halted && self.one_reader && !self.letters.is_full() {
            return Some(LaneEnd::ReaderGone);
        }
        if !self.drain.is_raised() {
            return None;
        }
        if halted {
            return Some(LaneEnd::Halted);
        }
        let idle = self.outbox.is_empty() && self.window.len() == 0 && self.settling.is_none();
        (idle && self.journal.backlog(self.id) == 0).then_some(LaneEnd::Drained)
    }

    /// One step: sends what may go, then waits for the next thing to happen. Dropping it loses nothing.
    async fn work(&mut self) -> Result<(), JournalError> {
        if let Kept::Unasked = self.marks {
            return self.ask_for_marks().await;
        }
        self.settle();
        let full = self.letters.is_full();
        if !full && !self.must_settle_first() {
            self.send().await;
            // What was refused before it was handed over may have to be settled before anything else goes.
            self.settle();
        }
        // What could not be handed over may have ended the lane already: nothing is waited for then.
        if self.end().is_some() {
            return Ok(());
        }
        if self.is_at_the_end() {
            // Nobody will write after these: what a sink settles by that, or by time, it need not wait for.
            self.sink.flush().await;
            self.flushed = true;
        }
        let may_send_at = self.hold_until.max(self.rate_until).filter(|_| !full && !self.outbox.is_empty());
        tokio::select! {
            biased;
            settled = finished(&mut self.settling), if self.settling.is_some() => {
                self.settled();
                settled
            }
            answer = self.sink.answer(), if self.outbox.has_outstanding() => {
                self.hear(answer);
                Ok(())
            }
            () = sleep_until(may_send_at.unwrap_or_else(Instant::now)), if may_send_at.is_some() => {
                (self.hold_until, self.rate_until) = (None, None);
                Ok(())
            }
            () = sleep(LOOK_EVERY), if full => self.count_letters().await,
            run = self.reader.next(RUN_BYTES), if !full && self.takes_more() => {
                self.prepare(&run?);
                Ok(())
            }
            () = self.drain.raised(), if !self.drain.is_raised() => Ok(()),
        }
    }

    /// Whether everything there is was handed over, and nothing more will come.
    fn is_at_the_end(&self) -> bool {
        if self.flushed || !self.drain.is_raised() || !self.outbox.is_all_outstanding() {
            return false;
        }
        self.journal.backlog(self.id) <= (self.window.len() + self.in_settlement) as u64
    }

    /// Entries that are not settled are bounded, those whose settlement is under way included: after a kill no more
    /// than these go out again.
    fn takes_more(&self) -> bool {
        let limits = self.sink.limits();
        let unsettled = self.window.len() + self.in_settlement;
        self.outbox.wants_more() && unsettled < limits.records.saturating_mul(limits.outstanding + 2)
    }

    /// Filters and renders a run.
    fn prepare(&mut self, run: &Run) {
        self.window.take(run);
        let sender = self.rendering.sender(&run.feed);
        for entry in &run.entries {
            let place = EntryRef { queue: run.queue, place: entry.place };
            let whole = Ticket::whole(place, run.requeued, entry.key.id);
            let written = match &mut self.marks {
                Kept::Marks(marks) => marks.written(run, entry),
                Kept::Nothing | Kept::Unasked => 0,
            };
            let ended = match self.rendering.records(&sender, entry) {
                Ok(records) if records.len() <= written => Some(End::Delivered),
                Ok(records) => {
                    self.window.share(whole, records.len() - written);
                    let last = records.len() - 1;
                    for (part, record) in records.enumerate().skip(written) {
                        let part_number = u32::try_from(part).unwrap_or(u32::MAX);
                        self.outbox.put(Ticket { part: part_number, is_last: part == last, ..whole }, record);
                    }
                    None
                }
                Err(end) => Some(end),
            };
            if let Some(end) = ended {
                self.account(whole, end);
            }
        }
    }

    /// Hands over what the outbox, the rate and the waits allow.
    async fn send(&mut self) {
        while !self.must_settle_first()
            && self.hold_until.max(self.rate_until).is_none_or(|until| until <= Instant::now())
        {
            (self.hold_until, self.rate_until) = (None, None);
            let allowed = self.rate.as_mut().map_or(usize::MAX, |rate| rate.allowed(Instant::now()));
            if allowed == 0 {
                self.rate_until = self.rate.as_ref().map(|rate| Instant::now() + rate.wait());
                return;
            }
            let Some(parcel) = self.outbox.next(allowed) else { return };
            self.hand_over(parcel).await;
        }
    }

    async fn hand_over(&mut self, parcel: Parcel) {
        let mut batch = self.outbox.batch(&parcel);
        if let Kept::Marks(marks) = &self.marks {
            batch.marks = marks.of_batch(parcel.tickets());
        }
        let (id, records) = (batch.id, parcel.len());
        self.outbox.sent(id, parcel);
        (self.failing, self.flushed) = (false, false);
        self.handing_over = Some(id);
        tracing::trace!(sink = self.status.name, batch = id.0, records, "a batch is handed over");
        let taken = self.sink.send(batch).await;
        self.handing_over = None;
        match taken {
            Ok(()) => {
                if let Some(rate) = &mut self.rate {
                    rate.spend(records);
                }
            }
            Err(fault) => {
                if let Some((ticket, end)) = self.outbox.not_sent(id, &fault) {
                    self.account(ticket, end);
                } else if fault.verdict() != Verdict::Reject {
                    self.hold_back(&fault);
                }
            }
        }
    }

    fn hear(&mut self, answer: Answer) {
        tracing::trace!(sink = self.status.name, batch = answer.batch.0, "a batch was answered");
        let ease = answer.ease;
        let (ended, fault) = self.outbox.hear(answer);
        let progress = !ended.is_empty();
        for (ticket, end) in ended {
            self.account(ticket, end);
        }
        match (fault, ease) {
            (Some(fault), _) => self.hold_back(&fault),
            (None, Some(ease)) => self.hold(ease),
            // An answer to what was sent before a fault is no recovery from it.
            (None, None) if progress && self.hold_until.is_none() && !self.failing => self.recover(),
            (None, None) => {}
        }
    }

    /// Accounts for an entry, or for one of its records; it counts once it has ended.
    fn account(&mut self, ticket: Ticket, end: End) {
        if let (Kept::Marks(marks), End::SetAside(reason)) = (&mut self.marks, &end) {
            marks.set_aside(ticket.entry);
            self.window.set_aside_first(ticket.entry, reason.clone());
        }
        let Some(end) = self.window.end(ticket, end) else { return };
        match end {
            End::Delivered => self.status.delivered.add(1),
            End::FilteredOut => self.status.filtered.add(1),
            End::SetAside(reason) => {
                self.status.dead_letters.add(1);
                tracing::warn!(sink = self.status.name, reason, "an alert is set aside as a dead letter");
                if self.letters.add() {
                    self.halt_for_letters();
                }
            }
        }
    }

    /// Asks the journal how many dead letters there are, which others replay and drop.
    async fn count_letters(&mut self) -> Result<(), JournalError> {
        let was_full = self.letters.is_full();
        self.letters.count(self.id, &self.journal.dead_letter_counts().await?);
        match self.letters.is_full() {
            true => self.halt_for_letters(),
            false if was_full => self.recover(),
            false => {}
        }
        Ok(())
    }

    /// Sends and takes nothing more until a person has looked at the dead letters.
    fn halt_for_letters(&mut self) {
        let error = self.letters.sentence(&self.status.name);
        if self.status.condition.set(Condition::Halted(error.clone())) {
            tracing::error!(sink = self.status.name, error, "a sink needs a person, all waits in the journal");
        }
    }

    /// Sends nothing for this long. A wait that was longer stands.
    fn hold(&mut self, wait: Duration) {
        let until = Instant::now() + wait;
        self.hold_until = Some(self.hold_until.map_or(until, |standing| standing.max(until)));
    }

    /// Waits before anything is sent again, and says so. Batches that one lost connection has left open are one failure:
    /// while the lane is held back for the first of them, the others make the wait no longer.
    fn hold_back(&mut self, fault: &Fault) {
        let wait = if self.failing { fault.retry_after().unwrap_or_default() } else { self.waits.next(fault) };
        self.failing = true;
        self.hold(wait);
        // What a lane with too many dead letters needs stands, whatever comes of what it had sent before.
        if self.letters.is_full() || !self.status.condition.set(Condition::after(fault)) {
            return;
        }
        let (sink, error, advice) = (&self.status.name, format!("{fault:#}"), fault.advice());
        match fault.verdict() {
            Verdict::Halt => tracing::error!(sink, error, advice, "a sink needs a person, all waits in the journal"),
            Verdict::Reject | Verdict::Retry => {
                tracing::warn!(sink, error, advice, again_in = ?wait, "a sink does not take alerts, all waits in the journal");
            }
        }
    }

    fn recover(&mut self) {
        self.waits.reset();
        if !self.letters.is_full() && self.status.condition.set(Condition::Running) {
            tracing::info!(sink = self.status.name, "a sink takes alerts again");
        }
    }

    /// Lets the sink finish what it has, within a grace period, and settles what came of it.
    async fn stop(&mut self) -> Result<(), JournalError> {
        if let Some(cut_short) = self.handing_over.take() {
            self.outbox.give_up(cut_short);
        }
        let finishing = async {
            self.sink.flush().await;
            while self.outbox.has_outstanding() {
                let answer = self.sink.answer().await;
                self.hear(answer);
            }
        };
        if timeout(GRACE, finishing).await.is_err() {
            tracing::warn!(sink = self.status.name, "a sink did not finish in time, what is open goes out again");
        }
        timeout(GRACE, self.settle_the_rest()).await.unwrap_or(Ok(()))
    }
}

const BACK_OFF: BackOff = BackOff::new(Duration::from_millis(250), Duration::from_secs(30));
/// How long a sink may take to finish when the process stops.
const GRACE: Duration = Duration::from_secs(10);
/// Raw bytes that are read and rendered in one piece.
const RUN_BYTES: usize = 256 << 10;
