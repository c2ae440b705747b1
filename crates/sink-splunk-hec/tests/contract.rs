//! The sink against the contract of a destination, with a collector of its own.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use sink::Sink;
use sink::suite::Harness;
use sink_splunk_hec::stand_in::{Manner, StandIn};
use sink_splunk_hec::{Acknowledgement, HecOptions, HecSink, Payload};

struct Collector {
    stand_in: StandIn,
    options: HecOptions,
}

#[async_trait]
impl Harness for Collector {
    async fn open(&mut self) -> Box<dyn Sink> {
        Box::new(HecSink::new(&self.options).unwrap())
    }

    async fn arrived(&mut self) -> Vec<Vec<u8>> {
        self.stand_in.events().into_iter().map(|event| event.event.into_bytes()).collect()
    }

    async fn set_broken(&mut self, broken: bool) {
        self.stand_in.set_broken(broken).await;
    }
}

/// Guarantee: the sink keeps the contract, with acknowledgement and without, compressed or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_modes_pass_the_suite() {
    for (acknowledge, gzip) in [(false, true), (false, false), (true, true)] {
        let stand_in = StandIn::start(Manner { acknowledge, ..Manner::default() }).await;
        let token = Arc::new(|| Ok(SecretString::from("token")));
        let rule = Acknowledgement { ask_after: Duration::from_millis(3), give_up_after: Duration::from_secs(3_600) };
        let acknowledge = acknowledge.then_some(rule);
        let options = HecOptions { gzip, ..HecOptions::new(vec![stand_in.url()], token, Payload::Text, acknowledge) };
        sink::suite::run(&mut Collector { stand_in, options }).await;
    }
}
