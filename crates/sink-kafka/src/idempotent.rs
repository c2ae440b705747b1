//! At least once: a batch and its records' outcomes, over an idempotent producer that is made anew when it fails.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fault::Fault;
use sink::{Answer, Batch, Fate, Fates, Limits, Sink, Word};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::Sets;
use crate::flights::Event;
use crate::message::Composer;
use crate::options::KafkaOptions;
use crate::producer::{PLACES, Producer};
use crate::topics::TopicLimits;
use crate::{KNOWN_FOR, config, probe};

/// Records as Kafka messages, each once while a producer lives.
pub struct IdempotentSink {
    options: Arc<KafkaOptions>,
    composer: Arc<Composer>,
    word: Word,
    producer: Option<Producer>,
    /// What the topics were said to take, and when.
    known: Option<(Arc<TopicLimits>, Instant)>,
    /// A producer that is on its way in. It is kept, so that a call that is dropped does not begin again.
    arriving: Option<JoinHandle<Result<Producer, Fault>>>,
    /// A producer that is on its way out.
    leaving: Option<JoinHandle<Producer>>,
    /// What was handed over and is not answered, oldest first.
    outstanding: VecDeque<Flight>,
    answers: VecDeque<Answer>,
    /// What the answers leave open that the lane has not heard: what it sends in ignorance of that is left open as well,
    /// so that none overtakes what the failure has left open.
    unheard: Option<Fault>,
    progress: Progress,
    /// Nothing has moved for this long, and the producer is thrown away for that.
    stalled: Option<Duration>,
    /// Records that still go one by one, since a set was refused for the fault of one of them.
    one_by_one: usize,
    /// Producers that were thrown away.
    rebuilds: u64,
}

/// A batch that is outstanding.
struct Flight {
    batch: Batch,
    /// Its place with the producer; `None` where it came too late for one that is on its way out.
    place: Option<usize>,
}

/// When the last record had its outcome.
struct Progress {
    open: usize,
    since: Instant,
}

impl IdempotentSink {
    /// A sink that connects with its first batch. It must be used within a tokio runtime.
    ///
    /// # Errors
    /// A setting of `options` is not taken.
    pub fn new(options: &KafkaOptions) -> Result<Self, Fault> {
        config::check(options)?;
        Ok(Self {
            composer: Arc::new(Composer::new(options)),
            options: Arc::new(options.clone()),
            word: Word::Accepted,
            producer: None,
            known: None,
            arriving: None,
            leaving: None,
            outstanding: VecDeque::new(),
            answers: VecDeque::new(),
            unheard: None,
            progress: Progress { open: 0, since: Instant::now() },
            stalled: None,
            one_by_one: 0,
            rebuilds: 0,
        })
    }

    /// How many producers were thrown away for a failure. What was in flight then may have arrived, and goes again.
    pub fn rebuilds(&self) -> u64 {
        self.rebuilds
    }

    /// Makes a producer, where there is none that can be used. Nothing is outstanding.
    async fn prepare(&mut self) -> Result<(), Fault> {
        if self.producer.as_ref().is_some_and(|producer| producer.is_fatal() || producer.sets != self.sets()) {
            self.abandon();
        }
        self.see_off().await;
        if self.producer.is_none() {
            let sets = self.sets();
            let known = self.known.as_ref().filter(|(_, since)| since.elapsed() < KNOWN_FOR);
            let known = known.map(|(limits, _)| Arc::clone(limits));
            let producer = arrived(self.arriving.get_or_insert_with(|| {
                let (options, composer) = (Arc::clone(&self.options), Arc::clone(&self.composer));
                spawn_blocking(move || Producer::connect(&options, &composer.topics(), known, sets))
            }))
            .await;
            self.arriving = None;
            let producer = producer?;
            self.word = if producer.limits.is_replicated() { Word::Durable } else { Word::Accepted };
            if self.known.as_ref().is_none_or(|(limits, _)| !Arc::ptr_eq(limits, &producer.limits)) {
                self.known = Some((Arc::clone(&producer.limits), Instant::now()));
            }
            tracing::info!(word = %self.word, "connected to Kafka");
            self.producer = Some(producer);
        }
        Ok(())
    }

    fn sets(&self) -> Sets {
        if self.one_by_one > 0 { Sets::Single } else { Sets::Large }
    }

