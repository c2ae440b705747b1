#![doc = include_str!("../README.md")]

mod answers;
mod classify;
mod connect;
mod cuts;
mod dialogue;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod keeper;
mod message;
mod options;
mod relp;
mod relp_frame;
mod tls;
mod udp;
mod unconfirmed;
mod wire;

pub use crate::options::{Address, Framing, Header, MessageOptions, Spread, SyslogOptions, TlsOptions, Transport};

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use fault::Fault;
use sink::{Answer, Batch, Limits, Record, Severity, Sink, Word};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};

use crate::answers::{Answers, Handed, Told};
use crate::connect::Connector;
use crate::cuts::Cuts;
use crate::keeper::{Keeper, Request, Speech};
use crate::message::Composer;
use crate::udp::Datagrams;

/// Records as syslog messages.
pub struct SyslogSink {
    limits: Limits,
    word: Word,
    requests: UnboundedSender<Request>,
    told: UnboundedReceiver<Told>,
    /// Failures that the lane has heard of.
    failures_heard: u64,
    room: Arc<Semaphore>,
}

impl SyslogSink {
    /// A sink that connects with its first batch. It must be made within a tokio runtime.
    ///
    /// # Errors
    /// A file of `options` cannot be read, or does not hold what it should.
    pub fn new(options: &SyslogOptions) -> Result<Self, Fault> {
        let connector = Connector::new(options)?;
        let composer = Arc::new(Composer::new(&options.message, options.transport));
        let cuts = Arc::new(Cuts::new(options.message.max_bytes));
        let (requests, requests_taken) = unbounded_channel();
        let (telling, told) = unbounded_channel();
        let answers = Answers::new(telling);
        if options.transport == Transport::Udp {
            let takes_turns = options.spread == Spread::RoundRobin && options.addresses.len() > 1;
            let datagrams = Datagrams {
                connector,
                takes_turns,
                reconnect: options.reconnect,
                composer,
                cuts,
                requests: requests_taken,
                answers,
            };
            tokio::spawn(datagrams.run());
        } else {
            let keeper = Keeper {
                connector,
                speech: speech(options.transport),
                composer,
                cuts,
                reconnect: options.reconnect,
                requests: requests_taken,
                answers,
                end_proves_nothing: false,
            };
            tokio::spawn(keeper.run());
        }
        Ok(Self {
            limits: limits(options.transport),
            word: word(options.transport),
            requests,
            told,
            failures_heard: 0,
            room: Arc::new(Semaphore::new(BATCHES_AHEAD)),
        })
    }
}

#[async_trait]
impl Sink for SyslogSink {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn word(&self) -> Word {
        self.word
    }

    async fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        // The semaphore is never closed.
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| ended())?;
        let handed = Handed { batch, failures_heard: self.failures_heard, room };
        self.requests.send(Request::Send(handed)).map_err(|_| ended())
    }

    async fn answer(&mut self) -> Answer {
        match self.told.recv().await {
            Some(told) => {
                self.failures_heard = told.failures;
                told.answer
            }
            None => std::future::pending().await,
        }
    }

    async fn flush(&mut self) {
        let (done, flushed) = oneshot::channel();
        if self.requests.send(Request::Flush(done)).is_ok() {
            // A task that has ended has answered for nothing, and the lane keeps everything.
            let _ = flushed.await;
        }
    }

    async fn probe(&mut self) -> Result<(), Fault> {
        let (done, probed) = oneshot::channel();
        self.requests.send(Request::Probe(done)).map_err(|_| ended())?;
        probed.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// A record as it goes on the wire: header, payload and framing, the frame of RELP included.
pub fn preview(options: &MessageOptions, transport: Transport, record: &Record) -> Vec<u8> {
    let composer = Composer::new(options, transport);
    let mut bytes = Vec::new();
    match transport {
        Transport::Relp | Transport::RelpTls => composer.relp_frame(record, 1, &mut bytes),
        Transport::Tcp | Transport::Tls | Transport::Udp => composer.frame(record, &mut bytes),
    };
    bytes
}

/// The most bytes that a header takes, for any tenant of `options`: what `max_bytes` leaves for the payload is the rest.
pub fn longest_header(options: &MessageOptions) -> usize {
    let composer = Composer::new(&MessageOptions { max_bytes: None, ..options.clone() }, Transport::Udp);
    // A tenant that has left the file is known by its Entra id, which is a GUID.
    const STRANGER: &str = "00000000-0000-0000-0000-000000000000";
    let header = |tenant: &str| {
        let mut message = Vec::new();
        let record = Record {
            id: [0xff; 16],
            tenant: Arc::from(tenant),
            alert: Bytes::new(),
            device: Bytes::new(),
            updated: DateTime::UNIX_EPOCH,
            time: DateTime::UNIX_EPOCH,
            severity: Severity::Informational,
            // What is neither CEF nor LEEF has the TAG of RFC 3164 before it.
            payload: Bytes::new(),
        };
        composer.message(&record, &mut message);
        message.len()
    };
    options.hosts.keys().map(String::as_str).chain([STRANGER]).map(header).max().unwrap_or(0)
}

fn speech(transport: Transport) -> Speech {
    match transport {
        Transport::Relp | Transport::RelpTls => Speech::Relp,
        Transport::Tcp | Transport::Tls | Transport::Udp => Speech::Syslog,
    }
}

fn word(transport: Transport) -> Word {
    match transport {
        Transport::Relp | Transport::RelpTls => Word::Accepted,
        Transport::Tcp | Transport::Tls | Transport::Udp => Word::BestEffort,
    }
}

fn limits(transport: Transport) -> Limits {
    match transport {
        // Enough on their way that the window is never empty, and little more: what is not acknowledged goes again.
        Transport::Relp | Transport::RelpTls => Limits { records: 64, bytes: 64 << 10, outstanding: 8 },
        // Outstanding are also batches that were written and wait for what settles them, however small they are.
        Transport::Tcp | Transport::Tls => Limits { records: 512, bytes: 64 << 10, outstanding: 1_024 },
        Transport::Udp => Limits { records: 128, bytes: 64 << 10, outstanding: 2 },
    }
}

fn ended() -> Fault {
    Fault::retry("failed to reach the task that keeps the syslog connection")
}

/// Batches that are handed over before the first of them is composed.
const BATCHES_AHEAD: usize = 2;
