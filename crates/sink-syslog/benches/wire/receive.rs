//! The receiver: it reads everything, and answers what RELP asks.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Serves one connection after the other until it is killed.
pub(crate) fn receive(kind: &str, folder: &Path) {
    let tls = (kind == "Tls").then(|| certificate(folder));
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    println!("{}", listener.local_addr().expect("it listens").port());
    for stream in listener.incoming() {
        let stream = stream.expect("a connection can be taken");
        // A client that goes ends its connection only.
        let _ = match (kind, &tls) {
            (_, Some(config)) => discard_tls(stream, Arc::clone(config)),
            ("Relp", None) => relp(stream),
            (_, None) => discard(stream),
        };
    }
}

fn certificate(folder: &Path) -> Arc<ServerConfig> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    std::fs::write(folder.join("ca.pem"), cert.pem()).expect("the folder is writable");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("it is a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("the key is that of the certificate");
    Arc::new(config)
}

fn discard(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = vec![0; 256 << 10];
    while stream.read(&mut bytes)? > 0 {}
    stream.shutdown(Shutdown::Write)
}

fn discard_tls(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, stream);
    let mut bytes = vec![0; 256 << 10];
    while stream.read(&mut bytes)? > 0 {}
    stream.conn.send_close_notify();
    stream.flush()?;
    stream.sock.shutdown(Shutdown::Write)
}

fn relp(mut stream: TcpStream) -> io::Result<()> {
    let mut pending = Vec::new();
    let mut bytes = vec![0; 256 << 10];
    let mut replies = Vec::new();
    loop {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return stream.shutdown(Shutdown::Write);
        }
        pending.extend_from_slice(&bytes[..count]);
        let mut taken = 0;
        while let Some(length) = frame(&pending[taken..], &mut replies) {
            taken += length;
        }
        pending.drain(..taken);
        stream.write_all(&replies)?;
        replies.clear();
    }
}

/// The length of the first frame, whose answer is appended to `replies`.
fn frame(bytes: &[u8], replies: &mut Vec<u8>) -> Option<usize> {
    let head = &bytes[..bytes.len().min(64)];
    let mut ends = head.iter().enumerate().filter(|(_, byte)| matches!(byte, b' ' | b'\n')).map(|(place, _)| place);
    let (first, second, third) = (ends.next()?, ends.next()?, ends.next()?);
    let length: usize = std::str::from_utf8(&head[second + 1..third]).ok()?.parse().ok()?;
    let end = if length == 0 { third } else { third + 1 + length };
    if bytes.len() <= end {
        return None;
    }
    let offers = "200 OK\nrelp_version=0\ncommands=syslog";
    let answer = if &head[first + 1..second] == b"open" { offers } else { "200 OK" };
    replies.extend_from_slice(&head[..first]);
    writeln!(replies, " rsp {} {answer}", answer.len()).expect("writing into a vector does not fail");
    Some(end + 1)
}
