//! Rendered records on their way out: what is being filled, what may be sent, what waits for its answer.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use fault::{Fault, Reach, Verdict};
use journal::QueueId;
use sink::{Answer, Batch, BatchId, Fate, Fates, Limits, Record};

use super::window::{End, Ticket};

/// Records that go out together, and the entries that they stand for.
#[derive(Debug)]
pub(crate) struct Parcel {
    tickets: Vec<Ticket>,
    records: Arc<[Record]>,
}

/// The records of a lane between rendering and their fate.
///
/// The lane alone keeps a batch: what has no outcome goes again. After a failure nothing new is sent until every
/// outstanding batch is answered; then the open ones go again first, in their old order, so that the revisions of one
/// alert keep theirs.
#[derive(Debug)]
pub(crate) struct Outbox {
    limits: Limits,
    filling: Vec<Ticket>,
    filling_records: Vec<Record>,
    filling_bytes: usize,
    ready: VecDeque<Parcel>,
    outstanding: BTreeMap<BatchId, Parcel>,
    /// What goes again once nothing is outstanding, by the batch that it was in.
    failed: BTreeMap<BatchId, Vec<Parcel>>,
    /// Among what failed is a batch that was rejected, and goes in halves.
    halves: bool,
    next_id: u64,
}

impl Outbox {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            filling: Vec::new(),
            filling_records: Vec::new(),
            filling_bytes: 0,
            ready: VecDeque::new(),
            outstanding: BTreeMap::new(),
            failed: BTreeMap::new(),
            halves: false,
            next_id: 0,
        }
    }

    /// Whether there is room to prepare more, so that at most about one batch waits here.
    pub(crate) fn wants_more(&self) -> bool {
        self.ready.is_empty()
            && self.failed.is_empty()
            && self.filling.len() < self.limits.records
            && self.filling_bytes < self.limits.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filling.is_empty() && self.ready.is_empty() && self.failed.is_empty() && self.outstanding.is_empty()
    }

    /// Whether something is outstanding, and nothing else is here.
    pub(crate) fn is_all_outstanding(&self) -> bool {
        self.has_outstanding() && self.filling.is_empty() && self.ready.is_empty() && self.failed.is_empty()
    }

    pub(crate) fn has_outstanding(&self) -> bool {
        !self.outstanding.is_empty()
    }

    pub(crate) fn put(&mut self, ticket: Ticket, record: Record) {
        let too_much = self.filling_bytes + record.payload.len() > self.limits.bytes;
        if self.filling.len() >= self.limits.records || (too_much && !self.filling.is_empty()) {
            self.close_filling();
        }
        self.filling_bytes += record.payload.len();
        self.filling.push(ticket);
        self.filling_records.push(record);
    }

    /// The next parcel of at most `records` records, where one may be sent.
    pub(crate) fn next(&mut self, records: usize) -> Option<Parcel> {
        if !self.failed.is_empty() || self.outstanding.len() >= self.limits.outstanding {
            return None;
        }
        if self.ready.is_empty() && !self.filling.is_empty() {
            self.close_filling();
        }
        let parcel = self.ready.pop_front()?;
        if parcel.records.len() <= records {
            return Some(parcel);
        }
        let (first, rest) = parcel.split(records.max(1));
        self.ready.push_front(rest);
        Some(first)
    }

    /// The batch to hand to the sink for a parcel.
    pub(crate) fn batch(&mut self, parcel: &Parcel) -> Batch {
        self.next_id += 1;
        Batch::new(BatchId(self.next_id), Arc::clone(&parcel.records))
    }

    /// The batch is handed to the sink.
    pub(crate) fn sent(&mut self, id: BatchId, parcel: Parcel) {
        self.outstanding.insert(id, parcel);
    }

    /// The sink has not taken the batch: it goes again, or in halves where it was too much. Returns the entry that
    /// ends by that: the one record that the sink will never take.
    pub(crate) fn not_sent(&mut self, id: BatchId, fault: &Fault) -> Option<(Ticket, End)> {
        let parcel = self.outstanding.remove(&id)?;
        let end = self.fail(id, parcel, fault);
        self.send_failed_again();
        end
    }

    /// Forgets a batch that was not handed over whole. Its entries stay open, and are read again by the next start.
    pub(crate) fn give_up(&mut self, id: BatchId) {
        self.outstanding.remove(&id);
    }

    /// Hears an answer: what has ended, and what keeps the others open.
    pub(crate) fn hear(&mut self, answer: Answer, is_held: impl Fn(QueueId) -> bool) -> Heard {
        let Some(parcel) = self.outstanding.remove(&answer.batch) else { return Heard::default() };
        let Judged { mut ended, open, fault, held } = parcel.judge(answer.fates);
        // What is open of a queue that is held back goes nowhere: it is read again.
        let newly: HashSet<QueueId> = held.iter().map(|(queue, _)| *queue).collect();
        let open = open.and_then(|open| open.without(|queue| is_held(queue) || newly.contains(&queue)));
        if let (Some(open), Some(fault)) = (open, &fault) {
            ended.extend(self.fail(answer.batch, open, fault));
        }
        for queue in newly {
            self.drop_queue(queue);
        }
        // A batch that was rejected goes in halves at once, with what was left open behind it: there is nothing to wait for.
        let fault = fault.filter(|fault| fault.verdict() != Verdict::Reject && !self.halves);
        self.send_failed_again();
        Heard { ended, fault, held }
    }

    /// Drops the records of a queue that are not outstanding.
    pub(crate) fn drop_queue(&mut self, queue: QueueId) {
        let is_other = |ticket: &Ticket| ticket.entry.queue != queue;
        if !self.filling.iter().all(is_other) {
            let mut kept = self.filling.iter().map(is_other);
            self.filling_records.retain(|_| kept.next().unwrap_or(true));
            self.filling.retain(is_other);
            self.filling_bytes = self.filling_records.iter().map(|record| record.payload.len()).sum();
        }
        let without = |parcel: Parcel| parcel.without(|of| of == queue);
        self.ready = std::mem::take(&mut self.ready).into_iter().filter_map(without).collect();
        for parcels in self.failed.values_mut() {
            *parcels = std::mem::take(parcels).into_iter().filter_map(without).collect();
        }
        self.failed.retain(|_, parcels| !parcels.is_empty());
    }

    /// How many records an outstanding batch has.
    pub(crate) fn records_of(&self, batch: BatchId) -> usize {
        self.outstanding.get(&batch).map_or(0, Parcel::len)
    }

    /// Whether records of a queue are outstanding.
    pub(crate) fn has_outstanding_of(&self, queue: QueueId) -> bool {
        let tickets = self.outstanding.values().flat_map(Parcel::tickets);
        tickets.into_iter().any(|ticket| ticket.entry.queue == queue)
    }

    fn fail(&mut self, id: BatchId, parcel: Parcel, fault: &Fault) -> Option<(Ticket, End)> {
        let again = match (&parcel.tickets[..], fault.verdict()) {
            (_, Verdict::Halt | Verdict::Retry) => vec![parcel],
            ([ticket], Verdict::Reject) => {
                self.halves = true;
                return Some((*ticket, End::SetAside(format!("{fault:#}"))));
            }
            (tickets, Verdict::Reject) => {
                self.halves = true;
                let (first, rest) = parcel.split(tickets.len() / 2);
                vec![first, rest]
            }
        };
        self.failed.insert(id, again);
        None
    }

    /// Once nothing is outstanding, what failed goes again first, in its old order.
    fn send_failed_again(&mut self) {
        if !self.outstanding.is_empty() {
            return;
        }
        self.halves = false;
        for parcel in std::mem::take(&mut self.failed).into_values().flatten().rev() {
            self.ready.push_front(parcel);
        }
    }

    fn close_filling(&mut self) {
        let tickets = std::mem::replace(&mut self.filling, Vec::with_capacity(self.limits.records.min(FILLING)));
        self.filling_bytes = 0;
        self.ready.push_back(Parcel { tickets, records: self.filling_records.drain(..).collect() });
    }
}

