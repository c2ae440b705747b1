//! The count of what is on its way: one place for each batch that is outstanding, one number for each record.
//!
//! librdkafka hands back a number with the outcome of each record. It names the place of the batch and the record in it,
//! so that nothing is allocated for a record, and one event is told for a batch.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::mpsc::UnboundedSender;

use crate::classify::{Asks, classify};
use crate::config::Sets;

/// What a producer tells its sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// All records of the batch in this place have their outcome.
    Landed(usize),
    /// A record has failed, or the producer has: it is to be thrown away.
    Trouble,
}

/// A record that was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Which of the batch.
    pub(crate) record: usize,
    pub(crate) code: RDKafkaErrorCode,
    /// The broker or librdkafka refuses this record for its own fault.
    pub(crate) refused: bool,
}

/// The places of one producer's batches.
pub(crate) struct Flights {
    places: Vec<Place>,
    sets: Sets,
    events: UnboundedSender<Event>,
    cause: OnceLock<RDKafkaErrorCode>,
}

#[derive(Default)]
struct Place {
    /// Records without an outcome.
    open: AtomicUsize,
    failures: Mutex<Vec<Failure>>,
}

impl Flights {
    pub(crate) fn new(places: usize, sets: Sets, events: UnboundedSender<Event>) -> Self {
        Self { places: (0..places).map(|_| Place::default()).collect(), sets, events, cause: OnceLock::new() }
    }

    /// A batch of so many records takes a free place.
    pub(crate) fn take_off(&self, place: usize, records: usize) {
        assert!(records < 1 << RECORD_BITS, "the limits of the sink keep batches small");
        self.failures(place).clear();
        self.places[place].open.store(records, Ordering::Release);
    }

    /// Records of this producer that have no outcome yet.
    pub(crate) fn open(&self) -> usize {
        self.places.iter().map(|place| place.open.load(Ordering::Acquire)).sum()
    }

    pub(crate) fn is_landed(&self, place: usize) -> bool {
        self.places[place].open.load(Ordering::Acquire) == 0
    }

    /// A record has its outcome.
    pub(crate) fn land(&self, number: usize) {
        self.land_some(number >> RECORD_BITS, 1);
    }

    /// The last so many records of a batch have their outcome.
    pub(crate) fn land_some(&self, place: usize, records: usize) {
        if self.places[place].open.fetch_sub(records, Ordering::AcqRel) == records {
            self.tell(Event::Landed(place));
        }
    }

    /// A record has failed on its way. It has yet to land.
    pub(crate) fn fail(&self, number: usize, code: RDKafkaErrorCode) {
        // A refused set of several records does not say whose fault it was.
        let refused = self.sets == Sets::Single && classify(code) == Asks::Refuse;
        self.note(number >> RECORD_BITS, Failure { record: number & RECORD_MASK, code, refused });
        if !refused {
            self.cause.get_or_init(|| code);
            self.tell(Event::Trouble);
        }
    }

    /// What the first record failed of that was not refused. Others may have failed of that failure alone.
    pub(crate) fn cause(&self) -> Option<RDKafkaErrorCode> {
        self.cause.get().copied()
    }

    /// A record of a batch was not sent, since no topic takes it. It has yet to land.
    pub(crate) fn note(&self, place: usize, failure: Failure) {
        self.failures(place).push(failure);
    }

    /// The producer itself has failed.
    pub(crate) fn trouble(&self) {
        self.tell(Event::Trouble);
    }

    /// What has failed in a batch, in the order of its records.
    pub(crate) fn failed(&self, place: usize) -> Vec<Failure> {
        let mut failed = self.failures(place).clone();
        failed.sort_unstable_by_key(|failure| failure.record);
        failed
    }

    fn failures(&self, place: usize) -> MutexGuard<'_, Vec<Failure>> {
        // Nothing panics while it holds the lock, and a list of failures is never half changed.
        self.places[place].failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: Event) {
        // A sink that is gone needs no event.
        let _ = self.events.send(event);
    }
}

/// The number under which the outcome of a record is told.
pub(crate) fn number(place: usize, record: usize) -> usize {
    (place << RECORD_BITS) | record
}

const RECORD_BITS: u32 = 16;
const RECORD_MASK: usize = (1 << RECORD_BITS) - 1;

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    /// Guarantee: a batch is told once, when its last record has landed, and failures come in the order of its records.
    #[test]
    fn a_batch_lands_once() {
        let (events, mut heard) = unbounded_channel();
        let flights = Flights::new(2, Sets::Large, events);
        flights.take_off(1, 3);
        flights.fail(number(1, 2), RDKafkaErrorCode::Fatal);
        flights.land(number(1, 2));
        flights.land(number(1, 0));
        assert!(!flights.is_landed(1));
        flights.fail(number(1, 1), RDKafkaErrorCode::QueueFull);
        flights.land(number(1, 1));
        assert!(flights.is_landed(1));
        assert_eq!(flights.cause(), Some(RDKafkaErrorCode::Fatal));
        let events = [heard.try_recv(), heard.try_recv(), heard.try_recv(), heard.try_recv()];
        assert_eq!(events[..3], [Ok(Event::Trouble), Ok(Event::Trouble), Ok(Event::Landed(1))]);
        assert!(events[3].is_err());
        assert_eq!(flights.failed(1).iter().map(|failure| failure.record).collect::<Vec<_>>(), [1, 2]);
        flights.take_off(1, 1);
        assert!(flights.failed(1).is_empty(), "a place is clean for the next batch");
    }

    /// Guarantee: a set is refused for one record's fault, so that only a set of one record condemns its record.
    #[test]
    fn only_a_set_of_one_condemns_its_record() {
        for (sets, refused) in [(Sets::Large, false), (Sets::Single, true)] {
            let (events, _heard) = unbounded_channel();
            let flights = Flights::new(1, sets, events);
            flights.take_off(0, 1);
            flights.fail(number(0, 0), RDKafkaErrorCode::MessageSizeTooLarge);
            assert_eq!(flights.failed(0)[0].refused, refused);
            flights.take_off(0, 1);
            flights.fail(number(0, 0), RDKafkaErrorCode::TopicAuthorizationFailed);
            assert!(!flights.failed(0)[0].refused, "this is not the record's fault");
        }
    }
}
