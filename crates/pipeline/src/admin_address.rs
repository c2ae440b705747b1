//! The admin address shows the instance that runs, as it is when it is asked.

use std::sync::Arc;

use admin::{Buffer, DeadLetters, Server, Sink, Snapshot, Snapshots, Source};
use async_trait::async_trait;
use journal::{DeadLetterCount, Journal};
use pipeline_file::plan::AdminPlan;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exit::{Failure, FailureKind};
use crate::status::{Condition, FeedStatus, LaneStatus, Status};

/// What is listened to for monitoring, which may be nothing. It ends when this is dropped.
pub(crate) struct AdminAddress {
    instance: watch::Sender<Option<Instance>>,
    server: Option<JoinHandle<()>>,
}

/// An instance that can be looked at.
#[derive(Clone)]
pub(crate) struct Instance {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) status: Arc<Status>,
}

/// The instance that runs, if one does.
struct Running(watch::Receiver<Option<Instance>>);

impl AdminAddress {
    /// Listens where the file says so. There is nothing to see yet.
    pub(crate) async fn open(plan: Option<AdminPlan>) -> Result<Self, Failure> {
        let (instance, running) = watch::channel(None);
        let server = match plan {
            Some(AdminPlan { listen }) => {
                let doing = format!("failed to listen on {listen}, the address of `admin`");
                let failed = |error| Failure::because(FailureKind::Failed, &doing, &error);
                let server = Server::bind(listen).await.map_err(failed)?;
                tracing::info!(address = %listen, "metrics are served");
                let serving = server.serve(Arc::new(Running(running)));
                Some(tokio::spawn(async { match serving.await {} }))
            }
            None => None,
        };
        Ok(Self { instance, server })
    }

    /// Shows an instance, or none while there is none.
    pub(crate) fn show(&self, instance: Option<Instance>) {
        self.instance.send_replace(instance);
    }
}

