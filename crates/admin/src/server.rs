//! The listener, and what it answers. A connection carries one request, and has little time for it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::metrics;
use crate::snapshot::Snapshots;

/// The admin address, bound.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
}

/// What a client may cost.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections at once; more wait for their turn.
    connections: usize,
    /// How long the head of a request may take to come.
    head: Duration,
    /// How long a connection may last.
    whole: Duration,
}

const LIMITS: Limits = Limits { connections: 32, head: Duration::from_secs(5), whole: Duration::from_secs(30) };
/// The most bytes of a request.
const REQUEST_BYTES: usize = 16 << 10;
/// How long to wait where no connection can be taken: out of descriptors, most likely.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

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
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "an answer on the admin address ended by itself");
                    }
                }
                accepted = self.listener.accept(), if connections.len() < self.limits.connections => match accepted {
                    Ok((socket, _)) => {
                        connections.spawn(converse(socket, Arc::clone(&snapshots), self.limits));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the admin address cannot take a connection");
                        sleep(ACCEPT_AGAIN).await;
                    }
                },
            }
        }
    }
}

/// Takes one request and answers it.
async fn converse(
    socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    snapshots: Arc<dyn Snapshots>,
    limits: Limits,
) {
    let service = service_fn(|request: Request<Incoming>| answer(request, Arc::clone(&snapshots)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    match timeout(limits.whole, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the admin address ended early"),
        Err(_) => tracing::debug!("a connection to the admin address took too long"),
    }
}

async fn answer(
    request: Request<Incoming>,
    snapshots: Arc<dyn Snapshots>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match (request.uri().path(), request.method()) {
        ("/metrics", &Method::GET) => match snapshots.snapshot().await {
            Some(snapshot) => page(StatusCode::OK, metrics::CONTENT_TYPE, metrics::text(snapshot)),
            None => sentence(StatusCode::SERVICE_UNAVAILABLE, "no instance can be asked at the moment"),
        },
        ("/metrics", _) => {
            let mut refusal = sentence(StatusCode::METHOD_NOT_ALLOWED, "metrics are only read, by GET");
            // RFC 9110, section 15.5.6: a 405 says what is allowed.
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            refusal
        }
        _ => sentence(StatusCode::NOT_FOUND, "there is only /metrics"),
    })
}

fn sentence(status: StatusCode, sentence: &str) -> Response<Full<Bytes>> {
    page(status, "text/plain; charset=utf-8", format!("{sentence}\n"))
}

fn page(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::from(body));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    page
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::net::TcpStream;
    use tokio::time::Instant;

    use super::*;
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

    /// Guarantee: there is one path and one method; while there is no instance, that is said and not a page of zeros.
    #[tokio::test]
    async fn all_else_is_refused() {
        let address = start(LIMITS, true).await;
        for path in ["/", "/metrics/", "/Metrics", "//metrics", "/healthz", "/metrics%2f"] {
            assert_eq!(status(&ask(address, &SCRAPE.replace("/metrics", path)).await), "404", "{path}");
        }
        for method in ["POST", "HEAD", "DELETE", "OPTIONS", "BREW"] {
            let answer = ask(address, &SCRAPE.replace("GET", method)).await;
            assert_eq!(status(&answer), "405", "{method}");
            assert!(answer.contains("\r\nallow: GET\r\n"), "{answer}");
        }
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
            tokio::join!(converse(server, Arc::new(Instance { answers: true }), LIMITS), writing);
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
