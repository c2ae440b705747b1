//! Which receiver is connected to, and with what sockets.

use std::time::Duration;

use fault::Verdict;
use rcgen::date_time_ymd;
use rustls::SupportedProtocolVersion;
use rustls::version::TLS13;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};

use super::{Connector, Stream};
use crate::options::{Address, Spread, TlsOptions, Transport};
use crate::tls::authority::{Identity, server};
use crate::tls::receiver::{TlsReceiver, bind, options};

const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13];

impl Connector {
    /// Less patience than [`super::CONNECT_TIME`], for tests in which a time has to pass.
    pub(crate) fn within(mut self, connect_time: Duration) -> Self {
        self.connect_time = connect_time;
        self
    }
}

/// Guarantee: failover takes the first that can be reached, from the top at every connection.
#[tokio::test]
async fn failover_takes_the_first_that_answers() {
    let (_closed, closed) = closed();
    let (_first, first) = bind("127.0.0.1").await;
    let (_second, second) = bind("127.0.0.1").await;
    let expected = format!("127.0.0.1:{}", first.port);
    let mut connector = connector(vec![closed, first, second], Spread::Failover);
    for _ in 0..3 {
        assert_eq!(connector.connect().await.unwrap().peer, expected);
    }
}

/// Guarantee: taking turns, every connection goes to the next receiver, and over one that is down to the one after it.
#[tokio::test]
async fn round_robin_takes_the_next_that_answers() {
    let (_first, first) = bind("127.0.0.1").await;
    let (_closed, closed) = closed();
    let (_third, third) = bind("127.0.0.1").await;
    let ports = [first.port, third.port];
    let mut connector = connector(vec![first, closed, third], Spread::RoundRobin);
    for turn in 0..5 {
        let peer = connector.connect().await.unwrap().peer;
        assert_eq!(peer, format!("127.0.0.1:{}", ports[turn % 2]), "turn {turn}");
    }
}

/// Guarantee: where no receiver answers, each was tried once, and a fault that a person must mend is the one that shows.
#[tokio::test]
async fn the_most_telling_fault_shows() {
    let mut subject = server(&["127.0.0.1"]);
    subject.not_after = date_time_ymd(2020, 1, 1);
    let bad = TlsReceiver::new(VERSIONS, &Identity::self_signed(&subject)).listen().await;
    let (_closed, closed) = closed();
    for addresses in [vec![bad.clone(), closed.clone()], vec![closed.clone(), bad.clone()]] {
        let tls = TlsOptions { pins: vec![[0; 32]], ..TlsOptions::default() };
        let mut connector = Connector::new(&options(Transport::Tls, addresses, tls)).unwrap();
        let fault = connector.connect().await.err().unwrap();
        assert_eq!(fault.verdict(), Verdict::Halt, "{fault:?}");
        assert!(fault.what().contains(&bad.port.to_string()), "{fault:?}");
    }
    let fault = connector(vec![closed], Spread::Failover).connect().await.err().unwrap();
    assert_eq!(fault.verdict(), Verdict::Retry, "{fault:?}");
    assert!(fault.advice().unwrap().contains("start the receiver"), "{fault:?}");
}

/// Guarantee: every IP address of a name is tried: `localhost` is mostly two, of which only one listens here.
#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    let (listener, address) = bind("127.0.0.1").await;
    let address = Address { host: "localhost".to_owned(), ..address };
    let expected = format!("localhost:{}", address.port);
    let mut connection = connector(vec![address], Spread::Failover).connect().await.unwrap();
    assert_eq!(connection.peer, expected);
    let (mut accepted, _) = listener.accept().await.unwrap();
    connection.stream.write_all(b"a record").await.unwrap();
    connection.stream.shutdown().await.unwrap();
    let mut text = Vec::new();
    accepted.read_to_end(&mut text).await.unwrap();
    assert_eq!(text, b"a record");
}

/// Guarantee: an IPv6 address is written in brackets in logs and faults, as in a URL.
#[tokio::test]
async fn an_ipv6_address_is_named_in_brackets() {
    let address = Address { host: "::1".to_owned(), port: 1 };
    let fault = connector(vec![address], Spread::Failover).connect().await.err().unwrap();
    assert!(fault.what().ends_with("[::1]:1"), "{fault:?}");
}

/// Guarantee: a socket gives up on a peer that is gone within seconds, and holds little that could be lost.
#[tokio::test]
async fn sockets_hold_little_and_notice_a_dead_peer() {
    let (_listener, address) = bind("127.0.0.1").await;
    let connection = connector(vec![address], Spread::Failover).connect().await.unwrap();
    let Stream::Plain(stream) = &connection.stream else { panic!("TLS without being asked for") };
    let socket = SockRef::from(stream);
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(10)));
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(10));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(5));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    assert!(socket.tcp_nodelay().unwrap());
    // Linux doubles what it is told, for its own accounts (socket(7)).
    assert_eq!(socket.send_buffer_size().unwrap(), 2 * super::SEND_BUFFER);
}

/// Guarantee: a UDP socket is connected: datagrams go to the receiver, and its machine's refusal comes back.
#[tokio::test]
async fn a_udp_socket_is_connected() {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = receiver.local_addr().unwrap().port();
    let address = Address { host: "127.0.0.1".to_owned(), port };
    let mut connector = Connector::new(&options(Transport::Udp, vec![address], TlsOptions::default())).unwrap();
    let (socket, peer) = connector.connect_udp().await.unwrap();
    assert_eq!(peer, format!("127.0.0.1:{port}"));
    socket.send(b"a record").await.unwrap();
    let mut buffer = [0; 64];
    let count = receiver.recv(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..count], b"a record");
    drop(receiver);
    socket.send(b"another").await.unwrap();
    let error = socket.recv(&mut buffer).await.unwrap_err();
    let fault = crate::classify::unreachable(&peer, error);
    assert!(fault.advice().unwrap().contains("start the receiver"), "{fault:?}");
}

/// A port that refuses connections, as long as the socket lives: it is bound, so nobody else gets it.
fn closed() -> (TcpSocket, Address) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, Address { host: "127.0.0.1".to_owned(), port })
}

fn connector(addresses: Vec<Address>, spread: Spread) -> Connector {
    let mut options = options(Transport::Tcp, addresses, TlsOptions::default());
    options.spread = spread;
    Connector::new(&options).unwrap()
}
