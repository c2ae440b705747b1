//! One connection to an endpoint, made by us and known to be this one: a channel and its cookies belong to it.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use fault::Fault;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HOST, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::classify;
use crate::reply::Reply;
use crate::session::Session;
use crate::tls;

/// An indexer, or what stands before it.
pub(crate) struct Endpoint {
    /// For people: `splunk.example:8088`.
    pub(crate) peer: String,
    host: String,
    port: u16,
    /// What stands before `/services/collector` in paths.
    prefix: String,
    host_header: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Endpoint {
    /// # Errors
    /// Halts where the URL leads nowhere.
    pub(crate) fn new(url: &Url, tls: Option<&TlsConnector>) -> Result<Self, Fault> {
        let unusable = |why: &str| {
            Fault::halt("failed to use a URL of the collector")
                .caused_by(why.to_owned())
                .advise("Give `url` as https://splunk.example:8088.")
        };
        let host = url.host_str().ok_or_else(|| unusable("it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_or_known_default().ok_or_else(|| unusable("it is neither http nor https"))?;
        let tls = match (url.scheme(), tls) {
            ("http", _) => None,
            ("https", Some(connector)) => {
                let name =
                    ServerName::try_from(host.clone()).map_err(|_| unusable("no certificate can hold its host"))?;
                Some((connector.clone(), name))
            }
            _ => return Err(unusable("it is neither http nor https")),
        };
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let host_header = HeaderValue::try_from(authority).map_err(|_| unusable("its host fits into no header"))?;
        let prefix =
            url.path().split("/services/collector").next().unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Self {
            peer: format!("{}:{port}", url.host_str().unwrap_or_default()),
            host,
            port,
            prefix,
            host_header,
            tls,
        })
    }

    /// Connects.
    ///
    /// # Errors
    /// Why that is not possible; nothing was sent.
    pub(crate) async fn connect(&self) -> Result<Connection, Fault> {
        let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((self.host.as_str(), self.port))).await;
        let stream = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| {
            Fault::retry(format!("failed to connect to {}", self.peer)).caused_by(error).advise(
                "Look whether the indexer runs and its HTTP Event Collector is switched on, at the firewalls on the \
                 way, and whether `url` is right.",
            )
        })?;
        // It only saves time.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.speak(stream).await,
            Some((connector, name)) => {
                let agreed = timeout(CONNECT_TIMEOUT, connector.connect(name.clone(), stream)).await;
                let stream = agreed
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                    .map_err(|error| tls::handshake(&self.peer, error))?;
                self.speak(stream).await
            }
        }
    }

    async fn speak(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Connection, Fault> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Fault::retry(format!("failed to connect to {}", self.peer)).caused_by(error))?;
        let driver = tokio::spawn(async move {
            // How it ends is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Connection { sender, driver: driver.abort_handle() })
    }

    /// A request of the collector's, complete but for the events.
    pub(crate) fn request(&self, call: &Call<'_>) -> Request<Full<Bytes>> {
        let (method, path) = match call.what {
            What::Ask => (Method::POST, "/services/collector/ack"),
            What::Events { .. } => (Method::POST, "/services/collector/event"),
            What::Health => (Method::GET, "/services/collector/health"),
        };
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.prefix).parse().expect("the path of a URL is one of a request");
        let headers = request.headers_mut();
        headers.insert(HOST, self.host_header.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("atp-forwarder/", env!("CARGO_PKG_VERSION"))));
        headers.insert(AUTHORIZATION, call.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if call.what == (What::Events { gzip: true }) {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(session) = call.session {
            headers.extend(session.channel.clone().map(|channel| (CHANNEL, channel)));
            headers.extend(session.cookies.clone().map(|cookies| (COOKIE, cookies)));
        }
        request
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Ask,
    Events { gzip: bool },
    Health,
}

/// A request in parts.
pub(crate) struct Call<'a> {
    pub(crate) what: What,
    pub(crate) body: Bytes,
    pub(crate) authorization: HeaderValue,
    pub(crate) session: Option<&'a Session>,
}

