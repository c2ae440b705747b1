//! UDP: a datagram for each record, settled once our own system has taken it.

use std::sync::Arc;
use std::time::Duration;

use fault::Fault;
use sink::{Answer, Batch, Fate, Fates};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::answers::Answers;
use crate::classify;
use crate::connect::Connector;
use crate::cuts::Cuts;
use crate::keeper::Request;
use crate::message::Composer;

/// The task that sends datagrams.
pub(crate) struct Datagrams {
    pub(crate) connector: Connector,
    /// Receivers take turns, batch by batch.
    pub(crate) takes_turns: bool,
    /// A socket older than this is made anew, and the receiver's name looked up for it.
    pub(crate) reconnect: Option<Duration>,
    pub(crate) composer: Arc<Composer>,
    pub(crate) cuts: Arc<Cuts>,
    pub(crate) requests: UnboundedReceiver<Request>,
    pub(crate) answers: Answers,
}

/// A socket that is connected to one receiver.
struct Connected {
    socket: UdpSocket,
    peer: String,
    since: Instant,
}

impl Datagrams {
    /// Works until nobody asks any more.
    pub(crate) async fn run(mut self) {
        let mut socket = None;
        let mut datagram = Vec::new();
        while let Some(request) = self.requests.recv().await {
            match request {
                Request::Flush(done) => {
                    // Whoever no longer waits need not know.
                    let _ = done.send(());
                }
                Request::Probe(done) => drop(done.send(self.connector.connect_udp().await.map(drop))),
                Request::Send(handed) => {
                    let Some((batch, _room)) = self.answers.admit(handed) else { continue };
                    socket = socket.filter(|connected| self.serves_on(connected));
                    let (answer, fault) = self.send(&batch, &mut socket, &mut datagram).await;
                    match fault {
                        None => self.answers.tell(answer),
                        Some(fault) => {
                            socket = None;
                            self.answers.fail(&fault, vec![answer]);
                        }
                    }
                }
            }
        }
    }

    /// Whether a socket is good for another batch.
    fn serves_on(&self, connected: &Connected) -> bool {
        !self.takes_turns && self.reconnect.is_none_or(|age| connected.since.elapsed() < age)
    }

    async fn send(
        &mut self,
        batch: &Batch,
        connected: &mut Option<Connected>,
        datagram: &mut Vec<u8>,
    ) -> (Answer, Option<Fault>) {
        let answer = |fates| Answer { batch: batch.id, fates, ease: None };
        if connected.is_none() {
            match self.connector.connect_udp().await {
                Ok((socket, peer)) => *connected = Some(Connected { socket, peer, since: Instant::now() }),
                Err(fault) => return (answer(Fates::Open(fault.clone())), Some(fault)),
            }
        }
        let Connected { socket, peer, .. } = connected.as_ref().expect("it was connected just now");
        for (index, record) in batch.records.iter().enumerate() {
            datagram.clear();
            let composed = self.composer.message(record, datagram);
            self.cuts.count(composed.cut);
            if let Err(error) = socket.send(datagram).await {
                let fault = classify::lost(peer, &error);
                return (answer(open_from(index, batch.records.len(), &fault)), Some(fault));
            }
        }
        (answer(Fates::Settled), None)
    }
}

/// What was sent before a failure is settled, the rest open. A refusal that the receiver's machine sends back is told with
/// the next datagram, so that one or a few before it are lost: UDP promises no more.
fn open_from(index: usize, records: usize, fault: &Fault) -> Fates {
    let fate = |record| if record < index { Fate::Settled } else { Fate::Open(fault.clone()) };
    Fates::Each((0..records).map(fate).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sink::Sink as _;
    use sink::suite::{batch, record};

    use crate::options::{Address, TlsOptions, Transport};
    use crate::tls::receiver::options;

    use super::*;

    /// Guarantee: a socket is kept from batch to batch, and made anew once it is as old as `reconnect` says.
    #[tokio::test]
    async fn an_old_socket_is_made_anew() {
        for (reconnect, same) in [(None, true), (Some(Duration::from_millis(1)), false)] {
            let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = Address { host: "127.0.0.1".to_owned(), port: receiver.local_addr().unwrap().port() };
            let mut options = options(Transport::Udp, vec![address], TlsOptions::default());
            options.reconnect = reconnect;
            let mut sink = crate::SyslogSink::new(&options).unwrap();
            let mut senders = HashSet::new();
            // The system may give the same port again once, but not each time.
            for id in 0..5 {
                sink.send(batch(id, vec![record("x")])).await.unwrap();
                senders.insert(receiver.recv_from(&mut [0; 512]).await.unwrap().1);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(senders.len() == 1, same, "{reconnect:?}");
        }
    }
}
