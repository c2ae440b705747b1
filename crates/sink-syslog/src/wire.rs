//! One connection: bytes out, bytes in, both at any time.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use crate::classify;
use crate::connect::{Connection, Stream};

/// A connection with what waits to be written to it.
pub(crate) struct Wire {
    stream: Stream,
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
        let Connection { stream, peer } = connection;
        Self { stream, peer, out: Outgoing::default(), incoming: vec![0; INCOMING].into() }
    }

    /// What came, given its number of bytes.
    pub(crate) fn came(&self, count: usize) -> &[u8] {
        &self.incoming[..count]
    }

    /// Waits for the next thing to happen. Dropping it loses nothing.
    pub(crate) async fn happening(&mut self) -> io::Result<Happening> {
        poll_fn(|context| self.poll_happening(context)).await
    }

    fn poll_happening(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Happening>> {
        let mut stream = Pin::new(&mut self.stream);
        let mut incoming = ReadBuf::new(&mut self.incoming);
        if let Poll::Ready(read) = stream.as_mut().poll_read(context, &mut incoming) {
            let came = read.map(|()| incoming.filled().len());
            return Poll::Ready(came.map(|count| if count == 0 { Happening::Ended } else { Happening::Came(count) }));
        }
        if self.out.is_flushed() {
            return Poll::Pending;
        }
        if self.out.rest().is_empty() {
            ready!(stream.poll_flush(context))?;
            self.out.unflushed = false;
            return Poll::Ready(Ok(Happening::Flushed));
        }
        match ready!(stream.poll_write(context, self.out.rest()))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => {
                self.out.advance(count);
                Poll::Ready(Ok(Happening::Wrote))
            }
        }
    }

    /// Says that nothing more will be written.
    pub(crate) async fn end_writing(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Whether the peer's end, read after [`Wire::end_writing`], answers ours, so that it had everything by then. An end
    /// that crossed ours on the way is no answer: what we wrote meanwhile is lost, and a reset follows.
    pub(crate) async fn is_answered(&self) -> bool {
        let socket = self.stream.socket();
        // Over TLS the farewell is read before TCP's own end.
        let ended = timeout(TCP_END_TIME, socket.peek(&mut [0])).await;
        // A socket has no peer any more once each side has the other's end, or after a reset, which leaves an error.
        let has_no_peer = socket.peer_addr().is_err_and(|error| error.kind() == io::ErrorKind::NotConnected);
        matches!(ended, Ok(Ok(0))) && has_no_peer && matches!(socket.take_error(), Ok(None))
    }

    /// The reason for an error: a receiver that refuses us says why before it goes, and that may still be unread when
    /// a write fails.
    pub(crate) async fn reason(&mut self, error: io::Error) -> io::Error {
        match timeout(LAST_WORDS_TIME, self.last_words()).await {
            Ok(Some(words)) => words,
            _ => error,
        }
    }

    async fn last_words(&mut self) -> Option<io::Error> {
        loop {
            match self.stream.read(&mut self.incoming).await {
                Ok(0) => return None,
                Ok(_) => {}
                // Any other error only says again that the connection is lost.
                Err(error) => return Some(error).filter(classify::is_tls),
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
/// How long a refusal that was sent before a connection was lost is looked for.
const LAST_WORDS_TIME: Duration = Duration::from_millis(100);
/// How long a peer that has said goodbye over TLS may take to end TCP.
const TCP_END_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A wire, and its other end.
    async fn wire() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (other_end, peer) = listener.accept().await.unwrap();
        (Wire::new(Connection { stream: Stream::Plain(stream), peer: peer.to_string() }), other_end)
    }

    async fn end(wire: &mut Wire) {
        wire.end_writing().await.unwrap();
        assert!(matches!(wire.happening().await.unwrap(), Happening::Ended));
    }

    /// Guarantee: the end of a peer that has read to ours is an answer to it.
    #[tokio::test]
    async fn the_end_of_a_peer_that_read_everything_is_an_answer() {
        let (mut wire, mut other_end) = wire().await;
        wire.out.buffer().extend_from_slice(b"message\n");
        while !wire.out.is_flushed() {
            wire.happening().await.unwrap();
        }
        let reading = tokio::spawn(async move { other_end.read_to_end(&mut Vec::new()).await.unwrap() });
        end(&mut wire).await;
        assert_eq!(reading.await.unwrap(), 8);
        assert!(wire.is_answered().await);
    }

    /// Scenario: the peer goes while a message is on its way, and its end is read only after we have ended ours.
    /// Guarantee: that end is no answer, for the message is lost.
    #[tokio::test]
    async fn the_end_of_a_peer_that_had_gone_is_no_answer() {
        let (mut wire, other_end) = wire().await;
        drop(other_end);
        wire.stream.write_all(b"message\n").await.unwrap();
        end(&mut wire).await;
        assert!(!wire.is_answered().await);
    }
}
