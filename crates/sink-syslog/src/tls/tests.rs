//! Handshakes with real receivers on loopback.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use fault::{Fault, Verdict};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::authority::{Authority, Identity, client, server};
use super::receiver::{Then, TlsReceiver, options};
use crate::classify;
use crate::connect::{Connection, Connector};
use crate::options::{Address, TlsOptions, Transport};
use crate::wire::Wire;

const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&TLS12], &[&TLS13]];

/// What a sender believes, in a folder of its own.
struct Sender {
    _folder: TempDir,
    tls: TlsOptions,
}

impl Sender {
    fn trusting(authority: &Authority) -> Self {
        let folder = TempDir::new().unwrap();
        let ca = Some(authority.write(folder.path()));
        Self { tls: TlsOptions { ca, ..TlsOptions::default() }, _folder: folder }
    }

    fn pinning(pins: Vec<[u8; 32]>) -> Self {
        Self { _folder: TempDir::new().unwrap(), tls: TlsOptions { pins, ..TlsOptions::default() } }
    }

    fn naming(mut self, name: &str) -> Self {
        self.tls.server_name = Some(name.to_owned());
        self
    }

    fn showing(mut self, identity: &Identity) -> Self {
        self.tls.identity = Some(identity.write(self._folder.path()));
        self
    }

    async fn connect(&self, address: Address) -> Result<Connection, Fault> {
        Connector::new(&options(Transport::Tls, vec![address], self.tls.clone()))?.connect().await
    }
}

/// Guarantee: a certificate that must not be believed is not, under either version; only a person can help, and is told
/// with what.
#[tokio::test]
async fn each_bad_certificate_halts_with_its_own_advice() {
    let authority = Authority::root("an authority");
    let localhost = ["127.0.0.1", "localhost"];
    let changed = |change: fn(&mut CertificateParams)| {
        let mut subject = server(&localhost);
        change(&mut subject);
        subject
    };
    let expired = changed(|subject| subject.not_after = date_time_ymd(2020, 2, 3));
    let early = changed(|subject| subject.not_before = date_time_ymd(4000, 1, 2));
    let for_clients = changed(|subject| subject.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let of_openssl = changed(|subject| subject.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let hostile: Vec<String> = (0..12).map(|number| format!("a\n{}{number}", "x".repeat(300))).collect();
    let hostile: Vec<&str> = hostile.iter().map(String::as_str).collect();
    let table: [(&str, Identity, &[&str]); 9] = [
        ("expired", authority.issue(&expired), &["ended on 2020-02-03", "renewed"]),
        ("not yet valid", authority.issue(&early), &["begins on 4000-01-02", "clock"]),
        (
            "of another name",
            authority.issue(&server(&["siem.example", "10.1.2.3", "*.soc.example"])),
            &["name 127.0.0.1", "siem.example, 10.1.2.3, *.soc.example", "`tls.server_name`"],
        ),
        ("without a name", authority.issue(&server(&[])), &["no subject alternative name", "`tls.pin`"]),
        ("of hostile names", authority.issue(&server(&hostile)), &["a\\nxxx", "4 more", "`tls.server_name`"]),
        (
            "of an unknown authority",
            Authority::root("another").issue(&server(&localhost)),
            &["unknown authority", "`tls.ca`"],
        ),
        ("self-signed", Identity::self_signed(&server(&localhost)), &["signed by itself", "sha256:", "`tls.pin`"]),
        ("made by openssl", Identity::self_signed(&of_openssl), &["signed by itself", "sha256:", "`tls.pin`"]),
        ("for clients", authority.issue(&for_clients), &["allows client authentication", "serverAuth"]),
    ];
    let sender = Sender::trusting(&authority);
    for (name, identity, words) in &table {
        for versions in VERSIONS {
            let address = TlsReceiver::new(versions, identity).listen().await;
            assert_halts(sender.connect(address).await, &format!("{name}, {versions:?}"), words);
        }
    }
}

/// Guarantee: a wildcard stands for one whole label at the left, and for nothing else (RFC 9525, section 6.3).
#[tokio::test]
async fn a_wildcard_stands_for_one_label_at_the_left() {
    let authority = Authority::root("an authority");
    let theirs = authority.issue(&server(&["*.soc.example", "siem.*.example", "si*.lab.example"]));
    let address = TlsReceiver::new(VERSIONS[1], &theirs).listen().await;
    let sender = |name| Sender::trusting(&authority).naming(name);
    assert_echoes(sender("siem.soc.example").connect(address.clone()).await).await;
    for name in ["soc.example", "a.siem.soc.example", "siem.any.example", "siem.lab.example"] {
        assert_halts(sender(name).connect(address.clone()).await, name, &[name, "`tls.server_name`"]);
    }
}

/// Guarantee: another certificate than the pinned ones is refused, though an authority vouches for it; its fingerprint
/// is shown as the pipeline file takes it.
#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_shown() {
    let authority = Authority::root("an authority");
    let (pinned, other) = (authority.issue(&server(&["127.0.0.1"])), authority.issue(&server(&["127.0.0.1"])));
    let seen: String = other.pin().iter().map(|byte| format!(":{byte:02X}")).collect();
    let mut sender = Sender::trusting(&authority);
    sender.tls.pins = vec![pinned.pin()];
    for versions in VERSIONS {
        let address = TlsReceiver::new(versions, &other).listen().await;
        let words = ["none of the pinned", &format!("sha256{seen}"), "`tls.pin`"];
        assert_halts(sender.connect(address).await, "not pinned", &words);
    }
}

/// Guarantee: a pinned certificate alone does not let anyone in who has not its key.
#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    let (pinned, other) = (Identity::self_signed(&server(&[])), Identity::self_signed(&server(&[])));
    let sender = Sender::pinning(vec![pinned.pin()]);
    for versions in VERSIONS {
        let address = TlsReceiver::with_key_of(versions, &pinned, &other).listen().await;
        assert_halts(sender.connect(address).await, "stolen certificate", &["wrong signature", "key that belongs"]);
    }
}

