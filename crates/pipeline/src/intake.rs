//! The intake of one feed: a page is fetched, appended with its checkpoint, and only then the next is asked for.

use std::sync::Arc;
use std::time::Duration;

use atp_source::{Feed, FeedOptions, Page, Row, Step};
use fault::{BackOff, Fault, Verdict, Waits};
use journal::{Append, FeedId, FeedName, Journal, JournalError, Key, NewEntry, OpenFeed, Target};
use tokio::time::sleep;

use crate::lane::PARTIAL;
use crate::signal::Signal;
use crate::status::{Condition, FeedStatus, Status};

/// One feed's way into the journal.
pub(crate) struct Intake {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) name: FeedName,
    /// The key of its kind of source, by which a renderer knows the shape of its rows.
    pub(crate) kind: &'static str,
    pub(crate) application: Arc<atp_source::Application>,
    pub(crate) options: FeedOptions,
    pub(crate) status: Arc<FeedStatus>,
    /// Reads up to now and ends; a Halt ends it too.
    pub(crate) once: bool,
    /// What else runs: the lanes make room in the journal.
    pub(crate) instance: Arc<Status>,
}

impl Intake {
    /// Reads the feed until it is stopped, or done where it reads once.
    pub(crate) async fn run(self, mut stop: Signal) -> Result<(), JournalError> {
        tokio::select! {
            biased;
            () = stop.raised() => Ok(()),
            read = self.read() => read,
        }
    }

    /// Dropping this at any point loses nothing: what was not appended is asked for again.
    async fn read(self) -> Result<(), JournalError> {
        let mut waits = BACK_OFF.waits();
        let open = self.open(&mut waits).await?;
        let Some(mut feed) = self.feed(&open, &mut waits).await else { return Ok(()) };
        let mut rereads = open.reread_from.is_some();
        loop {
            tracing::trace!(feed = self.status.name, "a feed asks for its next page");
            let step = feed.next().await;
            self.status
                .owed
                .set(feed.status().owed.iter().map(|owed| format!("{}: {}", owed.what, owed.reason)).collect());
            match step {
                Ok(Step::Page(page)) => {
                    let server_time = feed.status().server_time;
                    let Some(new) = self.append(open.id, page, rereads, server_time).await? else { return Ok(()) };
                    feed.appended(&new);
                    rereads = false;
                    self.recover(&mut waits);
                }
                Ok(Step::Wait(wait)) => {
                    self.recover(&mut waits);
                    sleep(wait).await;
                }
                Ok(Step::Done) => {
                    self.status.condition.set(Condition::Done);
                    return Ok(());
                }
                Err(fault) => {
                    let wait = waits.next(&fault);
                    self.report(&fault, wait);
                    if self.once && fault.verdict() == Verdict::Halt {
                        return Ok(());
                    }
                    sleep(wait).await;
                }
            }
        }
    }

    /// Makes the feed known to the journal, waiting where its disk is full.
    async fn open(&self, waits: &mut Waits) -> Result<OpenFeed, JournalError> {
        loop {
            match self.journal.open_feed(&self.name, self.kind).await {
                Err(JournalError::Full(_)) => {
                    let fault = Fault::retry("failed to open a feed: the journal's disk is full");
                    let wait = waits.next(&fault);
                    self.report(&fault, wait);
                    sleep(wait).await;
                }
                opened => return opened,
            }
        }
    }

    /// The feed at its checkpoint. Where that cannot be read, a person must act: it is asked again slowly, and ends
    /// where the feed is read once.
    async fn feed(&self, open: &OpenFeed, waits: &mut Waits) -> Option<Feed> {
        let checkpoint = open.checkpoints.get(LIVE_WALK).map(Vec::as_slice);
        loop {
            let (application, options) = (Arc::clone(&self.application), self.options.clone());
            match Feed::new(application, options, checkpoint, open.reread_from) {
                Ok(feed) => return Some(feed),
                Err(fault) => {
                    let wait = waits.next(&fault);
                    self.report(&fault, wait);
                    if self.once {
                        return None;
                    }
                    sleep(wait).await;
                }
            }
        }
    }

