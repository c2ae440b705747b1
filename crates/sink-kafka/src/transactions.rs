//! Exactly once: a batch and its marks in one transaction.
//!
//! The topic of marks holds, under keys that begin with the transactional id, the lane's marks, who owns the id, and the
//! name of the last transaction. All of it goes to the first partition, so that whoever reads up to something of his own
//! has read all that was written before.

mod desk;
mod names;
mod session;
mod topic;

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use fault::Fault;
use sink::{Answer, Batch, Fates, Limits, Mark, Sink, Word};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use self::desk::{Desk, Done};
use crate::options::{KafkaOptions, Transactions};
use crate::{config, probe};

/// Records as Kafka messages, each once for whoever reads `read_committed`.
pub struct TransactionalSink {
    options: Arc<KafkaOptions>,
    word: Word,
    /// The producer and what is known of its last transaction; with the thread that works while there is none here.
    desk: Option<Box<Desk>>,
    working: Option<Working>,
    waiting: VecDeque<Batch>,
    answers: VecDeque<Answer>,
    /// What the answers leave open that the lane has not heard, as in [`crate::IdempotentSink`].
    unheard: Option<Fault>,
}

/// What a thread that may block is at.
struct Working {
    thread: JoinHandle<(Box<Desk>, Done)>,
    /// The batch that it writes, if it does.
    batch: Option<Batch>,
    /// The batch was answered for before its outcome was known.
    is_given_up: bool,
}

impl TransactionalSink {
    /// A sink that connects when it is asked for its marks, or with its first batch. It must be used within a tokio
    /// runtime.
    ///
    /// # Errors
    /// A setting of `options` is not taken.
    pub fn new(options: &KafkaOptions, transactions: &Transactions) -> Result<Self, Fault> {
        config::check(options)?;
        let options = Arc::new(options.clone());
        Ok(Self {
            word: Word::Accepted,
            desk: Some(Box::new(Desk::new(Arc::clone(&options), transactions))),
            options,
            working: None,
            waiting: VecDeque::new(),
            answers: VecDeque::new(),
            unheard: None,
        })
    }

    /// Gives the next batch to a thread that may block, where none works.
    fn begin(&mut self) {
        if self.desk.is_some()
            && let Some(batch) = self.waiting.pop_front()
        {
            self.work(Some(batch.clone()), move |desk| Done::Batch(desk.deliver(&batch)));
        }
    }

    fn work(&mut self, batch: Option<Batch>, work: impl FnOnce(&mut Desk) -> Done + Send + 'static) {
        let Some(mut desk) = self.desk.take() else { return };
        let thread = spawn_blocking(move || {
            let done = work(&mut desk);
            (desk, done)
        });
        self.working = Some(Working { thread, batch, is_given_up: false });
    }

    /// Waits for what is being worked on, for ever while nothing is, and accounts for it. Dropping it loses nothing.
    async fn turn(&mut self) -> Option<Result<Vec<Mark>, Fault>> {
        let Some(working) = &mut self.working else { return std::future::pending().await };
        // A panic is none of the destination's doing: it ends the instance, as that of a lane would.
        let (mut desk, done) = (&mut working.thread).await.expect("work on a transaction does not panic");
        let (batch, is_given_up) = (working.batch.take(), working.is_given_up);
        self.working = None;
        if let Some(is_replicated) = desk.is_replicated() {
            self.learn(if is_replicated { Word::Durable } else { Word::Accepted });
        }
        let marks = match (done, batch) {
            (Done::Batch(Fates::Settled), Some(batch)) if is_given_up => {
                desk.has_written(&batch.records);
                None
            }
            (Done::Batch(fates), Some(batch)) if !is_given_up => {
                self.account(Answer { batch: batch.id, fates, ease: None });
                None
            }
            (Done::Marks(marks), _) => Some(marks),
            (Done::Batch(_), _) => None,
        };
        self.desk = Some(desk);
        self.begin();
        marks
    }

    fn learn(&mut self, word: Word) {
        if word != self.word {
            tracing::info!(%word, "connected to Kafka");
            self.word = word;
        }
    }

    /// What stands behind anything but a settled batch is left open: the lane has something to do before a mark may stand
    /// behind it.
    fn account(&mut self, answer: Answer) {
        let is_settled = matches!(answer.fates, Fates::Settled);
        self.answers.push_back(answer);
        if !is_settled {
            self.leave_open(&Fault::retry("failed to write what was handed over before it"));
        }
    }

    /// Answers for all that is outstanding. The transaction under way ends in its own time, and before another begins.
    fn give_up(&mut self) {
        let fault = Fault::retry("failed to end a transaction in time");
        if let Some(working) = &mut self.working {
            working.is_given_up = true;
            let batch = working.batch.as_ref().map(|batch| batch.id);
            let open = |batch| Answer { batch, fates: Fates::Open(fault.clone()), ease: None };
            self.answers.extend(batch.map(open));
        }
        self.leave_open(&fault);
    }

    /// What stands behind an open record stays open as well.
    fn leave_open(&mut self, fault: &Fault) {
        for batch in std::mem::take(&mut self.waiting) {
            self.answers.push_back(Answer { batch: batch.id, fates: Fates::Open(fault.clone()), ease: None });
        }
        self.unheard = Some(fault.clone());
    }
}

#[async_trait]
impl Sink for TransactionalSink {
    fn limits(&self) -> Limits {
        // A transaction costs some answers of brokers, so it holds much; one more batch waits while one is written.
        Limits { records: 5_000, bytes: 2 << 20, outstanding: 2 }
    }

    fn word(&self) -> Word {
        self.word
    }

    async fn marks(&mut self) -> Result<Option<Vec<Mark>>, Fault> {
        loop {
            self.work(None, |desk| Done::Marks(desk.marks()));
            if let Some(marks) = self.turn().await {
                return marks.map(Some);
            }
        }
    }

    async fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        if let Some(fault) = &self.unheard {
            self.answers.push_back(Answer { batch: batch.id, fates: Fates::Open(fault.clone()), ease: None });
            return Ok(());
        }
        self.waiting.push_back(batch);
        self.begin();
        Ok(())
    }

    async fn answer(&mut self) -> Answer {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                if self.answers.iter().all(|answer| matches!(answer.fates, Fates::Settled)) {
                    self.unheard = None;
                }
                return answer;
            }
            self.turn().await;
        }
    }

    async fn flush(&mut self) {
        let until = Instant::now() + self.options.flush_within;
        while self.working.as_ref().is_some_and(|working| !working.is_given_up) {
            if timeout_at(until, self.turn()).await.is_err() {
                self.give_up();
            }
        }
    }

    async fn probe(&mut self) -> Result<(), Fault> {
        probe(&self.options).await
    }
}

impl Drop for TransactionalSink {
    fn drop(&mut self) {
        // librdkafka waits for its threads.
        if let (Some(desk), Ok(runtime)) = (self.desk.take(), Handle::try_current()) {
            runtime.spawn_blocking(move || drop(desk));
        }
    }
}
