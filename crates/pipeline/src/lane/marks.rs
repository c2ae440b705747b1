//! Marks that a sink writes together with the records that they account for: both are there, or neither.
//!
//! The journal learns that a batch has arrived only after it has. Where the process ends between the two, what the sink
//! kept says which entries not to send again. There is a mark for each queue, and one for the requeued entries of the
//! last batch, which the lane sends one batch at a time.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use journal::{Entry, EntryRef, Place, QueueId, Run};
use sink::Mark;

use crate::lane::window::Ticket;

/// What a sink keeps for a lane.
#[derive(Debug)]
pub(crate) struct Marks {
    /// The journal's; places mean nothing in another one.
    identity: [u8; 16],
    /// What was written before this start, and may come from the journal again.
    queues: HashMap<QueueId, Progress>,
    requeued: HashMap<EntryRef, (EntryId, u32)>,
    /// The requeued entries that the lane has taken and not settled.
    taken: HashMap<EntryRef, Taken>,
}

/// A requeued entry on its way.
#[derive(Debug)]
struct Taken {
    id: EntryId,
    /// One of its records was refused: it stays a dead letter, and goes whole where it is replayed again.
    is_set_aside: bool,
}

/// What of a queue is written: everything before a place, and so many records of the entry there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    place: Place,
    records: u32,
}

/// The digest in an entry's key: a place that a replayed dead letter had may be another's later.
type EntryId = [u8; 16];

impl Marks {
    /// Takes over what a sink has kept. Also says how many marks are another journal's, and count for nothing: they name
    /// another one, or entries that this one does not have yet, as where it was put back from an older copy.
    pub(crate) fn adopt(identity: [u8; 16], kept: &[Mark], tail: impl Fn(QueueId) -> Option<Place>) -> (Self, usize) {
        let mut marks = Self { identity, queues: HashMap::new(), requeued: HashMap::new(), taken: HashMap::new() };
        let foreign = kept.iter().filter(|mark| marks.adopt_one(mark, &tail).is_none()).count();
        (marks, foreign)
    }

    fn adopt_one(&mut self, mark: &Mark, tail: impl Fn(QueueId) -> Option<Place>) -> Option<()> {
        let mut value = mark.value.clone();
        if value.try_get_u128().ok()? != u128::from_be_bytes(self.identity) {
            return None;
        }
        if mark.key == REQUEUED {
            while value.has_remaining() {
                let entry = read_entry(&mut value)?;
                let id = value.try_get_u128().ok()?.to_be_bytes();
                self.requeued.insert(entry, (id, value.try_get_u32().ok()?));
            }
            return Some(());
        }
        let EntryRef { queue, place } = read_entry(&mut value)?;
        if place > tail(queue)? {
            return None;
        }
        self.queues.insert(queue, Progress { place, records: value.try_get_u32().ok()? });
        Some(())
    }

    /// How many records of an entry, counted from its first, are written already; more than it has for all of them.
    pub(crate) fn written(&mut self, run: &Run, entry: &Entry) -> usize {
        if run.requeued {
            let place = EntryRef { queue: run.queue, place: entry.place };
            self.taken.insert(place, Taken { id: entry.key.id, is_set_aside: false });
            let found = self.requeued.remove(&place);
            return found.filter(|(id, _)| *id == entry.key.id).map_or(0, |(_, records)| records as usize);
        }
        match self.queues.get(&run.queue) {
            Some(progress) if entry.place < progress.place => usize::MAX,
            Some(progress) if entry.place == progress.place => progress.records as usize,
            Some(_) => {
                self.queues.remove(&run.queue);
                0
            }
            None => 0,
        }
    }

    /// Whether requeued entries are on their way. Their one mark tells of one batch alone.
    pub(crate) fn has_requeued(&self) -> bool {
        !self.taken.is_empty()
    }

    /// A record of an entry was refused.
    pub(crate) fn set_aside(&mut self, entry: EntryRef) {
        if let Some(taken) = self.taken.get_mut(&entry) {
            taken.is_set_aside = true;
        }
    }

    /// Requeued entries are settled.
    pub(crate) fn settled(&mut self, requeued: &[EntryRef]) {
        for entry in requeued {
            self.taken.remove(entry);
        }
    }

    /// The marks that go with a batch, by the tickets of its records. Whatever stands before them is written, kept as a
    /// dead letter or left out by the filter.
    pub(crate) fn of_batch(&self, tickets: &[Ticket]) -> Arc<[Mark]> {
        let mut queues: HashMap<QueueId, Progress> = HashMap::new();
        let mut requeued: HashMap<EntryRef, u32> = HashMap::new();
        for ticket in tickets {
            let EntryRef { queue, place } = ticket.entry;
            if ticket.requeued {
                requeued.insert(ticket.entry, if ticket.is_last { u32::MAX } else { ticket.part + 1 });
            } else if ticket.is_last {
                queues.insert(queue, Progress { place: Place(place.0 + 1), records: 0 });
            } else {
                queues.insert(queue, Progress { place, records: ticket.part + 1 });
            }
        }
        let mut marks: Vec<Mark> = queues.into_iter().map(|(queue, progress)| self.of_queue(queue, progress)).collect();
        // It is written with every batch: what it said of the last one is settled by then.
        marks.push(self.of_requeued(requeued));
        marks.into()
    }

    fn of_queue(&self, queue: QueueId, progress: Progress) -> Mark {
        let mut value = BytesMut::from(&self.identity[..]);
        write_entry(EntryRef { queue, place: progress.place }, &mut value);
        value.put_u32(progress.records);
        Mark { key: Bytes::from(format!("queue {}", queue.0)), value: value.freeze() }
    }

    fn of_requeued(&self, entries: HashMap<EntryRef, u32>) -> Mark {
        let mut value = BytesMut::from(&self.identity[..]);
        for (entry, records) in entries {
            let Some(taken) = self.taken.get(&entry).filter(|taken| !taken.is_set_aside) else { continue };
            write_entry(entry, &mut value);
            value.put_slice(&taken.id);
            value.put_u32(records);
        }
        Mark { key: Bytes::from_static(REQUEUED), value: value.freeze() }
    }
}

fn write_entry(entry: EntryRef, out: &mut BytesMut) {
    out.put_u32(entry.queue.0);
    out.put_u64(entry.place.0);
}

fn read_entry(value: &mut Bytes) -> Option<EntryRef> {
    let queue = QueueId(value.try_get_u32().ok()?);
    Some(EntryRef { queue, place: Place(value.try_get_u64().ok()?) })
}

const REQUEUED: &[u8] = b"requeued";

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: a mark counts for the journal that it names, and only as far as that has entries.
    #[test]
    fn marks_count_for_their_own_journal() {
        let ticket = Ticket::whole(EntryRef { queue: QueueId(3), place: Place(41) }, false);
        let written = Marks::adopt([1; 16], &[], |_| None).0.of_batch(&[ticket]);
        let foreign = |identity, tail| Marks::adopt(identity, &written, |_| tail).1;
        assert_eq!(foreign([1; 16], Some(Place(42))), 0);
        assert_eq!(foreign([2; 16], Some(Place(42))), 2, "the mark of the queue and that of the requeued entries");
        assert_eq!(foreign([1; 16], Some(Place(41))), 1, "the journal was put back from an older copy");
        assert_eq!(foreign([1; 16], None), 1, "the journal has no such queue");
    }
}
