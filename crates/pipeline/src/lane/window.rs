//! Which entries a lane has taken and not yet settled: a mark moves only over leading entries that are accounted for.

use std::collections::{BTreeSet, HashMap, VecDeque};

use journal::{DeadLetter, EntryRef, LaneId, Place, QueueId, Run, Settlement};

/// One record on its way through a lane, or an entry that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) entry: EntryRef,
    /// It was requeued: it is crossed off by itself, whatever the marks say.
    pub(crate) requeued: bool,
    /// Which of its entry's records it is, from 0.
    pub(crate) part: u32,
    /// Whether it is the last of them.
    pub(crate) is_last: bool,
    /// The digest in its entry's key.
    pub(crate) id: [u8; 16],
}

impl Ticket {
    /// For an entry as a whole.
    pub(crate) fn whole(entry: EntryRef, requeued: bool, id: [u8; 16]) -> Self {
        Self { entry, requeued, part: 0, is_last: true, id }
    }

    fn way(self) -> Way {
        (self.entry, self.requeued)
    }
}

/// An entry, and whether it was requeued: one that was may be taken from its queue as well.
type Way = (EntryRef, bool);

/// The one place where an entry ends, for a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Delivered,
    FilteredOut,
    SetAside(String),
}

/// The entries that a lane has taken from the journal and not yet settled.
#[derive(Debug, Default)]
pub(crate) struct Window {
    queues: HashMap<QueueId, VecDeque<Open>>,
    /// Queues whose first entry has ended, so that a settlement need not look at all of them.
    ready: BTreeSet<QueueId>,
    requeued: Vec<(EntryRef, End)>,
    /// Dead letters that are kept before their entries are settled.
    letters: Vec<DeadLetter>,
    /// Entries with more than one record on their way.
    shared: HashMap<Way, Shared>,
    /// Entries taken and not handed to a settlement.
    taken: usize,
}

/// An entry that ends with the last of its records.
#[derive(Debug)]
struct Shared {
    left: usize,
    /// How it ends, as far as its records have.
    end: End,
}

#[derive(Debug)]
struct Open {
    place: Place,
    end: Option<End>,
}

impl Window {
    /// Takes the entries of a run, in its order.
    pub(crate) fn take(&mut self, run: &Run) {
        self.taken += run.entries.len();
        if !run.requeued {
            let queue = self.queues.entry(run.queue).or_default();
            queue.extend(run.entries.iter().map(|entry| Open { place: entry.place, end: None }));
        }
    }

    /// An entry goes out as so many records, more than none: it ends with the last of them.
    pub(crate) fn share(&mut self, ticket: Ticket, records: usize) {
        if records > 1 {
            self.shared.insert(ticket.way(), Shared { left: records, end: End::Delivered });
        }
    }

    /// Accounts for an entry, or for one of its records. How the entry ended, where it has: one record that is set
    /// aside sets it aside, however the others end.
    ///
    /// # Panics
    /// Where it was never taken or has ended before: the lane has lost count, and nothing may be settled any more.
    pub(crate) fn end(&mut self, ticket: Ticket, end: End) -> Option<End> {
        let end = self.joined(ticket, end)?;
        self.end_entry(ticket, end.clone());
        Some(end)
    }

    /// The end of an entry of which one more record has ended.
    fn joined(&mut self, ticket: Ticket, end: End) -> Option<End> {
        let Some(shared) = self.shared.get_mut(&ticket.way()) else { return Some(end) };
        shared.left -= 1;
        if shared.end == End::Delivered {
            shared.end = end;
        }
        if shared.left > 0 {
            return None;
        }
        self.shared.remove(&ticket.way()).map(|shared| shared.end)
    }

    fn end_entry(&mut self, ticket: Ticket, end: End) {
        if ticket.requeued {
            self.requeued.push((ticket.entry, end));
            return;
        }
        let EntryRef { queue, place } = ticket.entry;
        let taken = self.queues.get_mut(&queue).expect("an entry ends in a queue that it was taken from");
        let index = taken.binary_search_by_key(&place, |open| open.place).expect("an entry ends once it was taken");
        assert!(taken[index].end.replace(end).is_none(), "an entry ends once");
        if index == 0 {
            self.ready.insert(queue);
        }
    }

