//! The file sink passes the suite of the contract.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use async_trait::async_trait;
use sink::suite::{self, Harness, batch, record};
use sink::{Fate, Fates, Sink};
use sink_file::{Compression, FileOptions, FileSink, Keep, Paths, Rotate};

struct Folder {
    folder: tempfile::TempDir,
    by_tenant: bool,
}

impl Folder {
    fn new(by_tenant: bool) -> Self {
        let folder = Self { folder: tempfile::tempdir().expect("the system has one"), by_tenant };
        fs::create_dir(folder.inside()).expect("the folder is ours");
        fs::set_permissions(folder.inside(), Permissions::from_mode(0o700)).expect("the folder is ours");
        folder
    }

    fn inside(&self) -> PathBuf {
        self.folder.path().join("alerts")
    }

    fn file(&self) -> PathBuf {
        self.inside().join(if self.by_tenant { "contoso/alerts.cef" } else { "alerts.cef" })
    }

    fn options(&self) -> FileOptions {
        let paths = if self.by_tenant {
            let files = HashMap::from([("contoso".to_owned(), PathBuf::from("contoso/alerts.cef"))]);
            Paths::ByTenant { folder: self.inside(), files }
        } else {
            Paths::One(self.file())
        };
        FileOptions { paths, mode: None, group: None, rotate: None }
    }
}

#[async_trait]
impl Harness for Folder {
    async fn open(&mut self) -> Box<dyn Sink> {
        Box::new(FileSink::files(self.options()).expect("the folder is writable"))
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
    suite::run(&mut Folder::new(false)).await;
}

#[tokio::test]
async fn a_file_for_each_tenant_keeps_the_contract() {
    suite::run(&mut Folder::new(true)).await;
}

async fn fates(sink: &mut FileSink, number: u64, records: Vec<sink::Record>) -> Fates {
    sink.send(batch(number, records)).await.expect("a file takes a batch");
    sink.answer().await.fates
}

/// Guarantee: every tenant's records go to its own file, also when there are more files than are held open; those of a
/// tenant that has none are refused with a reason, alone.
#[tokio::test]
async fn every_tenant_has_its_file() {
    const TENANTS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let name = |tenant: usize| format!("tenant-{tenant}");
    let files = (0..TENANTS).map(|tenant| (name(tenant), PathBuf::from(format!("{}.cef", name(tenant))))).collect();
    let paths = Paths::ByTenant { folder: folder.path().to_owned(), files };
    let options = FileOptions { paths, mode: None, group: None, rotate: None };
    let mut sink = FileSink::files(options).unwrap();
    for round in 0..2 {
        let of = |tenant: usize| sink::Record { tenant: name(tenant).into(), ..record(&format!("{round} {tenant}")) };
        let Fates::Each(fates) = fates(&mut sink, round, (0..=TENANTS).map(of).collect()).await else { panic!() };
        let (known, stranger) = fates.split_at(TENANTS);
        assert!(known.iter().all(|fate| matches!(fate, Fate::Settled)));
        assert!(matches!(stranger, [Fate::Refused(reason)] if reason.contains("its tenant has left the file")));
    }
    for tenant in 0..TENANTS {
        let text = fs::read_to_string(folder.path().join(format!("tenant-{tenant}.cef"))).unwrap();
        assert_eq!(text, format!("0 {tenant}\n1 {tenant}\n"));
    }
}

/// Guarantee: what one tenant's file does not take is open, and the others' records are settled.
#[tokio::test]
async fn a_tenants_trouble_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bad.cef")).unwrap();
    let files = ["good", "bad"].map(|name| (name.to_owned(), PathBuf::from(format!("{name}.cef"))));
    let paths = Paths::ByTenant { folder: folder.path().to_owned(), files: files.into() };
    let options = FileOptions { paths, mode: None, group: None, rotate: None };
    let mut sink = FileSink::files(options).unwrap();
    let of = |tenant: &str| sink::Record { tenant: tenant.into(), ..record("x") };
    let Fates::Each(fates) = fates(&mut sink, 1, vec![of("bad"), of("good"), of("bad")]).await else { panic!() };
    assert!(matches!(fates[..], [Fate::Open(_), Fate::Settled, Fate::Open(_)]), "{fates:?}");
}

/// Guarantee: rotated files are compressed beside the writing, those that need not stay go, and a start finishes what
/// an earlier one left.
#[tokio::test]
async fn rotated_files_are_looked_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts");
    let left = folder.path().join("alerts.20200101T000000.000Z");
    fs::write(&left, "left\n").unwrap();
    let rotate = Rotate { size: Some(8), every: None, keep: Keep::Files(2), compress: Some(Compression::Zstd) };
    let options = FileOptions { paths: Paths::One(path), mode: None, group: None, rotate: Some(rotate) };
    let mut sink = FileSink::files(options).unwrap();
    let names = || {
        let entries =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    };
    wait_for(|| names() == ["alerts", "alerts.20200101T000000.000Z.zst"], names).await;
    for number in 0..5 {
        assert!(matches!(fates(&mut sink, number, vec![record("1234567")]).await, Fates::Settled));
    }
    wait_for(|| names().len() == 3 && names()[1..].iter().all(|name| name.ends_with("Z.zst")), names).await;
}

async fn wait_for(holds: impl Fn() -> bool, seen: impl Fn() -> Vec<String>) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it did not come to pass: {:?}", seen());
}

/// Guarantee: a path that a rotated file of another could have is refused.
#[test]
fn a_path_like_a_rotated_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.20200101T000000.000Z");
    let options = FileOptions { paths: Paths::One(path), mode: None, group: None, rotate: None };
    assert!(FileSink::files(options).is_err());
}
