//! The embedded journal against the suite of the contract.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use journal::suite::{self, Harness};
use journal::{EmbeddedJournal, EmbeddedOptions, Journal, LanePlan};
use tempfile::TempDir;

/// Crashes the journal by going on with a copy of its files, as they are on disk at that moment.
struct CrashImages {
    folder: TempDir,
    open: Option<Arc<EmbeddedJournal>>,
}

impl CrashImages {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), open: None }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("journal")
    }
}

#[async_trait]
impl Harness for CrashImages {
    async fn reset(&mut self) {
        if let Some(journal) = self.open.take() {
            journal.close().await;
        }
        self.folder = tempfile::tempdir().unwrap();
    }

    async fn open(&mut self, lanes: Vec<LanePlan>) -> Arc<dyn Journal> {
        if let Some(before) = self.open.take() {
            let image = tempfile::tempdir().unwrap();
            std::fs::create_dir(image.path().join("journal")).unwrap();
            // The log first: what the database takes out of it meanwhile is then there twice, and never missing.
            for name in ["journal.db-wal", "journal.db"] {
                let from = self.path().join(name);
                if from.exists() {
                    std::fs::copy(from, image.path().join("journal").join(name)).unwrap();
                }
            }
            before.close().await;
            self.folder = image;
        }
        let (path, remember) = (self.path(), Duration::from_secs(30 * 24 * 3600));
        let options = EmbeddedOptions { path, max_size: 64 << 20, keep: Duration::ZERO, remember, lanes };
        let journal = EmbeddedJournal::open(options).await.unwrap();
        assert_eq!(journal.damage(), None, "a crash is no damage");
        self.open = Some(Arc::clone(&journal));
        journal
    }
}

/// Guarantee: the embedded journal keeps every promise of the contract, over crashes too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_journal_passes_the_suite() {
    suite::run(CrashImages::new()).await;
}