/// Guarantee: good receivers are talked to: by name, by IP address, by a name given apart, through a chain, by pin
/// whatever the certificate says of itself, and showing our own certificate with its chain.
#[tokio::test]
async fn good_certificates_are_believed() {
    let root = Authority::root("a root");
    let below = root.below("an authority below it");
    let by_address = below.issue(&server(&["127.0.0.1"]));
    let by_name = below.issue(&server(&["siem.example"]));
    let mut outdated = server(&["elsewhere.example"]);
    outdated.not_after = date_time_ymd(2020, 1, 1);
    outdated.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let outdated = Identity::self_signed(&outdated);
    let ours = below.issue(&client());

    for versions in VERSIONS {
        let address = TlsReceiver::new(versions, &by_address).listen().await;
        assert_echoes(Sender::trusting(&root).connect(address).await).await;

        let address = TlsReceiver::new(versions, &by_name).listen().await;
        assert_echoes(Sender::trusting(&root).naming("siem.example").connect(address).await).await;

        let address = TlsReceiver::new(versions, &outdated).listen().await;
        let pins = vec![[7; 32], outdated.pin()];
        assert_echoes(Sender::pinning(pins).connect(address).await).await;

        let address = TlsReceiver::new(versions, &by_address).asking(root.roots()).listen().await;
        assert_echoes(Sender::trusting(&root).showing(&ours).connect(address).await).await;
    }
}

/// Guarantee: a receiver that asks for a certificate which we have not, or not from its authority, is never taken for
/// one that takes our records; under TLS 1.3 it shows with the first read.
#[tokio::test]
async fn a_refusal_of_our_certificate_halts_under_both_versions() {
    let authority = Authority::root("an authority");
    let theirs = authority.issue(&server(&["127.0.0.1"]));
    let without = Sender::trusting(&authority);
    let unknown = Sender::trusting(&authority).showing(&Authority::root("another").issue(&client()));
    let mut subject = client();
    subject.not_after = date_time_ymd(2020, 1, 1);
    let expired = Sender::trusting(&authority).showing(&authority.issue(&subject));
    let table: [(&Sender, &[&str]); 3] = [
        (&without, &["CertificateRequired", "`tls.cert` and `tls.key`"]),
        (&unknown, &["UnknownCA", "authority of our certificate", "`tls.cert`"]),
        (&expired, &["CertificateExpired", "renew", "`tls.cert`"]),
    ];
    for (sender, words) in table {
        for versions in VERSIONS {
            let address = TlsReceiver::new(versions, &theirs).asking(authority.roots()).listen().await;
            let outcome = match sender.connect(address).await {
                Ok(connection) => {
                    assert_eq!(versions, VERSIONS[1], "TLS 1.2 ends in the handshake");
                    read_after_write(connection).await
                }
                Err(fault) => Err(fault),
            };
            assert_halts(outcome, &format!("{words:?}, {versions:?}"), words);
        }
    }
}

/// Guarantee: a receiver that is killed is told from one that has ended the session, though both end the stream.
#[tokio::test]
async fn a_stream_that_ends_without_close_notify_is_lost() {
    let authority = Authority::root("an authority");
    let theirs = authority.issue(&server(&["127.0.0.1"]));
    let sender = Sender::trusting(&authority);
    for versions in VERSIONS {
        let address = TlsReceiver::new(versions, &theirs).then(Then::Leave).listen().await;
        let mut connection = sender.connect(address).await.unwrap();
        let error = connection.stream.read(&mut [0; 1]).await.unwrap_err();
        let fault = classify::lost(&connection.peer, &error);
        assert_eq!(fault.verdict(), Verdict::Retry);
        assert!(fault.advice().unwrap().contains("close_notify"), "{fault:?}");
        assert!(fault.what().contains(&connection.peer), "{fault:?}");
    }
}

