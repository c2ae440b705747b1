//! An HTTP Event Collector in small, which misbehaves on request: for tests here and elsewhere, with the feature
//! `stand-in`.
//!
//! It does what Splunk Enterprise 10 was seen to do: events before an invalid one are taken, 413 comes in HTML, ids of
//! acknowledgements count from 0 in each channel of each indexer, and an id is said to be true once.

mod indexer;
mod serve;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use url::Url;

pub use crate::stand_in::indexer::Event;
use crate::stand_in::indexer::Indexer;

/// A collector on loopback.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<TlsAcceptor>,
    listening: Option<JoinHandle<()>>,
}

/// How a collector behaves when nothing else is asked of it.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The tokens that it lets in.
    pub tokens: Vec<String>,
    /// Whether its tokens work with indexer acknowledgement.
    pub acknowledge: bool,
    /// How often it is asked for an acknowledgement in vain.
    pub acknowledge_after: u32,
    /// How many indexers stand behind its address, each client kept at one by a cookie.
    pub indexers: usize,
    /// Whether every answer renews that cookie, as some load balancers do, though it leads to the same indexer.
    pub renew_cookies: bool,
    /// Whether every answer is the last of its connection, as of collectors that keep none.
    pub keeps_no_connection: bool,
    /// The indexes that its tokens may write to; all where it is empty.
    pub indexes: Vec<String>,
    /// An event with this in it is invalid.
    pub refused: Option<String>,
    /// The most bytes of a request, uncompressed.
    pub max_content: usize,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            tokens: vec!["token".to_owned()],
            acknowledge: false,
            acknowledge_after: 0,
            indexers: 1,
            renew_cookies: false,
            keeps_no_connection: false,
            indexes: Vec::new(),
            refused: None,
            max_content: 1_000_000,
        }
    }
}

/// What a collector does once instead of what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Takes no event and answers this.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
        /// A header beside the usual ones.
        header: Option<(&'static str, String)>,
    },
    /// Takes the events and answers this.
    TakeAndAnswer(u16, String),
    /// Takes the events before one, and answers a code that names it, if it is there and all before it are valid.
    TakeUpTo {
        /// The HTTP status.
        status: u16,
        /// The code.
        code: u16,
        /// The event, counted from 0.
        number: usize,
    },
    /// Cuts the connection and takes nothing.
    CutBefore,
    /// Takes the events and cuts the connection.
    CutAfter,
    /// Takes the events and cuts the connection inside its answer.
    CutInside,
    /// Takes the events, but another indexer does from now on, and the cookie says so.
    ChangeCookie,
    /// Takes the events under an id that it has given out before in the channel.
    RepeatId,
    /// Asked for acknowledgements: says yes, but cuts the connection before that is heard.
    LoseAcks,
    /// Asked for acknowledgements: says yes in words that nobody understands.
    GarbleAcks,
    /// Asked for acknowledgements: answers those of all other channels, and none of these.
    CrossAcks,
    /// Asked for acknowledgements: has forgotten the channel, and the events that were not acknowledged in it.
    ForgetChannel,
    /// Asked for acknowledgements: answers this.
    AnswerAcks(u16, String),
    /// Asked for its health: answers this.
    AnswerHealth(u16, String),
}

impl Trick {
    /// One of the collector's own answers, taking nothing.
    pub fn code(status: u16, code: u16) -> Self {
        Self::Answer { status, body: format!("{{\"text\":\"as asked\",\"code\":{code}}}"), header: None }
    }

    /// The calls that it may strike.
    fn strikes(&self) -> Called {
        use Trick::{AnswerAcks, AnswerHealth, CrossAcks, ForgetChannel, GarbleAcks, LoseAcks};
        match self {
            AnswerAcks(..) | CrossAcks | ForgetChannel | GarbleAcks | LoseAcks => Called::Acks,
            AnswerHealth(..) => Called::Health,
            _ => Called::Events,
        }
    }
}

/// What a client calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    Acks,
    Events,
    Health,
}

impl StandIn {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// Where loopback has none.
    pub async fn start(manner: Manner) -> Self {
        Self::start_with(manner, None).await
    }

