//! How often the journal syncs when 1,000 feeds bring a page each within one second.
//!
//! The syncs are counted by the kernel: this program starts itself under strace, opens a journal with 1,000 feeds and
//! appends a page of each, spread over one second or all at its beginning. The baseline is one sync a page, which is
//! what 1,000 commits would cost. Exits 1 where more than 50 syncs were made.
//!
//! `cargo bench -p end-to-end --bench syncs`

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use end_to_end::Running;
use journal::{
    Append, EmbeddedJournal, EmbeddedOptions, FeedId, FeedName, Journal, Key, LanePlan, LaneStart, NewEntry, Takes,
    Target,
};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

const LIMIT: usize = 50;
const FEEDS: u32 = 1_000;
/// New alerts of each page.
const ROWS: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);
/// Folders that are made when the second begins and when the last page is on disk, for strace to see.
const BEGIN: &str = "begin";
const END: &str = "end";

/// How the pages fall into the second.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    AtOnce,
    Spread,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, folder] = &arguments[..]
        && let Some(shape) = [Shape::AtOnce, Shape::Spread].into_iter().find(|shape| shape.name() == command)
    {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        runtime.block_on(append_pages(Path::new(folder), shape));
        return ExitCode::SUCCESS;
    }
    println!("one sync a page               {:>4} syncs for {FEEDS} pages", FEEDS);
    let most = [Shape::Spread, Shape::AtOnce].into_iter().map(measure).max().unwrap_or(0);
    if most > LIMIT {
        println!("{FEEDS} feeds with a page each in one second cost more than {LIMIT} syncs");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "at-once",
            Self::Spread => "spread",
        }
    }
}

/// Counts the syncs between the first page and the word that the last is on disk.
fn measure(shape: Shape) -> usize {
    let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
    let trace = folder.path().join("trace");
    let program = std::env::current_exe().expect("Linux tells a process its program");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=fsync,fdatasync,msync,sync_file_range,mkdir,mkdirat", "-o"]).arg(&trace);
    command.arg(program).arg(shape.name()).arg(folder.path());
    let finished = Running::start(&mut command, &folder.path().join("log")).finish(Duration::from_secs(60));
    finished.assert_done();
    let trace = fs::read_to_string(&trace).expect("strace has written its log");
    let makes = |line: &&str, name: &str| line.contains("mkdir") && line.contains(&format!("/{name}\""));
    let second: Vec<&str> = trace
        .lines()
        .skip_while(|line| !makes(line, BEGIN))
        .take_while(|line| !makes(line, END))
        // A call that another thread's line cuts in two has its name and a bracket in the first half only.
        .filter(|line| line.contains("sync(") || line.contains("sync_file_range("))
        .collect();
    println!("{:<29} {:>4} syncs, {}", format!("{FEEDS} pages, {}", shape.name()), second.len(), finished.log.trim());
    second.len()
}

/// Opens a journal, then appends a page of every feed between the making of two folders.
async fn append_pages(folder: &Path, shape: Shape) {
    let journal = EmbeddedJournal::open(options(folder)).await.expect("a journal can be made");
    journal.set_lanes(&[lane()]).await.expect("a new journal has no other lane");
    let feeds = open_feeds(&journal).await;
    // What opening wrote is not part of the second.
    sleep(2 * SECOND).await;
    let syncs = journal.syncs();
    fs::create_dir(folder.join(BEGIN)).expect("the folder is writable");
    let begin = Instant::now();
    let mut appends = JoinSet::new();
    for (number, feed) in (0..FEEDS).zip(feeds) {
        let journal = Arc::clone(&journal);
        let wait = if shape == Shape::Spread { SECOND * number / FEEDS } else { Duration::ZERO };
        appends.spawn(async move {
            sleep_until((begin + wait).into()).await;
            journal.append(page(feed)).await.expect("the journal has room");
        });
    }
    appends.join_all().await;
    fs::create_dir(folder.join(END)).expect("the folder is writable");
    let seconds = begin.elapsed().as_secs_f64();
    let rows = f64::from(FEEDS * ROWS) / seconds;
    eprintln!("{} by the journal's own count, in {seconds:.2} s, {rows:.0} alerts/s", journal.syncs() - syncs);
    journal.close().await;
}

async fn open_feeds(journal: &Arc<EmbeddedJournal>) -> Vec<FeedId> {
    let mut opening = JoinSet::new();
    for number in 0..FEEDS {
        let journal = Arc::clone(journal);
        let name = FeedName { tenant_id: format!("{number:08}-2222-3333-4444-555555555555"), source: "alerts".into() };
        opening.spawn(async move { journal.open_feed(&name, "mde_alerts").await.expect("the journal is open").id });
    }
    opening.join_all().await
}

fn options(folder: &Path) -> EmbeddedOptions {
    let day = Duration::from_secs(86_400);
    EmbeddedOptions { path: folder.join("data"), max_size: 4 << 30, retention: 3 * day, dedup_window: 30 * day }
}

fn lane() -> LanePlan {
    LanePlan { name: "out".to_owned(), renamed_from: None, start: LaneStart::Oldest, takes: Takes::all() }
}

/// A page of a feed, with the checkpoint that goes with it.
fn page(feed: FeedId) -> Append {
    let entry = |row: u32| {
        let number = feed.0 * ROWS + row;
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let bytes = Bytes::from(format!(r#"{{"id":"da{number}","title":"{}"}}"#, "t".repeat(900)));
        NewEntry { key: Key { time: i64::from(number), id }, flags: 0, bytes }
    };
    let checkpoints = vec![("live".to_owned(), vec![7; 200])];
    let entries = (0..ROWS).map(entry).collect();
    Append { feed, to: Target::Live, entries, checkpoints, reread: false, server_time: None }
}
