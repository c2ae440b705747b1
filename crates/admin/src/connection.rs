//! How a listener is served: each connection carries one request, and has little time for it.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What a client may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once; more wait for their turn.
    pub(crate) connections: usize,
    /// How long the head of a request may take to come.
    pub(crate) head: Duration,
    /// How long a connection may last.
    pub(crate) whole: Duration,
}

/// Where connections come from.
pub(crate) trait Listener {
    /// What bytes go over.
    type Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// What it is called where something is wrong with it.
    const NAME: &'static str;

    /// The next connection, and what answers on it.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Socket, Router)>> + Send;
}

/// Answers until it is dropped, and with it every connection.
pub(crate) async fn serve<L: Listener>(listener: &L, limits: Limits) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, listener = L::NAME, "a connection ended by itself");
                }
            }
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok((socket, router)) => {
                    connections.spawn(converse(socket, router, limits));
                }
                Err(error) => {
                    tracing::warn!(%error, listener = L::NAME, "a connection cannot be taken");
                    sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
}

/// Takes one request and answers it.
pub(crate) async fn converse(
    socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: Router,
    limits: Limits,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    match timeout(limits.whole, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended early"),
        Err(_) => tracing::debug!("a connection took too long"),
    }
}

/// The most bytes of a request's head.
pub(crate) const REQUEST_BYTES: usize = 16 << 10;
/// How long to wait where no connection can be taken: out of descriptors, most likely.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
