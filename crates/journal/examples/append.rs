//! What appending costs: `cargo run --release -p journal --example append [-- FOLDER]`.
//!
//! Appends 100,000 alerts of about 2.6 KB in pages of 1,000 for three feeds, then reads and settles them, for each page
//! size of the database. CPU seconds are this process's, of all its threads. The baseline is what cannot be saved: the
//! same bytes packed into chunks and compressed. Then a thousand feeds append a page each within a second.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use journal::{
    Append, EmbeddedJournal, EmbeddedOptions, EntryRef, FeedId, FeedName, Journal, Key, LanePlan, LaneStart, NewEntry,
    Settlement, Taken, Takes, Target, Tuning,
};
use rustix::time::{ClockId, clock_gettime};

const ALERTS: u64 = 100_000;
const PAGE: u64 = 1_000;
const FEEDS: u64 = 3;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    println!("{ALERTS} alerts in pages of {PAGE}, {FEEDS} feeds");
    let bytes = baseline()?;
    for page_size in [4, 8, 16, 32, 64] {
        let folder = folder.path().join(page_size.to_string());
        measure(&folder, page_size * 1024, bytes).await?;
    }
    thousand_feeds(&folder.path().join("thousand")).await
}

/// Packs and compresses the same bytes, and nothing else. Returns how many they are.
fn baseline() -> Outcome<u64> {
    let mut compressor = zstd::bulk::Compressor::new(1)?;
    let mut chunk = Vec::with_capacity(256 * 1024);
    let (mut bytes, mut cpu, mut packed) = (0, Duration::ZERO, 0);
    for first in (0..ALERTS).step_by(100) {
        let alerts: Vec<_> = (first..first + 100).map(alert).collect();
        let before = cpu_time();
        chunk.clear();
        alerts.iter().for_each(|alert| chunk.extend_from_slice(alert));
        packed += compressor.compress(&chunk)?.len();
        cpu += cpu_time() - before;
        bytes += chunk.len() as u64;
    }
    let ratio = bytes as f64 / packed as f64;
    println!("compressing alone: {:.2} CPU s, {} MiB, 1 : {ratio:.1}", cpu.as_secs_f64(), bytes >> 20);
    Ok(bytes)
}

async fn measure(folder: &Path, page_size: u32, bytes: u64) -> Outcome<()> {
    let journal = EmbeddedJournal::open_tuned(options(folder), Tuning { page_size, ..Tuning::default() }).await?;
    journal.set_lanes(&[lane()]).await?;
    let mut feeds = Vec::new();
    for number in 0..FEEDS {
        feeds.push(open_feed(&journal, number).await?);
    }
    let (mut cpu, started) = (Duration::ZERO, Instant::now());
    for first in (0..ALERTS).step_by(usize::try_from(PAGE * FEEDS)?) {
        let pages: Vec<_> =
            feeds.iter().enumerate().map(|(at, feed)| page(*feed, first + PAGE * at as u64, PAGE)).collect();
        let before = cpu_time();
        for appended in futures(&journal, pages).await {
            appended?;
        }
        cpu += cpu_time() - before;
    }
    let appending = (cpu, started.elapsed(), journal.syncs());
    let before = cpu_time();
    let started = Instant::now();
    drain(&journal).await?;
    let reading = (cpu_time() - before, started.elapsed(), journal.syncs() - appending.2);
    for (what, (cpu, took, syncs)) in [("append", appending), ("read and settle", reading)] {
        let rate = ALERTS as f64 / took.as_secs_f64();
        println!(
            "pages of {:>2} KiB, {what:<15}: {:.2} CPU s, {rate:.0} alerts/s, {:.0} MiB/s, {syncs} syncs",
            page_size >> 10,
            cpu.as_secs_f64(),
            bytes as f64 / took.as_secs_f64() / f64::from(1 << 20),
        );
    }
    let started = Instant::now();
    journal.trim().await?;
    println!("pages of {:>2} KiB, trim           : {:.2} s", page_size >> 10, started.elapsed().as_secs_f64());
    journal.close().await;
    println!(
        "pages of {:>2} KiB, on disk        : {} MiB",
        page_size >> 10,
        folder.join("journal.db").metadata()?.len() >> 20
    );
    Ok(())
}

async fn futures(journal: &std::sync::Arc<EmbeddedJournal>, pages: Vec<Append>) -> Vec<Outcome<()>> {
    let tasks: Vec<_> = pages
        .into_iter()
        .map(|page| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.append(page).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(match task.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        });
    }
    outcomes
}

async fn drain(journal: &EmbeddedJournal) -> Outcome<()> {
    let lane = journal.lane("siem").ok_or("the lane was set")?;
    let mut reader = lane.reader();
    while lane.waiting() > 0 {
        let Taken::Run(run) = reader.next(4 << 20).await? else { continue };
        let marks = run.entries.last().map(|entry| EntryRef { queue: run.queue, place: entry.place });
        let delivered = run.entries.len() as u64;
        lane.settle(Settlement { marks: marks.into_iter().collect(), delivered, ..Settlement::default() }).await?;
    }
    Ok(())
}

