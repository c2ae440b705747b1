//! UDP: a datagram for each record, settled once our own system has taken it.

use std::sync::Arc;

use fault::Fault;
use sink::{Answer, Batch, Fate, Fates};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::classify;
use crate::connect::Connector;
use crate::cuts::Cuts;
use crate::keeper::{Answers, Request};
use crate::message::Composer;

/// The task that sends datagrams.
pub(crate) struct Datagrams {
    pub(crate) connector: Connector,
    /// Receivers take turns, batch by batch.
    pub(crate) takes_turns: bool,
    pub(crate) composer: Arc<Composer>,
    pub(crate) cuts: Arc<Cuts>,
    pub(crate) requests: UnboundedReceiver<Request>,
    pub(crate) answers: Answers,
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
                    if self.takes_turns {
                        socket = None;
                    }
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

    async fn send(
        &mut self,
        batch: &Batch,
        socket: &mut Option<(UdpSocket, String)>,
        datagram: &mut Vec<u8>,
    ) -> (Answer, Option<Fault>) {
        let answer = |fates| Answer { batch: batch.id, fates, ease: None };
        if socket.is_none() {
            match self.connector.connect_udp().await {
                Ok(connected) => *socket = Some(connected),
                Err(fault) => return (answer(Fates::Open(fault.clone())), Some(fault)),
            }
        }
        let (socket, peer) = socket.as_ref().expect("it was connected just now");
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