    /// Waits for the next thing to happen to what is outstanding. Dropping it loses nothing.
    async fn turn(&mut self) {
        if self.leaving.is_some() {
            return self.see_off().await;
        }
        let check_at = Instant::now() + CHECK_EVERY;
        match &mut self.producer {
            Some(producer) if !self.outstanding.is_empty() => tokio::select! {
                event = producer.events.recv() => self.hear(event.unwrap_or(Event::Trouble)),
                () = sleep_until(check_at) => self.check_progress(),
            },
            _ => std::future::pending().await,
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Landed(_) => self.release(),
            Event::Trouble => self.abandon(),
        }
    }

    /// Hears what has happened already.
    fn catch_up(&mut self) {
        while let Some(Ok(event)) = self.producer.as_mut().map(|producer| producer.events.try_recv()) {
            self.hear(event);
        }
    }

    /// Answers for the leading batches that have landed whole.
    fn release(&mut self) {
        while let (Some(producer), Some(Flight { place: Some(place), .. })) =
            (&mut self.producer, self.outstanding.front())
        {
            if !producer.is_landed(*place) {
                return;
            }
            if producer.failed(*place).iter().any(|failure| !failure.refused) {
                return self.abandon();
            }
            let place = *place;
            let Some(flight) = self.outstanding.pop_front() else { return };
            let fates = flight.fates(producer, &self.composer, None);
            producer.release(place);
            producer.moves();
            self.progress = Progress { open: producer.open(), since: Instant::now() };
            self.one_by_one = self.one_by_one.saturating_sub(flight.batch.records.len());
            self.answers.push_back(Answer { batch: flight.batch.id, fates, ease: None });
        }
    }

    fn check_progress(&mut self) {
        let Some(producer) = &self.producer else { return };
        let open = producer.open();
        if open < self.progress.open {
            producer.moves();
            self.progress = Progress { open, since: Instant::now() };
            return;
        }
        let waited = self.progress.since.elapsed();
        let patience = if producer.complains_of_us() { PATIENCE_WITH_REFUSAL } else { self.options.give_up_after };
        if waited >= patience.min(self.options.give_up_after) {
            self.stalled = Some(waited);
            self.abandon();
        }
    }

    /// Throws the producer away. What it holds fails, and is answered once it has.
    fn abandon(&mut self) {
        self.leaving = self.leaving.take().or(self.producer.take().map(Producer::retire));
    }

    /// Waits for the producer that is on its way out, and leaves open what it did not write.
    async fn see_off(&mut self) {
        let Some(leaving) = &mut self.leaving else { return };
        let producer = leaving.await.ok();
        self.leaving = None;
        let stalled = self.stalled.take();
        let why = producer.as_ref().and_then(|producer| match stalled {
            Some(waited) => Some(producer.why_stalled(waited)),
            None => producer.why(),
        });
        if let Some(fault) = &why {
            self.rebuilds += 1;
            let error = format!("{fault:#}");
            tracing::warn!(rebuilds = self.rebuilds, error, "a Kafka producer has failed and is made anew");
        }
        if producer.as_ref().is_some_and(Producer::is_refused) {
            self.one_by_one = ONE_BY_ONE;
            // A topic may take less than it did.
            self.known = None;
        }
        let fault = why.unwrap_or_else(|| Fault::retry("failed to keep a Kafka producer"));
        self.leave_open(producer.as_ref(), &fault);
        discard(producer);
    }

    /// Answers for everything outstanding: what stands behind the first open record is open as well.
    fn leave_open(&mut self, producer: Option<&Producer>, fault: &Fault) {
        for flight in std::mem::take(&mut self.outstanding) {
            let fates = match (producer, &self.unheard) {
                (Some(producer), None) => flight.fates(producer, &self.composer, Some(fault)),
                _ => Fates::Open(fault.clone()),
            };
            if !is_ended(&fates) {
                self.unheard = Some(fault.clone());
            }
            self.answers.push_back(Answer { batch: flight.batch.id, fates, ease: None });
        }
    }
}

#[async_trait]
impl Sink for IdempotentSink {
    fn limits(&self) -> Limits {
        Limits { records: 500, bytes: 512 << 10, outstanding: PLACES }
    }

    fn word(&self) -> Word {
        self.word
    }

