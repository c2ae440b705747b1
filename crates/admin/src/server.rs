//! The admin address: the listener, and what it answers.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{self, Limits, Listener};
use crate::metrics;
use crate::snapshot::Snapshots;

/// The admin address, bound.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
}

const LIMITS: Limits = Limits { connections: 32, head: Duration::from_secs(5), whole: Duration::from_secs(30) };

impl Server {
    /// Listens on an address; port 0 is any that is free. Nobody is answered yet.
    ///
    /// # Errors
    /// The operating system's: the address is not this machine's, another has the port, or we may not have it.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, limits: LIMITS })
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until it is dropped, and with it every connection.
    pub async fn serve(self, snapshots: Arc<dyn Snapshots>) -> Infallible {
        let address = Address { listener: self.listener, router: router(snapshots) };
        connection::serve(&address, self.limits).await
    }
}

struct Address {
    listener: TcpListener,
    router: Router,
}

impl Listener for Address {
    type Socket = TcpStream;

    const NAME: &'static str = "the admin address";

    async fn accept(&self) -> io::Result<(TcpStream, Router)> {
        Ok((self.listener.accept().await?.0, self.router.clone()))
    }
}

fn router(snapshots: Arc<dyn Snapshots>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "metrics are only read, by GET\n"))
        .fallback(async || (StatusCode::NOT_FOUND, "there is only /metrics\n"))
        .with_state(snapshots)
}

async fn metrics(State(snapshots): State<Arc<dyn Snapshots>>) -> Response {
    match snapshots.snapshot().await {
        Some(snapshot) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(snapshot)).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no instance can be asked at the moment\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::connection::{REQUEST_BYTES, converse};
    use crate::snapshot::{Sink, Snapshot};

    /// An instance with one sink, or none that can be asked.
    struct Instance {
        answers: bool,
    }

    #[async_trait]
    impl Snapshots for Instance {
        async fn snapshot(&self) -> Option<Snapshot> {
            let sinks = vec![Sink { name: "siem".into(), delivered: 7, ..Sink::default() }];
            self.answers.then(|| Snapshot { sinks, ..Snapshot::default() })
        }
    }

    async fn start(limits: Limits, answers: bool) -> SocketAddr {
        let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = server.address().unwrap();
        tokio::spawn(Server { limits, ..server }.serve(Arc::new(Instance { answers })));
        address
    }

    /// Everything that is answered to these bytes until the connection is closed.
    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn status(answer: &str) -> &str {
        answer.split(' ').nth(1).unwrap_or(answer)
    }

    const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";

    /// Guarantee: a scrape is answered as OpenMetrics, whatever it asks behind `?`, and the connection is closed after it.
    #[tokio::test]
    async fn a_scrape_is_answered() {
        let address = start(LIMITS, true).await;
        for request in [SCRAPE, "GET /metrics?name[]=atp HTTP/1.0\r\n\r\n"] {
            let answer = ask(address, request).await;
            let (head, text) = answer.split_once("\r\n\r\n").unwrap();
            assert_eq!(status(&answer), "200", "{answer}");
            assert!(head.contains(&format!("content-type: {}", metrics::CONTENT_TYPE)), "{head}");
            assert!(text.contains("\natp_sink_delivered_total{sink=\"siem\"} 7\n"), "{text}");
            assert!(text.ends_with("# EOF\n"), "{text}");
        }
    }

    /// Guarantee: there is one path, and it is only read; while there is no instance, that is said and not a page of
    /// zeros.
    #[tokio::test]
    async fn all_else_is_refused() {
        let address = start(LIMITS, true).await;
        for path in ["/", "/metrics/", "/Metrics", "//metrics", "/healthz", "/metrics%2f"] {
            assert_eq!(status(&ask(address, &SCRAPE.replace("/metrics", path)).await), "404", "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let answer = ask(address, &SCRAPE.replace("GET", method)).await;
            assert_eq!(status(&answer), "405", "{method}");
            assert!(answer.contains("\r\nallow: GET,HEAD\r\n"), "{answer}");
        }
        let head = ask(address, &SCRAPE.replace("GET", "HEAD")).await;
        assert!(status(&head) == "200" && head.ends_with("\r\n\r\n"), "{head}");
        assert_eq!(status(&ask(start(LIMITS, false).await, SCRAPE).await), "503");
    }

    /// Guarantee: a head without end is refused at its limit, and what is no HTTP is no trouble for others.
    #[tokio::test]
    async fn requests_are_bounded() {
        let address = start(LIMITS, true).await;
        let mut socket = TcpStream::connect(address).await.unwrap();
        let endless = format!("GET /metrics HTTP/1.1\r\na: {}", "a".repeat(4 * REQUEST_BYTES));
        // It may be cut off before it has written all.
        let _ = socket.write_all(endless.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains("atp_"), "{answer:?}");
        assert_eq!(status(&ask(address, "\u{16}\u{3}\u{1} hello\r\n\r\n").await), "400");
        assert_eq!(status(&ask(address, SCRAPE).await), "200");
    }

    /// Guarantee: whoever sends no head, or half of one, is cut off after its time, and whoever does not read the answer
    /// after the time of a connection.
    #[tokio::test(start_paused = true)]
    async fn dawdlers_are_cut_off() {
        for (request, room, lasts) in
            [("", 1024, LIMITS.head), ("GET /met", 1024, LIMITS.head), (SCRAPE, 16, LIMITS.whole)]
        {
            let (mut client, server) = duplex(room);
            let (started, writing) = (Instant::now(), async {
                client.write_all(request.as_bytes()).await.unwrap();
            });
            tokio::join!(converse(server, router(Arc::new(Instance { answers: true })), LIMITS), writing);
            assert_eq!(started.elapsed().as_secs(), lasts.as_secs(), "{request:?}");
        }
    }

    /// Guarantee: beyond the limit connections wait, and have their turn once one of those before them is gone.
    #[tokio::test]
    async fn connections_are_bounded() {
        let hour = Duration::from_secs(3_600);
        let address = start(Limits { connections: 2, head: hour, whole: hour }, true).await;
        let mut idle = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let mut scrape = Box::pin(ask(address, SCRAPE));
        assert!(timeout(Duration::from_millis(50), &mut scrape).await.is_err(), "it does not wait");
        idle[0].shutdown().await.unwrap();
        assert_eq!(status(&scrape.await), "200");
    }
}
