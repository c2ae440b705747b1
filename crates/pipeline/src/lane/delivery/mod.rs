//! Delivery as a machine: it is asked what to do next, and told what has happened. It does nothing itself.
//!
//! The window knows every entry that was taken and moves a mark only over leading entries that have ended. Whatever
//! stops, panics or times out around it moves nothing: what was not settled is read again.

mod dead_letters;
mod holds;
mod marks;
mod outbox;
mod rate;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::time::Duration;

use fault::{BackOff, Fault, Verdict, Waits};
use journal::{DeadLetterCount, EntryRef, Place, QueueId, Settlement};
use sink::{Answer, Batch, BatchId, Limits, Record};
use tokio::time::Instant;

pub(crate) use self::marks::Marks;
pub(crate) use self::rate::Rate;
pub(crate) use self::window::End;
#[cfg(test)]
pub(crate) use self::window::Ticket;

use self::dead_letters::{DeadLetterLimit, LOOK_EVERY};
use self::holds::Holds;
use self::outbox::Outbox;
#[cfg(not(test))]
use self::window::Ticket;
use self::window::Window;
use crate::lane::LaneEnd;
use crate::status::{Condition, LaneStatus};

/// One sink's way, as far as it can be thought without doing anything.
pub(crate) struct Delivery {
    options: Options,
    status: Arc<LaneStatus>,
    stage: Stage,
    kept: Kept,
    window: Window,
    outbox: Outbox,
    holds: Holds,
    dead_letters: DeadLetterLimit,
    /// When they are counted again.
    count_at: Option<Instant>,
    rate: Option<Rate>,
    /// Nothing is sent before, for `max_rate`'s sake.
    rate_until: Option<Instant>,
    waits: Waits,
    /// Nothing is sent before, since a fault or the destination asks for it.
    hold_until: Option<Instant>,
    /// A failure was heard since a batch was last handed over.
    failing: bool,
    /// What fails for the whole lane, since it last went well.
    fault: Option<Fault>,
    probe: Probe,
    /// The sink was flushed since a batch was last handed over.
    flushed: bool,
    settling: Option<InSettlement>,
    /// The batch that is being handed over: the sink does not answer for it where that is cut short.
    handing_over: Option<BatchId>,
    notices: Vec<Notice>,
}

/// What stays as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// What the sink takes in one call.
    pub(crate) limits: Limits,
    /// It is standard output, whose reader does not come back once it has gone.
    pub(crate) one_reader: bool,
    /// How many records it may have refused before a person must look at them.
    pub(crate) max_dead_letters: u64,
}

/// Where the lane is in its life.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It goes on until it is stopped.
    Running,
    /// Nothing more will come: it ends when nothing waits, or at a Halt.
    Draining,
    /// It finishes what the sink has, until then.
    Stopping { end: LaneEnd, until: Instant },
    /// What was heard is being settled, until then.
    Closing { end: LaneEnd, until: Instant },
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

/// Whether the destination is to be asked if it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// At this time.
    At(Instant),
    /// It was heard of.
    Done,
}

/// What the running settlement accounts for.
#[derive(Clone, Copy, Debug)]
struct InSettlement {
    entries: usize,
    has_letters: bool,
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Do {
    /// Ask the sink for its marks.
    AskForMarks,
    /// Ask the journal how many dead letters there are.
    CountDeadLetters,
    /// The lane has ended.
    End(LaneEnd),
    /// Have the sink settle or give up what it has, within a limit.
    Flush,
    /// Read nothing more of a queue.
    Hold(QueueId),
    /// Ask the destination whether it is there, within a limit.
    Probe,
    /// Read a queue again, from this place on.
    Release(QueueId, Place),
    /// Hand a batch over.
    Send(Batch),
    /// Settle, beside everything else.
    Settle(Settlement),
    /// Wait for whatever happens first.
    Wait {
        /// When to ask again at the latest.
        until: Option<Instant>,
        /// Whether what the journal has next is to be taken.
        read: bool,
    },
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A batch was answered.
    Answered(Answer),
    /// Dead letters were counted.
    Counted(DeadLetterCount),
    /// Handing a batch over was cut short: the sink will not answer for it.
    CutShort,
    /// Nothing more will come.
    Drain,
    /// The sink did not say what it keeps.
    MarksFailed(Fault),
    /// The sink has not taken the batch.
    NotTaken(Fault),
    /// The destination was asked.
    Probed(Result<(), Fault>),
    /// Queues are not this process's any more.
    Revoked(Vec<QueueId>),
    /// The settlement is on disk.
    Settled,
    /// The lane is to stop.
    Stop,
    /// The sink has taken the batch.
    Taken,
}

/// What is to be said of it.
#[derive(Debug)]
pub(crate) enum Notice {
    DeadLetter(String),
    Failing { fault: Fault, wait: Duration },
    Holding { queue: QueueId, fault: Fault, wait: Duration },
    Recovered,
    TooManyDeadLetters(String),
    Unfinished,
}

/// How much of the journal is still to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// Everything that the lane has to account for.
    pub(crate) all: u64,
    /// What of it is in queues that are not held back.
    pub(crate) elsewhere: u64,
}

