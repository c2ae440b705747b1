//! The thread that reads for the lanes.

use std::sync::mpsc::{self, Sender};
use std::{io, thread};

use tokio::sync::oneshot;

use crate::JournalError;

type Read = Box<dyn FnOnce() + Send>;

/// Takes reads to the thread that does them, one after the other. It ends with the last of these.
///
/// One thread for all lanes: the database is read by one at a time anyway, and what unpacking takes in memory is there
/// once. On the runtime's blocking threads, which grow in number by chance, it would be there many times.
pub(super) struct Reads {
    desk: Sender<Read>,
}

impl Reads {
    pub(super) fn start() -> io::Result<Self> {
        let (desk, reads) = mpsc::channel::<Read>();
        let work = move || reads.into_iter().for_each(|read| read());
        thread::Builder::new().name("journal-reads".into()).spawn(work)?;
        Ok(Self { desk })
    }

    /// Has the thread read, and says where the answer comes. A read that nobody waits for when its turn comes is left out.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, JournalError>> {
        let (answer, answered) = oneshot::channel();
        let read = move || {
            if !answer.is_closed() {
                // Whoever went away reads it again.
                let _ = answer.send(work());
            }
        };
        // Where it cannot be sent, the answer's other half is gone with it.
        let _ = self.desk.send(Box::new(read));
        answered
    }

    /// Has the thread read, and waits for it.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.ask(work).await.unwrap_or(Err(JournalError::Closed))
    }
}
