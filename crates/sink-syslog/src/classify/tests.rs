//! What receivers and networks answer, and what comes of it.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use fault::{Fault, Verdict};
use rustls::AlertDescription as Alert;

use crate::classify;
use crate::connect::Connector;
use crate::options::{Address, TlsOptions, Transport};
use crate::tls::receiver::{answering, bind, options};

/// Guarantee: every alert by which a receiver refuses us, read off the wire, has its verdict and its advice.
#[tokio::test]
async fn each_alert_has_its_verdict_and_advice() {
    let ours = "`tls.cert` and `tls.key`";
    let table = [
        (Alert::CertificateRequired, Verdict::Halt, ours),
        (Alert::HandshakeFailure, Verdict::Halt, ours),
        (Alert::BadCertificate, Verdict::Halt, ours),
        (Alert::UnsupportedCertificate, Verdict::Halt, ours),
        (Alert::CertificateUnknown, Verdict::Halt, ours),
        (Alert::CertificateRevoked, Verdict::Halt, ours),
        (Alert::DecryptError, Verdict::Halt, ours),
        (Alert::AccessDenied, Verdict::Halt, "permit its name"),
        (Alert::CertificateExpired, Verdict::Halt, "renew the file of `tls.cert`"),
        (Alert::UnknownCA, Verdict::Halt, "authority of our certificate"),
        (Alert::ProtocolVersion, Verdict::Halt, "TLS 1.2 or 1.3"),
        (Alert::InsufficientSecurity, Verdict::Halt, "cipher suite"),
        (Alert::UnrecognisedName, Verdict::Halt, "`tls.server_name`"),
        (Alert::InternalError, Verdict::Retry, "log"),
    ];
    for (alert, verdict, word) in table {
        // An alert in a record of its own: RFC 8446, sections 5.1 and 6.
        let address = answering(vec![21, 3, 3, 0, 2, 2, u8::from(alert)]).await;
        let fault = handshake_with(address).await;
        assert_eq!(fault.verdict(), verdict, "{fault:?}");
        assert!(fault.advice().unwrap().contains(word), "{fault:?}");
        assert!(format!("{fault:#}").contains(&format!("{alert:?}")), "{fault:?}");
    }
}

/// Guarantee: a port without TLS is named as such, whether it answers, hangs up or says nothing.
#[tokio::test]
async fn a_port_without_tls_is_named_as_such() {
    let greeting = answering(b"220 mail.example ESMTP\r\n".to_vec()).await;
    let fault = handshake_with(greeting).await;
    assert_eq!(fault.verdict(), Verdict::Halt, "{fault:?}");
    assert!(fault.advice().unwrap().contains("does not speak TLS"), "{fault:?}");

    let ending = answering(Vec::new()).await;
    let fault = handshake_with(ending).await;
    assert_eq!(fault.verdict(), Verdict::Retry, "{fault:?}");
    assert!(fault.advice().unwrap().contains("TLS port"), "{fault:?}");

    // The kernel takes the connection; nobody reads. However late this runs, the connection is seen before the time.
    let (_listener, silent) = bind("127.0.0.1").await;
    let mut connector = connector(silent).within(Duration::from_millis(100));
    let fault = connector.connect().await.err().unwrap();
    assert_eq!(fault.verdict(), Verdict::Retry, "{fault:?}");
    assert!(fault.what().contains("agree on TLS"), "{fault:?}");
    assert!(fault.advice().unwrap().contains("answers with no TLS"), "{fault:?}");
}

/// Guarantee: each failure to connect has its verdict and its advice, and says with whom.
#[test]
fn each_failure_to_connect_has_its_verdict_and_advice() {
    let table = [
        (ErrorKind::ConnectionRefused, Verdict::Retry, "start the receiver"),
        (ErrorKind::TimedOut, Verdict::Retry, "firewalls"),
        (ErrorKind::HostUnreachable, Verdict::Retry, "routes"),
        (ErrorKind::NetworkUnreachable, Verdict::Retry, "routes"),
        (ErrorKind::PermissionDenied, Verdict::Halt, "forbids"),
        (ErrorKind::AddrNotAvailable, Verdict::Retry, "network"),
    ];
    for (kind, verdict, word) in table {
        let fault = classify::unreachable("siem.example:6514", kind.into());
        assert_eq!(fault.verdict(), verdict, "{kind:?}");
        assert!(fault.advice().unwrap().contains(word), "{fault:?}");
        assert!(fault.what().contains("siem.example:6514"), "{fault:?}");
    }
}

/// Guarantee: each loss of a connection passes by itself, keeps its cause, and says that nothing is given up.
#[test]
fn each_loss_is_tried_again_and_says_that_nothing_is_given_up() {
    let kinds = [
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionReset,
        ErrorKind::HostUnreachable,
        ErrorKind::TimedOut,
        ErrorKind::UnexpectedEof,
    ];
    for kind in kinds {
        let error = Error::from(kind);
        let fault = classify::lost("siem.example:6514", &error);
        assert_eq!(fault.verdict(), Verdict::Retry, "{kind:?}");
        assert!(fault.advice().unwrap().contains("goes again"), "{fault:?}");
        assert!(format!("{fault:#}").ends_with(&error.to_string()), "{fault:?}");
    }
    // Data that was changed on the way is no port without TLS, once there was a session.
    let garbled = Error::new(ErrorKind::InvalidData, rustls::Error::DecryptError);
    let nonsense = rustls::Error::from(rustls::InvalidMessage::InvalidContentType);
    for error in [garbled, Error::new(ErrorKind::InvalidData, nonsense)] {
        assert_eq!(classify::lost("siem.example:6514", &error).verdict(), Verdict::Retry, "{error}");
    }
}

/// Guarantee: a name that is not found is told from a receiver that is not.
#[tokio::test]
async fn a_name_that_is_not_found_is_named() {
    // A label of more than 63 bytes (RFC 1035, section 2.3.4): no name server is asked.
    let host = format!("{}.example", "x".repeat(64));
    let address = Address { host: host.clone(), port: 514 };
    let outcome =
        Connector::new(&options(Transport::Tcp, vec![address], TlsOptions::default())).unwrap().connect().await;
    let fault = outcome.err().unwrap();
    assert_eq!(fault.verdict(), Verdict::Retry, "{fault:?}");
    assert!(fault.what().contains(&host) && fault.what().contains("IP address"), "{fault:?}");
    assert!(fault.advice().unwrap().contains("name"), "{fault:?}");

    let fault = classify::unresolved("siem.example:514", ErrorKind::TimedOut.into());
    assert_eq!(fault.verdict(), Verdict::Retry, "{fault:?}");
    assert!(fault.advice().unwrap().contains("name server"), "{fault:?}");
}

async fn handshake_with(address: Address) -> Fault {
    connector(address).connect().await.err().unwrap()
}

fn connector(address: Address) -> Connector {
    let tls = TlsOptions { pins: vec![[0; 32]], ..TlsOptions::default() };
    Connector::new(&options(Transport::Tls, vec![address], tls)).unwrap()
}