/// How many records are made room for before there are any.
const FILLING: usize = 1_024;

impl Parcel {
    pub(crate) fn tickets(&self) -> &[Ticket] {
        &self.tickets
    }

    pub(crate) fn len(&self) -> usize {
        self.tickets.len()
    }

    fn split(&self, at: usize) -> (Self, Self) {
        let part = |tickets: &[Ticket], records: &[Record]| Self { tickets: tickets.into(), records: records.into() };
        let ((first, rest), (records, rest_records)) = (self.tickets.split_at(at), self.records.split_at(at));
        (part(first, records), part(rest, rest_records))
    }

    /// The parcel without the records of some queues; `None` where nothing is left.
    fn without(self, is_out: impl Fn(QueueId) -> bool) -> Option<Self> {
        if !self.tickets.iter().any(|ticket| is_out(ticket.entry.queue)) {
            return Some(self);
        }
        let pairs = self.tickets.into_iter().zip(self.records.iter().cloned());
        let (tickets, records): (Vec<_>, Vec<_>) = pairs.filter(|(ticket, _)| !is_out(ticket.entry.queue)).unzip();
        (!tickets.is_empty()).then(|| Self { tickets, records: records.into() })
    }

    /// Sorts the records by their fates.
    fn judge(self, fates: Fates) -> Judged {
        let fates = match fates {
            Fates::Settled => {
                let ended = self.tickets.into_iter().map(|ticket| (ticket, End::Delivered)).collect();
                return Judged { ended, ..Judged::default() };
            }
            Fates::Open(fault) => return Judged { open: Some(self), fault: Some(fault), ..Judged::default() },
            Fates::Each(fates) => fates,
        };
        let mut judged = Judged { ended: Vec::with_capacity(self.tickets.len()), ..Judged::default() };
        let mut open = (Vec::new(), Vec::new());
        let mut fates = fates.into_iter();
        for (ticket, record) in self.tickets.into_iter().zip(self.records.iter()) {
            match fates.next().unwrap_or_else(unanswered) {
                Fate::Settled => judged.ended.push((ticket, End::Delivered)),
                Fate::Refused(reason) => judged.ended.push((ticket, End::SetAside(reason))),
                Fate::Open(fault) if fault.verdict() == Verdict::Reject => {
                    judged.ended.push((ticket, End::SetAside(format!("{fault:#}"))));
                }
                Fate::Open(fault) if fault.reach() == Reach::Queue => judged.held.push((ticket.entry.queue, fault)),
                Fate::Open(fault) => {
                    open.0.push(ticket);
                    open.1.push(record.clone());
                    judged.fault.get_or_insert(fault);
                }
            }
        }
        judged.open = (!open.0.is_empty()).then(|| Self { tickets: open.0, records: open.1.into() });
        judged
    }
}

