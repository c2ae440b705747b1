//! What is said over a connection, and what it means for the batches handed over.

use fault::Fault;
use sink::{Answer, Batch};
use tokio::time::Instant;

use crate::wire::Outgoing;

/// The protocol of a connection: what is written for a batch, and when its records are settled.
///
/// Batches are answered in the order in which they were taken.
pub(crate) trait Dialogue: Send {
    /// Takes a batch.
    fn take(&mut self, batch: Batch);

    /// Composes what may be written now of the batches that were taken.
    fn compose(&mut self, out: &mut Outgoing);

    /// Bytes were written.
    fn wrote(&mut self, out: &Outgoing, now: Instant);

    /// Bytes came.
    ///
    /// # Errors
    /// They end the connection.
    fn hear(&mut self, bytes: &[u8], peer: &str, now: Instant) -> Result<(), Fault>;

    /// When something is due that nothing else brings about.
    fn due_at(&self) -> Option<Instant>;

    /// Does what is due.
    ///
    /// # Errors
    /// It ends the connection.
    fn due(&mut self, out: &Outgoing, peer: &str, now: Instant) -> Result<(), Fault>;

    /// Whether another batch may be taken.
    fn has_room(&self) -> bool;

    /// Whether every batch that was taken is answered.
    fn is_done(&self) -> bool;

    /// The next batch that is settled.
    fn settled(&mut self) -> Option<Answer>;

    /// Begins to end in good order: composes a farewell, where the protocol has one. Whether the connection may be
    /// half-closed now; asked again after everything that happens.
    fn farewell(&mut self, out: &mut Outgoing) -> bool;

    /// The peer has answered our half-close with its own end.
    fn parted(&mut self);

    /// Gives up what is not settled: the answers, first to last.
    fn give_up(&mut self, fault: &Fault) -> Vec<Answer>;
}
