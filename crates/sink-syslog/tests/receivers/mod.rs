//! Receivers of syslog and RELP, small and obedient.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a receiver speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Datagrams,
    Relp { tls: bool },
    Stream { tls: bool },
}

/// A receiver on loopback.
pub(crate) struct Receiver {
    kind: Kind,
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<TlsAcceptor>,
    folder: TempDir,
    listening: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    arrived: Mutex<Vec<Vec<u8>>>,
    connections: AtomicUsize,
    /// How many messages are acknowledged at most.
    acknowledged: AtomicUsize,
    rude: AtomicBool,
    conversations: Mutex<Vec<JoinHandle<()>>>,
}

impl Receiver {
    pub(crate) async fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = matches!(kind, Kind::Relp { tls: true } | Kind::Stream { tls: true });
        let mut receiver = Self {
            kind,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            shared: Arc::new(Shared { acknowledged: AtomicUsize::new(usize::MAX), ..Shared::default() }),
            acceptor: tls.then(|| acceptor(&folder)),
            folder,
            listening: None,
        };
        receiver.listen().await;
        receiver
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The authority that its certificate is believed by.
    pub(crate) fn ca(&self) -> Option<PathBuf> {
        self.acceptor.is_some().then(|| self.folder.path().join("ca.pem"))
    }

    pub(crate) fn arrived(&self) -> Vec<Vec<u8>> {
        self.shared.arrived.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Whether messages of RELP are acknowledged.
    pub(crate) fn acknowledge(&self, all: bool) {
        self.acknowledge_up_to(if all { usize::MAX } else { 0 });
    }

    pub(crate) fn acknowledge_up_to(&self, messages: usize) {
        self.shared.acknowledged.store(messages, Ordering::SeqCst);
    }

    /// Ends TLS without a farewell from now on.
    pub(crate) fn end_rudely(&self) {
        self.shared.rude.store(true, Ordering::SeqCst);
    }

    pub(crate) async fn wait_for(&self, messages: usize) {
        while self.arrived().len() < messages {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until no more comes.
    pub(crate) async fn catch_up(&self) {
        let mut before = usize::MAX;
        while before != self.arrived().len() {
            before = self.arrived().len();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Goes away with all its connections, or comes back under its old address.
    pub(crate) async fn set_broken(&mut self, broken: bool) {
        if !broken {
            return self.listen().await;
        }
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = listening.await;
        }
        let conversations = std::mem::take(&mut *self.shared.conversations.lock().unwrap());
        for conversation in conversations {
            conversation.abort();
            let _ = conversation.await;
        }
    }

    async fn listen(&mut self) {
        let shared = Arc::clone(&self.shared);
        if self.kind == Kind::Datagrams {
            let socket = UdpSocket::bind(self.address).await.unwrap();
            self.address = socket.local_addr().unwrap();
            self.listening = Some(tokio::spawn(datagrams(socket, shared)));
            return;
        }
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(16).unwrap();
        self.address = listener.local_addr().unwrap();
        self.listening = Some(tokio::spawn(accept(listener, self.kind, self.acceptor.clone(), shared)));
    }
}

fn acceptor(folder: &TempDir) -> TlsAcceptor {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path().join("ca.pem"), cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn datagrams(socket: UdpSocket, shared: Arc<Shared>) {
    let mut datagram = vec![0; 65_536];
    while let Ok(length) = socket.recv(&mut datagram).await {
        shared.arrived.lock().unwrap().push(datagram[..length].to_vec());
    }
}

async fn accept(listener: TcpListener, kind: Kind, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, talking) = (acceptor.clone(), Arc::clone(&shared));
        let conversation = tokio::spawn(async move {
            // A probe, a kill or a refusal ends a conversation anywhere.
            let _ = match acceptor {
                None => converse(stream, kind, &talking, false).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => converse(stream, kind, &talking, true).await,
                    Err(error) => Err(error),
                },
            };
        });
        shared.conversations.lock().unwrap().push(conversation);
    }
}

/// Reads frames to the other side's end, then ends this side.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    kind: Kind,
    shared: &Shared,
    tls: bool,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await? > 0 {
        while let Some((taken, reply)) = frame(&bytes, kind, shared) {
            bytes.drain(..taken);
            stream.write_all(&reply).await?;
            stream.flush().await?;
        }
    }
    if tls && shared.rude.load(Ordering::SeqCst) {
        return Ok(());
    }
    stream.shutdown().await
}

/// The first frame: its length, and what is answered.
fn frame(bytes: &[u8], kind: Kind, shared: &Shared) -> Option<(usize, Vec<u8>)> {
    if matches!(kind, Kind::Relp { .. }) {
        return relp(bytes, shared);
    }
    if !bytes.first()?.is_ascii_digit() {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        shared.arrived.lock().unwrap().push(bytes[..end].to_vec());
        return Some((end + 1, Vec::new()));
    }
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
    let message = bytes.get(space + 1..space + 1 + length)?;
    shared.arrived.lock().unwrap().push(message.to_vec());
    Some((space + 1 + length, Vec::new()))
}

fn relp(bytes: &[u8], shared: &Shared) -> Option<(usize, Vec<u8>)> {
    let mut spaces = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b' ' | b'\n')).map(|(place, _)| place);
    let (first, second, third) = (spaces.next()?, spaces.next()?, spaces.next()?);
    let text = |part: &[u8]| String::from_utf8(part.to_vec()).unwrap();
    let (transaction, command) = (text(&bytes[..first]), text(&bytes[first + 1..second]));
    let length: usize = text(&bytes[second + 1..third]).parse().unwrap();
    let end = if length == 0 { third } else { third + 1 + length };
    if bytes.len() <= end {
        return None;
    }
    assert_eq!(bytes[end], b'\n', "a frame ends with a line feed");
    let reply = match command.as_str() {
        "open" => {
            let offers = "200 OK\nrelp_version=0\nrelp_software=test\ncommands=syslog";
            format!("{transaction} rsp {} {offers}\n", offers.len())
        }
        "close" => format!("{transaction} rsp 0\n0 serverclose 0\n"),
        _ => {
            let mut arrived = shared.arrived.lock().unwrap();
            arrived.push(bytes[third + 1..end].to_vec());
            let is_acknowledged = arrived.len() <= shared.acknowledged.load(Ordering::SeqCst);
            if is_acknowledged { format!("{transaction} rsp 6 200 OK\n") } else { String::new() }
        }
    };
    Some((end + 1, reply.into_bytes()))
}
