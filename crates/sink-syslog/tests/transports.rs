//! Every transport on real sockets, against receivers of this file: the suite of the contract, and what settles a record.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod receivers;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use sink::suite::{Harness, batch, record};
use sink::{Fates, Sink};
use sink_syslog::{Address, Framing, Header, MessageOptions, Spread, SyslogOptions, SyslogSink, TlsOptions, Transport};
use tokio::time::timeout;

use crate::receivers::{Kind, Receiver};

fn options(receiver: &Receiver, transport: Transport, framing: Framing) -> SyslogOptions {
    SyslogOptions {
        transport,
        addresses: vec![Address { host: "127.0.0.1".to_owned(), port: receiver.port() }],
        spread: Spread::Failover,
        reconnect: None,
        message: MessageOptions {
            header: Header::None,
            framing,
            facility: syslog::Facility::LOG_LOCAL4,
            app_name: "atp-forwarder".to_owned(),
            message_id: None,
            structured_data: true,
            timezone: chrono_tz::UTC,
            hosts: HashMap::new(),
            max_bytes: None,
        },
        tls: TlsOptions { ca: receiver.ca(), ..TlsOptions::default() },
    }
}

struct Over {
    receiver: Receiver,
    transport: Transport,
    framing: Framing,
}

impl Over {
    async fn new(transport: Transport, framing: Framing) -> Self {
        let kind = match transport {
            Transport::Udp => Kind::Datagrams,
            Transport::Tcp => Kind::Stream { tls: false },
            Transport::Tls => Kind::Stream { tls: true },
            Transport::Relp => Kind::Relp { tls: false },
            Transport::RelpTls => Kind::Relp { tls: true },
        };
        Self { receiver: Receiver::start(kind).await, transport, framing }
    }

    fn sink(&self) -> SyslogSink {
        SyslogSink::new(&options(&self.receiver, self.transport, self.framing)).unwrap()
    }
}

#[async_trait]
impl Harness for Over {
    async fn open(&mut self) -> Box<dyn Sink> {
        Box::new(self.sink())
    }

    async fn arrived(&mut self) -> Vec<Vec<u8>> {
        // A datagram is settled before it is read.
        if self.transport == Transport::Udp {
            self.receiver.catch_up().await;
        }
        self.receiver.arrived()
    }

    async fn set_broken(&mut self, broken: bool) {
        self.receiver.set_broken(broken).await;
    }

    fn breaks_visibly(&self) -> bool {
        self.transport != Transport::Udp
    }
}

/// Guarantee: the sink keeps the contract over every transport and framing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_passes_the_suite() {
    let all = [
        (Transport::Tcp, Framing::OctetCounting),
        (Transport::Tcp, Framing::Lf),
        (Transport::Tls, Framing::OctetCounting),
        (Transport::Relp, Framing::OctetCounting),
        (Transport::RelpTls, Framing::OctetCounting),
        (Transport::Udp, Framing::OctetCounting),
    ];
    for (transport, framing) in all {
        println!("{transport:?}, {framing:?}");
        sink::suite::run(&mut Over::new(transport, framing).await).await;
    }
}

/// Scenario: a megabyte and a half over TCP, without a flush. Guarantee: what has a mebibyte behind it is settled at
/// once, and what has not is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_a_mebibyte_behind_it_is_settled() {
    let over = Over::new(Transport::Tcp, Framing::OctetCounting).await;
    let mut sink = over.sink();
    let kibibyte = "x".repeat(1_000);
    for id in 0..30 {
        let records = (0..50).map(|_| record(&kibibyte)).collect();
        sink.send(batch(id, records)).await.unwrap();
    }
    for id in 0..8 {
        let answer = timeout(Duration::from_secs(10), sink.answer()).await.expect("it is settled by bytes");
        assert_eq!(answer.batch.0, id);
        assert!(matches!(answer.fates, Fates::Settled), "{answer:?}");
    }
    // 30 x 50 x 1,005 bytes less a mebibyte leave nine batches settled, and no tenth.
    timeout(Duration::from_secs(10), sink.answer()).await.expect("it is settled by bytes");
    assert!(timeout(Duration::from_millis(300), sink.answer()).await.is_err(), "too little was written after it");
    sink.flush().await;
    assert_eq!(over.receiver.arrived().len(), 1_500);
}

/// Scenario: the receiver goes away with batches unsettled, and some more are handed over before that is heard.
/// Guarantee: all of them are left open, so that none overtakes another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_in_ignorance_of_a_failure_is_left_open() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Relp, Transport::RelpTls] {
        let mut over = Over::new(transport, Framing::OctetCounting).await;
        let mut sink = over.sink();
        over.receiver.acknowledge(false);
        sink.send(batch(0, vec![record("before")])).await.unwrap();
        over.receiver.wait_for(1).await;
        over.receiver.set_broken(true).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        over.receiver.set_broken(false).await;
        over.receiver.acknowledge(true);
        sink.send(batch(1, vec![record("in ignorance")])).await.unwrap();
        for id in 0..2 {
            let answer = timeout(Duration::from_secs(10), sink.answer()).await.expect("a lost connection is told");
            assert_eq!(answer.batch.0, id, "{transport:?}");
            assert!(matches!(answer.fates, Fates::Open(_)), "{transport:?}: {answer:?}");
        }
        sink.send(batch(2, vec![record("after it")])).await.unwrap();
        sink.flush().await;
        let answer = timeout(Duration::from_secs(10), sink.answer()).await.expect("it is answered");
        assert!(matches!(answer.fates, Fates::Settled), "{transport:?}: {answer:?}");
        assert_eq!(over.receiver.arrived().last().unwrap(), b"after it");
    }
}

