//! RELP: the receiver acknowledges every message, and that settles it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fault::Fault;
use sink::{Answer, Batch, Fate, Fates};
use tokio::time::{Instant, timeout};

use crate::classify;
use crate::cuts::Cuts;
use crate::dialogue::Dialogue;
use crate::message::Composer;
use crate::relp_frame::{self, AnswerReader, Kind};
use crate::wire::{Happening, Outgoing, Wire};

/// A RELP session that is open.
pub(crate) struct Relp {
    composer: Arc<Composer>,
    cuts: Arc<Cuts>,
    /// Batches that were taken and are not answered.
    batches: VecDeque<Taken>,
    /// The last transaction number that was used.
    transaction: u32,
    /// Messages that were composed and are not acknowledged. Receivers answer in order.
    unacknowledged: VecDeque<u32>,
    reader: AnswerReader,
    /// When the receiver last had the word, or was first waited for after a silence that was in order.
    heard_at: Option<Instant>,
    said_goodbye: bool,
}

struct Taken {
    batch: Batch,
    composed: usize,
    accepted: usize,
}

impl Relp {
    /// Opens the session.
    ///
    /// # Errors
    /// The receiver does not take syslog over RELP, or the connection was lost.
    pub(crate) async fn open(wire: &mut Wire, composer: Arc<Composer>, cuts: Arc<Cuts>) -> Result<Self, Fault> {
        let mut relp = Self {
            composer,
            cuts,
            batches: VecDeque::new(),
            transaction: relp_frame::next_transaction(0),
            unacknowledged: VecDeque::new(),
            reader: AnswerReader::default(),
            heard_at: None,
            said_goodbye: false,
        };
        relp_frame::write_open(wire.out.buffer(), relp.transaction);
        let opened = timeout(OPEN_TIME, relp.hear_welcome(wire)).await;
        opened.unwrap_or_else(|_| Err(no_relp(&wire.peer, "it did not answer `open`")))?;
        Ok(relp)
    }

    async fn hear_welcome(&mut self, wire: &mut Wire) -> Result<(), Fault> {
        loop {
            let count = match wire.happening().await {
                Ok(Happening::Came(count)) => count,
                Ok(Happening::Ended) => return Err(no_relp(&wire.peer, "it ended the connection after `open`")),
                Ok(Happening::Flushed | Happening::Wrote) => continue,
                Err(error) => {
                    let reason = wire.reason(error).await;
                    return Err(classify::lost(&wire.peer, &reason));
                }
            };
            let mut bytes = wire.came(count);
            let answer = self.reader.read(&mut bytes);
            match answer.map_err(|error| no_relp(&wire.peer, &error.to_string()))? {
                None => {}
                Some(answer) => return welcome(&answer.kind, &wire.peer),
            }
        }
    }

    /// Takes one answer.
    fn answered(&mut self, answer: relp_frame::Answer, peer: &str) -> Result<(), Fault> {
        match answer.kind {
            Kind::ServerClose => Err(Fault::retry(format!("{peer} closes the RELP session"))),
            Kind::Response { code: 200, .. } => self.acknowledged(answer.transaction, peer),
            Kind::Response { code, text, .. } => Err(Fault::retry(format!("{peer} refused a message: {code} {text}"))
                .advise("The receiver's own log says why; the message stays in the journal and goes again.")),
        }
    }

    fn acknowledged(&mut self, transaction: u32, peer: &str) -> Result<(), Fault> {
        if self.unacknowledged.front() != Some(&transaction) {
            return Err(Fault::retry(format!("{peer} acknowledged message {transaction} out of turn")));
        }
        self.unacknowledged.pop_front();
        let waiting = self.batches.iter_mut().find(|taken| taken.accepted < taken.batch.records.len());
        waiting.expect("a message belongs to a batch").accepted += 1;
        Ok(())
    }
}

impl Dialogue for Relp {
    fn take(&mut self, batch: Batch) {
        self.batches.push_back(Taken { batch, composed: 0, accepted: 0 });
    }

    fn compose(&mut self, out: &mut Outgoing) {
        // One write for many messages: with acknowledgements to come there is no hurry.
        if self.unacknowledged.len() > WINDOW - TOGETHER {
            return;
        }
        for taken in &mut self.batches {
            while let Some(record) = taken.batch.records.get(taken.composed) {
                if self.unacknowledged.len() >= WINDOW || out.waiting() >= AHEAD {
                    return;
                }
                self.transaction = relp_frame::next_transaction(self.transaction);
                let composed = self.composer.relp_frame(record, self.transaction, out.buffer());
                self.cuts.count(composed.cut);
                self.unacknowledged.push_back(self.transaction);
                taken.composed += 1;
            }
        }
    }

