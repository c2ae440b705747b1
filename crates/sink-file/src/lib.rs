#![doc = include_str!("../README.md")]

mod classify;
mod output;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use fault::Fault;
use sink::{Answer, Batch, BatchId, Fates, Limits, Record, Sink, Word};
use tokio::task::JoinHandle;

use crate::output::Output;

/// Lines on their way to the output.
struct Lines {
    output: Output,
    /// The lines of a batch, in one piece, so that they are one write. Its memory is kept for the next batch: buffers of
    /// this size that come and go on one thread and another are what a process grows by.
    buffer: Vec<u8>,
}

/// Lines to a file or to standard output.
pub struct FileSink {
    word: Word,
    output: Arc<Mutex<Lines>>,
    writing: Option<(BatchId, JoinHandle<Result<(), Fault>>)>,
    answered: Option<Answer>,
}

impl FileSink {
    /// A sink onto standard output.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn standard_output() -> Result<Self, Fault> {
        Ok(Self::new(Word::BestEffort, Output::standard_output()?))
    }

    /// A sink onto a file, which is made where it is missing. Its folder must exist.
    ///
    /// # Errors
    /// The file cannot be opened for writing.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, Fault> {
        let output = Output::file(path.into())?;
        let word = if output.is_regular() { Word::Durable } else { Word::BestEffort };
        Ok(Self::new(word, output))
    }

    fn new(word: Word, output: Output) -> Self {
        Self {
            word,
            output: Arc::new(Mutex::new(Lines { output, buffer: Vec::with_capacity(LINES) })),
            writing: None,
            answered: None,
        }
    }

    /// Writes on a thread that may block.
    fn write(&self, records: Arc<[Record]>) -> JoinHandle<Result<(), Fault>> {
        let output = Arc::clone(&self.output);
        tokio::task::spawn_blocking(move || output.lock().unwrap_or_else(PoisonError::into_inner).write(&records))
    }
}

#[async_trait]
impl Sink for FileSink {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn word(&self) -> Word {
        self.word
    }

    async fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        debug_assert!(self.writing.is_none(), "the lane keeps to the limits");
        self.writing = Some((batch.id, self.write(batch.records)));
        Ok(())
    }

    async fn answer(&mut self) -> Answer {
        if let Some(answer) = self.answered.take() {
            return answer;
        }
        let Some((batch, writing)) = &mut self.writing else {
            return std::future::pending().await;
        };
        let (batch, written) = (*batch, finished(writing).await);
        self.writing = None;
        let fates = match written {
            Ok(()) => Fates::Settled,
            Err(fault) => Fates::Open(fault),
        };
        Answer { batch, fates, ease: None }
    }

    async fn flush(&mut self) {
        if self.writing.is_some() {
            self.answered = Some(self.answer().await);
        }
    }

    async fn probe(&mut self) -> Result<(), Fault> {
        finished(&mut self.write(Arc::from([]))).await
    }
}

async fn finished(writing: &mut JoinHandle<Result<(), Fault>>) -> Result<(), Fault> {
    writing.await.unwrap_or_else(|ended| Err(Fault::retry("failed to write a batch").caused_by(ended)))
}

impl Lines {
    fn write(&mut self, records: &[Record]) -> Result<(), Fault> {
        self.buffer.clear();
        for record in records {
            self.buffer.extend_from_slice(&record.payload);
            self.buffer.push(b'\n');
        }
        let written = self.output.write(&self.buffer);
        // A single record may be larger than a batch; it is no measure for those that follow.
        self.buffer.shrink_to(LINES);
        written
    }
}

/// One batch at a time keeps the order when a write fails; the lane renders the next meanwhile. Larger batches would save
/// syncs, and cost memory: three of them are held, rendered, being filled and being written.
const LIMITS: Limits = Limits { records: 4_096, bytes: 256 << 10, outstanding: 1 };

/// The most bytes of a batch as lines.
const LINES: usize = LIMITS.bytes + LIMITS.records;