    /// Starts one with TLS, its certificate written into the file `ca.pem` of a folder.
    ///
    /// # Panics
    /// Where loopback has no free port, or the folder cannot be written to.
    pub async fn start_tls(manner: Manner, folder: &Path) -> Self {
        Self::start_with(manner, Some(acceptor(folder))).await
    }

    async fn start_with(manner: Manner, acceptor: Option<TlsAcceptor>) -> Self {
        let indexers = (0..manner.indexers.max(1)).map(|_| Indexer::default()).collect();
        let state = State { manner, indexers, tricks: VecDeque::new(), requests: 0, cookies: 0, unheard: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut stand_in = Self { address, shared, acceptor, listening: None };
        stand_in.listen().await;
        stand_in
    }

    /// Its address.
    ///
    /// # Panics
    /// Never: it is a URL.
    pub fn url(&self) -> Url {
        let scheme = if self.acceptor.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address).parse().expect("a scheme and an address make a URL")
    }

    /// Plays a trick with the next request that it fits. Several are played one after the other.
    pub fn play(&self, trick: Trick) {
        self.shared.state().tricks.push_back(trick);
    }

    /// How many tricks are still to be played.
    pub fn tricks_left(&self) -> usize {
        self.shared.state().tricks.len()
    }

    /// Changes how it behaves from now on.
    pub fn change(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut self.shared.state().manner);
    }

    /// The events that it holds, in the order in which each indexer took them.
    pub fn events(&self) -> Vec<Event> {
        self.shared.state().indexers.iter().flat_map(Indexer::events).cloned().collect()
    }

    /// How many events it holds.
    pub fn held(&self) -> usize {
        self.shared.state().indexers.iter().map(|indexer| indexer.events().len()).sum()
    }

    /// Requests with events so far, whatever became of them.
    pub fn requests(&self) -> usize {
        self.shared.state().requests
    }

    /// How many requests were taken without the client being able to know that: each may come once more.
    pub fn unheard(&self) -> usize {
        self.shared.state().unheard
    }

    /// Goes away with all its connections, or comes back under its old address.
    ///
    /// # Panics
    /// Where another has taken its port meanwhile.
    pub async fn set_broken(&mut self, broken: bool) {
        if !broken {
            return self.listen().await;
        }
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // It was asked to end.
            let _ = listening.await;
        }
    }

    /// Dies and comes back, as an indexer that loses what it has not acknowledged.
    ///
    /// # Panics
    /// Where another has taken its port meanwhile.
    pub async fn restart(&mut self) {
        self.set_broken(true).await;
        self.shared.state().indexers.iter_mut().for_each(Indexer::forget);
        self.set_broken(false).await;
    }

    async fn listen(&mut self) {
        let socket = TcpSocket::new_v4().expect("there is a socket left");
        socket.set_reuseaddr(true).expect("it is a TCP socket");
        socket.bind(self.address).expect("the port is free");
        let listener = socket.listen(64).expect("the port is free");
        self.address = listener.local_addr().expect("it listens");
        self.listening = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared), self.acceptor.clone())));
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.listening.iter().for_each(JoinHandle::abort);
    }
}

pub(crate) struct Shared {
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct State {
    manner: Manner,
    indexers: Vec<Indexer>,
    tricks: VecDeque<Trick>,
    requests: usize,
    /// Cookies given out so far.
    cookies: usize,
    /// Words that the client could not hear, or could not use.
    unheard: usize,
}

impl State {
    /// The next trick, where it fits.
    fn trick(&mut self, called: Called) -> Option<Trick> {
        self.tricks.pop_front_if(|trick| trick.strikes() == called)
    }
}

/// Takes connections; all end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>, acceptor: Option<TlsAcceptor>) {
    let mut conversations = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        match acceptor.clone() {
            None => conversations.spawn(converse(stream, shared)),
            Some(acceptor) => conversations.spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    converse(stream, shared).await;
                }
            }),
        };
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(move |request| serve::serve(Arc::clone(&shared), request));
    // A trick that cuts the connection ends it with an error.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    std::fs::write(folder.join("ca.pem"), cert.pem()).expect("the folder is writable");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("it is a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("the key is that of the certificate");
    TlsAcceptor::from(Arc::new(config))
}

/// A cut connection, as a service ends one.
fn cut() -> io::Error {
    io::Error::other("cut as asked")
}
