//! What the workers of a sink share.

use std::sync::Arc;

use fault::Fault;
use sink::Answer;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::body::{self, Body};
use crate::delivery::Delivery;
use crate::envelope::Composer;
use crate::queue::Queue;
use crate::token::Tokens;

/// What the workers of a sink share.
pub(crate) struct Shared {
    pub(crate) composer: Arc<Composer>,
    pub(crate) tokens: Tokens,
    pub(crate) queue: Queue,
    pub(crate) gzip: bool,
    /// The most bytes of a request before compression.
    pub(crate) max_content: usize,
    pub(crate) answers: UnboundedSender<Answer>,
    /// Batches without an answer.
    pub(crate) unanswered: watch::Sender<usize>,
}

impl Shared {
    /// Composes the next request of a delivery, off the runtime's own threads: a body takes milliseconds.
    pub(crate) async fn compose(&self, delivery: &Delivery) -> Result<Body, Fault> {
        let (batch, places) = delivery.request();
        let (batch, places) = (batch.clone(), places.to_vec());
        let (composer, gzip) = (Arc::clone(&self.composer), self.gzip);
        let composed = tokio::task::spawn_blocking(move || body::compose(&composer, &batch, &places, gzip)).await;
        composed.map_err(|ended| Fault::retry("failed to compose a request").caused_by(ended))
    }

    /// Answers for a delivery.
    pub(crate) fn tell(&self, delivery: Delivery, fault: Option<&Fault>) {
        // A sink that is gone needs no answer.
        let _ = self.answers.send(delivery.answer(fault));
        self.unanswered.send_modify(|count| *count -= 1);
    }
}
