//! A worker keeps one connection to one endpoint: it sends requests one at a time, and asks on the same connection for
//! the acknowledgements of those that were taken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fault::{Fault, Verdict};
use hyper::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::acks::Acks;
use crate::body::Body;
use crate::classify::{self, Finding, Word};
use crate::connection::{Call, Connection, Endpoint, Failure, What};
use crate::delivery::{Delivery, Next};
use crate::options::Acknowledgement;
use crate::reply::{Reply, is_last};
use crate::session::{Session, Sessions};
use crate::shared::Shared;

/// What keeps one connection.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    /// The endpoint's place among all.
    place: usize,
    link: Option<Link>,
    acks: Option<Acks<Delivery>>,
    /// The indexer has answered a question for acknowledgements, and nothing has spoken against it since.
    acknowledges: bool,
    hurry: watch::Receiver<u64>,
}

/// A connection that is open, with what it says of itself.
struct Link {
    connection: Connection,
    sessions: Sessions,
}

/// How a request ended, with the session to ask for its acknowledgement in.
struct Posted {
    finding: Finding,
    session: Option<Arc<Session>>,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        endpoint: Arc<Endpoint>,
        place: usize,
        rule: Option<Acknowledgement>,
        hurry: watch::Receiver<u64>,
    ) -> Self {
        Self { shared, endpoint, place, link: None, acks: rule.map(Acks::new), acknowledges: false, hurry }
    }

    /// Works until it is aborted.
    pub(crate) async fn run(mut self) {
        loop {
            let due = self.acks.as_ref().and_then(Acks::due);
            tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.ask().await,
                hurried = self.hurry.changed() => match hurried {
                    Ok(()) => self.acks.iter_mut().for_each(|acks| acks.ask_soon(Instant::now())),
                    Err(_) => return,
                },
                delivery = self.shared.queue.take(self.place) => self.deliver(delivery).await,
            }
        }
    }

    /// Brings a delivery as far as it gets.
    async fn deliver(&mut self, mut delivery: Delivery) {
        loop {
            let body = match self.shared.compose(&delivery).await {
                Ok(body) => body,
                Err(fault) => return self.shared.tell(delivery, Some(&fault)),
            };
            let next = if body.plain_bytes > self.shared.max_content && delivery.request().1.len() > 1 {
                delivery.too_large(self.beyond_limit(&body))
            } else {
                let posted = self.post(&body).await;
                match (posted.finding, posted.session, &mut self.acks) {
                    (Finding::NotHere(fault), ..) => return self.put_back(delivery, &fault),
                    (Finding::Taken { ack_id: Some(id), ease }, Some(session), Some(acks)) => {
                        delivery.ease(ease);
                        let again = acks.wait_for(&session, id, delivery, Instant::now());
                        return self.give_up(again, &self.ambiguous());
                    }
                    (finding, ..) => self.judge(&mut delivery, finding),
                }
            };
            match next {
                Next::Send => {}
                Next::Tell(fault) => return self.shared.tell(delivery, fault.as_ref()),
            }
        }
    }

    fn judge(&self, delivery: &mut Delivery, finding: Finding) -> Next {
        let acknowledge = self.acks.is_some();
        match finding {
            Finding::EventRefused { number, reason } => delivery.event_refused(number, reason, acknowledge),
            Finding::IndexRefused { reason } => {
                let composer = &self.shared.composer;
                let shared = || composer.has_one_index().then(|| classify::index(&self.endpoint.peer, &reason));
                delivery.index_refused(&reason, |record| composer.index(&record.tenant).map(str::to_owned), shared)
            }
            Finding::Taken { ease, .. } => {
                delivery.ease(ease);
                delivery.settled()
            }
            Finding::TakenUpTo { number, fault } => delivery.taken_up_to(number, fault, acknowledge),
            Finding::TooLarge(fault) => delivery.too_large(fault),
            Finding::ChannelRefused(fault)
            | Finding::NotHere(fault)
            | Finding::Open(fault)
            | Finding::TokenRefused(fault) => Next::Tell(Some(fault)),
        }
    }

    /// This endpoint would not take it: another may.
    fn put_back(&self, delivery: Delivery, fault: &Fault) {
        let wait = fault.retry_after().unwrap_or(LEAVE_ALONE);
        self.shared.queue.leave_alone(self.place, Instant::now() + wait);
        if let Some(delivery) = self.shared.queue.put_back(self.place, delivery) {
            self.shared.tell(delivery, Some(fault));
            return;
        }
        let (peer, error) = (&self.endpoint.peer, format!("{fault:#}"));
        tracing::debug!(peer, error, "an indexer does not take events, another is tried");
    }

    /// Sends a request; with another token or channel where those were refused.
    async fn post(&mut self, body: &Body) -> Posted {
        let (mut token_is_new, mut channel_is_new) = (false, false);
        loop {
            let authorization = match self.shared.tokens.authorization().await {
                Ok(authorization) => authorization,
                Err(fault) => return Posted { finding: Finding::Open(fault), session: None },
            };
            let posted = self.post_once(body).await;
            match &posted.finding {
                Finding::TokenRefused(_) if !token_is_new => match self.shared.tokens.renew(&authorization).await {
                    Ok(true) => token_is_new = true,
                    Ok(false) => return posted,
                    Err(fault) => return Posted { finding: Finding::Open(fault), session: None },
                },
                Finding::ChannelRefused(_) if !channel_is_new => {
                    self.lose_channel();
                    channel_is_new = true;
                }
                _ => return posted,
            }
        }
    }

    async fn post_once(&mut self, body: &Body) -> Posted {
        let only = |finding| Posted { finding, session: None };
        for _ in 0..ATTEMPTS_UNSENT {
            if let Err(finding) = self.open().await {
                return only(finding);
            }
            let what = What::Events { gzip: body.is_gzip };
            match self.call(what, body.bytes.clone(), None).await {
                Ok((reply, session)) => {
                    let finding = classify::request(&self.endpoint.peer, &reply, self.acks.is_some());
                    match finding {
                        Finding::Taken { .. } => self.shared.queue.is_back(self.place),
                        Finding::Open(ref fault) if fault.verdict() == Verdict::Halt => {
                            // The next connection asks first whether there are acknowledgements: a token that gives none
                            // any more would take these events again with each attempt.
                            (self.acknowledges, self.link) = (false, None);
                        }
                        _ => self.acknowledges = false,
                    }
                    return Posted { finding, session: Some(session) };
                }
                Err(Failure::Unheard(fault)) => return only(Finding::Open(fault)),
                // The collector had ended the idle connection: the next one is made.
                Err(Failure::Unsent) => {}
            }
        }
        only(Finding::NotHere(Fault::retry(format!("failed to keep a connection to {}", self.endpoint.peer))))
    }

    /// Connects, and where acknowledgements are wanted asks for one before anything is sent: a token that gives none is
    /// found out before it has cost a copy of each record.
    async fn open(&mut self) -> Result<(), Finding> {
        if self.link.is_some() {
            return Ok(());
        }
        self.connect().await?;
        if self.acks.is_none() || self.acknowledges {
            return Ok(());
        }
        let opened = match self.question(None, &[0]).await {
            Word::Acknowledged(_) => {
                self.acknowledges = true;
                return if self.link.is_some() { Ok(()) } else { self.connect().await };
            }
            Word::ChannelLost(fault) => Finding::ChannelRefused(fault),
            Word::Halted(fault) => Finding::Open(fault),
            Word::NotNow(fault) | Word::Unheard(fault) => Finding::NotHere(fault),
            Word::TokenRefused(fault) => Finding::TokenRefused(fault),
        };
        self.link = None;
        Err(opened)
    }

    async fn connect(&mut self) -> Result<(), Finding> {
        let connection = self.endpoint.connect().await.map_err(Finding::NotHere)?;
        tracing::debug!(peer = self.endpoint.peer, "connected to a collector");
        self.link = Some(Link { connection, sessions: Sessions::new(self.acks.is_some()) });
        Ok(())
    }

    /// One request and its answer, in the current session or an older one. Returns the session that answered.
    async fn call(
        &mut self,
        what: What,
        body: Bytes,
        older: Option<&Arc<Session>>,
    ) -> Result<(Reply, Arc<Session>), Failure> {
        let authorization = self.shared.tokens.authorization().await.map_err(Failure::Unheard)?;
        let Some(link) = &mut self.link else { return Err(Failure::Unsent) };
        let session = Arc::clone(older.unwrap_or_else(|| link.sessions.current()));
        let is_current = session == *link.sessions.current();
        let request = self.endpoint.request(&Call { what, body, authorization, session: Some(&session) });
        let (reply, headers) = match link.connection.send(&self.endpoint.peer, request).await {
            Ok(answer) => answer,
            Err(failure) => {
                self.drop_link();
                return Err(failure);
            }
        };
        // Cookies that answer the question for an older session say nothing of this one.
        let answering = if is_current { self.see(&headers) } else { session };
        if is_last(&headers) {
            // It has said all it had to say: nothing is in doubt by that.
            self.link = None;
        }
        Ok((reply, answering))
    }

    /// Looks at the cookies of an answer. Returns the session that the request can be asked for in.
    fn see(&mut self, headers: &HeaderMap) -> Arc<Session> {
        let link = self.link.as_mut().expect("an answer has come on it");
        let seen = link.sessions.see(headers);
        if let (Some(ended), Some(acks)) = (seen.ended, &mut self.acks) {
            tracing::debug!(peer = self.endpoint.peer, "a load balancer has changed its cookies");
            acks.doubt(|session| *session == *ended, Instant::now());
        }
        seen.session
    }

    /// The connection is of no more use. The next one may lead to another indexer, which knows none of our channels.
    fn drop_link(&mut self) {
        self.link = None;
        if let Some(acks) = &mut self.acks {
            acks.doubt(|_| true, Instant::now());
        }
    }

    /// The current channel is gone: what waits in it goes again, and the next request has another one.
    fn lose_channel(&mut self) {
        let (Some(link), Some(acks)) = (&mut self.link, &mut self.acks) else { return };
        let lost = acks.lose(link.sessions.current());
        link.sessions.renew();
        let fault = classify::channel_lost(&self.endpoint.peer);
        self.give_up(lost, &fault);
    }

    /// Asks for everything that waits, and gives up what has waited too long.
    async fn ask(&mut self) {
        let questions = self.acks.as_ref().map(Acks::questions).unwrap_or_default();
        for (session, ids) in questions {
            if let Err(finding) = self.open().await {
                self.not_opened(&finding).await;
                break;
            }
            let word = self.question(Some(&session), &ids).await;
            self.hear(&session, word).await;
        }
        let Some(acks) = &mut self.acks else { return };
        let now = Instant::now();
        acks.asked(now);
        let overdue = acks.overdue(now);
        if overdue.is_empty() {
            return;
        }
        // An id that was given up may still be said: no request may be known by it again.
        if let Some(link) = &mut self.link {
            link.sessions.renew();
        }
        self.give_up(overdue, &classify::unacknowledged(&self.endpoint.peer));
    }

    async fn not_opened(&mut self, finding: &Finding) {
        match finding {
            Finding::TokenRefused(fault) => self.token_refused(fault).await,
            Finding::ChannelRefused(fault) | Finding::NotHere(fault) | Finding::Open(fault)
                if fault.verdict() == Verdict::Halt =>
            {
                self.give_up_all(fault);
            }
            // What waits is asked for again, and is given up by the clock.
            _ => {}
        }
    }

    /// Asks a session, the current one where none is named, for some ids.
    async fn question(&mut self, session: Option<&Arc<Session>>, ids: &[u64]) -> Word {
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        let body = Bytes::from(format!("{{\"acks\":[{}]}}", ids.join(",")));
        match self.call(What::Ask, body, session).await {
            Ok((reply, _)) => classify::question(&self.endpoint.peer, &reply),
            Err(Failure::Unheard(fault)) => Word::Unheard(fault),
            Err(Failure::Unsent) => {
                Word::NotNow(Fault::retry(format!("failed to keep a connection to {}", self.endpoint.peer)))
            }
        }
    }

    async fn hear(&mut self, session: &Arc<Session>, word: Word) {
        let Some(acks) = &mut self.acks else { return };
        match word {
            Word::Acknowledged(ids) => {
                let settled = acks.acknowledge(session, &ids);
                acks.heard(session);
                settled.into_iter().for_each(|delivery| self.settled(delivery));
            }
            Word::ChannelLost(_) => {
                let lost = acks.lose(session);
                // It may have been asked under other cookies as well, and those may lead to the same indexer.
                acks.doubt(|meant| meant.channel == session.channel, Instant::now());
                if let Some(link) = self.link.as_mut().filter(|link| link.sessions.current() == session) {
                    link.sessions.renew();
                }
                self.give_up(lost, &classify::channel_lost(&self.endpoint.peer));
            }
            Word::Halted(fault) => self.give_up_all(&fault),
            Word::NotNow(_) => {}
            Word::Unheard(_) => acks.doubt(|meant| *meant == **session, Instant::now()),
            Word::TokenRefused(fault) => self.token_refused(&fault).await,
        }
    }

    /// An acknowledgement has come. What there is beside goes as well.
    fn settled(&self, mut delivery: Delivery) {
        match delivery.settled() {
            Next::Send => self.shared.queue.put(delivery),
            Next::Tell(fault) => self.shared.tell(delivery, fault.as_ref()),
        }
    }

    /// With another token the question is asked again; without one nothing more will be heard.
    async fn token_refused(&mut self, fault: &Fault) {
        let renewed = match self.shared.tokens.authorization().await {
            Ok(refused) => self.shared.tokens.renew(&refused).await,
            Err(fault) => Err(fault),
        };
        match renewed {
            Ok(true) => {}
            Ok(false) => self.give_up_all(fault),
            Err(fault) => self.give_up_all(&fault),
        }
    }

    fn give_up_all(&mut self, fault: &Fault) {
        self.acknowledges = false;
        let all = self.acks.as_mut().map(Acks::lose_all).unwrap_or_default();
        self.give_up(all, fault);
    }

    /// What was taken, but will not be acknowledged: the lane sends it again.
    fn give_up(&self, deliveries: Vec<Delivery>, fault: &Fault) {
        deliveries.into_iter().for_each(|delivery| self.shared.tell(delivery, Some(fault)));
    }

    fn ambiguous(&self) -> Fault {
        Fault::retry(format!("failed to tell acknowledgements of {} apart", self.endpoint.peer))
            .caused_by("one id was given out twice in a channel")
            .advise("Look at what stands between: it must keep a client at one indexer (sticky sessions).")
    }

    fn beyond_limit(&self, body: &Body) -> Fault {
        let cause = format!("it has {} bytes, and a request may have {}", body.plain_bytes, self.shared.max_content);
        Fault::reject("failed to fit a batch into a request").caused_by(cause)
    }
}

/// How long an endpoint that would not take something is left alone, while others are there.
const LEAVE_ALONE: Duration = Duration::from_secs(10);
/// Connections that are ended before anything was sent on them, at most, for one request.
const ATTEMPTS_UNSENT: usize = 3;
