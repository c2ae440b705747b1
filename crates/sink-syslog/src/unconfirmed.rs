//! TCP and TLS: nobody confirms anything, so a batch is settled by what was written after it, by time, or by the end of
//! the connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fault::Fault;
use sink::{Answer, Batch, BatchId, Fates};
use tokio::time::Instant;

use crate::cuts::Cuts;
use crate::dialogue::Dialogue;
use crate::message::Composer;
use crate::wire::Outgoing;

/// Batches that were written, or will be, and are not settled.
///
/// A successful write only means that our own system has the bytes. They are taken to have arrived once so many more
/// were written that our send buffer and what a receiver that keeps up leaves unread cannot hold them any longer (one
/// that does not keep up may leave more, as the README says); or once the connection has stayed open so long that the
/// system would have noticed a peer that takes nothing; or once the peer, having read to our end, has ended its side too.
pub(crate) struct Unconfirmed {
    composer: Arc<Composer>,
    cuts: Arc<Cuts>,
    /// Taken and not yet composed.
    waiting: VecDeque<Batch>,
    composed: VecDeque<Composed>,
    /// Batches at the head of `composed` that are settled.
    settled: usize,
}

struct Composed {
    batch: BatchId,
    /// The position in the stream after its last byte.
    end: u64,
    written_at: Option<Instant>,
}

impl Unconfirmed {
    pub(crate) fn new(composer: Arc<Composer>, cuts: Arc<Cuts>) -> Self {
        Self { composer, cuts, waiting: VecDeque::new(), composed: VecDeque::new(), settled: 0 }
    }

    fn unsettled(&self) -> impl Iterator<Item = &Composed> {
        self.composed.iter().skip(self.settled)
    }
}

impl Dialogue for Unconfirmed {
    fn take(&mut self, batch: Batch) {
        self.waiting.push_back(batch);
    }

    fn compose(&mut self, out: &mut Outgoing) {
        while out.waiting() < AHEAD
            && let Some(batch) = self.waiting.pop_front()
        {
            for record in batch.records.iter() {
                let composed = self.composer.frame(record, out.buffer());
                self.cuts.count(composed.cut);
            }
            self.composed.push_back(Composed { batch: batch.id, end: out.composed(), written_at: None });
        }
    }

    fn wrote(&mut self, out: &Outgoing, now: Instant) {
        let written = out.written();
        for composed in self.composed.iter_mut().skip(self.settled) {
            if composed.end > written {
                break;
            }
            composed.written_at.get_or_insert(now);
        }
        while let Some(composed) = self.composed.get(self.settled)
            && written >= composed.end + SETTLED_BY_BYTES
        {
            self.settled += 1;
        }
    }

    /// Receivers of syslog have nothing to say.
    fn hear(&mut self, bytes: &[u8], peer: &str, _: Instant) -> Result<(), Fault> {
        tracing::debug!(peer, bytes = bytes.len(), "a syslog receiver said something, which is not heeded");
        Ok(())
    }

    fn due_at(&self) -> Option<Instant> {
        let written_at = self.unsettled().next()?.written_at?;
        Some(written_at + SETTLED_BY_TIME)
    }

    fn due(&mut self, out: &Outgoing, _: &str, now: Instant) -> Result<(), Fault> {
        // A connection on which a write waits shows no sign that the peer still takes anything.
        if !out.is_flushed() {
            for composed in self.composed.iter_mut().skip(self.settled) {
                composed.written_at = composed.written_at.map(|_| now);
            }
            return Ok(());
        }
        while let Some(composed) = self.composed.get(self.settled)
            && composed.written_at.is_some_and(|written_at| now >= written_at + SETTLED_BY_TIME)
        {
            self.settled += 1;
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.waiting.is_empty()
    }

    fn is_done(&self) -> bool {
        self.composed.is_empty() && self.waiting.is_empty()
    }

    fn settled(&mut self) -> Option<Answer> {
        self.settled = self.settled.checked_sub(1)?;
        let settled = self.composed.pop_front()?;
        Some(Answer { batch: settled.batch, fates: Fates::Settled, ease: None })
    }

    fn farewell(&mut self, out: &mut Outgoing) -> bool {
        self.waiting.is_empty() && out.is_flushed()
    }

    fn parted(&mut self) {
        self.settled = self.composed.len();
    }

    fn give_up(&mut self, fault: &Fault) -> Vec<Answer> {
        let mut answers: Vec<Answer> = std::iter::from_fn(|| self.settled()).collect();
        let open = self.composed.drain(..).map(|composed| composed.batch);
        let open = open.chain(self.waiting.drain(..).map(|batch| batch.id));
        answers.extend(open.map(|batch| Answer { batch, fates: Fates::Open(fault.clone()), ease: None }));
        answers
    }
}

/// A record is settled once so many bytes were written after it.
pub(crate) const SETTLED_BY_BYTES: u64 = 1 << 20;
/// A record is settled once it was written so long ago, on a connection that is still open.
pub(crate) const SETTLED_BY_TIME: Duration = Duration::from_secs(15);
/// Bytes that are composed before they can be written.
const AHEAD: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use sink::suite::{batch, record};

