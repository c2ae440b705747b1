#![doc = include_str!("../README.md")]

mod acks;
mod body;
mod classify;
mod connection;
mod cookies;
mod delivery;
mod envelope;
mod options;
mod probe;
mod queue;
mod reply;
mod session;
mod shared;
#[cfg(feature = "stand-in")]
pub mod stand_in;
mod tls;
mod token;
mod worker;

pub use crate::options::{Acknowledgement, ByTenant, HecOptions, Payload, SOURCE, SOURCETYPE, TlsOptions, Token};

use std::sync::Arc;

use async_trait::async_trait;
use fault::Fault;
use sink::{Answer, Batch, Limits, Record, Sink, Word};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection::Endpoint;
use crate::delivery::Delivery;
use crate::envelope::Composer;
use crate::queue::Queue;
use crate::shared::Shared;
use crate::token::Tokens;
use crate::worker::Worker;

/// Records as events of the HTTP Event Collector.
pub struct HecSink {
    shared: Arc<Shared>,
    endpoints: Vec<Arc<Endpoint>>,
    limits: Limits,
    acknowledge: bool,
    answers: UnboundedReceiver<Answer>,
    /// Raised where acknowledgements are asked for at once.
    hurry: watch::Sender<u64>,
    /// Ended with the sink.
    _workers: JoinSet<()>,
}

impl HecSink {
    /// A sink that connects with its first batch. It must be made within a tokio runtime.
    ///
    /// # Errors
    /// A URL leads nowhere, or a file of `options` cannot be read or does not hold what it should.
    pub fn new(options: &HecOptions) -> Result<Self, Fault> {
        let endpoints = endpoints(options)?;
        let composer = Arc::new(Composer::new(options));
        let limits = limits(options, &composer);
        let (telling, answers) = unbounded_channel();
        let shared = Arc::new(Shared {
            composer,
            tokens: Tokens::new(Arc::clone(&options.token)),
            queue: Queue::new(endpoints.len()),
            gzip: options.gzip,
            max_content: options.max_content,
            answers: telling,
            unanswered: watch::Sender::new(0),
        });
        let hurry = watch::Sender::new(0);
        let mut workers = JoinSet::new();
        for _ in 0..options.connections.max(1) {
            for (place, endpoint) in endpoints.iter().enumerate() {
                let (shared, endpoint) = (Arc::clone(&shared), Arc::clone(endpoint));
                let worker = Worker::new(shared, endpoint, place, options.acknowledge, hurry.subscribe());
                workers.spawn(worker.run());
            }
        }
        let acknowledge = options.acknowledge.is_some();
        Ok(Self { shared, endpoints, limits, acknowledge, answers, hurry, _workers: workers })
    }
}

#[async_trait]
impl Sink for HecSink {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn word(&self) -> Word {
        if self.acknowledge { Word::Durable } else { Word::Accepted }
    }

    async fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        self.shared.unanswered.send_modify(|count| *count += 1);
        let delivery = Delivery::new(batch);
        if delivery.request().1.is_empty() {
            self.shared.tell(delivery, None);
        } else {
            self.shared.queue.put(delivery);
        }
        Ok(())
    }

    async fn answer(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// Every request and every acknowledgement has its own time limit, and so has this.
    async fn flush(&mut self) {
        self.hurry.send_modify(|times| *times += 1);
        let mut unanswered = self.shared.unanswered.subscribe();
        // The sender lives as long as the sink.
        let _ = unanswered.wait_for(|count| *count == 0).await;
    }

    async fn probe(&mut self) -> Result<(), Fault> {
        probe::probe(&self.endpoints, &self.shared.tokens, self.acknowledge).await
    }
}

/// A record as it goes into a request: one event of the collector.
pub fn preview(options: &HecOptions, record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    Composer::new(options).write(std::iter::once(record), &mut bytes);
    bytes
}

fn endpoints(options: &HecOptions) -> Result<Vec<Arc<Endpoint>>, Fault> {
    if options.urls.is_empty() {
        return Err(Fault::halt("failed to find an indexer").advise("Give at least one `url`."));
    }
    // Where nothing speaks TLS, the system's authorities may be missing.
    let needs_tls = options.urls.iter().any(|url| url.scheme() == "https");
    let tls = if needs_tls { Some(tls::connector(&options.tls)?) } else { None };
    options.urls.iter().map(|url| Endpoint::new(url, tls.as_ref()).map(Arc::new)).collect()
}

/// Three quarters of a request for payloads, one for envelopes. Where acknowledgements are awaited, many batches must be
/// on their way for the waits not to count.
fn limits(options: &HecOptions, composer: &Composer) -> Limits {
    let connections = options.urls.len() * options.connections.max(1);
    let batches_a_connection = if options.acknowledge.is_some() { 8 } else { 2 };
    Limits {
        records: (options.max_content / 4 / composer.overhead()).clamp(1, 500),
        bytes: (options.max_content / 4 * 3).max(1),
        outstanding: connections * batches_a_connection,
    }
}
