#![doc = include_str!("../README.md")]

mod archive;
mod classify;
mod disk;
#[cfg(test)]
mod kills;
mod line_file;
mod options;
mod output;
mod rotated;
mod settings;
mod stream;

pub use crate::options::{Compression, FileOptions, Keep, Paths, Rotate};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use fault::Fault;
use sink::{Answer, Batch, BatchId, Fates, Limits, Sink, Word};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::output::Output;

/// Lines to files or to standard output.
pub struct FileSink {
    word: Word,
    output: Arc<Mutex<Output>>,
    writing: Option<(BatchId, JoinHandle<Fates>)>,
    answered: Option<Answer>,
}

impl FileSink {
    /// A sink onto standard output.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn standard_output() -> Result<Self, Fault> {
        Ok(Self::new(Output::standard_output()?))
    }

    /// A sink onto files, which are made where they are missing. Their outer folder must exist.
    ///
    /// # Errors
    /// The one file cannot be opened for writing, or the folder of several cannot be listed; the group is not known; a
    /// path is one that a rotated file could have.
    pub fn files(options: FileOptions) -> Result<Self, Fault> {
        Output::open(options).map(Self::new)
    }

    fn new(output: Output) -> Self {
        Self { word: output.word(), output: Arc::new(Mutex::new(output)), writing: None, answered: None }
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
        assert!(self.writing.is_none(), "the lane keeps to the limits");
        let output = Arc::clone(&self.output);
        self.writing = Some((batch.id, spawn_blocking(move || lock(&output).write(&batch.records))));
        Ok(())
    }

    async fn answer(&mut self) -> Answer {
        if let Some(answer) = self.answered.take() {
            return answer;
        }
        let Some((batch, writing)) = &mut self.writing else {
            return std::future::pending().await;
        };
        let (batch, fates) = (*batch, writing.await.unwrap_or_else(|ended| Fates::Open(failed(ended))));
        self.writing = None;
        Answer { batch, fates, ease: None }
    }

    async fn flush(&mut self) {
        if self.writing.is_some() {
            self.answered = Some(self.answer().await);
        }
    }

    async fn probe(&mut self) -> Result<(), Fault> {
        let output = Arc::clone(&self.output);
        spawn_blocking(move || lock(&output).probe()).await.unwrap_or_else(|ended| Err(failed(ended)))
    }
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(ended: JoinError) -> Fault {
    Fault::retry("failed to write a batch").caused_by(ended)
}

/// One batch at a time keeps the order when a write fails; the lane renders the next meanwhile. Larger batches would save
/// syncs, and cost memory: three of them are held, rendered, being filled and being written.
const LIMITS: Limits = Limits { records: 4_096, bytes: 256 << 10, outstanding: 1 };

/// The most bytes of a batch as lines.
const LINES: usize = LIMITS.bytes + LIMITS.records;
