//! A full disk, damage, another version, another process.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use atp_sim::{Options, Population, TenantOptions};
use end_to_end::{Delivered, Place, Settings, Site};

/// A small file system that is unmounted when this is dropped.
pub(crate) struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    pub(crate) fn mount(at: &'a Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("the folder is writable");
        let option = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(at).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(at));
        }
        let required = std::env::var_os("ATP_TESTS_REQUIRE_ROOT").is_some();
        assert!(!required, "failed to mount a small file system, though the tests run as root");
        println!("not shown: a small file system can be mounted by root alone");
        None
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

/// Scenario: the journal lies on an 8 MiB disk, more alerts come than fit, a slow sink drains them.
/// Guarantee: the intake waits, the lane drains, all resumes by itself, everything arrives once.
#[test]
fn a_full_disk_makes_the_intake_wait_and_nothing_else() {
    let tenants = vec![TenantOptions::named("contoso").with_alerts(Population::at_rest(60_000))];
    let site = Site::start(Options { tenants: tenants.clone(), ..Options::default() });
    let settings = Settings { out: "max_rate: 6000/s".to_owned(), ..Settings::mde("page_size: 2000, start: 7d") };
    let place = Place::new(&site.simulator, &tenants, &settings);
    let journal = place.journal();
    let Some(_disk) = SmallDisk::mount(&journal, "8m") else { return };
    let finished = place.start(&["run", "--once"]).finish(Duration::from_secs(300));
    finished.assert_done();
    assert!(finished.log.contains("the journal is full, a feed waits"), "the disk was never full:\n{}", finished.log);
    let delivered = Delivered::read(&place.output());
    let summary = site.expect_all(&delivered);
    println!("{summary}; through a disk of 8 MiB");
    assert!(summary.sent >= 60_000);
    assert_eq!(delivered.copies(), 0);
}

/// Scenario: bytes of the journal's files are flipped, or a file is cut, with alerts still waiting in it.
/// Guarantee: nothing that the API still shows is missing afterwards, and one sentence says what happened.
#[test]
fn damage_is_said_and_read_again() {
    let tenants = vec![TenantOptions::named("contoso").with_alerts(Population::at_rest(4_000))];
    for (name, harm) in HARMS {
        let site = Site::start(Options { tenants: tenants.clone(), ..Options::default() });
        let settings = Settings { out: "max_rate: 1000/s".to_owned(), ..Settings::mde("page_size: 500, start: 7d") };
        let place = Place::new(&site.simulator, &tenants, &settings);
        // Ended with most of the alerts in the journal and not delivered.
        let ended = place.start(&["run", "--once", "--within", "2s"]).finish(Duration::from_secs(60));
        assert_eq!(ended.code(), Some(3), "{}", ended.log);
        let waiting = 4_000 - Delivered::read(&place.output()).records.len();
        assert!(waiting > 0, "alerts wait in the journal");
        place.harm_journal(harm);

        let finished = place.start(&["run", "--once"]).finish(Duration::from_secs(120));
        finished.assert_done();
        let summary = site.expect_all(&Delivered::read(&place.output()));
        let said = finished.log.contains("damaged");
        println!("{name}: {summary}; {waiting} waited; {}", if said { "said so" } else { "nothing was damaged by it" });
        assert!(said, "no sentence says what happened:\n{}", finished.log);
    }
}

/// Changes the bytes of a file.
pub(crate) type Harm = fn(&mut Vec<u8>);

/// What may happen to a database file.
pub(crate) const HARMS: [(&str, Harm); 4] = [
    ("a byte of every page", |bytes| bytes.iter_mut().skip(5_000).step_by(4_096).for_each(|byte| *byte ^= 0x40)),
    ("the second half is cut off", |bytes| bytes.truncate(bytes.len() / 2)),
    ("the second half is zeroes", |bytes| {
        let half = bytes.len() / 2;
        bytes[half..].fill(0);
    }),
    ("the header is gone", |bytes| bytes[..100].fill(0xff)),
];

/// Guarantee: a second process is refused with a sentence and exit code 5, and the first goes on.
#[test]
fn a_second_process_is_refused() {
    let tenants = vec![TenantOptions::named("contoso").with_alerts(Population::at_rest(100))];
    let site = Site::start(Options { tenants: tenants.clone(), ..Options::default() });
    let place = Place::new(&site.simulator, &tenants, &Settings::mde("start: 7d"));
    let first = place.start(&["run"]);
    site.wait_until("the first has delivered", || Delivered::read_so_far(&place.output()).records.len() == 100);
    let second = place.start(&["run", "--once"]).finish(Duration::from_secs(20));
    assert_eq!(second.code(), Some(5), "{}", second.log);
    assert!(second.log.contains("another process uses the journal"), "{}", second.log);
    first.terminate(Duration::from_secs(20)).assert_done();
}

/// Guarantee: a journal of a later version is refused with a sentence and exit code 5, and left as it is.
#[test]
fn a_newer_journal_is_refused() {
    let tenants = vec![TenantOptions::named("contoso").with_alerts(Population::at_rest(10))];
    let site = Site::start(Options { tenants: tenants.clone(), ..Options::default() });
    let place = Place::new(&site.simulator, &tenants, &Settings::mde("start: 7d"));
    place.start(&["run", "--once"]).finish(Duration::from_secs(20)).assert_done();
    let database = rusqlite::Connection::open(place.database()).expect("the journal is a SQLite database");
    database.execute_batch("PRAGMA user_version = 99; UPDATE meta SET format = 99;").expect("the journal is writable");
    drop(database);
    let before = fs::read(place.database()).expect("the journal is there");
    let refused = place.start(&["run", "--once"]).finish(Duration::from_secs(20));
    assert_eq!(refused.code(), Some(5), "{}", refused.log);
    assert!(refused.log.contains("format 99"), "{}", refused.log);
    assert_eq!(fs::read(place.database()).expect("the journal is there"), before, "it is left as it is");
}
