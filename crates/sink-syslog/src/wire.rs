//! One connection: bytes out, bytes in, both at any time.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::connect::{Connection, Stream};

/// A connection with what waits to be written to it.
pub(crate) struct Wire {
    reading: ReadHalf<Stream>,
    writing: WriteHalf<Stream>,
    pub(crate) peer: String,
    pub(crate) out: Outgoing,
    incoming: Box<[u8]>,
}

/// What is written to a connection, counted.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// What was composed; written up to `at`.
    bytes: Vec<u8>,
    at: usize,
    written: u64,
    /// What was written may still be held back by TLS.
    unflushed: bool,
}

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum Happening {
    /// The peer has ended its side.
    Ended,
    /// So many bytes came: [`Wire::came`] has them.
    Came(usize),
    /// Everything that was composed has left.
    Flushed,
    /// Some bytes were written.
    Wrote,
}

impl Wire {
    pub(crate) fn new(connection: Connection) -> Self {
        let (reading, writing) = tokio::io::split(connection.stream);
        let incoming = vec![0; INCOMING].into();
        Self { reading, writing, peer: connection.peer, out: Outgoing::default(), incoming }
    }

    /// What came, given its number of bytes.
    pub(crate) fn came(&self, count: usize) -> &[u8] {
        &self.incoming[..count]
    }

    /// Waits for the next thing to happen. Dropping it loses nothing.
    pub(crate) async fn happening(&mut self) -> io::Result<Happening> {
        let out = self.out.rest();
        let writing = &mut self.writing;
        let put = async { if out.is_empty() { writing.flush().await.map(|()| 0) } else { writing.write(out).await } };
        tokio::select! {
            biased;
            came = self.reading.read(&mut self.incoming) => match came? {
                0 => Ok(Happening::Ended),
                count => Ok(Happening::Came(count)),
            },
            put = put, if !self.out.is_flushed() => match put? {
                0 => {
                    self.out.unflushed = false;
                    Ok(Happening::Flushed)
                }
                count => {
                    self.out.advance(count);
                    Ok(Happening::Wrote)
                }
            },
        }
    }

    /// Says that nothing more will be written.
    pub(crate) async fn end_writing(&mut self) -> io::Result<()> {
        self.writing.shutdown().await
    }

    /// The error that is still to be read after a failed write, if any.
    pub(crate) async fn last_words(&mut self) -> Option<io::Error> {
        loop {
            match self.reading.read(&mut self.incoming).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(error),
            }
        }
    }
}

impl Outgoing {
    /// Where the next bytes are composed.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes composed since the connection was made: the position after the last of them.
    pub(crate) fn composed(&self) -> u64 {
        self.written + self.waiting() as u64
    }

    /// Bytes written since the connection was made.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes that are composed and not written.
    pub(crate) fn waiting(&self) -> usize {
        self.rest().len()
    }

    /// Whether everything that was composed has left this process.
    pub(crate) fn is_flushed(&self) -> bool {
        self.waiting() == 0 && !self.unflushed
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn advance(&mut self, wrote: usize) {
        self.at += wrote;
        self.written += wrote as u64;
        self.unflushed = true;
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        } else if self.at >= COMPACT {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
    }

    /// Acts as if so many bytes were written and flushed.
    #[cfg(test)]
    pub(crate) fn pass(&mut self, wrote: usize) {
        self.advance(wrote);
        self.unflushed = false;
    }
}

/// What one read takes. Receivers of syslog say nothing, those of RELP a few bytes for each message.
const INCOMING: usize = 8 << 10;
/// Written bytes that are kept at the head of the buffer before the rest is moved there.
const COMPACT: usize = 128 << 10;
