//! The embedded journal against the suite of the contract.

use std::sync::Arc;

use async_trait::async_trait;
use journal::suite::Harness;
use journal::{EmbeddedJournal, Journal};

use crate::fixture::Folder;

/// Crashes the journal by going on with a copy of its files, as they are on disk at that moment.
struct CrashImages {
    folder: Folder,
    open: Option<Arc<EmbeddedJournal>>,
}

#[async_trait]
impl Harness for CrashImages {
    async fn reset(&mut self) {
        if let Some(journal) = self.open.take() {
            journal.close().await;
        }
        self.folder = Folder::new();
    }

    async fn open(&mut self) -> Arc<dyn Journal> {
        if let Some(before) = self.open.take() {
            let image = self.folder.image();
            before.close().await;
            self.folder = image;
        }
        let journal = self.folder.open_bare(self.folder.options()).await.expect("a crash image opens");
        assert_eq!(journal.damage(), None, "a crash is no damage");
        self.open = Some(Arc::clone(&journal));
        journal
    }
}

/// Guarantee: the embedded journal keeps every promise of the contract, over crashes too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_journal_passes_the_suite() {
    journal::suite::run(CrashImages { folder: Folder::new(), open: None }).await;
}
