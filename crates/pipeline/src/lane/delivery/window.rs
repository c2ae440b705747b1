//! Which entries a lane has taken and not yet settled: a mark moves only over leading entries that are accounted for.

use std::collections::{BTreeSet, HashMap, VecDeque};

use journal::{DeadLetter, Entry, EntryRef, Place, QueueId, Settlement};

/// One record on its way through a lane, or an entry that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) entry: EntryRef,
    /// Which of its entry's records it is, from 0.
    pub(crate) part: u32,
    /// Whether it is the last of them.
    pub(crate) is_last: bool,
    /// The digest in its entry's key.
    pub(crate) id: [u8; 16],
}

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
    /// By queue that is read again: how far its entries were here when that began.
    again: HashMap<QueueId, Place>,
    /// Dead letters that are kept before their entries are settled.
    early: Vec<DeadLetter>,
    /// Entries with more than one record on their way.
    of_several: HashMap<EntryRef, Several>,
    /// Entries taken and not handed to a settlement.
    taken: usize,
}

/// An entry that ends with the last of its records.
#[derive(Debug)]
struct Several {
    left: usize,
    ended: usize,
    /// How it ends, as far as its records have.
    end: End,
}

#[derive(Debug)]
struct Open {
    place: Place,
    end: Option<End>,
}

impl Window {
    /// Takes an entry. Says whether it is to be rendered: one that comes again, since its queue was held, may have ended
    /// before.
    pub(crate) fn take(&mut self, queue: QueueId, entry: &Entry) -> bool {
        let taken = self.queues.entry(queue).or_default();
        if let Some(until) = self.again.get(&queue) {
            if entry.place <= *until {
                // What is not here any more has been settled.
                let found = taken.binary_search_by_key(&entry.place, |open| open.place);
                return found.is_ok_and(|index| taken[index].end.is_none());
            }
            self.again.remove(&queue);
        }
        taken.push_back(Open { place: entry.place, end: None });
        self.taken += 1;
        true
    }

    /// An entry goes out as so many records, more than none: it ends with the last of them.
    pub(crate) fn expect(&mut self, entry: EntryRef, records: usize) {
        if records > 1 {
            self.of_several.insert(entry, Several { left: records, ended: 0, end: End::Delivered });
        } else {
            self.of_several.remove(&entry);
        }
    }

    /// How many records of an entry that comes again have ended.
    pub(crate) fn ended_records(&self, entry: EntryRef) -> usize {
        self.of_several.get(&entry).map_or(0, |several| several.ended)
    }

    /// Accounts for an entry, or for one of its records. How the entry ended, where it has: one record that is set
    /// aside sets it aside, however the others end. An entry that is not here any more, since its queue was revoked,
    /// ends nowhere.
    ///
    /// # Panics
    /// Where it has ended before: the lane has lost count, and nothing may be settled any more.
    pub(crate) fn end(&mut self, entry: EntryRef, end: End) -> Option<End> {
        if !self.has(entry) {
            return None;
        }
        let end = self.joined(entry, end)?;
        let EntryRef { queue, place } = entry;
        let taken = self.queues.get_mut(&queue)?;
        let index = taken.binary_search_by_key(&place, |open| open.place).ok()?;
        assert!(taken[index].end.replace(end.clone()).is_none(), "an entry ends once");
        if index == 0 {
            self.ready.insert(queue);
        }
        Some(end)
    }

    fn has(&self, entry: EntryRef) -> bool {
        let taken = self.queues.get(&entry.queue);
        taken.is_some_and(|taken| taken.binary_search_by_key(&entry.place, |open| open.place).is_ok())
    }

    /// The end of an entry of which one more record has ended.
    fn joined(&mut self, entry: EntryRef, end: End) -> Option<End> {
        let Some(several) = self.of_several.get_mut(&entry) else { return Some(end) };
        several.left -= 1;
        several.ended += 1;
        if several.end == End::Delivered {
            several.end = end;
        }
        if several.left > 0 {
            return None;
        }
        self.of_several.remove(&entry).map(|several| several.end)
    }

