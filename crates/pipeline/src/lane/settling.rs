//! A lane's settling: what it tells the journal, and what its sink kept of it.

use std::sync::Arc;
use std::time::Duration;

use journal::{JournalError, Settlement};
use sink::Mark;
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until};

use crate::lane::marks::Marks;
use crate::lane::{Kept, Lane};

impl Lane {
    /// Asks the sink for its marks, once nothing holds the lane back.
    pub(super) async fn ask_for_marks(&mut self) -> Result<(), JournalError> {
        if let Some(until) = self.hold_until {
            tokio::select! {
                () = sleep_until(until) => self.hold_until = None,
                () = self.drain.raised(), if !self.drain.is_raised() => {}
            }
            return Ok(());
        }
        self.failing = false;
        match self.sink.marks().await {
            Ok(None) => self.marks = Kept::Nothing,
            Ok(Some(kept)) => self.adopt(&kept).await?,
            Err(fault) => self.hold_back(&fault),
        }
        Ok(())
    }

    async fn adopt(&mut self, kept: &[Mark]) -> Result<(), JournalError> {
        let (marks, foreign) = Marks::adopt(&*self.journal, kept).await?;
        if foreign > 0 {
            tracing::warn!(
                sink = self.status.name,
                foreign,
                "the destination keeps marks of another journal: they count for nothing, and this lane starts where its \
                 own journal stands; what the other had in flight when it stopped may arrive twice"
            );
        }
        self.marks = Kept::Marks(Box::new(marks));
        self.recover();
        Ok(())
    }

    /// A sink that keeps marks is sent nothing whose mark would stand before a dead letter that is not kept yet, and
    /// while requeued entries are on their way one batch at a time: their mark names those of one batch.
    pub(super) fn must_settle_first(&self) -> bool {
        let Kept::Marks(marks) = &self.marks else { return false };
        let letters = self.window.has_letters() || self.letters_in_settlement;
        let requeued = self.window.has_requeued() || !self.requeued_in_settlement.is_empty();
        letters || requeued || (marks.has_requeued() && self.outbox.has_outstanding())
    }

    /// Starts to settle what can be settled, one settlement at a time.
    pub(super) fn settle(&mut self) {
        if self.settling.is_none() {
            let before = self.window.len();
            let settlement = self.window.settlement(self.id);
            self.in_settlement = before - self.window.len();
            if let Some(settlement) = &settlement {
                self.requeued_in_settlement.clone_from(&settlement.requeued);
                self.letters_in_settlement = !settlement.dead_letters.is_empty();
            }
            self.settling = settlement.map(|settlement| self.settle_in_background(settlement));
        }
    }

    /// The running settlement has ended.
    pub(super) fn settled(&mut self) {
        (self.settling, self.in_settlement, self.letters_in_settlement) = (None, 0, false);
        let requeued = std::mem::take(&mut self.requeued_in_settlement);
        if let Kept::Marks(marks) = &mut self.marks {
            marks.settled(&requeued);
        }
    }

    fn settle_in_background(&self, settlement: Settlement) -> JoinHandle<Result<(), JournalError>> {
        let (journal, status) = (Arc::clone(&self.journal), Arc::clone(&self.status));
        tokio::spawn(async move {
            tracing::trace!(sink = status.name, "marks are settled");
            loop {
                match journal.settle(settlement.clone()).await {
                    // Others have filled the disk to the last byte: it is tried again, and nothing moves meanwhile.
                    Err(JournalError::Full(_)) => sleep(SETTLE_AGAIN).await,
                    settled => {
                        tracing::trace!(sink = status.name, "marks were settled");
                        return settled;
                    }
                }
            }
        })
    }

    pub(super) async fn settle_the_rest(&mut self) -> Result<(), JournalError> {
        finished(&mut self.settling).await?;
        self.settled();
        self.settle();
        finished(&mut self.settling).await
    }
}

/// Waits for the settlement that is under way, if any.
pub(super) async fn finished(settling: &mut Option<JoinHandle<Result<(), JournalError>>>) -> Result<(), JournalError> {
    match settling {
        None => Ok(()),
        Some(settlement) => {
            settlement.await.unwrap_or_else(|ended| Err(JournalError::Io { doing: "settle", source: Box::new(ended) }))
        }
    }
}

/// How long a settlement waits for a disk that others have filled.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);
