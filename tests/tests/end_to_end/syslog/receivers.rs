//! The receivers themselves: what a bare client sends is what they say they got. Where this fails, no other test of
//! syslog shows anything.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};

use end_to_end::{Certificates, Message, Receiver, Way};

use super::wait_until;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn message() -> Message {
    let text = |text: &str| text.to_owned();
    Message {
        pri: text("164"),
        time: text("2026-03-01T09:43:11.160Z"),
        host: text("atp-contoso"),
        app: text("atp-forwarder"),
        procid: text("-"),
        msgid: text("alert"),
        sd: format!("[atp@32473 recordId=\"{ID}\" tenant=\"contoso\"]"),
        message: text(
            "CEF:0|a\\|b|\"q\" c:\\\\d \\= \t\u{7f}\u{1} ünï \u{1F600}\u{2028} <34>1 2026-03-02T08:00:00Z evil su - - -",
        ),
    }
}

fn send(way: &Way, message: &Message) {
    let Message { pri, time, host, app, procid, msgid, sd, message } = message;
    let text = format!("<{pri}>1 {time} {host} {app} {procid} {msgid} {sd} {message}");
    let framed = if way.name == "lf" { format!("{text}\n") } else { format!("{} {text}", text.len()) };
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, way.port)).expect("the receiver listens");
    stream.write_all(framed.as_bytes()).expect("the receiver takes it");
}

/// Holds a receiver to what it got one way.
fn expect_one(receiver: &Receiver, way: &Way) {
    let mut got = Vec::new();
    wait_until("the message is written", || {
        got.clear();
        receiver.read(way, |message| got.push(message)) == 0 && !got.is_empty()
    });
    assert_eq!(got, [message()], "{}", way.name);
    assert_eq!(got[0].record_id(), ID);
}

/// Guarantee: every receiver takes both framings apart, keeps every byte of a hostile message, and speaks the version of
/// TLS that it is asked to.
#[test]
fn receivers_say_what_they_got() {
    let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
    let certificates = Certificates::make(&folder.path().join("certificates"));
    let rsyslog = Receiver::rsyslog(&folder.path().join("rsyslog"), &certificates);
    let syslog_ng = Receiver::syslog_ng(&folder.path().join("syslog-ng"), &certificates);
    for mut receiver in [rsyslog, syslog_ng].into_iter().flatten() {
        receiver.start();
        for name in ["tcp", "lf"] {
            send(receiver.way(name), &message());
            expect_one(&receiver, receiver.way(name));
        }
        for (name, version) in [("tls12", "1.2"), ("tls13", "1.3")] {
            let mut spoken = None;
            wait_until("a handshake succeeds", || {
                spoken = certificates.version_spoken(receiver.way(name).port);
                spoken.is_some()
            });
            assert_eq!(spoken, Some(version), "{name}");
        }
    }
}

/// Guarantee: our own receiver keeps what it has read through a kill and a stop, on the same port.
#[test]
fn our_own_receiver_keeps_what_it_read() {
    let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
    let program = env!("CARGO_BIN_EXE_frame-receiver").as_ref();
    let mut receiver = Receiver::of_frames(program, folder.path(), "tcp", "octet_counting");
    for round in 1..=3 {
        receiver.start();
        send(receiver.only_way(), &message());
        wait_until("the frame is written", || {
            receiver.read(receiver.only_way(), |_| {}) == 0 && count(&receiver) == round
        });
        let ended = if round == 1 { receiver.kill() } else { receiver.terminate() };
        assert_eq!((ended.signal(), ended.code()), if round == 1 { (Some(9), None) } else { (None, Some(0)) });
    }
}

fn count(receiver: &Receiver) -> usize {
    let mut count = 0;
    receiver.read(receiver.only_way(), |got| {
        assert_eq!(got, message());
        count += 1;
    });
    count
}