    /// Has an entry kept as a dead letter with the next settlement, whether or not it can be settled by then.
    pub(crate) fn set_aside_first(&mut self, entry: EntryRef, reason: String) {
        self.letters.push(DeadLetter { entry, reason });
    }

    /// Whether dead letters are to be kept first.
    pub(crate) fn has_letters(&self) -> bool {
        !self.letters.is_empty()
    }

    /// Whether requeued entries have ended and are not handed to a settlement.
    pub(crate) fn has_requeued(&self) -> bool {
        !self.requeued.is_empty()
    }

    /// How many entries are taken and not handed to a settlement.
    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    /// What can be settled now: the leading entries that have ended, and requeued ones in any order.
    pub(crate) fn settlement(&mut self, lane: LaneId) -> Option<Settlement> {
        if self.ready.is_empty() && self.requeued.is_empty() && self.letters.is_empty() {
            return None;
        }
        let mut settlement = Settlement {
            lane,
            marks: Vec::with_capacity(self.ready.len()),
            requeued: Vec::with_capacity(self.requeued.len()),
            dead_letters: std::mem::take(&mut self.letters),
            delivered: 0,
            filtered: 0,
        };
        for queue in std::mem::take(&mut self.ready) {
            self.settle_leading(queue, &mut settlement);
        }
        for (entry, end) in std::mem::take(&mut self.requeued) {
            settlement.requeued.push(entry);
            self.count(entry, end, &mut settlement);
        }
        Some(settlement)
    }

    fn settle_leading(&mut self, queue: QueueId, settlement: &mut Settlement) {
        let mut mark = None;
        while let Some((place, end)) = self.pop_ended(queue) {
            mark = Some(Place(place.0 + 1));
            self.count(EntryRef { queue, place }, end, settlement);
        }
        settlement.marks.extend(mark.map(|mark| (queue, mark)));
    }

    /// The first entry of a queue, where it has ended.
    fn pop_ended(&mut self, queue: QueueId) -> Option<(Place, End)> {
        let taken = self.queues.get_mut(&queue)?;
        let end = taken.front_mut()?.end.take()?;
        let place = taken.pop_front()?.place;
        if taken.is_empty() {
            self.queues.remove(&queue);
        }
        Some((place, end))
    }

