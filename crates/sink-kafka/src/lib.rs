#![doc = include_str!("../README.md")]

mod classify;
mod config;
mod flights;
mod idempotent;
mod message;
mod options;
mod producer;
#[cfg(test)]
mod samples;
mod topics;
mod transactions;
mod watch;

pub use crate::idempotent::IdempotentSink;
pub use crate::options::{
    Compression, KafkaOptions, Key, Login, Password, Profile, Sasl, TlsOptions, Token, TokenSupplier, Transactions,
};
pub use crate::transactions::TransactionalSink;

use std::sync::Arc;
use std::time::Duration;

use fault::Fault;
use sink::Sink;
use tokio::task::spawn_blocking;

use crate::config::Sets;
use crate::message::Composer;
use crate::producer::Producer;

/// The sink that the options ask for: transactional, or idempotent alone. It connects later, and must be used within a
/// tokio runtime.
///
/// # Errors
/// A setting of `options` is not taken.
pub fn open(options: &KafkaOptions) -> Result<Box<dyn Sink>, Fault> {
    Ok(match &options.transactions {
        Some(transactions) => Box::new(TransactionalSink::new(options, transactions)?),
        None => Box::new(IdempotentSink::new(options)?),
    })
}

/// Asks whether the brokers answer, and whether all topics are there.
async fn probe(options: &Arc<KafkaOptions>) -> Result<(), Fault> {
    let options = Arc::clone(options);
    let probing = spawn_blocking(move || {
        let composer = Composer::new(&options);
        let topics = composer.topics();
        let producer = Producer::connect(&options, &topics, None, Sets::Large)?;
        topics.iter().try_for_each(|topic| producer.ask_for(topic))
    });
    probing.await.unwrap_or_else(|ended| Err(Fault::retry("failed to ask Kafka").caused_by(ended)))
}

/// How long what topics take is believed.
const KNOWN_FOR: Duration = Duration::from_secs(300);