    async fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        self.catch_up();
        while self.producer.as_ref().is_some_and(|producer| producer.sets != self.sets())
            && !self.outstanding.is_empty()
        {
            self.turn().await;
        }
        if let Some(fault) = &self.unheard {
            self.answers.push_back(Answer { batch: batch.id, fates: Fates::Open(fault.clone()), ease: None });
            return Ok(());
        }
        if self.outstanding.is_empty() {
            self.prepare().await?;
            self.progress = Progress { open: 0, since: Instant::now() };
        }
        self.check_progress();
        let place = match &mut self.producer {
            Some(producer) => Some(producer.send(&batch, &self.composer).ok_or_else(too_many)?),
            None => None,
        };
        self.progress.open = self.producer.as_ref().map_or(0, Producer::open);
        self.outstanding.push_back(Flight { batch, place });
        Ok(())
    }

    async fn answer(&mut self) -> Answer {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                if self.answers.iter().all(|answer| is_ended(&answer.fates)) {
                    self.unheard = None;
                }
                return answer;
            }
            self.turn().await;
        }
    }

    async fn flush(&mut self) {
        let until = Instant::now() + self.options.flush_within;
        while !self.outstanding.is_empty() {
            if self.leaving.is_some() {
                self.see_off().await;
            } else if timeout_at(until, self.turn()).await.is_err() && self.leaving.is_none() {
                self.stalled = Some(self.options.flush_within);
                self.abandon();
            }
        }
    }

    async fn probe(&mut self) -> Result<(), Fault> {
        probe(&self.options).await
    }
}

impl Drop for IdempotentSink {
    fn drop(&mut self) {
        discard(self.producer.take());
    }
}

impl Flight {
    /// What became of the records. `fault` is why the producer was thrown away, if it was.
    fn fates(&self, producer: &Producer, composer: &Composer, fault: Option<&Fault>) -> Fates {
        let (Some(place), records) = (self.place, &self.batch.records) else {
            return Fates::Open(fault.cloned().unwrap_or_else(unknown));
        };
        if !producer.is_landed(place) {
            return Fates::Open(fault.cloned().unwrap_or_else(unknown));
        }
        let failed = producer.failed(place);
        if failed.is_empty() {
            return Fates::Settled;
        }
        let first_open = failed.iter().find(|failure| !failure.refused).map_or(records.len(), |open| open.record);
        if first_open == 0 {
            return Fates::Open(fault.cloned().unwrap_or_else(unknown));
        }
        let mut fates: Vec<Fate> = (0..first_open).map(|_| Fate::Settled).collect();
        for failure in failed.iter().take_while(|failure| failure.record < first_open) {
            let reason = composer.unfit(&records[failure.record], &producer.limits);
            let reason = reason.unwrap_or_else(|| format!("the broker refuses it: {}", failure.code));
            fates[failure.record] = Fate::Refused(reason);
        }
        let open = || Fate::Open(fault.cloned().unwrap_or_else(unknown));
        fates.resize_with(records.len(), open);
        Fates::Each(fates)
    }
}

fn is_ended(fates: &Fates) -> bool {
    match fates {
        Fates::Each(fates) => !fates.iter().any(|fate| matches!(fate, Fate::Open(_))),
        Fates::Open(_) => false,
        Fates::Settled => true,
    }
}

/// Waits for a producer that is on its way in.
async fn arrived(arriving: &mut JoinHandle<Result<Producer, Fault>>) -> Result<Producer, Fault> {
    arriving.await.unwrap_or_else(|ended| Err(Fault::retry("failed to make a Kafka producer").caused_by(ended)))
}

/// Lets a producer go on a thread that may block, since its threads are waited for.
fn discard(producer: Option<Producer>) {
    if let (Some(producer), Ok(runtime)) = (producer, Handle::try_current()) {
        runtime.spawn_blocking(move || drop(producer));
    }
}

fn unknown() -> Fault {
    Fault::retry("failed to learn what became of a record")
}

fn too_many() -> Fault {
    Fault::retry("failed to hand over a batch: as many as the sink takes are outstanding")
}

/// How often it is looked whether anything moves.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long a broker that does not let us in is tried before a person is asked for.
const PATIENCE_WITH_REFUSAL: Duration = Duration::from_secs(10);
/// Records that go one by one after a set was refused: all that may have been on their way with the guilty one.
const ONE_BY_ONE: usize = 500 * PLACES;