/// What became of the records of a parcel.
#[derive(Default)]
struct Judged {
    ended: Vec<(Ticket, End)>,
    open: Option<Parcel>,
    /// The first fault that keeps records open.
    fault: Option<Fault>,
    /// The queues that a fault holds back, and no other.
    held: Vec<(QueueId, Fault)>,
}

/// What is known by an answer.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The records that have ended.
    pub(crate) ended: Vec<(Ticket, End)>,
    /// What keeps others open, wherever they are of.
    pub(crate) fault: Option<Fault>,
    /// What holds queues back. Their records that were open are not here any more.
    pub(crate) held: Vec<(QueueId, Fault)>,
}

/// A fate that is missing is no outcome: the record goes again.
fn unanswered() -> Fate {
    Fate::Open(Fault::retry("failed to hear of a record: the sink answered for fewer than it took"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use journal::{EntryRef, Place, QueueId};

    use super::*;

    const LIMITS: Limits = Limits { records: 4, bytes: 100, outstanding: 2 };

    fn ticket(place: u64) -> Ticket {
        let entry = EntryRef { queue: QueueId(u32::from(place >= 100)), place: Place(place) };
        Ticket { entry, part: 0, is_last: true, id: [0; 16] }
    }

    fn outbox(places: std::ops::Range<u64>) -> Outbox {
        let mut outbox = Outbox::new(LIMITS);
        for place in places {
            let payload = Bytes::from(format!("record {place}"));
            let record = Record { payload, ..sink::suite::record("") };
            outbox.put(ticket(place), record);
        }
        outbox
    }

    fn send(outbox: &mut Outbox) -> Option<(BatchId, Vec<u64>)> {
        let parcel = outbox.next(usize::MAX)?;
        let places = parcel.tickets.iter().map(|ticket| ticket.entry.place.0).collect();
        let id = outbox.batch(&parcel).id;
        outbox.sent(id, parcel);
        Some((id, places))
    }

    fn hear(outbox: &mut Outbox, batch: BatchId, fates: Fates) -> Heard {
        outbox.hear(Answer { batch, fates, ease: None }, |_| false)
    }

    /// Guarantee: a fault of one queue holds back that queue: its open records are here no more, nor those that waited
    /// behind them; the others have ended, or go on.
    #[test]
    fn a_fault_of_one_queue_leaves_the_others_alone() {
        let mut outbox = Outbox::new(LIMITS);
        for place in [0, 100, 1, 101, 2, 102, 3, 103] {
            outbox.put(ticket(place), sink::suite::record("x"));
        }
        let (first, places) = send(&mut outbox).unwrap();
        assert_eq!(places, [0, 100, 1, 101]);
        let missing = || Fate::Open(Fault::halt("no such topic").reaching(Reach::Queue));
        let heard = hear(&mut outbox, first, Fates::Each(vec![Fate::Settled, missing(), Fate::Settled, missing()]));
        assert_eq!((heard.ended.len(), heard.held.len(), heard.fault.is_none()), (2, 2, true));
        assert!(heard.held.iter().all(|(queue, _)| *queue == QueueId(1)));
        assert_eq!(send(&mut outbox).unwrap().1, [2, 3]);
        assert!(!outbox.has_outstanding_of(QueueId(1)));
    }

    #[test]
    fn batches_keep_to_the_limits() {
        let mut outbox = outbox(0..10);
        assert_eq!(send(&mut outbox).unwrap().1, [0, 1, 2, 3]);
        assert_eq!(send(&mut outbox).unwrap().1, [4, 5, 6, 7]);
        assert!(send(&mut outbox).is_none(), "two batches are outstanding");
    }

    /// Guarantee: after a failure the open batches go again in their old order, before anything new.
    #[test]
    fn open_batches_go_again_first_and_in_order() {
        let mut outbox = outbox(0..12);
        let (first, _) = send(&mut outbox).unwrap();
        let (second, _) = send(&mut outbox).unwrap();
        assert!(hear(&mut outbox, second, Fates::Open(Fault::retry("x"))).fault.is_some());
        assert!(send(&mut outbox).is_none(), "nothing is sent while the first is unanswered");
        let each = vec![Fate::Settled, Fate::Open(Fault::retry("y")), Fate::Refused("bad".into()), Fate::Settled];
        let ended = hear(&mut outbox, first, Fates::Each(each)).ended;
        let ends: Vec<_> = ended.into_iter().map(|(ticket, end)| (ticket.entry.place.0, end)).collect();
        assert_eq!(ends, [(0, End::Delivered), (2, End::SetAside("bad".into())), (3, End::Delivered)]);
        assert_eq!(send(&mut outbox).unwrap().1, [1]);
        assert_eq!(send(&mut outbox).unwrap().1, [4, 5, 6, 7]);
    }

    /// Guarantee: a batch that is too much for the destination is halved, down to the one record that it refuses.
    #[test]
    fn a_rejected_batch_is_halved_down_to_one_record() {
        let mut outbox = outbox(0..2);
        let (id, _) = send(&mut outbox).unwrap();
        assert!(outbox.not_sent(id, &Fault::reject("too large")).is_none());
        let (id, places) = send(&mut outbox).unwrap();
        assert_eq!(places, [0]);
        let (refused, end) = outbox.not_sent(id, &Fault::reject("too large")).unwrap();
        assert_eq!((refused, end), (ticket(0), End::SetAside("too large".into())));
        assert_eq!(send(&mut outbox).unwrap().1, [1]);
    }

    /// Guarantee: a record that a sink forgot to answer for is sent again, never settled.
    #[test]
    fn a_missing_fate_is_no_outcome() {
        let mut outbox = outbox(0..2);
        let (id, _) = send(&mut outbox).unwrap();
        let heard = hear(&mut outbox, id, Fates::Each(vec![Fate::Settled]));
        assert_eq!(heard.ended.len(), 1);
        assert!(heard.fault.is_some());
        assert_eq!(send(&mut outbox).unwrap().1, [1]);
    }

    /// Guarantee: a batch that is found to be too much only after it was taken is halved as well.
    #[test]
    fn a_batch_that_is_rejected_by_its_answer_is_halved() {
        let mut outbox = outbox(0..2);
        let (id, _) = send(&mut outbox).unwrap();
        let heard = hear(&mut outbox, id, Fates::Open(Fault::reject("too large")));
        assert!(heard.ended.is_empty() && heard.fault.is_none());
        assert_eq!(send(&mut outbox).unwrap().1, [0]);
        assert_eq!(send(&mut outbox).unwrap().1, [1]);
    }

    /// Guarantee: what an ordered sink leaves open behind a batch that goes in halves is no failure of its own.
    #[test]
    fn what_is_behind_a_rejected_batch_waits_for_nothing() {
        let mut outbox = outbox(0..8);
        let (first, _) = send(&mut outbox).unwrap();
        let (second, _) = send(&mut outbox).unwrap();
        assert!(hear(&mut outbox, first, Fates::Open(Fault::reject("too large"))).fault.is_none());
        assert!(hear(&mut outbox, second, Fates::Open(Fault::retry("behind another"))).fault.is_none());
        assert_eq!(send(&mut outbox).unwrap().1, [0, 1]);
        let (third, places) = send(&mut outbox).unwrap();
        assert_eq!(places, [2, 3]);
        assert!(hear(&mut outbox, third, Fates::Open(Fault::retry("down"))).fault.is_some(), "that is past");
    }

    /// Guarantee: a batch that was not taken does not overtake one that is outstanding before it.
    #[test]
    fn what_was_not_taken_waits_for_what_is_outstanding() {
        let mut outbox = outbox(0..8);
        let (first, _) = send(&mut outbox).unwrap();
        let (second, _) = send(&mut outbox).unwrap();
        assert!(outbox.not_sent(second, &Fault::retry("busy")).is_none());
        assert!(send(&mut outbox).is_none(), "the first is outstanding");
        hear(&mut outbox, first, Fates::Open(Fault::retry("lost")));
        assert_eq!(send(&mut outbox).unwrap().1, [0, 1, 2, 3]);
        assert_eq!(send(&mut outbox).unwrap().1, [4, 5, 6, 7]);
    }

    #[test]
    fn a_parcel_is_cut_to_what_the_rate_allows() {
        let mut outbox = outbox(0..4);
        assert_eq!(outbox.next(3).unwrap().len(), 3);
        assert_eq!(outbox.next(3).unwrap().len(), 1);
    }
}