impl Drop for AdminAddress {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

#[async_trait]
impl Snapshots for Running {
    async fn snapshot(&self) -> Option<Snapshot> {
        let instance = self.0.borrow().clone()?;
        instance.snapshot().await
    }
}

impl Instance {
    /// `None` where the journal does not answer: it is closed or damaged, and whoever runs it says so.
    async fn snapshot(&self) -> Option<Snapshot> {
        let dead_letters = match self.journal.dead_letter_counts().await {
            Ok(counts) => counts.into_iter().map(dead_letters).collect(),
            Err(error) => {
                tracing::debug!(%error, "dead letters cannot be counted for monitoring");
                return None;
            }
        };
        let waiting = |name: &str| self.journal.lane(name).map_or(0, |lane| lane.waiting());
        let room = *self.journal.room().borrow();
        Some(Snapshot {
            sinks: self.status.lanes().iter().map(|lane| sink(lane, waiting(&lane.name))).collect(),
            dead_letters,
            sources: self.status.feeds().iter().map(|feed| source(feed)).collect(),
            buffer: Buffer { used_bytes: room.used, max_bytes: room.max, is_full: room.full_since.is_some() },
            shard: None,
        })
    }
}

fn sink(lane: &LaneStatus, waiting: u64) -> Sink {
    Sink {
        name: lane.name.clone(),
        guarantee: lane.guarantee.get().map(|word| word.to_string()),
        delivered: lane.delivered.get(),
        filtered: lane.filtered.get(),
        refused: lane.dead_letters.get(),
        waiting,
        condition: condition(&lane.condition.get()),
    }
}

fn source(feed: &FeedStatus) -> Source {
    Source {
        tenant: feed.tenant.clone(),
        name: feed.source.clone(),
        alerts_received: feed.rows.get(),
        updates: feed.revisions.get(),
        known_gaps: feed.owed.get().len() as u64,
        condition: condition(&feed.condition.get()),
    }
}

fn dead_letters(count: DeadLetterCount) -> DeadLetters {
    DeadLetters { sink: count.lane.name, kept: count.kept, replaying: count.replaying }
}

/// Its sentence stays here: it may quote what the other side said.
fn condition(condition: &Condition) -> admin::Condition {
    match condition {
        Condition::Halted(_) | Condition::TooManyDeadLetters(_) => admin::Condition::ActionRequired,
        Condition::Waiting(_) => admin::Condition::Retrying,
        Condition::Done | Condition::Running => admin::Condition::Well,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use journal::{
        Append, DeadLetter, DeadLetters as _, EmbeddedJournal, EmbeddedOptions, EntryRef, FeedName, Key, LanePlan,
        LaneStart, NewEntry, Place, QueueId, Settlement, Takes, Target,
    };

    use super::*;

    fn entry(number: u8) -> NewEntry {
        let key = Key { time: number.into(), id: [number; 16] };
        NewEntry { key, flags: 0, bytes: Bytes::from_static(b"{}") }
    }

    /// A journal with three alerts for the sink `siem`, the first of which is a dead letter.
    async fn journal(folder: &tempfile::TempDir) -> Arc<EmbeddedJournal> {
        let journal = EmbeddedJournal::open(EmbeddedOptions {
            path: folder.path().join("data"),
            max_size: 1 << 30,
            retention: Duration::from_secs(3_600),
            dedup_window: Duration::from_secs(86_400),
        });
        let journal = journal.await.unwrap();
        let lane = LanePlan { name: "siem".into(), renamed_from: None, start: LaneStart::Now, takes: Takes::all() };
        journal.set_lanes(&[lane]).await.unwrap();
        let name = FeedName { tenant_id: "t".into(), source: "alerts".into() };
        let feed = journal.open_feed(&name, "mde_alerts").await.unwrap().id;
        let entries = (0..3).map(entry).collect();
        let queue = QueueId(0);
        journal
            .append(Append {
                feed,
                to: Target::Live,
                entries,
                checkpoints: Vec::new(),
                reread: false,
                server_time: None,
            })
            .await
            .unwrap();
        let letter = DeadLetter { entry: EntryRef { queue, place: Place(0) }, reason: "SENTENCE".into() };
        let marks = vec![EntryRef { queue, place: Place(0) }];
        let settlement = Settlement { marks, dead_letters: vec![letter], ..Settlement::default() };
        journal.lane("siem").unwrap().settle(settlement).await.unwrap();
        journal
    }

    fn status() -> Arc<Status> {
        let status = Status::default();
        let name = FeedName { tenant_id: "t".into(), source: "alerts".into() };
        let feed = status.feed(&name, || FeedStatus::new("contoso", "alerts"));
        feed.rows.add(12);
        feed.revisions.add(3);
        feed.owed.set(vec!["SENTENCE".into()]);
        feed.condition.set(Condition::Waiting("SENTENCE".into()));
        let lane = status.lane("siem");
        lane.guarantee.set(Some(sink::Word::BestEffort));
        lane.delivered.add(7);
        lane.filtered.add(2);
        lane.dead_letters.add(1);
        lane.condition.set(Condition::Halted("SENTENCE".into()));
        Arc::new(status)
    }

    /// Guarantee: what lanes, feeds and journal know is shown, each under its own name, and no sentence; a journal that is
    /// closed is nothing to show, and so is no instance.
    #[tokio::test]
    async fn the_running_instance_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(&folder).await;
        let address = AdminAddress::open(None).await.unwrap();
        let running = Running(address.instance.subscribe());
        assert_eq!(running.snapshot().await, None);

        address.show(Some(Instance { journal: journal.clone(), status: status() }));
        let shown = running.snapshot().await.unwrap();
        let sink = Sink {
            name: "siem".into(),
            guarantee: Some("best_effort".into()),
            delivered: 7,
            filtered: 2,
            refused: 1,
            waiting: 2,
            condition: admin::Condition::ActionRequired,
        };
        assert_eq!(shown.sinks, [sink]);
        assert_eq!(shown.dead_letters, [DeadLetters { sink: "siem".into(), kept: 1, replaying: 0 }]);
        let source = Source {
            tenant: "contoso".into(),
            name: "alerts".into(),
            alerts_received: 12,
            updates: 3,
            known_gaps: 1,
            condition: admin::Condition::Retrying,
        };
        assert_eq!(shown.sources, [source]);
        assert_eq!((shown.buffer.max_bytes, shown.buffer.is_full), (1 << 30, false));
        assert!((1..1 << 30).contains(&shown.buffer.used_bytes), "{shown:?}");
        assert!(!format!("{shown:?}").contains("SENTENCE"), "{shown:?}");

        let lane = journal.lane("siem").unwrap().id();
        let letter = journal.dead_letters(lane, 0, 1).await.unwrap()[0].id;
        journal.replay(lane, &[letter]).await.unwrap();
        assert_eq!(running.snapshot().await.unwrap().dead_letters[0].replaying, 1);

        journal.close().await;
        assert_eq!(running.snapshot().await, None);
        address.show(None);
        assert_eq!(running.snapshot().await, None);
    }

    /// Guarantee: a port that another has is said, with the address and the key.
    #[tokio::test]
    async fn a_port_that_is_taken_is_said() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let plan = AdminPlan { listen: taken.local_addr().unwrap() };
        let sentence = AdminAddress::open(Some(plan)).await.err().unwrap().to_string();
        let expected = format!("failed to listen on {}, the address of `admin`: Address already in use", plan.listen);
        assert!(sentence.starts_with(&expected), "{sentence}");
    }
}
