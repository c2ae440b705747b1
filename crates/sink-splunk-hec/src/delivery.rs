//! A batch on its way: which of its records are still to be sent, and what became of the others.

#[cfg(test)]
mod tests;

use std::time::Duration;

use fault::{Fault, Verdict};
use sink::{Answer, Batch, Fate, Fates, Record};

/// A batch that has no answer yet.
#[derive(Debug)]
pub(crate) struct Delivery {
    batch: Batch,
    /// Places of the records that go with the next request.
    open: Vec<usize>,
    /// Places of the records that go after these.
    later: Vec<usize>,
    /// What became of a record, by its place.
    fates: Vec<Option<Fate>>,
    /// A request with these records, or more, was not found too large.
    fits: bool,
    ease: Option<Duration>,
    /// The endpoints that would not take it.
    pub(crate) tried: Vec<usize>,
}

/// What is to be done with a delivery.
#[derive(Debug)]
pub(crate) enum Next {
    /// The next request.
    Send,
    /// It is over; a fault keeps open what has no fate.
    Tell(Option<Fault>),
}

impl Delivery {
    pub(crate) fn new(batch: Batch) -> Self {
        let count = batch.records.len();
        Self {
            batch,
            open: (0..count).collect(),
            later: Vec::new(),
            fates: (0..count).map(|_| None).collect(),
            fits: false,
            ease: None,
            tried: Vec::new(),
        }
    }

    /// The batch, and the places of its records that go with the next request.
    pub(crate) fn request(&self) -> (&Batch, &[usize]) {
        (&self.batch, &self.open)
    }

    /// All that was open was taken, and acknowledged where that is asked for.
    pub(crate) fn settled(&mut self) -> Next {
        let places = std::mem::take(&mut self.open);
        self.settle(&places);
        self.go_on()
    }

    pub(crate) fn ease(&mut self, ease: Option<Duration>) {
        self.ease = self.ease.max(ease);
    }

    /// The records before this one were taken, without an acknowledgement; the others were not.
    pub(crate) fn taken_up_to(&mut self, number: usize, fault: Fault, acknowledge: bool) -> Next {
        if !acknowledge && number <= self.open.len() {
            let taken: Vec<usize> = self.open.drain(..number).collect();
            self.settle(&taken);
        }
        Next::Tell(Some(fault))
    }

    /// One record is refused; those before it were taken, though no acknowledgement will come for them.
    ///
    /// Splunk Cloud names the first record where it means that the request is too large. So the first of several is
    /// believed only once a request that was no smaller got further.
    pub(crate) fn event_refused(&mut self, number: Option<usize>, reason: String, acknowledge: bool) -> Next {
        let number = match number.filter(|number| *number < self.open.len()) {
            Some(number) => number,
            None if self.open.len() == 1 => 0,
            None => return self.too_large(Fault::reject("failed to deliver a batch").caused_by(reason)),
        };
        if number == 0 && self.open.len() > 1 && !self.fits {
            return self.too_large(Fault::reject("failed to deliver a batch").caused_by(reason));
        }
        self.fits = true;
        let refused = self.open.remove(number);
        self.fates[refused] = Some(Fate::Refused(reason));
        if !acknowledge {
            let taken: Vec<usize> = self.open.drain(..number).collect();
            self.settle(&taken);
        }
        if self.open.is_empty() { self.go_on() } else { Next::Send }
    }

    /// The index of some record is refused. Which one it was is not said reliably, and so nothing counts as taken: the
    /// records of one index go by themselves, until that is the one that is refused.
    ///
    /// Where all tenants share the index, nothing will pass until a person acts. Where a tenant has its own, that
    /// tenant's trouble is not that of the others: its records become dead letters, which can be replayed.
    pub(crate) fn index_refused(
        &mut self,
        reason: &str,
        index_of: impl Fn(&Record) -> Option<String>,
        shared: impl FnOnce() -> Option<Fault>,
    ) -> Next {
        let Some(index) = self.open.first().map(|place| index_of(&self.batch.records[*place])) else {
            return self.go_on();
        };
        let records = &self.batch.records;
        let (same, others): (Vec<usize>, Vec<usize>) =
            self.open.drain(..).partition(|place| index_of(&records[*place]) == index);
        self.open = same;
        if !others.is_empty() {
            self.later.splice(0..0, others);
            return Next::Send;
        }
        if let Some(fault) = shared() {
            return Next::Tell(Some(fault));
        }
        let index = index.unwrap_or_else(|| "the token's own".to_owned());
        for place in self.open.drain(..) {
            self.fates[place] = Some(Fate::Refused(format!("{reason} (index {index})")));
        }
        self.go_on()
    }

    /// The request is too large: the lane sends the batch in halves. Once some records have their fate, the others are
    /// left open instead, for a refusal would make dead letters of them.
    pub(crate) fn too_large(&self, fault: Fault) -> Next {
        if self.fates.iter().all(Option::is_none) {
            return Next::Tell(Some(fault));
        }
        let what = "failed to deliver the rest of a batch";
        Next::Tell(Some(Fault::retry(what).caused_by(fault)))
    }

    /// The answer to the batch.
    pub(crate) fn answer(self, fault: Option<&Fault>) -> Answer {
        let fates = match fault {
            None if self.fates.iter().all(|fate| matches!(fate, Some(Fate::Settled))) => Fates::Settled,
            Some(fault) if self.fates.iter().all(Option::is_none) => Fates::Open(fault.clone()),
            fault => Fates::Each(self.fates.into_iter().map(|fate| fate.unwrap_or_else(|| open(fault))).collect()),
        };
        Answer { batch: self.batch.id, fates, ease: self.ease }
    }

    fn settle(&mut self, places: &[usize]) {
        self.fits = true;
        for place in places {
            self.fates[*place] = Some(Fate::Settled);
        }
    }

    fn go_on(&mut self) -> Next {
        self.open = std::mem::take(&mut self.later);
        if self.open.is_empty() { Next::Tell(None) } else { Next::Send }
    }
}

fn open(fault: Option<&Fault>) -> Fate {
    // Of one record, a Reject makes a dead letter; here it was meant for the batch.
    let fault = fault.filter(|fault| fault.verdict() != Verdict::Reject).cloned();
    Fate::Open(fault.unwrap_or_else(|| Fault::retry("failed to deliver the rest of a batch")))
}
