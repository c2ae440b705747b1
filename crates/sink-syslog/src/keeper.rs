//! The task that keeps the connection of a sink: it reads at all times, and writes when there is something to write.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fault::Fault;
use sink::{Answer, Batch, Fates};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::answers::{Answers, Handed};
use crate::classify;
use crate::connect::Connector;
use crate::cuts::Cuts;
use crate::dialogue::Dialogue;
use crate::message::Composer;
use crate::relp::Relp;
use crate::unconfirmed::Unconfirmed;
use crate::wire::{Happening, Wire};

/// What the sink asks of the task.
pub(crate) enum Request {
    Flush(oneshot::Sender<()>),
    Probe(oneshot::Sender<Result<(), Fault>>),
    Send(Handed),
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    Relp,
    Syslog,
}

/// The task.
pub(crate) struct Keeper {
    pub(crate) connector: Connector,
    pub(crate) speech: Speech,
    pub(crate) composer: Arc<Composer>,
    pub(crate) cuts: Arc<Cuts>,
    /// A connection older than this is made anew.
    pub(crate) reconnect: Option<Duration>,
    pub(crate) requests: UnboundedReceiver<Request>,
    pub(crate) answers: Answers,
    /// The receiver's end was no answer to ours before: it came without TLS's farewell, or crossed ours. So it proves
    /// nothing, and records are settled by time instead.
    pub(crate) end_proves_nothing: bool,
}

/// How a session ended.
enum End {
    /// Everything is settled, and the connection is closed or has no use any more.
    Clean,
    Lost(Fault),
    /// Nobody asks any more.
    Unasked,
}

impl Keeper {
    /// Works until nobody asks any more.
    pub(crate) async fn run(mut self) {
        while let Some(request) = self.requests.recv().await {
            match request {
                Request::Flush(done) => tell_flushed(vec![done]),
                Request::Probe(done) => drop(done.send(self.probe().await)),
                Request::Send(handed) => {
                    if let Some((batch, room)) = self.answers.admit(handed)
                        && self.serve(batch, room).await
                    {
                        return;
                    }
                }
            }
        }
    }

    /// Connects, and serves until the connection has ended. Whether nobody asks any more.
    async fn serve(&mut self, batch: Batch, room: OwnedSemaphorePermit) -> bool {
        let id = batch.id;
        match self.open().await {
            Ok((wire, dialogue)) => {
                tracing::debug!(peer = wire.peer, "connected to a syslog receiver");
                let session = Session::new(wire, dialogue, self.reconnect);
                session.run(self, batch, room).await
            }
            Err(fault) => {
                self.answers.fail(&fault, vec![Answer { batch: id, fates: Fates::Open(fault.clone()), ease: None }]);
                false
            }
        }
    }

    async fn open(&mut self) -> Result<(Wire, Box<dyn Dialogue>), Fault> {
        let mut wire = Wire::new(self.connector.connect().await?);
        let (composer, cuts) = (Arc::clone(&self.composer), Arc::clone(&self.cuts));
        let dialogue: Box<dyn Dialogue> = match self.speech {
            Speech::Relp => Box::new(Relp::open(&mut wire, composer, cuts).await?),
            Speech::Syslog => Box::new(Unconfirmed::new(composer, cuts)),
        };
        Ok((wire, dialogue))
    }

