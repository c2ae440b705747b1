//! Marks that a sink writes together with the records that they account for: both are there, or neither.
//!
//! The journal learns that a batch has arrived only after it has. Where the process ends between the two, what the sink
//! kept says which entries not to send again. There is a mark for each queue, and one for the requeued entries of the
//! last batch, which the lane sends one batch at a time.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use journal::{Entry, EntryRef, Journal, JournalError, Place, QueueId, Run};
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
#[derive(Debug, Default)]
struct Taken {
    /// One of its records was refused: it stays a dead letter, and goes whole where it is replayed again.
    is_set_aside: bool,
}

/// What of a queue is written: everything before a place, and so many records of the entry there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    place: Place,
    records: u32,
}

impl Progress {
    /// Whether the last entry that is written, or begun, is the one that this journal has there. One that it does not
    /// hold any more is settled, and never read again.
    async fn is_known(self, journal: &dyn Journal, queue: QueueId, last: EntryId) -> Result<bool, JournalError> {
        let place = if self.records > 0 { self.place } else { Place(self.place.0.saturating_sub(1)) };
        if journal.tail(queue).is_none_or(|tail| place >= tail) {
            return Ok(false);
        }
        let held = journal.key(EntryRef { queue, place }).await?;
        Ok(held.is_none_or(|key| key.id == last))
    }
}

/// What a mark says.
enum Kind {
    /// How far a queue is written, and the last entry of that.
    Queue(QueueId, Progress, EntryId),
    Requeued(Vec<(EntryRef, (EntryId, u32))>),
}

impl Kind {
    /// What a mark of this journal says.
    fn of(mark: &Mark, identity: [u8; 16]) -> Option<Self> {
        let mut value = mark.value.clone();
        if value.try_get_u128().ok()?.to_be_bytes() != identity {
            return None;
        }
        if mark.key != REQUEUED {
            let (entry, last, records) = read_entry(&mut value)?;
            return Some(Self::Queue(entry.queue, Progress { place: entry.place, records }, last));
        }
        let mut entries = Vec::new();
        while value.has_remaining() {
            let (entry, id, records) = read_entry(&mut value)?;
            entries.push((entry, (id, records)));
        }
        Some(Self::Requeued(entries))
    }
}

/// The digest in an entry's key: a place that a replayed dead letter had may be another's later.
type EntryId = [u8; 16];

impl Marks {
    /// Takes over what a sink has kept. Also says how many marks are another journal's, and count for nothing: they name
    /// another one, or entries that this one does not have, as where it was put back from an older copy.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) async fn adopt(journal: &dyn Journal, kept: &[Mark]) -> Result<(Self, usize), JournalError> {
        let identity = journal.identity();
        let mut marks = Self { identity, queues: HashMap::new(), requeued: HashMap::new(), taken: HashMap::new() };
        let mut foreign = 0;
        for mark in kept {
            let is_known = match Kind::of(mark, identity) {
                None => false,
                Some(Kind::Requeued(entries)) => {
                    marks.requeued.extend(entries);
                    true
                }
                Some(Kind::Queue(queue, progress, last)) => {
                    let is_known = progress.is_known(journal, queue, last).await?;
                    if is_known {
                        marks.queues.insert(queue, progress);
                    }
                    is_known
                }
            };
            foreign += usize::from(!is_known);
        }
        Ok((marks, foreign))
    }

    /// How many records of an entry, counted from its first, are written already; more than it has for all of them.
    pub(crate) fn written(&mut self, run: &Run, entry: &Entry) -> usize {
        if run.requeued {
            let place = EntryRef { queue: run.queue, place: entry.place };
            self.taken.insert(place, Taken::default());
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
        let mut queues: HashMap<QueueId, (Progress, EntryId)> = HashMap::new();
        let mut requeued: HashMap<EntryRef, (EntryId, u32)> = HashMap::new();
        for ticket in tickets {
            let EntryRef { queue, place } = ticket.entry;
            if ticket.requeued {
                requeued.insert(ticket.entry, (ticket.id, if ticket.is_last { u32::MAX } else { ticket.part + 1 }));
            } else if ticket.is_last {
                queues.insert(queue, (Progress { place: Place(place.0 + 1), records: 0 }, ticket.id));
            } else {
                queues.insert(queue, (Progress { place, records: ticket.part + 1 }, ticket.id));
            }
        }
        let mut marks: Vec<Mark> = queues.into_iter().map(|(queue, until)| self.of_queue(queue, until)).collect();
        // It is written with every batch: what it said of the last one is settled by then.
        marks.push(self.of_requeued(requeued));
        marks.into()
    }

    fn of_queue(&self, queue: QueueId, (progress, last): (Progress, EntryId)) -> Mark {
        let mut value = BytesMut::from(&self.identity[..]);
        write_entry(EntryRef { queue, place: progress.place }, last, progress.records, &mut value);
        Mark { key: Bytes::from(format!("queue {}", queue.0)), value: value.freeze() }
    }

    fn of_requeued(&self, entries: HashMap<EntryRef, (EntryId, u32)>) -> Mark {
        let mut value = BytesMut::from(&self.identity[..]);
        for (entry, (id, records)) in entries {
            if self.taken.get(&entry).is_some_and(|taken| !taken.is_set_aside) {
                write_entry(entry, id, records, &mut value);
            }
        }
        Mark { key: Bytes::from_static(REQUEUED), value: value.freeze() }
    }
}

fn write_entry(entry: EntryRef, id: EntryId, records: u32, out: &mut BytesMut) {
    out.put_u32(entry.queue.0);
    out.put_u64(entry.place.0);
    out.put_slice(&id);
    out.put_u32(records);
}

fn read_entry(value: &mut Bytes) -> Option<(EntryRef, EntryId, u32)> {
    let queue = QueueId(value.try_get_u32().ok()?);
    let place = Place(value.try_get_u64().ok()?);
    let id = value.try_get_u128().ok()?.to_be_bytes();
    Some((EntryRef { queue, place }, id, value.try_get_u32().ok()?))
}

const REQUEUED: &[u8] = b"requeued";