impl Delivery {
    pub(crate) fn new(options: Options, rate: Option<Rate>, status: Arc<LaneStatus>, now: Instant) -> Self {
        Self {
            options,
            status,
            stage: Stage::Running,
            kept: Kept::Unasked,
            window: Window::default(),
            outbox: Outbox::new(options.limits),
            holds: Holds::default(),
            dead_letters: DeadLetterLimit::new(options.max_dead_letters),
            count_at: Some(now),
            rate,
            rate_until: None,
            waits: BACK_OFF.waits(),
            hold_until: None,
            failing: false,
            fault: None,
            probe: Probe::At(now),
            flushed: false,
            settling: None,
            handing_over: None,
            notices: Vec::new(),
        }
    }

    /// What is to be done now.
    pub(crate) fn next(&mut self, now: Instant, waiting: Waiting) -> Do {
        self.move_on(now, waiting);
        if let Some(settlement) = self.begin_settling() {
            return Do::Settle(settlement);
        }
        match self.stage {
            Stage::Running | Stage::Draining => self.deliver(now, waiting),
            Stage::Stopping { .. } if !self.flushed => {
                self.flushed = true;
                Do::Flush
            }
            Stage::Closing { end, until } if self.settling.is_none() || until <= now => Do::End(end),
            Stage::Stopping { until, .. } | Stage::Closing { until, .. } => {
                Do::Wait { until: Some(until), read: false }
            }
        }
    }

    /// The stages of the lane's life that are over.
    fn move_on(&mut self, now: Instant, waiting: Waiting) {
        if let Some(end) = self.end(waiting) {
            (self.stage, self.flushed) = (Stage::Stopping { end, until: now + GRACE }, false);
        }
        if let Stage::Stopping { end, until } = self.stage
            && (!self.outbox.has_outstanding() || until <= now)
        {
            if self.outbox.has_outstanding() {
                self.notices.push(Notice::Unfinished);
            }
            self.stage = Stage::Closing { end, until: now + GRACE };
        }
    }

    /// Why the lane ends now, where it does.
    fn end(&self, waiting: Waiting) -> Option<LaneEnd> {
        // Until they were counted, nobody knows whether there are too many dead letters.
        if self.count_at.is_some() && !self.dead_letters.is_full() {
            return None;
        }
        let halted = self.fault.as_ref().is_some_and(|fault| fault.verdict() == Verdict::Halt);
        match self.stage {
            Stage::Stopping { .. } | Stage::Closing { .. } => return None,
            Stage::Running | Stage::Draining if halted && self.options.one_reader => return Some(LaneEnd::ReaderGone),
            Stage::Running => return None,
            Stage::Draining => {}
        }
        if halted || self.dead_letters.is_full() {
            return Some(LaneEnd::Halted);
        }
        if !self.outbox.is_empty() || self.settling.is_some() {
            return None;
        }
        let held: usize = self.holds.held().map(|queue| self.window.len_of(queue)).sum();
        match () {
            () if self.window.len() == 0 && waiting.all == 0 => Some(LaneEnd::Drained),
            () if self.holds.are_all_halted() && self.window.len() == held && waiting.elsewhere == 0 => {
                Some(LaneEnd::Halted)
            }
            () => None,
        }
    }