/// Scenario: a receiver that acknowledges the first of its messages only, and goes.
/// Guarantee: what was acknowledged is settled, and what was not is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relp_settles_what_was_acknowledged_and_no_more() {
    let mut over = Over::new(Transport::Relp, Framing::OctetCounting).await;
    let mut sink = over.sink();
    over.receiver.acknowledge_up_to(3);
    sink.send(batch(0, (0..5).map(|n| record(&format!("message {n}"))).collect())).await.unwrap();
    over.receiver.wait_for(5).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    over.receiver.set_broken(true).await;
    let answer = timeout(Duration::from_secs(10), sink.answer()).await.expect("a lost connection is told");
    let Fates::Each(fates) = answer.fates else { panic!("some are settled and some are not: {answer:?}") };
    let settled: Vec<bool> = fates.iter().map(|fate| matches!(fate, sink::Fate::Settled)).collect();
    assert_eq!(settled, [true, true, true, false, false]);
}

/// Scenario: a receiver that ends TLS without its farewell, which an attacker could do as well.
/// Guarantee: that end settles nothing; the next flush waits for time to settle it instead, and does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_without_a_farewell_settles_nothing() {
    let over = Over::new(Transport::Tls, Framing::OctetCounting).await;
    over.receiver.end_rudely();
    let mut sink = over.sink();
    sink.send(batch(0, vec![record("cut off")])).await.unwrap();
    sink.flush().await;
    let answer = timeout(Duration::from_secs(1), sink.answer()).await.expect("a flushed batch is answered");
    assert!(matches!(answer.fates, Fates::Open(_)), "{answer:?}");
    sink.send(batch(1, vec![record("cut off")])).await.unwrap();
    sink.flush().await;
    let answer = timeout(Duration::from_secs(1), sink.answer()).await.expect("a flushed batch is answered");
    assert!(matches!(answer.fates, Fates::Settled), "{answer:?}");
}

/// Guarantee: with several receivers the second is taken when the first is away, and each new connection takes the next
/// where they take turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_stand_in_for_each_other_or_take_turns() {
    let mut first = Receiver::start(Kind::Stream { tls: false }).await;
    let second = Receiver::start(Kind::Stream { tls: false }).await;
    let addresses = [&first, &second].map(|one| Address { host: "127.0.0.1".to_owned(), port: one.port() }).to_vec();
    let to_both = |spread| SyslogOptions {
        addresses: addresses.clone(),
        spread,
        ..options(&first, Transport::Tcp, Framing::OctetCounting)
    };
    let mut turns = SyslogSink::new(&to_both(Spread::RoundRobin)).unwrap();
    for id in 0..4 {
        // A flush half-closes, so that each batch has a connection of its own.
        turns.send(batch(id, vec![record("in turn")])).await.unwrap();
        turns.flush().await;
    }
    assert_eq!((first.arrived().len(), second.arrived().len()), (2, 2));
    let mut failover = SyslogSink::new(&to_both(Spread::Failover)).unwrap();
    first.set_broken(true).await;
    failover.send(batch(5, vec![record("to the second")])).await.unwrap();
    failover.flush().await;
    assert_eq!((first.arrived().len(), second.arrived().len()), (2, 3));
    first.set_broken(false).await;
    failover.send(batch(6, vec![record("to the first again")])).await.unwrap();
    failover.flush().await;
    assert_eq!((first.arrived().len(), second.arrived().len()), (3, 3));
}

/// Guarantee: a connection that is older than `reconnect` is made anew, in good order: nothing is open, nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_connection_is_made_anew() {
    for transport in [Transport::Tcp, Transport::Relp] {
        let over = Over::new(transport, Framing::OctetCounting).await;
        let reconnect = Some(Duration::from_millis(200));
        let options = SyslogOptions { reconnect, ..options(&over.receiver, transport, over.framing) };
        let mut sink = SyslogSink::new(&options).unwrap();
        let mut sent = 0;
        while over.receiver.connections() < 4 {
            assert!(sent < 2_000, "{transport:?}: the connection stays");
            sink.send(batch(sent, vec![record(&format!("message {sent}"))])).await.unwrap();
            sent += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sink.flush().await;
        for _ in 0..sent {
            let answer = timeout(Duration::from_secs(1), sink.answer()).await.expect("a flushed batch is answered");
            assert!(matches!(answer.fates, Fates::Settled), "{transport:?}: {answer:?}");
        }
        let expected: Vec<Vec<u8>> = (0..sent).map(|n| format!("message {n}").into_bytes()).collect();
        assert_eq!(over.receiver.arrived(), expected, "{transport:?}");
    }
}

/// Guarantee: a probe says whether there is a receiver, sends no message, and disturbs nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_sends_nothing() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Relp, Transport::RelpTls] {
        let mut over = Over::new(transport, Framing::OctetCounting).await;
        let mut sink = over.sink();
        sink.probe().await.unwrap();
        sink.send(batch(0, vec![record("the only one")])).await.unwrap();
        sink.probe().await.unwrap();
        sink.flush().await;
        assert_eq!(over.receiver.arrived(), [b"the only one".to_vec()], "{transport:?}");
        over.receiver.set_broken(true).await;
        let fault = sink.probe().await.unwrap_err();
        assert!(fault.advice().is_some(), "{transport:?}: {fault:?}");
    }
}
