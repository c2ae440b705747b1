//! A body on the wire, with what happens to it on the way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::http::answer::Pieces;
use crate::http::connection::Connection;
use crate::record::Delivery;

/// What happens to a body on the way.
pub(crate) enum Fate {
    /// It ends in the middle, and the connection with it.
    Cut,
    /// It comes in pieces of so many bytes with a wait after each.
    Slow(usize, Duration),
    /// Nothing.
    Whole,
}

/// A body on the wire.
pub(crate) struct AnswerBody {
    pieces: Pieces,
    /// The piece that goes out next: taken ahead, so that the last one is known as such.
    ahead: Option<Bytes>,
    length: Option<u64>,
    fate: Fate,
    /// The first half of the last piece is out; nothing more comes.
    cut: bool,
    wait: Option<Pin<Box<Sleep>>>,
    connection: Arc<Connection>,
    delivery: Option<Delivery>,
}

impl AnswerBody {
    pub(crate) fn new(
        mut pieces: Pieces,
        length: Option<u64>,
        fate: Fate,
        connection: Arc<Connection>,
        delivery: Option<Delivery>,
    ) -> Self {
        let ahead = pieces.next();
        let mut body = Self { pieces, ahead, length, fate, cut: false, wait: None, connection, delivery };
        if body.ahead.is_none() {
            body.finish();
        }
        body
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        let piece = self.ahead.take()?;
        if let Fate::Slow(size, pause) = self.fate
            && piece.len() > size
        {
            let mut rest = piece;
            let piece = rest.split_to(size.max(1));
            self.ahead = Some(rest);
            self.wait = Some(Box::pin(tokio::time::sleep(pause)));
            return Some(piece);
        }
        self.ahead = self.pieces.next();
        Some(piece)
    }

    /// The connection has the whole body now; what it does with it is its own to note.
    fn finish(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            self.connection.finished(delivery);
        }
    }

    /// Sends pieces as they are, but of the last one only half.
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.cut {
            return match self.wait.take() {
                // What was sent goes out first: the caller sees an answer that stops, not one that never began.
                Some(_) => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                None => Poll::Ready(Some(Err(io::Error::other("the answer was cut on request")))),
            };
        }
        let Some(mut piece) = self.next_piece() else { return Poll::Ready(None) };
        if self.ahead.is_none() {
            piece.truncate(piece.len() / 2);
            self.cut = true;
            self.wait = Some(Box::pin(tokio::time::sleep(Duration::ZERO)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if matches!(self.fate, Fate::Cut) {
            return self.poll_cut(context);
        }
        if let Some(wait) = self.wait.as_mut() {
            std::task::ready!(wait.as_mut().poll(context));
            self.wait = None;
        }
        let piece = self.next_piece();
        if self.ahead.is_none() {
            self.finish();
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_none() && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
