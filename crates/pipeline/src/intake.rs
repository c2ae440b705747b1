//! The intake of one feed: a page is fetched, appended with its checkpoint, and only then the next is asked for.

use std::sync::Arc;
use std::time::Duration;

use atp_source::{Feed, FeedOptions, Page, Row, Step};
use fault::{BackOff, Fault, Verdict, Waits};
use journal::{Append, FeedId, FeedName, Journal, JournalError, Key, NewEntry, OpenFeed, QueueKind};
use tokio::time::sleep;

use crate::lane::PARTIAL;
use crate::signal::Signal;
use crate::status::{Condition, FeedStatus};

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
        let open = self.journal.open_feed(&self.name, self.kind).await?;
        let (id, mut rereads) = (open.id, open.reread_from.is_some());
        let mut feed = match self.feed(&open) {
            Ok(feed) => feed,
            Err(fault) => {
                self.report(&fault, None);
                return Ok(());
            }
        };
        let mut waits = BACK_OFF.waits();
        loop {
            tracing::trace!(feed = self.status.name, "a feed asks for its next page");
            match feed.next().await {
                Ok(Step::Page(page)) => {
                    self.append(id, &mut feed, page, rereads).await?;
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
                    self.report(&fault, Some(wait));
                    if self.once && fault.verdict() == Verdict::Halt {
                        return Ok(());
                    }
                    sleep(wait).await;
                }
            }
            self.status
                .owed
                .set(feed.status().owed.iter().map(|owed| format!("{}: {}", owed.what, owed.reason)).collect());
        }
    }

    fn feed(&self, open: &OpenFeed) -> Result<Feed, Fault> {
        let checkpoint = open.checkpoints.get(LIVE_WALK).map(Vec::as_slice);
        Feed::new(Arc::clone(&self.application), self.options.clone(), checkpoint, open.reread_from)
    }

    /// Appends a page, waiting for as long as the journal has no room: the API keeps its alerts meanwhile.
    async fn append(&self, id: FeedId, feed: &mut Feed, page: Page, reread: bool) -> Result<(), JournalError> {
        let append = Append {
            feed: id,
            queue: QueueKind::Live,
            entries: page.rows.into_iter().map(entry).collect(),
            checkpoints: vec![(LIVE_WALK.to_owned(), page.checkpoint)],
            reread,
        };
        tracing::trace!(feed = self.status.name, rows = append.entries.len(), "a page is appended");
        let appended = loop {
            match self.journal.append(append.clone()).await {
                Err(JournalError::Full(_)) => self.wait_for_room().await?,
                appended => break appended?,
            }
        };
        tracing::trace!(feed = self.status.name, "a page was appended");
        self.status.rows.add(appended.new.len() as u64);
        self.status.revisions.add(appended.new.iter().filter(|new| **new).count() as u64);
        feed.appended(&appended.new);
        Ok(())
    }

    async fn wait_for_room(&self) -> Result<(), JournalError> {
        let waiting = "the journal is full: a sink holds it back".to_owned();
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

    fn report(&self, fault: &Fault, again_in: Option<Duration>) {
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

/// The name of the live walk's checkpoint.
const LIVE_WALK: &str = "live";
const BACK_OFF: BackOff = BackOff::new(Duration::from_millis(500), Duration::from_secs(60));
const ROOM_POLL: Duration = Duration::from_secs(5);
