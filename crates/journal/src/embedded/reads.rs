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

    /// Has the thread read. Where nobody waits for it any more when its turn comes, it is left out: a lane asks anew
    /// after every answer that it hears meanwhile, and each of these reads would delay the next.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (answer, answered) = oneshot::channel();
        let read = move || {
            if !answer.is_closed() {
                // A caller that went away reads it again.
                let _ = answer.send(work());
            }
        };
        self.desk.send(Box::new(read)).map_err(|_| JournalError::Closed)?;
        answered.await.unwrap_or(Err(JournalError::Closed))
    }
}
