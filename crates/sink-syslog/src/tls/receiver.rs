//! Receivers for tests: real sockets on loopback, with and without TLS.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use syslog::Facility;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::authority::Identity;
use crate::options::{Address, Framing, Header, MessageOptions, Spread, SyslogOptions, TlsOptions, Transport};

/// What a receiver does with a session.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// Returns what it reads, until it has read all; then ends the session as it should be.
    Echo,
    /// Leaves without a word, as when it is killed.
    Leave,
}

/// How a receiver of TLS behaves.
pub(crate) struct TlsReceiver {
    versions: &'static [&'static SupportedProtocolVersion],
    shown: Arc<dyn ResolvesServerCert>,
    clients: Option<RootCertStore>,
    then: Then,
}

impl TlsReceiver {
    pub(crate) fn new(versions: &'static [&'static SupportedProtocolVersion], identity: &Identity) -> Self {
        Self::with_key_of(versions, identity, identity)
    }

    /// One that shows a certificate of which it may not hold the key.
    pub(crate) fn with_key_of(
        versions: &'static [&'static SupportedProtocolVersion],
        shown: &Identity,
        held: &Identity,
    ) -> Self {
        let key = aws_lc_rs::sign::any_supported_type(&held.key()).unwrap();
        let shown = Arc::new(SingleCertAndKey::from(CertifiedKey::new(shown.chain(), key)));
        Self { versions, shown, clients: None, then: Then::Echo }
    }

    /// Senders must show a certificate of these authorities.
    pub(crate) fn asking(mut self, clients: RootCertStore) -> Self {
        self.clients = Some(clients);
        self
    }

    pub(crate) fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    /// Starts it, and says where.
    pub(crate) async fn listen(self) -> Address {
        let (listener, address) = bind("127.0.0.1").await;
        let then = self.then;
        let acceptor = self.acceptor();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(session) = acceptor.accept(stream).await {
                        serve(session, then).await;
                    }
                });
            }
        });
        address
    }

    fn acceptor(self) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(self.versions).unwrap();
        let builder = match self.clients {
            Some(roots) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
            ),
            None => builder.with_no_client_auth(),
        };
        TlsAcceptor::from(Arc::new(builder.with_cert_resolver(self.shown)))
    }
}

async fn serve(mut session: TlsStream<TcpStream>, then: Then) {
    if matches!(then, Then::Leave) {
        return;
    }
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = session.read(&mut buffer).await {
        session.write_all(&buffer[..count]).await.unwrap();
        session.flush().await.unwrap();
    }
    session.shutdown().await.unwrap();
}

/// Starts a receiver that reads once, answers with these bytes whatever it read, and ends the connection.
pub(crate) async fn answering(answer: Vec<u8>) -> Address {
    let (listener, address) = bind("127.0.0.1").await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 16 * 1024];
            let _read = stream.read(&mut buffer).await;
            let _written = stream.write_all(&answer).await;
        }
    });
    address
}

pub(crate) async fn bind(host: &str) -> (TcpListener, Address) {
    let listener = TcpListener::bind((host, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Address { host: host.to_owned(), port })
}

/// The options of a sink towards these receivers.
pub(crate) fn options(transport: Transport, addresses: Vec<Address>, tls: TlsOptions) -> SyslogOptions {
    let message = MessageOptions {
        header: Header::Rfc5424,
        framing: Framing::OctetCounting,
        facility: Facility::LOG_LOCAL4,
        app_name: "atp-forwarder".to_owned(),
        message_id: None,
        structured_data: false,
        timezone: chrono_tz::UTC,
        hosts: Default::default(),
        max_bytes: None,
    };
    SyslogOptions { transport, addresses, spread: Spread::Failover, reconnect: None, message, tls }
}