    fn deliver(&mut self, now: Instant, waiting: Waiting) -> Do {
        if self.count_at.is_some_and(|at| at <= now) {
            return Do::CountDeadLetters;
        }
        if let Some(queue) = self.holds.next_new() {
            return Do::Hold(queue);
        }
        let outbox = &self.outbox;
        if let Some(queue) = self.holds.next_due(now, |queue| !outbox.has_outstanding_of(queue)) {
            // What was refused is open, so there is a place to go on from; where it was revoked meanwhile, there is none.
            if let Some(from) = self.window.rewind(queue) {
                return Do::Release(queue, from);
            }
            self.holds.forget(queue);
        }
        if let Probe::At(at) = self.probe
            && at <= now
            && !self.outbox.has_outstanding()
        {
            return Do::Probe;
        }
        if let Kept::Unasked = self.kept {
            return match self.hold_until.filter(|until| *until > now) {
                Some(until) => self.wait(now, Some(until), false),
                None => Do::AskForMarks,
            };
        }
        if let Some(batch) = self.batch(now) {
            return Do::Send(batch);
        }
        if self.is_at_the_end(waiting) {
            // Nobody will write after these: the sink may settle by that, and need not wait.
            self.flushed = true;
            return Do::Flush;
        }
        let may_send_at = self.may_send_at().filter(|_| !self.dead_letters.is_full() && !self.outbox.is_empty());
        self.wait(now, may_send_at.filter(|at| *at > now), self.takes_more())
    }

    fn wait(&self, now: Instant, until: Option<Instant>, read: bool) -> Do {
        let probe_at = match self.probe {
            Probe::At(at) if !self.outbox.has_outstanding() => Some(at),
            Probe::At(_) | Probe::Done => None,
        };
        // What the journal counts may change without anything being read: while draining it is looked at now and then.
        let look_at = matches!(self.stage, Stage::Draining).then(|| now + LOOK_AT_JOURNAL);
        let times = [until, self.count_at, probe_at, self.holds.until(now), look_at];
        Do::Wait { until: times.into_iter().flatten().min(), read }
    }

    /// Before when nothing may be sent.
    fn may_send_at(&self) -> Option<Instant> {
        self.hold_until.max(self.rate_until)
    }

    /// Whether everything there is was handed over, and nothing more will come.
    fn is_at_the_end(&self, waiting: Waiting) -> bool {
        let is_draining = matches!(self.stage, Stage::Draining);
        if self.flushed || !is_draining || !self.outbox.is_all_outstanding() {
            return false;
        }
        let held: usize = self.holds.held().map(|queue| self.window.len_of(queue)).sum();
        waiting.elsewhere <= (self.window.len() - held + self.in_settlement()) as u64
    }

    fn in_settlement(&self) -> usize {
        self.settling.map_or(0, |settling| settling.entries)
    }

    /// Entries that are not settled are bounded, those whose settlement is under way included: after a kill no more
    /// than these go out again.
    fn takes_more(&self) -> bool {
        let limits = self.options.limits;
        let unsettled = self.window.len() + self.in_settlement();
        !self.dead_letters.is_full()
            && self.outbox.wants_more()
            && unsettled < limits.records.saturating_mul(limits.outstanding.saturating_add(2))
    }

    /// A sink that keeps marks is sent nothing whose mark would stand before a dead letter that is not kept yet.
    fn must_settle_first(&self) -> bool {
        let is_settling_letters = self.settling.is_some_and(|settling| settling.has_letters);
        matches!(self.kept, Kept::Marks(_)) && (self.window.has_early_letters() || is_settling_letters)
    }

    /// The next batch, where the outbox, the rate and the waits allow one.
    fn batch(&mut self, now: Instant) -> Option<Batch> {
        if self.dead_letters.is_full() || self.must_settle_first() || self.may_send_at().is_some_and(|at| at > now) {
            return None;
        }
        (self.hold_until, self.rate_until) = (None, None);
        let allowed = self.rate.as_mut().map_or(usize::MAX, |rate| rate.allowed(now));
        if allowed == 0 {
            self.rate_until = self.rate.as_ref().map(|rate| now + rate.wait());
            return None;
        }
        let parcel = self.outbox.next(allowed)?;
        let mut batch = self.outbox.batch(&parcel);
        if let Kept::Marks(marks) = &self.kept {
            batch.marks = marks.of_batch(parcel.tickets());
        }
        self.outbox.sent(batch.id, parcel);
        (self.failing, self.flushed, self.handing_over) = (false, false, Some(batch.id));
        Some(batch)
    }

    /// Begins to settle what can be settled, one settlement at a time.
    fn begin_settling(&mut self) -> Option<Settlement> {
        if self.settling.is_some() {
            return None;
        }
        let before = self.window.len();
        let settlement = self.window.settlement()?;
        let has_letters = !settlement.dead_letters.is_empty();
        self.settling = Some(InSettlement { entries: before - self.window.len(), has_letters });
        Some(settlement)
    }