    /// Appends a page, waiting for as long as the journal has no room: the API keeps its alerts meanwhile. Says which
    /// rows were new; `None` where a feed that is read once waits for a sink that needs a person.
    async fn append(
        &self,
        id: FeedId,
        page: Page,
        reread: bool,
        server_time: Option<i64>,
    ) -> Result<Option<Vec<bool>>, JournalError> {
        let page = Append {
            feed: id,
            to: Target::Live,
            entries: page.rows.into_iter().map(entry).collect(),
            checkpoints: vec![(LIVE_WALK.to_owned(), page.checkpoint)],
            reread,
            server_time,
        };
        tracing::trace!(feed = self.status.name, rows = page.entries.len(), "a page is appended");
        let mut new = Vec::with_capacity(page.entries.len());
        let mut parts = vec![page];
        while let Some(part) = parts.pop() {
            match self.journal.append(part.clone()).await {
                Ok(appended) => new.extend(appended.new),
                Err(JournalError::Full(_)) if part.entries.len() > 1 && self.waits_for_nobody().await? => {
                    let (first, rest) = halves(part);
                    parts.extend([rest, first]);
                }
                Err(JournalError::Full(_)) if self.once && self.is_held_back_for_good() => return Ok(None),
                Err(JournalError::Full(_)) => {
                    self.wait_for_room().await?;
                    parts.push(part);
                }
                Err(error) => return Err(error),
            }
        }
        tracing::trace!(feed = self.status.name, "a page was appended");
        self.status.rows.add(new.len() as u64);
        self.status.revisions.add(new.iter().filter(|new| **new).count() as u64);
        Ok(Some(new))
    }

    /// No lane has anything to settle, so no room will come: what does not fit as a whole must go in parts.
    async fn waits_for_nobody(&self) -> Result<bool, JournalError> {
        Ok(self.journal.standings().await?.iter().all(|standing| standing.waiting == 0))
    }

    /// A lane needs a person before it makes room.
    fn is_held_back_for_good(&self) -> bool {
        self.instance.lanes().iter().any(|lane| lane.condition.get().is_halted())
    }

    async fn wait_for_room(&self) -> Result<(), JournalError> {
        let waiting = "the journal is full: its sinks hold it back, or its disk is full".to_owned();
        if self.status.condition.set(Condition::Waiting(waiting)) {
            tracing::warn!(feed = self.status.name, "the journal is full, a feed waits; the API keeps its alerts");
        }
        let mut room = self.journal.room();
        // The room is asked again now and then too: it may come back without this journal's doing.
        let has_room = room.wait_for(|room| room.full_since.is_none());
        match tokio::time::timeout(ROOM_POLL, has_room).await {
            Ok(Err(_)) => Err(JournalError::Closed),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    fn report(&self, fault: &Fault, again_in: Duration) {
        let changed = self.status.condition.set(Condition::after(fault));
        let (feed, error, advice) = (&self.status.name, format!("{fault:#}"), fault.advice());
        match fault.verdict() {
            Verdict::Halt if changed => tracing::error!(feed, error, advice, ?again_in, "a feed needs a person"),
            Verdict::Reject | Verdict::Retry if changed => {
                tracing::warn!(feed, error, advice, ?again_in, "a feed cannot be read, it is tried again");
            }
            _ => tracing::debug!(feed, error, ?again_in, "a feed still cannot be read"),
        }
    }

    fn recover(&self, waits: &mut Waits) {
        waits.reset();
        if self.status.condition.set(Condition::Running) {
            tracing::info!(feed = self.status.name, "a feed is read again");
        }
    }
}

fn entry(row: Row) -> NewEntry {
    let flags = if row.partial { PARTIAL } else { 0 };
    NewEntry { key: Key { time: row.time, id: row.id }, flags, bytes: row.bytes }
}

/// A page in two parts. The checkpoint goes with the last, so that it never runs ahead of the entries.
fn halves(mut page: Append) -> (Append, Append) {
    let rest = page.entries.split_off(page.entries.len() / 2);
    let first = Append { entries: std::mem::take(&mut page.entries), checkpoints: Vec::new(), reread: false, ..page };
    (first, Append { entries: rest, ..page })
}

/// The name of the live walk's checkpoint.
const LIVE_WALK: &str = "live";
const BACK_OFF: BackOff = BackOff::new(Duration::from_millis(500), Duration::from_secs(60));
const ROOM_POLL: Duration = Duration::from_secs(5);