    /// Lets go of what of a queue is open but for the first, and says where its reading goes on: these entries are read
    /// again. `None` where nothing of it is open.
    pub(crate) fn rewind(&mut self, queue: QueueId) -> Option<Place> {
        let taken = self.queues.get_mut(&queue)?;
        let first = taken.iter().find(|open| open.end.is_none())?.place;
        while let Some(last) = taken.pop_back_if(|last| last.end.is_none() && last.place > first) {
            self.of_several.remove(&EntryRef { queue, place: last.place });
            self.taken -= 1;
        }
        let last = taken.back().map_or(first, |last| last.place);
        self.again.insert(queue, last);
        Some(first)
    }

    /// Lets go of all that is of a queue, which is not this process's any more.
    pub(crate) fn revoke(&mut self, queue: QueueId) {
        let gone = self.queues.remove(&queue).unwrap_or_default();
        self.taken -= gone.len();
        self.ready.remove(&queue);
        self.again.remove(&queue);
        self.of_several.retain(|entry, _| entry.queue != queue);
        self.early.retain(|letter| letter.entry.queue != queue);
    }

    /// Has an entry kept as a dead letter with the next settlement, whether or not it can be settled by then.
    pub(crate) fn set_aside_first(&mut self, entry: EntryRef, reason: String) {
        self.early.push(DeadLetter { entry, reason });
    }

    /// Whether dead letters are to be kept first.
    pub(crate) fn has_early_letters(&self) -> bool {
        !self.early.is_empty()
    }

    /// How many entries are taken and not handed to a settlement.
    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    /// How many of them are of one queue.
    pub(crate) fn len_of(&self, queue: QueueId) -> usize {
        self.queues.get(&queue).map_or(0, VecDeque::len)
    }

    /// What can be settled now: the leading entries that have ended.
    pub(crate) fn settlement(&mut self) -> Option<Settlement> {
        if self.ready.is_empty() && self.early.is_empty() {
            return None;
        }
        let dead_letters = std::mem::take(&mut self.early);
        let mut settlement =
            Settlement { marks: Vec::with_capacity(self.ready.len()), dead_letters, delivered: 0, filtered: 0 };
        for queue in std::mem::take(&mut self.ready) {
            self.settle_leading(queue, &mut settlement);
        }
        Some(settlement)
    }