/// One connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Connection {
    /// Sends a request and reads the whole answer. After a failure the connection is of no more use.
    pub(crate) async fn send(
        &mut self,
        peer: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<(Reply, HeaderMap), Failure> {
        match timeout(ANSWER_TIMEOUT, self.exchange(peer, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Unheard(classify::unanswered(peer, Late))),
        }
    }

    async fn exchange(&mut self, peer: &str, request: Request<Full<Bytes>>) -> Result<(Reply, HeaderMap), Failure> {
        // A collector that has ended an idle connection has said so before this.
        self.sender.ready().await.map_err(|_| Failure::Unsent)?;
        let authorization = request.headers().get(AUTHORIZATION).cloned();
        let answer = self.sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
            Some(_) => Failure::Unsent,
            None => Failure::Unheard(unheard(peer, error.into_error())),
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Failure::Unheard(classify::unanswered(peer, error)))?.to_bytes();
        let body = without_token(body, authorization.as_ref());
        Ok((Reply::new(head.status.as_u16(), &head.headers, body), head.headers))
    }
}

/// An answer may quote the token back, and its words go into faults and logs.
fn without_token(body: Bytes, authorization: Option<&HeaderValue>) -> Bytes {
    let header = authorization.and_then(|header| header.to_str().ok()).unwrap_or_default();
    let token = header.strip_prefix("Splunk ").unwrap_or_default();
    match str::from_utf8(&body) {
        Ok(text) if !token.is_empty() && text.contains(token) => text.replace(token, "…").into(),
        _ => body,
    }
}

/// Under TLS 1.3 this is where the indexer's refusal of our certificate shows: our side of the handshake is done before
/// the indexer has looked at it (RFC 8446, section 4.4.2.4).
fn unheard(peer: &str, error: hyper::Error) -> Fault {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let inner = io.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) if tls::is_about_us(*alert) => {
            tls::handshake(peer, io::Error::other(rustls::Error::AlertReceived(*alert)))
        }
        _ => classify::unanswered(peer, error),
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may have arrived.
    Unheard(Fault),
    /// Nothing of it was sent.
    Unsent,
}

/// No answer came in time.
#[derive(Debug)]
struct Late;

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "none came within {ANSWER_TIMEOUT:?}")
    }
}

impl Error for Late {}

const CHANNEL: hyper::header::HeaderName = hyper::header::HeaderName::from_static("x-splunk-request-channel");
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole answer. An indexer with full queues answers 503 long before.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Of an answer, the most that is read: those of the collector are short, and error pages are not much longer.
const ANSWER_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        let tls = tls::connector(&crate::options::TlsOptions::default());
        Endpoint::new(&url.parse().unwrap(), tls.as_ref().ok()).unwrap()
    }

    fn path(endpoint: &Endpoint) -> String {
        let authorization = HeaderValue::from_static("Splunk secret");
        let call = Call { what: What::Events { gzip: true }, body: Bytes::new(), authorization, session: None };
        endpoint.request(&call).uri().to_string()
    }

    /// Guarantee: whatever form of the URL is given, the path is the collector's, below what stands before it.
    #[test]
    fn a_url_may_be_given_in_any_form() {
        for url in ["http://a:8088", "http://a:8088/services/collector", "http://a:8088/services/collector/event/1.0"] {
            assert_eq!(path(&endpoint(url)), "/services/collector/event", "{url}");
        }
        assert_eq!(path(&endpoint("http://a/splunk/")), "/splunk/services/collector/event");
        let six = endpoint("http://[::1]:8088");
        assert_eq!((six.host.as_str(), six.peer.as_str()), ("::1", "[::1]:8088"));
        assert_eq!(six.host_header, "[::1]:8088");
        assert_eq!(endpoint("http://a").peer, "a:80");
        assert!(Endpoint::new(&"ftp://a".parse().unwrap(), None).is_err());
    }

    /// Guarantee: a token that an answer quotes stays out of what we say.
    #[test]
    fn a_quoted_token_is_cut_out() {
        let authorization = HeaderValue::from_static("Splunk s3cret");
        let body = without_token(Bytes::from_static(b"{\"text\":\"no s3cret\"}"), Some(&authorization));
        assert_eq!(body, "{\"text\":\"no …\"}");
    }
}
