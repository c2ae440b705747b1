//! Marks that a sink writes together with the records that they account for: both are there, or neither.
//!
//! The journal learns that a batch has arrived only after it has. Where the process ends between the two, what the sink
//! kept says which entries not to send again. There is a mark for each queue.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use journal::{EntryRef, JournalError, LaneJournal, Place, QueueId};
use sink::Mark;

use super::window::Ticket;

/// What a sink keeps for a lane.
#[derive(Debug)]
pub(crate) struct Marks {
    /// The journal's; places mean nothing in another one.
    identity: [u8; 16],
    /// What was written before this start, and may come from the journal again.
    queues: HashMap<QueueId, Progress>,
}

/// What of a queue is written: everything before a place, and so many records of the entry there, which may be all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    place: Place,
    records: u32,
}

/// All records of an entry.
const ALL: u32 = u32::MAX;

/// The digest in an entry's key.
type EntryId = [u8; 16];

impl Marks {
    /// Takes over what a sink has kept. Also says how many marks are another journal's, and count for nothing: they name
    /// another one, or entries that this one does not have, as where it was put back from an older copy.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) async fn adopt(
        journal: &dyn LaneJournal,
        identity: [u8; 16],
        kept: &[Mark],
    ) -> Result<(Self, usize), JournalError> {
        let mut marks = Self { identity, queues: HashMap::new() };
        let mut foreign = 0;
        for mark in kept {
            match read(mark, identity) {
                Some((entry, id, records)) if journal.knows(entry, id).await? => {
                    marks.queues.insert(entry.queue, Progress { place: entry.place, records });
                }
                _ => foreign += 1,
            }
        }
        Ok((marks, foreign))
    }

    /// How many records of an entry, counted from its first, are written already; more than it has for all of them.
    pub(crate) fn written(&mut self, entry: EntryRef) -> usize {
        match self.queues.get(&entry.queue) {
            Some(progress) if entry.place < progress.place => usize::MAX,
            Some(progress) if entry.place == progress.place => progress.records as usize,
            Some(_) => {
                self.queues.remove(&entry.queue);
                0
            }
            None => 0,
        }
    }

    /// The marks that go with a batch, by the tickets of its records. Whatever stands before them is written, kept as a
    /// dead letter or left out by the filter.
    pub(crate) fn of_batch(&self, tickets: &[Ticket]) -> Arc<[Mark]> {
        let mut queues: HashMap<QueueId, &Ticket> = HashMap::new();
        for ticket in tickets {
            queues.insert(ticket.entry.queue, ticket);
        }
        queues.into_values().map(|ticket| self.of_ticket(ticket)).collect()
    }

    fn of_ticket(&self, ticket: &Ticket) -> Mark {
        let EntryRef { queue, place } = ticket.entry;
        let mut value = BytesMut::from(&self.identity[..]);
        value.put_u32(queue.0);
        value.put_u64(place.0);
        value.put_slice(&ticket.id);
        value.put_u32(if ticket.is_last { ALL } else { ticket.part + 1 });
        Mark { key: Bytes::from(format!("queue {}", queue.0)), value: value.freeze() }
    }
}

/// What a mark of this journal says: the last entry that is written, or begun, its digest, and how many of its records are.
fn read(mark: &Mark, identity: [u8; 16]) -> Option<(EntryRef, EntryId, u32)> {
    let mut value = mark.value.clone();
    if value.try_get_u128().ok()?.to_be_bytes() != identity {
        return None;
    }
    let queue = QueueId(value.try_get_u32().ok()?);
    let place = Place(value.try_get_u64().ok()?);
    let id = value.try_get_u128().ok()?.to_be_bytes();
    Some((EntryRef { queue, place }, id, value.try_get_u32().ok()?))
}