    fn settle_leading(&mut self, queue: QueueId, settlement: &mut Settlement) {
        let mut mark = None;
        while let Some((place, end)) = self.pop_ended(queue) {
            let entry = EntryRef { queue, place };
            mark = Some(entry);
            self.taken -= 1;
            match end {
                End::Delivered => settlement.delivered += 1,
                End::FilteredOut => settlement.filtered += 1,
                End::SetAside(reason) => settlement.dead_letters.push(DeadLetter { entry, reason }),
            }
        }
        settlement.marks.extend(mark);
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
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use journal::{FeedInfo, FeedName, Key};

    use super::*;

    const QUEUE: QueueId = QueueId(3);

    fn at(place: u64) -> EntryRef {
        EntryRef { queue: QUEUE, place: Place(place) }
    }

    fn take(window: &mut Window, places: impl IntoIterator<Item = u64>) -> Vec<bool> {
        let name = FeedName { tenant_id: "t".into(), source: "s".into() };
        let feed = Arc::new(FeedInfo { name, kind: "mde_alerts".into() });
        let entry = |place| Entry {
            feed: Arc::clone(&feed),
            place: Place(place),
            key: Key { time: 0, id: [0; 16] },
            flags: 0,
            bytes: Bytes::new(),
        };
        places.into_iter().map(|place| window.take(QUEUE, &entry(place))).collect()
    }

    /// Guarantee: a mark waits for the first open entry, whatever has ended behind it, and places may have gaps.
    #[test]
    fn a_mark_moves_only_over_leading_entries() {
        let mut window = Window::default();
        take(&mut window, [10, 11, 15, 16]);
        window.end(at(11), End::Delivered);
        window.end(at(16), End::Delivered);
        assert!(window.settlement().is_none(), "the first entry is open");
        window.end(at(10), End::FilteredOut);
        let settlement = window.settlement().unwrap();
        assert_eq!((settlement.marks, settlement.delivered, settlement.filtered), (vec![at(11)], 1, 1));
        window.end(at(15), End::Delivered);
        assert_eq!(window.settlement().unwrap().marks, [at(16)]);
        assert_eq!(window.len(), 0);
    }

    /// Guarantee: a dead letter is settled together with the mark that moves over it, never before.
    #[test]
    fn a_dead_letter_goes_with_its_mark() {
        let mut window = Window::default();
        take(&mut window, 0..2);
        window.end(at(1), End::SetAside("too large".into()));
        assert!(window.settlement().is_none());
        window.end(at(0), End::Delivered);
        let settlement = window.settlement().unwrap();
        assert_eq!(settlement.dead_letters, [DeadLetter { entry: at(1), reason: "too large".into() }]);
        assert_eq!(settlement.marks, [at(1)]);
    }

    /// Guarantee: an entry of several records ends with the last of them, and is set aside where one of them is.
    #[test]
    fn an_entry_ends_with_the_last_of_its_records() {
        let mut window = Window::default();
        take(&mut window, 0..2);
        window.expect(at(0), 3);
        window.expect(at(1), 1);
        assert_eq!(window.end(at(1), End::Delivered), Some(End::Delivered));
        assert_eq!(window.end(at(0), End::Delivered), None);
        assert_eq!(window.end(at(0), End::SetAside("too large".into())), None);
        assert!(window.settlement().is_none(), "the first entry is open");
        assert_eq!(window.end(at(0), End::Delivered), Some(End::SetAside("too large".into())));
        let settlement = window.settlement().unwrap();
        assert_eq!((settlement.dead_letters.len(), settlement.delivered, window.len()), (1, 1, 0));
    }

    /// Guarantee: a dead letter that must be kept first does not wait for the entries before it, and moves no mark.
    #[test]
    fn a_letter_can_be_kept_first() {
        let mut window = Window::default();
        take(&mut window, 0..2);
        window.end(at(1), End::SetAside("too large".into()));
        window.set_aside_first(at(1), "too large".into());
        let settlement = window.settlement().unwrap();
        assert_eq!((settlement.dead_letters.len(), settlement.marks.len()), (1, 0));
        assert!(window.settlement().is_none(), "it is kept once");
        window.end(at(0), End::Delivered);
        assert_eq!(window.settlement().unwrap().marks, [at(1)]);
    }

    /// Guarantee: a queue that is read again from its first open entry renders what is open and nothing that has ended;
    /// meanwhile it takes up next to no room.
    #[test]
    fn a_queue_that_is_rewound_renders_what_is_open() {
        let mut window = Window::default();
        assert_eq!(take(&mut window, 0..6), [true; 6]);
        window.end(at(0), End::Delivered);
        window.end(at(3), End::Delivered);
        assert_eq!((window.rewind(QUEUE), window.len()), (Some(Place(1)), 4));
        assert_eq!(window.settlement().unwrap().marks, [at(0)]);
        assert_eq!(take(&mut window, 1..3), [true; 2]);
        window.end(at(1), End::Delivered);
        window.end(at(2), End::Delivered);
        assert_eq!(window.settlement().unwrap().marks, [at(3)]);
        assert_eq!(take(&mut window, 3..7), [false, true, true, true], "3 was settled meanwhile");
        for place in [4, 5, 6] {
            window.end(at(place), End::Delivered);
        }
        let settlement = window.settlement().unwrap();
        assert_eq!((settlement.marks, settlement.delivered, window.len()), (vec![at(6)], 3, 0));
        assert_eq!(window.rewind(QUEUE), None);
    }

    /// Guarantee: of a queue that was revoked nothing is settled, whatever is still heard of it.
    #[test]
    fn a_queue_that_was_revoked_is_forgotten() {
        let mut window = Window::default();
        take(&mut window, 0..3);
        window.end(at(0), End::Delivered);
        window.revoke(QUEUE);
        assert_eq!(window.end(at(1), End::Delivered), None);
        assert!(window.settlement().is_none() && window.len() == 0);
    }

    #[test]
    #[should_panic(expected = "an entry ends once")]
    fn an_entry_that_ends_twice_is_a_broken_count() {
        let mut window = Window::default();
        take(&mut window, 0..2);
        window.end(at(1), End::Delivered);
        window.end(at(1), End::Delivered);
    }
}