/// A thousand feeds, each with a page of ten, spread over a second.
async fn thousand_feeds(folder: &Path) -> Outcome<()> {
    let journal = EmbeddedJournal::open(options(folder)).await?;
    journal.set_lanes(&[lane()]).await?;
    let mut opening = Vec::new();
    for number in 0..1_000 {
        let journal = journal.clone();
        opening.push(tokio::spawn(async move { open_feed(&journal, number).await.map_err(|error| error.to_string()) }));
    }
    let mut feeds = Vec::new();
    for feed in opening {
        feeds.push(feed.await??);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for round in 0..3 {
        let (before, started) = (journal.syncs(), Instant::now());
        let mut appends = Vec::new();
        for (number, feed) in (0_u64..).zip(&feeds) {
            tokio::time::sleep_until((started + Duration::from_millis(number)).into()).await;
            let (journal, page) = (journal.clone(), page(*feed, (round * 1_000 + number) * 10, 10));
            appends.push(tokio::spawn(async move { journal.append(page).await.map_err(|error| error.to_string()) }));
        }
        for append in appends {
            append.await??;
        }
        let syncs = journal.syncs() - before;
        println!("1,000 feeds, a page of 10 each: {syncs} syncs in {:.2} s", started.elapsed().as_secs_f64());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    journal.close().await;
    Ok(())
}

fn options(folder: &Path) -> EmbeddedOptions {
    let day = Duration::from_secs(24 * 60 * 60);
    EmbeddedOptions { path: folder.to_owned(), max_size: 4 << 30, retention: Duration::ZERO, dedup_window: 30 * day }
}

fn lane() -> LanePlan {
    LanePlan { name: "siem".into(), renamed_from: None, start: LaneStart::Oldest, takes: Takes::all() }
}

async fn open_feed(journal: &EmbeddedJournal, number: u64) -> Outcome<FeedId> {
    let name = FeedName { tenant_id: format!("11111111-2222-3333-4444-{number:012}"), source: "alerts".into() };
    Ok(journal.open_feed(&name, "mde_alerts").await?.id)
}

fn page(feed: FeedId, first: u64, count: u64) -> Append {
    let entries = (first..first + count).map(entry).collect();
    let checkpoints = vec![("live".to_owned(), vec![u8::try_from(first % 251).unwrap_or(0); 300])];
    Append { feed, to: Target::Live, entries, checkpoints, reread: false, server_time: None }
}

fn entry(number: u64) -> NewEntry {
    let mut random = fastrand::Rng::with_seed(number);
    let id = random.u128(..).to_le_bytes();
    let time = 638_000_000_000_000_000 + number.cast_signed() * 33_333;
    NewEntry { key: Key { time, id }, flags: 0, bytes: alert(number) }
}

/// An alert of about 2.6 KB: much of it is the same in all, ids, times, names and hashes are not.
fn alert(number: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(number);
    let mut text = format!(
        "{{\"id\":\"da{}_{}\",\"incidentId\":{},\"severity\":\"Medium\",\"status\":\"New\",\"category\":\"Malware\",\
         \"title\":\"Suspicious PowerShell command line on host-{}\",\"lastUpdateTime\":\"2026-03-{:02}T10:53:50.{:07}Z\"",
        random.u64(..),
        random.i32(..),
        random.u32(..),
        random.u16(..),
        random.u8(1..29),
        random.u32(..10_000_000),
    );
    text.push_str(
        ",\"description\":\"A suspicious PowerShell activity was observed on the machine. This behavior may \
        indicate that PowerShell was used during installation, exploration, or in some cases with lateral movement.\"",
    );
    text.push_str(",\"evidence\":[");
    for item in 0..5 {
        let sha =
            std::iter::repeat_with(|| random.u128(..)).take(2).map(|part| format!("{part:032x}")).collect::<String>();
        text.push_str(&format!(
            "{}{{\"entityType\":\"Process\",\"evidenceCreationTime\":\"2026-03-01T10:53:50.{:07}Z\",\"sha256\":\"{sha}\",\
             \"fileName\":\"powershell{}.exe\",\"filePath\":\"C:\\\\Windows\\\\System32\\\\WindowsPowerShell\\\\v1.0\",\
             \"processId\":{},\"processCommandLine\":\"powershell.exe -nop -w hidden -enc {:032x}\",\"parentProcessId\":{},\
             \"ipAddress\":null,\"url\":null,\"accountName\":\"user{}\",\"domainName\":\"CONTOSO\"}}",
            if item == 0 { "" } else { "," },
            random.u32(..10_000_000), random.u8(..), random.u16(..), random.u128(..), random.u16(..), random.u16(..),
        ));
    }
    text.push_str("]}");
    Bytes::from(text)
}

/// The CPU time of this process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
