//! The bare client: nothing but framing and sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sink::Record;
use sink_syslog::Transport;
use socket2::SockRef;

const WRITE: usize = 64 << 10;
const WINDOW: usize = 128;

/// Sends all records and waits until the receiver has them.
pub(crate) fn send(transport: Transport, port: u16, records: &[Arc<[Record]>], folder: &Path) {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the receiver listens");
    stream.set_nodelay(true).expect("it is a TCP socket");
    SockRef::from(&stream).set_send_buffer_size(64 << 10).expect("it is a socket");
    match transport {
        Transport::Relp => relp(stream, records),
        Transport::Tls => tls(stream, records, folder),
        _ => tcp(stream, records),
    }
}

fn tcp(mut stream: TcpStream, records: &[Arc<[Record]>]) {
    write_counted(&mut stream, records);
    stream.shutdown(Shutdown::Write).expect("the receiver is there");
    read_to_the_end(&mut stream);
}

fn tls(stream: TcpStream, records: &[Arc<[Record]>], folder: &Path) {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(folder.join("ca.pem")).expect("the receiver wrote it");
    roots.add(ca).expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("it is an address");
    let session = ClientConnection::new(Arc::new(config), name).expect("the configuration is whole");
    let mut stream = StreamOwned::new(session, stream);
    write_counted(&mut stream, records);
    stream.conn.send_close_notify();
    stream.flush().expect("the receiver is there");
    stream.sock.shutdown(Shutdown::Write).expect("the receiver is there");
    read_to_the_end(&mut stream);
}

fn write_counted(stream: &mut impl Write, records: &[Arc<[Record]>]) {
    let mut out = Vec::with_capacity(2 * WRITE);
    for record in records.iter().flat_map(|records| records.iter()) {
        write!(out, "{} ", record.payload.len()).expect("writing into a vector does not fail");
        out.extend_from_slice(&record.payload);
        if out.len() >= WRITE {
            stream.write_all(&out).expect("the receiver is there");
            out.clear();
        }
    }
    stream.write_all(&out).expect("the receiver is there");
    stream.flush().expect("the receiver is there");
}

fn read_to_the_end(stream: &mut impl Read) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the receiver ends in good order");
}

fn relp(mut stream: TcpStream, records: &[Arc<[Record]>]) {
    let mut answers = Answers { bytes: vec![0; 8 << 10] };
    stream.write_all(b"1 open 30 relp_version=0\ncommands=syslog\n").expect("the receiver is there");
    // The answer to `open` has three lines.
    let mut lines = 0;
    while lines < 3 {
        lines += answers.read(&mut stream);
    }
    let (mut transaction, mut unacknowledged) = (1_usize, 0);
    let mut out = Vec::with_capacity(2 * WRITE);
    for record in records.iter().flat_map(|records| records.iter()) {
        transaction += 1;
        write!(out, "{transaction} syslog {} ", record.payload.len()).expect("writing into a vector does not fail");
        out.extend_from_slice(&record.payload);
        out.push(b'\n');
        unacknowledged += 1;
        if unacknowledged == WINDOW || out.len() >= WRITE {
            stream.write_all(&out).expect("the receiver is there");
            out.clear();
        }
        while unacknowledged == WINDOW {
            unacknowledged -= answers.read(&mut stream);
        }
    }
    stream.write_all(&out).expect("the receiver is there");
    while unacknowledged > 0 {
        unacknowledged -= answers.read(&mut stream);
    }
}

struct Answers {
    bytes: Vec<u8>,
}

impl Answers {
    /// Reads some answers, each a line: how many.
    fn read(&mut self, stream: &mut TcpStream) -> usize {
        let count = stream.read(&mut self.bytes).expect("the receiver is there");
        assert!(count > 0, "the receiver went away");
        memchr::memchr_iter(b'\n', &self.bytes[..count]).count()
    }
}