    fn wrote(&mut self, _: &Outgoing, now: Instant) {
        self.heard_at.get_or_insert(now);
    }

    fn hear(&mut self, mut bytes: &[u8], peer: &str, now: Instant) -> Result<(), Fault> {
        self.heard_at = None;
        while !bytes.is_empty() {
            let answer = self.reader.read(&mut bytes);
            if let Some(answer) = answer.map_err(|error| no_relp(peer, &error.to_string()))? {
                self.answered(answer, peer)?;
            }
        }
        if !self.unacknowledged.is_empty() {
            self.heard_at = Some(now);
        }
        Ok(())
    }

    fn due_at(&self) -> Option<Instant> {
        self.heard_at.filter(|_| !self.unacknowledged.is_empty()).map(|heard_at| heard_at + PATIENCE)
    }

    fn due(&mut self, _: &Outgoing, peer: &str, now: Instant) -> Result<(), Fault> {
        if self.due_at().is_none_or(|due| now < due) {
            return Ok(());
        }
        Err(Fault::retry(format!("{peer} acknowledged nothing for {} s", PATIENCE.as_secs()))
            .advise("Look whether the receiver's own queue or disk is full."))
    }

    fn has_room(&self) -> bool {
        self.batches.iter().filter(|taken| taken.composed < taken.batch.records.len()).count() < 2
    }

    fn is_done(&self) -> bool {
        self.batches.is_empty()
    }

    fn settled(&mut self) -> Option<Answer> {
        let first = self.batches.front()?;
        if first.accepted < first.batch.records.len() {
            return None;
        }
        let batch = self.batches.pop_front()?.batch.id;
        Some(Answer { batch, fates: Fates::Settled, ease: None })
    }

    fn farewell(&mut self, out: &mut Outgoing) -> bool {
        if !self.is_done() {
            return false;
        }
        if !self.said_goodbye {
            self.said_goodbye = true;
            relp_frame::write(out.buffer(), relp_frame::next_transaction(self.transaction), "close", b"");
        }
        out.is_flushed()
    }

    /// Only an acknowledgement settles.
    fn parted(&mut self) {}

    fn give_up(&mut self, fault: &Fault) -> Vec<Answer> {
        self.batches.drain(..).map(|taken| taken.give_up(fault)).collect()
    }
}

impl Taken {
    fn give_up(self, fault: &Fault) -> Answer {
        let records = self.batch.records.len();
        let fate = |index| if index < self.accepted { Fate::Settled } else { Fate::Open(fault.clone()) };
        let fates = match self.accepted {
            accepted if accepted == records => Fates::Settled,
            0 => Fates::Open(fault.clone()),
            _ => Fates::Each((0..records).map(fate).collect()),
        };
        Answer { batch: self.batch.id, fates, ease: None }
    }
}

/// Whether the answer to `open` lets us send syslog.
fn welcome(answer: &Kind, peer: &str) -> Result<(), Fault> {
    match answer {
        Kind::Response { code: 200, offers, .. } if relp_frame::takes_syslog(offers) => Ok(()),
        Kind::Response { code: 200, .. } => Err(no_relp(peer, "it does not offer the command `syslog`")),
        Kind::Response { code, text, .. } => Err(no_relp(peer, &format!("it answered `open` with {code} {text}"))),
        Kind::ServerClose => Err(no_relp(peer, "it closed the session")),
    }
}

fn no_relp(peer: &str, why: &str) -> Fault {
    Fault::retry(format!("failed to speak RELP with {peer}: {why}")).advise(
        "Look whether this is the receiver's RELP port (`relps://` where it wants TLS), and into its own log; a \
         message larger than it takes makes it close the connection again and again: then set `max_bytes`.",
    )
}

