//! Deliveries that wait for a connection, and endpoints that are left alone for a while.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::delivery::Delivery;

/// What all connections take their work from.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    waiting: VecDeque<Delivery>,
    /// Until when an endpoint is left alone, by its place.
    away: Vec<Option<Instant>>,
}

impl Queue {
    pub(crate) fn new(endpoints: usize) -> Self {
        Self {
            inner: Mutex::new(Inner { waiting: VecDeque::new(), away: vec![None; endpoints] }),
            changed: Notify::new(),
        }
    }

    pub(crate) fn put(&self, delivery: Delivery) {
        self.inner().waiting.push_back(delivery);
        self.changed.notify_waiters();
    }

    /// Leaves an endpoint alone, since it would not take something: others go before it.
    pub(crate) fn leave_alone(&self, endpoint: usize, until: Instant) {
        let mut inner = self.inner();
        inner.away[endpoint] = inner.away[endpoint].max(Some(until));
        drop(inner);
        self.changed.notify_waiters();
    }

    /// The endpoint takes again.
    pub(crate) fn is_back(&self, endpoint: usize) {
        self.inner().away[endpoint] = None;
    }

    /// Puts back what an endpoint would not take, for another. Returns it where all have been tried.
    pub(crate) fn put_back(&self, endpoint: usize, mut delivery: Delivery) -> Option<Delivery> {
        delivery.tried.push(endpoint);
        let mut inner = self.inner();
        if (0..inner.away.len()).all(|endpoint| delivery.tried.contains(&endpoint)) {
            return Some(delivery);
        }
        inner.waiting.push_front(delivery);
        drop(inner);
        self.changed.notify_waiters();
        None
    }

    /// The next delivery for an endpoint. Dropping the call loses nothing.
    pub(crate) async fn take(&self, endpoint: usize) -> Delivery {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // What changes between the look and the wait is heard.
            changed.as_mut().enable();
            let (taken, away) = self.inner().take(endpoint, Instant::now());
            match (taken, away) {
                (Some(delivery), _) => return delivery,
                (None, None) => changed.await,
                (None, Some(until)) => {
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(until) => {}
                    }
                }
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The first delivery that the endpoint may have, and until when it is away.
    fn take(&mut self, endpoint: usize, now: Instant) -> (Option<Delivery>, Option<Instant>) {
        for until in &mut self.away {
            *until = until.filter(|until| *until > now);
        }
        let place = self.waiting.iter().position(|delivery| self.may_have(endpoint, delivery));
        (place.and_then(|place| self.waiting.remove(place)), self.away[endpoint])
    }

    /// An endpoint that is away gets what no other is there for: a lane must hear of it when all are away.
    fn may_have(&self, endpoint: usize, delivery: &Delivery) -> bool {
        let is_untried = |endpoint: &usize| !delivery.tried.contains(endpoint);
        let others_are_away = || (0..self.away.len()).filter(is_untried).all(|other| self.away[other].is_some());
        is_untried(&endpoint) && (self.away[endpoint].is_none() || others_are_away())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sink::suite::batch;

    use super::*;

    fn delivery(id: u64) -> Delivery {
        Delivery::new(batch(id, Vec::new()))
    }

    fn taken(queue: &Queue, endpoint: usize, now: Instant) -> Option<Delivery> {
        queue.inner().take(endpoint, now).0
    }

    /// Guarantee: an endpoint that is away is left alone while another is there, and is tried when none is.
    #[test]
    fn endpoints_stand_in_for_each_other() {
        let (queue, start) = (Queue::new(2), Instant::now());
        queue.leave_alone(0, start + Duration::from_secs(5));
        queue.put(delivery(1));
        assert!(taken(&queue, 0, start).is_none());
        assert!(taken(&queue, 1, start).is_some());
        queue.leave_alone(1, start + Duration::from_secs(60));
        queue.put(delivery(2));
        assert!(taken(&queue, 0, start).is_some(), "nobody else is there");
        let later = start + Duration::from_secs(6);
        queue.put(delivery(3));
        assert!(taken(&queue, 0, later).is_some(), "the first is back");
        queue.put(delivery(4));
        assert!(taken(&queue, 1, later).is_none(), "and the second is not");
    }

    /// Guarantee: what one endpoint would not take, each other one is offered once.
    #[test]
    fn a_delivery_is_offered_to_each_endpoint_once() {
        let (queue, now) = (Queue::new(2), Instant::now());
        assert!(queue.put_back(0, delivery(1)).is_none());
        assert!(taken(&queue, 0, now).is_none());
        queue.leave_alone(1, now + Duration::from_secs(60));
        let delivery = taken(&queue, 1, now).expect("it is the only one left");
        assert!(queue.put_back(1, delivery).is_some(), "all were tried");
    }
}
