//! What was taken and waits for its acknowledgement.
//!
//! An id means something only in its channel at its indexer, and an indexer says `true` once. So a wait is kept by its
//! session and its id; where one id is given out twice in a channel, nobody can say whose acknowledgement comes, and both
//! requests go again.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::options::Acknowledgement;
use crate::session::Session;

/// The waits of one connection slot. `T` is what waits.
#[derive(Debug)]
pub(crate) struct Acks<T> {
    rule: Acknowledgement,
    waits: Vec<Wait<T>>,
    ask_at: Option<Instant>,
    ask_wait: Duration,
}

#[derive(Debug)]
struct Wait<T> {
    session: Arc<Session>,
    id: u64,
    held: T,
    until: Instant,
    /// How often it is still asked for, once there is doubt whether the indexer knows of it.
    doubt: Option<u32>,
}

impl<T> Acks<T> {
    pub(crate) fn new(rule: Acknowledgement) -> Self {
        Self { rule, waits: Vec::new(), ask_at: None, ask_wait: rule.ask_after }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Waits for an acknowledgement. Returns what must go again, because its id is given out twice.
    pub(crate) fn wait_for(&mut self, session: &Arc<Session>, id: u64, held: T, now: Instant) -> Vec<T> {
        let mut again = self.remove(|wait| wait.id == id && wait.session.channel == session.channel);
        if !again.is_empty() {
            again.push(held);
            return again;
        }
        let until = now + self.rule.give_up_after;
        self.waits.push(Wait { session: Arc::clone(session), id, held, until, doubt: None });
        if self.ask_at.is_none() {
            self.ask_soon(now + self.rule.ask_after);
        }
        Vec::new()
    }

    /// When there is something to do: to ask, or to give up.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waits.iter().map(|wait| wait.until).chain(self.ask_at).min().filter(|_| !self.is_empty())
    }

    /// Asks next at this time, and often after it.
    pub(crate) fn ask_soon(&mut self, at: Instant) {
        self.ask_at = Some(at);
        self.ask_wait = self.rule.ask_after;
    }

    /// What to ask for, by session.
    pub(crate) fn questions(&self) -> Vec<(Arc<Session>, Vec<u64>)> {
        let mut questions: Vec<(Arc<Session>, Vec<u64>)> = Vec::new();
        for wait in &self.waits {
            match questions.iter_mut().find(|(session, _)| *session == wait.session) {
                Some((_, ids)) => ids.push(wait.id),
                None => questions.push((Arc::clone(&wait.session), vec![wait.id])),
            }
        }
        questions
    }

    /// All questions were asked.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.ask_at = (!self.is_empty()).then(|| now + self.ask_wait);
        self.ask_wait = (self.ask_wait * 2).min(self.rule.ask_after * 10);
    }

    /// Hears an answer: what is acknowledged by it.
    pub(crate) fn acknowledge(&mut self, session: &Session, ids: &[u64]) -> Vec<T> {
        let acknowledged = self.remove(|wait| *wait.session == *session && ids.contains(&wait.id));
        if !acknowledged.is_empty() {
            self.ask_wait = self.rule.ask_after;
        }
        acknowledged
    }

    /// An answer in this session was heard, whatever it held: what was in doubt is asked for once less.
    pub(crate) fn heard(&mut self, session: &Session) {
        for wait in self.waits.iter_mut().filter(|wait| *wait.session == *session) {
            wait.doubt = wait.doubt.map(|times| times.saturating_sub(1));
        }
    }

    /// The indexer may have said `true` unheard, or may not be asked any more: what waits is asked for a few times yet,
    /// and then given up.
    pub(crate) fn doubt(&mut self, is_meant: impl Fn(&Session) -> bool, now: Instant) {
        for wait in self.waits.iter_mut().filter(|wait| is_meant(&wait.session) && wait.doubt.is_none()) {
            wait.doubt = Some(QUESTIONS_IN_DOUBT);
        }
        if !self.is_empty() {
            self.ask_soon(now + self.rule.ask_after);
        }
    }

    /// What has waited too long, or was in doubt too often.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<T> {
        self.remove(|wait| wait.until <= now || wait.doubt == Some(0))
    }

    /// The session is gone: what waited in it.
    pub(crate) fn lose(&mut self, session: &Session) -> Vec<T> {
        self.remove(|wait| *wait.session == *session)
    }

    /// Nothing more will be acknowledged: everything that waited.
    pub(crate) fn lose_all(&mut self) -> Vec<T> {
        self.remove(|_| true)
    }

    fn remove(&mut self, is_meant: impl Fn(&Wait<T>) -> bool) -> Vec<T> {
        let removed = self.waits.extract_if(.., |wait| is_meant(wait)).map(|wait| wait.held).collect();
        if self.is_empty() {
            self.ask_at = None;
        }
        removed
    }
}

/// At a second, two, four and eight: what an indexer holds was acknowledged by then, or is late.
const QUESTIONS_IN_DOUBT: u32 = 4;
