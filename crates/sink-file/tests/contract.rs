//! The file sink passes the suite of the contract.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use async_trait::async_trait;
use sink::Sink;
use sink::suite::{self, Harness};
use sink_file::FileSink;

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn inside(&self) -> PathBuf {
        self.folder.path().join("alerts")
    }

    fn file(&self) -> PathBuf {
        self.inside().join("alerts.cef")
    }
}

#[async_trait]
impl Harness for Folder {
    async fn open(&mut self) -> Box<dyn Sink> {
        Box::new(FileSink::file(self.file()).expect("the folder is writable"))
    }

    async fn arrived(&mut self) -> Vec<Vec<u8>> {
        let content = fs::read(self.file()).unwrap_or_default();
        content.split_inclusive(|byte| *byte == b'\n').map(|line| line[..line.len() - 1].to_vec()).collect()
    }

    /// Breaks the destination for every user, root too: the folder is moved away.
    async fn set_broken(&mut self, broken: bool) {
        let aside = self.folder.path().join("aside");
        let (from, to) = if broken { (self.inside(), aside) } else { (aside, self.inside()) };
        fs::rename(from, to).expect("the folder is ours");
    }
}

#[tokio::test]
async fn the_file_sink_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = Folder { folder };
    fs::create_dir(harness.inside()).unwrap();
    fs::set_permissions(harness.inside(), Permissions::from_mode(0o700)).unwrap();
    suite::run(&mut harness).await;
}