    /// Connects anew and parts at once: only then has a receiver had its chance to refuse us.
    async fn probe(&mut self) -> Result<(), Fault> {
        let (mut wire, mut dialogue) = self.open().await?;
        match timeout(PROBE_TIME, part(&mut wire, &mut *dialogue)).await {
            Ok(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => Err(classify::lost(&wire.peer, &error)),
            // A receiver that keeps its side open, or ends it without a farewell, has refused nothing.
            _ => Ok(()),
        }
    }
}

/// Ends a connection in good order: says goodbye, and waits for the peer's end.
async fn part(wire: &mut Wire, dialogue: &mut dyn Dialogue) -> io::Result<()> {
    while !dialogue.farewell(&mut wire.out) {
        if let Happening::Ended = wire.happening().await? {
            return Ok(());
        }
    }
    wire.end_writing().await?;
    while !matches!(wire.happening().await?, Happening::Ended) {}
    Ok(())
}

fn tell_flushed(waiting: Vec<oneshot::Sender<()>>) {
    for done in waiting {
        // Whoever no longer waits need not know.
        let _ = done.send(());
    }
}

/// One connection and what is said over it.
struct Session {
    wire: Wire,
    dialogue: Box<dyn Dialogue>,
    /// When the connection is to be made anew.
    expires_at: Option<Instant>,
    rooms: VecDeque<OwnedSemaphorePermit>,
    ending: Option<Ending>,
}

/// No more batches are taken: what there is is brought to its end.
struct Ending {
    flushed: Vec<oneshot::Sender<()>>,
    /// It is given up then.
    until: Instant,
    half_closed: bool,
}

impl Session {
    fn new(wire: Wire, dialogue: Box<dyn Dialogue>, reconnect: Option<Duration>) -> Self {
        let expires_at = reconnect.map(|age| Instant::now() + age);
        Self { wire, dialogue, expires_at, rooms: VecDeque::new(), ending: None }
    }

    /// Serves until the connection has ended, and answers for everything that it took. Whether nobody asks any more.
    async fn run(mut self, keeper: &mut Keeper, first: Batch, room: OwnedSemaphorePermit) -> bool {
        self.take(first, room);
        let end = loop {
            match self.turn(keeper).await {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(fault) => break End::Lost(fault),
            }
        };
        let flushed = self.ending.take().map(|ending| ending.flushed).unwrap_or_default();
        let unasked = matches!(end, End::Unasked);
        self.end(keeper, end).await;
        tell_flushed(flushed);
        unasked
    }

    async fn end(&mut self, keeper: &mut Keeper, end: End) {
        let peer = &self.wire.peer;
        match end {
            End::Lost(fault) if self.dialogue.is_done() => {
                tracing::debug!(peer, error = format!("{fault:#}"), "a connection with nothing on its way has ended");
            }
            End::Lost(fault) => {
                let answers = self.dialogue.give_up(&fault);
                keeper.answers.fail(&fault, answers);
            }
            End::Clean | End::Unasked => {
                let goodbye = timeout(GOODBYE_TIME, part(&mut self.wire, &mut *self.dialogue)).await;
                tracing::debug!(
                    peer = self.wire.peer,
                    in_order = matches!(goodbye, Ok(Ok(()))),
                    "a connection was closed"
                );
            }
        }
    }

    fn take(&mut self, batch: Batch, room: OwnedSemaphorePermit) {
        self.rooms.push_back(room);
        self.dialogue.take(batch);
    }