    /// Takes an entry that comes from the journal. How many of its records, counted from the first, are not to be sent;
    /// `None` where none is.
    pub(crate) fn take(&mut self, queue: QueueId, entry: &journal::Entry) -> Option<usize> {
        if self.holds.is_held(queue) || !self.window.take(queue, entry) {
            return None;
        }
        let at = EntryRef { queue, place: entry.place };
        match &mut self.kept {
            Kept::Marks(marks) => Some(marks.written(at).saturating_add(self.window.ended_records(at))),
            Kept::Nothing | Kept::Unasked => Some(0),
        }
    }

    /// Takes the records of an entry, of which so many go nowhere.
    pub(crate) fn records(
        &mut self,
        (entry, id): (EntryRef, [u8; 16]),
        skip: usize,
        records: impl ExactSizeIterator<Item = Record>,
    ) {
        let count = records.len();
        if count <= skip {
            return self.ended(entry, End::Delivered);
        }
        // An entry that comes again, since its queue was held, goes on where it was for a sink that keeps marks, and goes
        // whole for all others.
        let goes_on = matches!(self.kept, Kept::Marks(_)) && self.window.ended_records(entry) > 0;
        if !goes_on {
            self.window.expect(entry, count - skip);
        }
        for (part, record) in records.enumerate().skip(skip) {
            let ticket =
                Ticket { entry, part: u32::try_from(part).unwrap_or(u32::MAX), is_last: part + 1 == count, id };
            self.outbox.put(ticket, record);
        }
    }

    /// An entry, or one of its records, has ended; it counts once it has ended whole.
    pub(crate) fn ended(&mut self, entry: EntryRef, end: End) {
        if let (Kept::Marks(_), End::SetAside(reason)) = (&self.kept, &end) {
            self.window.set_aside_first(entry, reason.clone());
        }
        match self.window.end(entry, end) {
            None => {}
            Some(End::Delivered) => self.status.delivered.add(1),
            Some(End::FilteredOut) => self.status.filtered.add(1),
            Some(End::SetAside(reason)) => {
                self.status.dead_letters.add(1);
                self.notices.push(Notice::DeadLetter(reason));
                if self.dead_letters.add() {
                    self.tell_full();
                }
            }
        }
    }

    /// Takes over what the sink keeps.
    pub(crate) fn adopt(&mut self, marks: Option<Marks>) {
        self.kept = marks.map_or(Kept::Nothing, |marks| Kept::Marks(Box::new(marks)));
        if matches!(self.kept, Kept::Marks(_)) {
            self.recover();
        }
    }

    /// Takes note of what has happened.
    pub(crate) fn on(&mut self, now: Instant, event: Event) {
        match event {
            Event::Answered(answer) => self.hear(now, answer),
            Event::Counted(count) => self.count(&count, now),
            Event::CutShort => {
                if let Some(cut_short) = self.handing_over.take() {
                    self.outbox.give_up(cut_short);
                }
            }
            Event::Drain => {
                if let Stage::Running = self.stage {
                    self.stage = Stage::Draining;
                }
            }
            Event::MarksFailed(fault) => {
                self.failing = false;
                self.hold_back(now, &fault);
            }
            Event::NotTaken(fault) => self.not_taken(now, &fault),
            Event::Probed(probed) => self.probed(now, probed),
            Event::Revoked(queues) => queues.into_iter().for_each(|queue| self.revoke(queue)),
            Event::Settled => self.settling = None,
            Event::Stop => {
                if let Stage::Running | Stage::Draining = self.stage {
                    (self.stage, self.flushed) = (Stage::Stopping { end: LaneEnd::Stopped, until: now + GRACE }, false);
                }
            }
            Event::Taken => {
                let taken = self.handing_over.take();
                if let (Some(rate), Some(taken)) = (&mut self.rate, taken) {
                    rate.spend(self.outbox.records_of(taken));
                }
            }
        }
        self.settle_condition();
    }

    fn not_taken(&mut self, now: Instant, fault: &Fault) {
        let Some(id) = self.handing_over.take() else { return };
        if let Some((ticket, end)) = self.outbox.not_sent(id, fault) {
            self.ended(ticket.entry, end);
        } else if fault.verdict() != Verdict::Reject {
            self.hold_back(now, fault);
        }
    }

