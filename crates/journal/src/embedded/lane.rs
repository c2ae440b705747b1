//! One lane's half of the embedded journal.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;

use super::Desk;
use super::lanes::waiting_since;
use super::reader::{self, EmbeddedReader};
use super::shared::Shared;
use super::standing::LaneState;
use crate::{EntryRef, JournalError, LaneId, LaneJournal, LaneStanding, QueueId, Reader, Settlement};

/// A lane of the plan.
pub(super) struct EmbeddedLane {
    desk: Desk,
    id: LaneId,
}

impl EmbeddedLane {
    pub(super) fn new(desk: Desk, id: LaneId) -> Self {
        Self { desk, id }
    }
}

#[async_trait]
impl LaneJournal for EmbeddedLane {
    fn id(&self) -> LaneId {
        self.id
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(EmbeddedReader::new(Arc::clone(&self.desk.shared), self.id))
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), JournalError> {
        let lane = self.id;
        self.desk.ask(0, move |store| store.settle(lane, &settlement)).await
    }

    fn waiting(&self) -> u64 {
        let standing = self.desk.shared.standing();
        standing.lane(self.id).filter(|lane| lane.in_plan).map_or(0, LaneState::waiting)
    }

    fn waiting_in(&self, queue: QueueId) -> u64 {
        let standing = self.desk.shared.standing();
        let mark = standing.lane(self.id).and_then(|lane| lane.mark(queue));
        let known = standing.queue(queue).map(|queue| queue.extent);
        known.zip(mark).map_or(0, |(extent, mark)| extent.tail.saturating_sub(mark.max(extent.base)))
    }

    async fn knows(&self, entry: EntryRef, id: [u8; 16]) -> Result<bool, JournalError> {
        let shared = Arc::clone(&self.desk.shared);
        self.desk.shared.reads().read(move || reader::knows(&shared, entry, id)).await
    }
}

/// Where every lane stands. Blocks.
pub(super) fn standings(shared: &Shared) -> Result<Vec<LaneStanding>, JournalError> {
    let mut standings: Vec<LaneStanding> = shared.standing().lanes().iter().map(standing).collect();
    for standing in standings.iter_mut().filter(|standing| standing.waiting > 0) {
        let since = shared.read(|db| waiting_since(db, standing.lane.id))?;
        standing.waiting_since = since.map(|since| UNIX_EPOCH + Duration::from_millis(since.unsigned_abs()));
    }
    Ok(standings)
}

fn standing(state: &LaneState) -> LaneStanding {
    LaneStanding {
        lane: state.lane.clone(),
        in_plan: state.in_plan,
        waiting: if state.in_plan { state.waiting() } else { 0 },
        waiting_since: None,
        delivered: state.count.delivered,
        filtered: state.count.filtered,
        skipped: state.count.skipped,
    }
}