    use super::*;
    use crate::message::samples::options;
    use crate::options::{Framing, Header, MessageOptions, Transport};

    /// A batch of one message of so many bytes, framing included.
    fn message(id: u64, bytes: usize) -> Batch {
        let length = bytes - 1;
        batch(id, vec![record(&"x".repeat(length))])
    }

    fn dialogue() -> Unconfirmed {
        let plain = MessageOptions { framing: Framing::Lf, ..options(Header::None) };
        Unconfirmed::new(Arc::new(Composer::new(&plain, Transport::Tcp)), Arc::new(Cuts::new(None)))
    }

    /// Composes and writes everything.
    fn write(dialogue: &mut Unconfirmed, out: &mut Outgoing, now: Instant) {
        dialogue.compose(out);
        out.pass(out.waiting());
        dialogue.wrote(out, now);
    }

    fn settled(dialogue: &mut Unconfirmed) -> Vec<u64> {
        std::iter::from_fn(|| dialogue.settled()).map(|answer| answer.batch.0).collect()
    }

    /// Guarantee: a record is settled by the byte that makes a mebibyte behind it, and not by the one before.
    #[test]
    fn a_mebibyte_behind_it_settles_a_record() {
        let (mut dialogue, mut out, now) = (dialogue(), Outgoing::default(), Instant::now());
        dialogue.take(message(0, 100));
        write(&mut dialogue, &mut out, now);
        dialogue.take(message(1, (1 << 20) - 1));
        write(&mut dialogue, &mut out, now);
        assert!(settled(&mut dialogue).is_empty());
        dialogue.take(message(2, 2));
        write(&mut dialogue, &mut out, now);
        assert_eq!(settled(&mut dialogue), [0]);
    }

    /// Guarantee: fifteen seconds after it was written a record is settled, and not before; not by a byte that only was
    /// composed, and not while a write waits.
    #[test]
    fn fifteen_seconds_on_an_open_connection_settle_a_record() {
        let (mut dialogue, mut out, start) = (dialogue(), Outgoing::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        dialogue.take(message(0, 100));
        dialogue.compose(&mut out);
        assert_eq!(dialogue.due_at(), None, "nothing is written yet");
        write(&mut dialogue, &mut out, start);
        assert_eq!(dialogue.due_at(), Some(after(15)));
        dialogue.due(&out, "peer", after(14)).unwrap();
        assert!(settled(&mut dialogue).is_empty());
        dialogue.take(message(1, 100));
        dialogue.compose(&mut out);
        dialogue.due(&out, "peer", after(15)).unwrap();
        assert!(settled(&mut dialogue).is_empty(), "a write waits");
        write(&mut dialogue, &mut out, after(16));
        dialogue.due(&out, "peer", after(30)).unwrap();
        assert_eq!(settled(&mut dialogue), [0]);
        dialogue.due(&out, "peer", after(31)).unwrap();
        assert_eq!(settled(&mut dialogue), [1]);
    }

    /// Guarantee: what is given up is open, whether it was written or not, in the old order; what was settled before
    /// stays settled.
    #[test]
    fn a_lost_connection_leaves_open_what_is_not_settled() {
        let (mut dialogue, mut out, now) = (dialogue(), Outgoing::default(), Instant::now());
        for (id, bytes) in [(0, 100), (1, 1 << 20), (2, (1 << 20) - 1)] {
            dialogue.take(message(id, bytes));
            dialogue.compose(&mut out);
            out.pass(out.waiting().min(1 << 20));
            dialogue.wrote(&out, now);
        }
        let answers = dialogue.give_up(&Fault::retry("lost"));
        let fates: Vec<_> =
            answers.iter().map(|answer| (answer.batch.0, matches!(answer.fates, Fates::Settled))).collect();
        assert_eq!(fates, [(0, true), (1, false), (2, false)]);
        assert!(dialogue.is_done());
    }
}