    fn hear(&mut self, now: Instant, answer: Answer) {
        let ease = answer.ease;
        let holds = &self.holds;
        let heard = self.outbox.hear(answer, |queue| holds.is_held(queue));
        let progress = heard.ended.iter().any(|(_, end)| *end == End::Delivered);
        for (ticket, end) in heard.ended {
            if end == End::Delivered {
                self.holds.release(ticket.entry.queue);
            }
            self.ended(ticket.entry, end);
        }
        for (queue, fault) in heard.held {
            if let Some(wait) = self.holds.hold(queue, &fault, now) {
                self.notices.push(Notice::Holding { queue, fault, wait });
            }
            self.outbox.drop_queue(queue);
        }
        let held: Vec<QueueId> = self.holds.held().filter(|queue| !self.outbox.has_outstanding_of(*queue)).collect();
        for queue in held {
            // What is read again takes up no room meanwhile.
            self.window.rewind(queue);
        }
        match (heard.fault, ease) {
            (Some(fault), _) => self.hold_back(now, &fault),
            (None, ease) => {
                // An answer to what was sent before a fault is no recovery from it.
                if progress && !self.failing {
                    self.recover();
                }
                if let Some(ease) = ease {
                    self.hold(now + ease);
                }
            }
        }
    }

    fn probed(&mut self, now: Instant, probed: Result<(), Fault>) {
        match probed {
            Ok(()) => self.recover(),
            Err(fault) => {
                let wait = self.waits.next(&fault);
                self.probe = Probe::At(now + wait.max(PROBE_EVERY));
                self.tell_failing(fault, wait);
            }
        }
    }

    fn revoke(&mut self, queue: QueueId) {
        self.window.revoke(queue);
        self.outbox.drop_queue(queue);
        self.holds.forget(queue);
    }

    fn count(&mut self, count: &DeadLetterCount, now: Instant) {
        self.dead_letters.count(count);
        self.count_at = self.dead_letters.is_full().then(|| now + LOOK_EVERY);
        if self.dead_letters.is_full() {
            self.tell_full();
        }
    }

    /// Nothing more is sent or taken until a person has looked at the dead letters.
    fn tell_full(&mut self) {
        if !matches!(self.status.condition.get(), Condition::TooManyDeadLetters(_)) {
            let sentence = self.dead_letters.sentence(&self.status.name);
            self.notices.push(Notice::TooManyDeadLetters(sentence));
        }
        self.settle_condition();
    }

    /// Sends nothing until then. A wait that was longer stands.
    fn hold(&mut self, until: Instant) {
        self.hold_until = Some(self.hold_until.map_or(until, |standing| standing.max(until)));
    }

    /// Waits before anything is sent again, and says so. Batches that one lost connection has left open are one failure:
    /// while the lane is held back for the first of them, the others make the wait no longer.
    fn hold_back(&mut self, now: Instant, fault: &Fault) {
        let wait = if self.failing { fault.retry_after().unwrap_or_default() } else { self.waits.next(fault) };
        (self.failing, self.probe) = (true, Probe::Done);
        self.hold(now + wait);
        self.tell_failing(fault.clone(), wait);
    }

    fn tell_failing(&mut self, fault: Fault, wait: Duration) {
        let is_news = self.fault.as_ref().is_none_or(|known| Condition::after(known) != Condition::after(&fault));
        if is_news && !self.dead_letters.is_full() {
            self.notices.push(Notice::Failing { fault: fault.clone(), wait });
        }
        self.fault = Some(fault);
        self.settle_condition();
    }

    fn recover(&mut self) {
        self.probe = Probe::Done;
        self.waits.reset();
        if self.fault.take().is_some() {
            self.notices.push(Notice::Recovered);
        }
        self.settle_condition();
    }

    /// How the lane fares, the worst first.
    fn settle_condition(&self) {
        let condition = if self.dead_letters.is_full() {
            Condition::TooManyDeadLetters(self.dead_letters.sentence(&self.status.name))
        } else {
            self.fault.as_ref().or_else(|| self.holds.worst()).map_or(Condition::Running, Condition::after)
        };
        self.status.condition.set(condition);
    }

    /// The queues that nothing is sent of.
    pub(crate) fn held(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.holds.held()
    }

    /// Whether the drain was heard of.
    pub(crate) fn is_draining(&self) -> bool {
        !matches!(self.stage, Stage::Running)
    }

    /// Whether the stop was heard of.
    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.stage, Stage::Stopping { .. } | Stage::Closing { .. })
    }

    /// What is to be said since it was last asked.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

const BACK_OFF: BackOff = BackOff::new(Duration::from_millis(250), Duration::from_secs(30));

/// How long a sink may take to finish when the lane stops, and again the journal.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// How often the journal's count is looked at while the lane drains.
const LOOK_AT_JOURNAL: Duration = Duration::from_millis(500);

/// How often a destination that is not there is asked again while nothing is to be sent to it.
const PROBE_EVERY: Duration = Duration::from_secs(10);