    fn count(&mut self, entry: EntryRef, end: End, settlement: &mut Settlement) {
        self.taken -= 1;
        match end {
            End::Delivered => settlement.delivered += 1,
            End::FilteredOut => settlement.filtered += 1,
            End::SetAside(reason) => settlement.dead_letters.push(DeadLetter { entry, reason }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use journal::{Entry, FeedInfo, FeedName, Key};

    use super::*;

    const LANE: LaneId = LaneId(1);
    const QUEUE: QueueId = QueueId(3);

    fn run(places: std::ops::Range<u64>, requeued: bool) -> Run {
        let name = FeedName { tenant_id: "t".into(), source: "s".into() };
        let entry =
            |place| Entry { place: Place(place), key: Key { time: 0, id: [0; 16] }, flags: 0, bytes: Bytes::new() };
        let feed = Arc::new(FeedInfo { name, kind: "mde_alerts".into() });
        Run { queue: QUEUE, feed, requeued, entries: places.map(entry).collect() }
    }

    fn ticket(place: u64, requeued: bool) -> Ticket {
        Ticket::whole(EntryRef { queue: QUEUE, place: Place(place) }, requeued, [0; 16])
    }

    /// Guarantee: a mark waits for the first open entry, whatever has ended behind it.
    #[test]
    fn a_mark_moves_only_over_leading_entries() {
        let mut window = Window::default();
        window.take(&run(10..14, false));
        window.end(ticket(11, false), End::Delivered);
        window.end(ticket(13, false), End::Delivered);
        assert!(window.settlement(LANE).is_none(), "the first entry is open");
        window.end(ticket(10, false), End::FilteredOut);
        let settlement = window.settlement(LANE).unwrap();
        assert_eq!(settlement.marks, [(QUEUE, Place(12))]);
        assert_eq!((settlement.delivered, settlement.filtered), (1, 1));
        assert_ne!(window.len(), 0);
        window.end(ticket(12, false), End::Delivered);
        assert_eq!(window.settlement(LANE).unwrap().marks, [(QUEUE, Place(14))]);
        assert_eq!(window.len(), 0);
    }

    /// Guarantee: a dead letter is settled together with the mark that moves over it, never before.
    #[test]
    fn a_dead_letter_goes_with_its_mark() {
        let mut window = Window::default();
        window.take(&run(0..2, false));
        window.end(ticket(1, false), End::SetAside("too large".into()));
        assert!(window.settlement(LANE).is_none());
        window.end(ticket(0, false), End::Delivered);
        let settlement = window.settlement(LANE).unwrap();
        let entry = EntryRef { queue: QUEUE, place: Place(1) };
        assert_eq!(settlement.dead_letters, [DeadLetter { entry, reason: "too large".into() }]);
        assert_eq!(settlement.marks, [(QUEUE, Place(2))]);
    }

    /// Guarantee: requeued entries are crossed off by themselves and move no mark.
    #[test]
    fn requeued_entries_move_no_mark() {
        let mut window = Window::default();
        window.take(&run(0..2, true));
        window.end(ticket(1, true), End::Delivered);
        let settlement = window.settlement(LANE).unwrap();
        assert!(settlement.marks.is_empty());
        assert_eq!(settlement.requeued, [EntryRef { queue: QUEUE, place: Place(1) }]);
        assert_ne!(window.len(), 0);
    }

    /// Guarantee: an entry of several records ends with the last of them, and is set aside where one of them is.
    #[test]
    fn an_entry_ends_with_the_last_of_its_records() {
        for requeued in [false, true] {
            let mut window = Window::default();
            window.take(&run(0..2, requeued));
            window.share(ticket(0, requeued), 3);
            window.share(ticket(1, requeued), 1);
            assert_eq!(window.end(ticket(1, requeued), End::Delivered), Some(End::Delivered));
            assert_eq!(window.end(ticket(0, requeued), End::Delivered), None);
            assert_eq!(window.end(ticket(0, requeued), End::SetAside("too large".into())), None);
            let settled = window.settlement(LANE).map_or(0, |settlement| settlement.delivered);
            assert_eq!(settled, u64::from(requeued), "the first entry is open");
            let end = window.end(ticket(0, requeued), End::Delivered);
            assert_eq!(end, Some(End::SetAside("too large".into())));
            let settlement = window.settlement(LANE).unwrap();
            assert_eq!((settlement.dead_letters.len(), window.len()), (1, 0));
        }
    }

    /// Guarantee: a dead letter that must be kept first does not wait for the entries before it, and moves no mark.
    #[test]
    fn a_letter_can_be_kept_first() {
        let mut window = Window::default();
        window.take(&run(0..2, false));
        window.end(ticket(1, false), End::SetAside("too large".into()));
        window.set_aside_first(ticket(1, false).entry, "too large".into());
        let settlement = window.settlement(LANE).unwrap();
        assert_eq!((settlement.dead_letters.len(), settlement.marks.len()), (1, 0));
        assert!(window.settlement(LANE).is_none(), "it is kept once");
        assert_eq!(window.len(), 2);
        window.end(ticket(0, false), End::Delivered);
        assert_eq!(window.settlement(LANE).unwrap().marks, [(QUEUE, Place(2))]);
    }

    #[test]
    #[should_panic(expected = "an entry ends once")]
    fn an_entry_that_ends_twice_is_a_broken_count() {
        let mut window = Window::default();
        window.take(&run(0..2, false));
        window.end(ticket(1, false), End::Delivered);
        window.end(ticket(1, false), End::Delivered);
    }
}
