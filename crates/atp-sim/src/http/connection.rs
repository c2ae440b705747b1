//! Listeners and connections. A connection knows when the last byte of an answer is out: that is when it counts.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::http::route::answer;
use crate::record::Delivery;
use crate::world::World;

/// Who is behind a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Face {
    /// The legacy export.
    Export,
    /// Entra and the public API.
    Main,
    /// Another origin, which should never be called, least of all with a token.
    Stranger,
}

/// Accepts connections until `stop` is set, then drops those that are left.
pub(crate) async fn serve(
    world: Arc<World>,
    face: Face,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    // Answers are small or streamed: waiting for more to send would only slow them.
                    let _ = socket.set_nodelay(true);
                    connections.spawn(accept(Arc::clone(&world), face, socket, tls.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    // Out of descriptors, most likely: asking again at once would only burn time.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
        }
    }
}

/// Ends when the simulator is stopped, or dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accept(world: Arc<World>, face: Face, socket: tokio::net::TcpStream, tls: Option<TlsAcceptor>) {
    match tls {
        None => converse(world, face, socket).await,
        Some(tls) => match tls.accept(socket).await {
            Ok(socket) => converse(world, face, socket).await,
            Err(error) => tracing::debug!(%error, "failed to agree on tls"),
        },
    }
}

async fn converse(world: Arc<World>, face: Face, socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let connection = Arc::new(Connection { world, done: Mutex::default() });
    let socket = Socket { socket, connection: Arc::clone(&connection) };
    let service = service_fn(move |request| answer(Arc::clone(&connection), face, request));
    let served = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(socket), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended early");
    }
}

/// One connection, with the answers that hyper has taken but not yet written out.
pub(crate) struct Connection {
    pub(crate) world: Arc<World>,
    done: Mutex<Vec<Delivery>>,
}

impl Connection {
    /// hyper has the last piece of this answer.
    pub(crate) fn finished(&self, delivery: Delivery) {
        self.world.ledger().unflushed += 1;
        self.done().push(delivery);
    }

    /// hyper flushes only when it has written all it had: everything finished is out.
    fn flushed(&self) {
        let done = std::mem::take(&mut *self.done());
        if done.is_empty() {
            return;
        }
        let mut ledger = self.world.ledger();
        for delivery in done {
            ledger.note(&delivery);
            ledger.unflushed -= 1;
        }
    }

    fn done(&self) -> MutexGuard<'_, Vec<Delivery>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let left = self.done().len();
        self.world.ledger().unflushed -= left;
    }
}

/// A socket that tells its connection of each flush.
struct Socket<S> {
    socket: S,
    connection: Arc<Connection>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