/// Guarantee: files that cannot be used halt when the sink is made, and the advice names the setting.
#[test]
fn each_bad_file_halts_with_the_name_of_its_setting() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::root("an authority");
    let ca = authority.write(folder.path());
    let (certificate, key) = authority.issue(&client()).write(folder.path());
    let elsewhere = TempDir::new().unwrap();
    let (_, other_key) = authority.issue(&client()).write(elsewhere.path());
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let missing = folder.path().join("missing.pem");
    let empty = file("empty.pem", "no certificate is in here\n");
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    let nonsense = file("nonsense.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ";
    let locked = "ENCRYPTED PRIVATE KEY-----";
    let encrypted = file("encrypted.pem", &format!("-----BEGIN {locked}\n{secret}\n-----END {locked}\n"));
    let garbled = file("garbled.pem", &format!("-----BEGIN {secret}\n{secret}\n"));

    let believing = |ca: &Path| TlsOptions { ca: Some(ca.to_owned()), ..TlsOptions::default() };
    let being = |certificate: &Path, key: &Path| TlsOptions {
        identity: Some((certificate.to_owned(), key.to_owned())),
        ..believing(&ca)
    };
    let table = [
        (believing(&missing), "`tls.ca`"),
        (believing(folder.path()), "`tls.ca`"),
        (believing(&empty), "`tls.ca`"),
        (believing(&broken), "`tls.ca`"),
        (believing(&nonsense), "`tls.ca`"),
        (being(&missing, &key), "`tls.cert`"),
        (being(&empty, &key), "`tls.cert`"),
        (being(&nonsense, &key), "`tls.cert`"),
        (being(&certificate, &missing), "`tls.key`"),
        (being(&certificate, &certificate), "`tls.key`"),
        (being(&certificate, &encrypted), "`tls.key`"),
        (being(&certificate, &garbled), "`tls.key`"),
        (being(&certificate, &other_key), "key of this very certificate in `tls.key`"),
        (TlsOptions { server_name: Some("not a name".to_owned()), ..believing(&ca) }, "`tls.server_name`"),
    ];
    for (tls, word) in table {
        let address = Address { host: "127.0.0.1".to_owned(), port: 6514 };
        let outcome = Connector::new(&options(Transport::RelpTls, vec![address], tls));
        let fault = assert_halts(outcome, word, &[word]);
        assert!(!fault.contains(secret), "{fault}");
    }
}

/// Sends a record and reads, as the sink does.
async fn read_after_write(mut connection: Connection) -> Result<(), Fault> {
    let _written = connection.stream.write_all(b"a record").await;
    let _flushed = connection.stream.flush().await;
    match connection.stream.read(&mut [0; 16]).await {
        Ok(_) => Ok(()),
        Err(error) => Err(classify::lost(&connection.peer, &error)),
    }
}

async fn assert_echoes(connection: Result<Connection, Fault>) {
    let mut connection = connection.unwrap();
    connection.stream.write_all(b"a record").await.unwrap();
    connection.stream.flush().await.unwrap();
    connection.stream.shutdown().await.unwrap();
    let mut text = Vec::new();
    connection.stream.read_to_end(&mut text).await.unwrap();
    assert_eq!(text, b"a record");
}

/// Returns the whole fault as text.
fn assert_halts<T>(outcome: Result<T, Fault>, case: &str, words: &[&str]) -> String {
    let Err(fault) = outcome else { panic!("{case}: nothing failed") };
    let text = format!("{fault:?}");
    assert_eq!(fault.verdict(), Verdict::Halt, "{case}: {text}");
    assert!(fault.advice().is_some_and(|advice| advice.ends_with('.')), "{case}: {text}");
    for word in words {
        assert!(text.contains(word), "{case}: {word:?} is not in {text}");
    }
    assert!(!text.contains('\n'), "{case}: {text}");
    text
}

/// Scenario: a write fails while a refusal of our certificate, which TLS 1.3 lets come late, is still to be read.
/// Guarantee: the refusal is the reason that a person is told.
#[tokio::test]
async fn a_refusal_is_the_reason_for_a_failed_write() {
    let authority = Authority::root("an authority");
    let theirs = authority.issue(&server(&["127.0.0.1"]));
    let address = TlsReceiver::new(VERSIONS[1], &theirs).asking(authority.roots()).listen().await;
    let connection = Sender::trusting(&authority).connect(address).await.unwrap();
    connection.stream.socket().peek(&mut [0]).await.unwrap();
    let reason = Wire::new(connection).reason(ErrorKind::BrokenPipe.into()).await;
    let fault = classify::lost("peer", &reason);
    assert_eq!(fault.verdict(), Verdict::Halt);
    assert!(fault.advice().unwrap().contains("`tls.cert`"), "{fault:?}");
}

/// Guarantee: where a connection is lost, the farewell that is missing afterwards does not hide why.
#[tokio::test]
async fn a_missing_farewell_is_no_reason_for_a_loss() {
    let authority = Authority::root("an authority");
    let theirs = authority.issue(&server(&["127.0.0.1"]));
    let address = TlsReceiver::new(VERSIONS[1], &theirs).then(Then::Leave).listen().await;
    let mut wire = Wire::new(Sender::trusting(&authority).connect(address).await.unwrap());
    assert_eq!(wire.reason(ErrorKind::TimedOut.into()).await.kind(), ErrorKind::TimedOut);
}