    /// One step: what can be said is said, then the next thing happens.
    async fn turn(&mut self, keeper: &mut Keeper) -> Result<Option<End>, Fault> {
        self.dialogue.compose(&mut self.wire.out);
        if self.dialogue.has_room() {
            self.rooms.clear();
        }
        if let Some(end) = self.progress_of_ending(keeper).await? {
            return Ok(Some(end));
        }
        let due = self.due_at();
        tokio::select! {
            biased;
            happening = self.wire.happening() => match happening {
                Ok(Happening::Ended) if self.is_half_closed() => self.parted(keeper).await?,
                Ok(happening) => self.happened(&happening)?,
                Err(error) => return Err(self.lost(keeper, error).await),
            },
            request = keeper.requests.recv(), if self.ending.is_none() => match request {
                None => return Ok(Some(End::Unasked)),
                Some(request) => self.asked(request, keeper).await,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.came_due()?,
        }
        while let Some(answer) = self.dialogue.settled() {
            keeper.answers.tell(answer);
        }
        Ok(None)
    }

    async fn asked(&mut self, request: Request, keeper: &mut Keeper) {
        match request {
            Request::Send(handed) => {
                if let Some((batch, room)) = keeper.answers.admit(handed) {
                    self.take(batch, room);
                }
            }
            Request::Probe(done) => drop(done.send(keeper.probe().await)),
            Request::Flush(done) if self.dialogue.is_done() => tell_flushed(vec![done]),
            Request::Flush(done) => self.begin_ending(vec![done]),
        }
    }

    fn begin_ending(&mut self, flushed: Vec<oneshot::Sender<()>>) {
        self.ending = Some(Ending { flushed, until: Instant::now() + FLUSH_TIME, half_closed: false });
    }

    /// Goes on with an ending, where one has begun.
    async fn progress_of_ending(&mut self, keeper: &mut Keeper) -> Result<Option<End>, Fault> {
        let Some(ending) = &mut self.ending else { return Ok(None) };
        if self.dialogue.is_done() {
            // A flush that needed no half-close leaves the connection as it is.
            let stays = !ending.half_closed && self.expires_at.is_none_or(|at| Instant::now() < at);
            if !stays {
                return Ok(Some(End::Clean));
            }
            tell_flushed(self.ending.take().map(|ending| ending.flushed).unwrap_or_default());
            return Ok(None);
        }
        let proves = keeper.speech == Speech::Syslog && !keeper.end_proves_nothing;
        if proves && !ending.half_closed && self.dialogue.farewell(&mut self.wire.out) {
            ending.half_closed = true;
            if let Err(error) = self.wire.end_writing().await {
                return Err(self.lost(keeper, error).await);
            }
        }
        Ok(None)
    }

    fn happened(&mut self, happening: &Happening) -> Result<(), Fault> {
        match *happening {
            Happening::Came(count) => self.dialogue.hear(self.wire.came(count), &self.wire.peer, Instant::now()),
            Happening::Flushed | Happening::Wrote => {
                self.dialogue.wrote(&self.wire.out, Instant::now());
                Ok(())
            }
            Happening::Ended => Err(Fault::retry(format!("{} has ended the connection", self.wire.peer))),
        }
    }

    /// The receiver has ended its side after we ended ours.
    async fn parted(&mut self, keeper: &mut Keeper) -> Result<(), Fault> {
        if !self.wire.is_answered().await {
            keeper.end_proves_nothing = true;
            return Err(Fault::retry(format!("{} has ended the connection before it had our end", self.wire.peer)));
        }
        self.dialogue.parted();
        Ok(())
    }

    fn is_half_closed(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.half_closed)
    }

    fn due_at(&self) -> Option<Instant> {
        let ending = match &self.ending {
            Some(ending) => Some(ending.until),
            None => self.expires_at,
        };
        [ending, self.dialogue.due_at()].into_iter().flatten().min()
    }

    fn came_due(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        self.dialogue.due(&self.wire.out, &self.wire.peer, now)?;
        match &self.ending {
            Some(ending) if now >= ending.until => {
                Err(Fault::retry(format!("{} did not take everything in time", self.wire.peer)))
            }
            None if self.expires_at.is_some_and(|at| now >= at) => {
                self.begin_ending(Vec::new());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What a failed read or write means.
    async fn lost(&mut self, keeper: &mut Keeper, error: io::Error) -> Fault {
        keeper.end_proves_nothing |= error.kind() == io::ErrorKind::UnexpectedEof && self.is_half_closed();
        let reason = self.wire.reason(error).await;
        classify::lost(&self.wire.peer, &reason)
    }
}

/// How long a flush waits for the receiver: longer than what settles a record by time.
const FLUSH_TIME: Duration = Duration::from_secs(20);
/// How long a connection with nothing on its way may take to close.
const GOODBYE_TIME: Duration = Duration::from_secs(1);
/// How long a receiver that was parted from may take to end its side.
const PROBE_TIME: Duration = Duration::from_secs(3);
