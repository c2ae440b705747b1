//! The bytes that answers may hold, over all feeds.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an answer asks for at a time.
const STEP: usize = 64 << 10;

/// The bytes that answers may hold, over all feeds.
///
/// An answer's size is not known before it is read, and answers that wait for each other's bytes would wait for ever.
/// So a quarter is a pool from which all take as they grow, and the rest belongs to one answer at a time, the senior,
/// and is as large as an answer may be: the senior never waits, so the others' turn comes.
pub(super) struct Budget {
    pool: Arc<Semaphore>,
    senior: Arc<Semaphore>,
    largest: usize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            pool: Arc::new(Semaphore::new((bytes / 4 / STEP).max(1))),
            senior: Arc::new(Semaphore::new(1)),
            largest: (bytes - bytes / 4).max(STEP),
        }
    }

    /// The most bytes that one answer may have.
    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    /// A share that is still empty.
    pub(super) fn share(&self) -> Share {
        Share { pool: Arc::clone(&self.pool), senior: Arc::clone(&self.senior), taken: Vec::new(), bytes: 0 }
    }
}

/// What one answer holds of the budget, until dropped.
#[derive(Debug)]
pub(crate) struct Share {
    pool: Arc<Semaphore>,
    senior: Arc<Semaphore>,
    taken: Vec<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Share {
    /// Waits until the share covers this many bytes.
    pub(super) async fn cover(&mut self, bytes: usize) {
        while self.bytes < bytes {
            let pool = Arc::clone(&self.pool).acquire_owned();
            let senior = Arc::clone(&self.senior).acquire_owned();
            let (permit, covered) = tokio::select! {
                biased;
                permit = pool => (permit, self.bytes + STEP),
                permit = senior => (permit, usize::MAX),
            };
            self.taken.push(permit.expect("the semaphores are never closed"));
            self.bytes = covered;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    /// Scenario: more answers than the budget holds, all growing to the largest size, each as slow as it can be.
    /// Guarantee: all finish, and the bytes held never pass the budget.
    #[tokio::test(start_paused = true)]
    async fn answers_never_wait_for_each_other_for_ever() {
        let budget = Arc::new(Budget::new(64 * STEP));
        let answers = (0..50).map(|_| {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move {
                let mut share = budget.share();
                for bytes in (0..=budget.largest()).step_by(STEP / 2) {
                    share.cover(bytes).await;
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            })
        });
        let all = futures::future::join_all(answers.collect::<Vec<_>>());
        let ended = tokio::time::timeout(Duration::from_secs(60), all).await.expect("no answer waits for ever");
        assert!(ended.into_iter().all(|answer| answer.is_ok()));
        assert_eq!(budget.pool.available_permits(), 16);
        assert_eq!(budget.senior.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_full_budget_makes_the_next_answer_wait() {
        let budget = Budget::new(8 * STEP);
        let mut shares: Vec<Share> = (0..3).map(|_| budget.share()).collect();
        for share in &mut shares {
            share.cover(STEP).await;
        }
        assert!(budget.share().cover(1).now_or_never().is_none());
        shares.clear();
        assert!(budget.share().cover(1).now_or_never().is_some());
    }
}