/// Messages that may be without an acknowledgement: librelp's own window.
pub(crate) const WINDOW: usize = 128;
/// Messages that are written together while others are on their way.
const TOGETHER: usize = WINDOW / 2;
/// Bytes that are composed before they can be written.
const AHEAD: usize = 256 << 10;
/// How long `open` may take.
const OPEN_TIME: Duration = Duration::from_secs(10);
/// How long messages may stay without any acknowledgement: librelp's own limit for a session.
const PATIENCE: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use fault::Verdict;
    use sink::suite::{batch, record};

    use super::*;
    use crate::message::samples::options;
    use crate::options::{Header, Transport};

    fn session() -> Relp {
        let plain = options(Header::None);
        let composer = Arc::new(Composer::new(&plain, Transport::Relp));
        Relp {
            composer,
            cuts: Arc::new(Cuts::new(None)),
            batches: VecDeque::new(),
            transaction: 1,
            unacknowledged: VecDeque::new(),
            reader: AnswerReader::default(),
            heard_at: None,
            said_goodbye: false,
        }
    }

    fn messages(id: u64, count: usize) -> Batch {
        batch(id, (0..count).map(|n| record(&format!("message {n}"))).collect())
    }

    fn hear(session: &mut Relp, bytes: &str) -> Result<(), Fault> {
        session.hear(bytes.as_bytes(), "peer", Instant::now())
    }

    /// Guarantee: no more messages than the window are without an acknowledgement, and once half of them have theirs the
    /// next go.
    #[test]
    fn the_window_is_kept() {
        let (mut session, mut out) = (session(), Outgoing::default());
        session.take(messages(0, 300));
        session.compose(&mut out);
        assert_eq!(session.unacknowledged.len(), WINDOW);
        for transaction in 2..=64 {
            hear(&mut session, &format!("{transaction} rsp 6 200 OK\n")).unwrap();
            session.compose(&mut out);
        }
        assert_eq!((session.unacknowledged.len(), session.unacknowledged.back()), (WINDOW - 63, Some(&129)));
        hear(&mut session, "65 rsp 6 200 OK\n").unwrap();
        session.compose(&mut out);
        assert_eq!((session.unacknowledged.len(), session.unacknowledged.back()), (WINDOW, Some(&193)));
    }

    /// Guarantee: a batch is settled by the acknowledgement of its last message, in any pieces, across batches.
    #[test]
    fn a_batch_is_settled_by_its_last_acknowledgement() {
        let (mut session, mut out) = (session(), Outgoing::default());
        session.take(messages(0, 2));
        session.take(messages(1, 1));
        session.compose(&mut out);
        hear(&mut session, "2 rsp 6 200 OK\n3 rs").unwrap();
        assert!(session.settled().is_none());
        hear(&mut session, "p 6 200 OK\n4 rsp 6 200 OK\n").unwrap();
        let settled: Vec<u64> = std::iter::from_fn(|| session.settled()).map(|answer| answer.batch.0).collect();
        assert_eq!(settled, [0, 1]);
        assert!(session.is_done());
    }

    /// Guarantee: an acknowledgement of another message than the next, a refusal, a farewell of the receiver and bytes
    /// that are no RELP all end the session and settle nothing; each can pass later.
    #[test]
    fn whatever_is_out_of_order_ends_the_session() {
        for bytes in ["3 rsp 6 200 OK\n", "2 rsp 9 500 error\n", "0 serverclose 0\n", "HTTP/1.1 400 Bad Request\r\n"] {
            let (mut session, mut out) = (session(), Outgoing::default());
            session.take(messages(0, 2));
            session.compose(&mut out);
            let fault = hear(&mut session, bytes).unwrap_err();
            assert_eq!(fault.verdict(), Verdict::Retry, "{bytes:?}");
            let answers = session.give_up(&fault);
            assert!(matches!(answers[0].fates, Fates::Open(_)), "{bytes:?}");
        }
    }

    /// Scenario: acknowledgements and the receiver's farewell come in one piece.
    /// Guarantee: each batch is settled, open, or both in part, as it was acknowledged.
    #[test]
    fn a_farewell_leaves_open_what_is_not_acknowledged() {
        let (mut session, mut out) = (session(), Outgoing::default());
        for id in 0..3 {
            session.take(messages(id, 2));
        }
        session.compose(&mut out);
        let fault =
            hear(&mut session, "2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n0 serverclose 0\n").unwrap_err();
        let answers = session.give_up(&fault);
        assert!(matches!(answers[0].fates, Fates::Settled), "{answers:?}");
        let Fates::Each(halves) = &answers[1].fates else { panic!("half of it is open: {answers:?}") };
        assert!(matches!(halves[..], [Fate::Settled, Fate::Open(_)]), "{halves:?}");
        assert!(matches!(answers[2].fates, Fates::Open(_)), "{answers:?}");
    }

    /// Guarantee: a receiver that acknowledges nothing for 90 seconds is given up, a silence with nothing to
    /// acknowledge is in order.
    #[test]
    fn a_silent_receiver_is_given_up() {
        let (mut session, mut out, start) = (session(), Outgoing::default(), Instant::now());
        session.take(messages(0, 1));
        session.compose(&mut out);
        session.wrote(&out, start);
        assert_eq!(session.due_at(), Some(start + PATIENCE));
        session.due(&out, "peer", start + PATIENCE - Duration::from_secs(1)).unwrap();
        assert_eq!(session.due(&out, "peer", start + PATIENCE).unwrap_err().verdict(), Verdict::Retry);
        hear(&mut session, "2 rsp 6 200 OK\n").unwrap();
        assert_eq!(session.due_at(), None);
    }
}
