//! The most memory that the program holds with 1,000,000 alerts waiting in the journal, beside that with 10,000. The
//! short form has 100,000 wait.
//!
//! Both journals are filled before the program starts, with alerts of about 1 KiB. `atp-forwarder run --once` then
//! finds nothing new at the simulator and delivers what waits to a file. The baseline is the program itself with
//! 10,000 alerts. Exits 1 where the peak with the many is more than a tenth above it.
//!
//! `cargo bench -p end-to-end --bench memory`

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use atp_sim::{Options, Population, TenantOptions};
use bytes::Bytes;
use end_to_end::{Cost, Place, Settings, Site, extent, median};
use journal::{
    Append, EmbeddedJournal, EmbeddedOptions, FeedName, Journal, Key, LanePlan, LaneStart, NewEntry, Takes, Target,
};

const LIMIT: f64 = 1.1;
const FEW: u32 = 10_000;
/// Entries that are appended together.
const PAGE: u32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let tenant = TenantOptions::named("contoso").with_alerts(Population::empty());
    let site = Site::start(Options { tenants: vec![tenant.clone()], ..Options::default() });
    let many = extent(1_000_000, 100_000);
    let mut peaks = [Vec::new(), Vec::new()];
    for round in 0..extent(3, 1) {
        // The many take most of the time and were seen to differ little.
        let counts = if round == 0 { &[FEW, many][..] } else { &[FEW][..] };
        for (count, peaks) in counts.iter().zip(&mut peaks) {
            let cost = drain(&site, &tenant, *count);
            peaks.push(cost.peak as f64);
        }
    }
    let [least, most] = peaks.map(median);
    let mebibytes = |bytes: f64| bytes / 1024.0 / 1024.0;
    println!("{FEW:>9} alerts waiting  1.00 x {:>6.1} MiB at most", mebibytes(least));
    println!("{many:>9} alerts waiting {:>5.2} x {:>6.1} MiB at most", most / least, mebibytes(most));
    if most > LIMIT * least {
        println!("the peak with {many} alerts waiting is more than {LIMIT} times that with {FEW}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Fills a journal, lets the program deliver it, and says what that cost.
fn drain(site: &Site, tenant: &TenantOptions, count: u32) -> Cost {
    let settings = Settings { format: "cef".to_owned(), ..Settings::default() };
    let place = Place::new(&site.simulator, std::slice::from_ref(tenant), &settings);
    let started = Instant::now();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(fill(&place.journal(), tenant, count));
    let filled = started.elapsed();
    let (finished, cost) = place.start(&["run", "--once"]).finish_counting(PATIENCE);
    finished.assert_done();
    let lines = std::fs::read(place.output()).expect("the file sink has made its file");
    let delivered = lines.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(delivered, count as usize, "everything was delivered once");
    println!(
        "{count} alerts: appended in {:.1} s, delivered in {:.1} s, {:.0} alerts/s, {:.0} MiB/s of CEF",
        filled.as_secs_f64(),
        cost.wall.as_secs_f64(),
        f64::from(count) / cost.wall.as_secs_f64(),
        lines.len() as f64 / cost.wall.as_secs_f64() / 1024.0 / 1024.0,
    );
    cost
}

/// Leaves a journal behind in which `count` alerts wait for the lane `out`.
async fn fill(path: &Path, tenant: &TenantOptions, count: u32) {
    let lane = LanePlan { name: "out".to_owned(), renamed_from: None, start: LaneStart::Oldest, takes: Takes::all() };
    let day = Duration::from_secs(86_400);
    let options =
        EmbeddedOptions { path: path.to_owned(), max_size: 4 << 30, retention: 3 * day, dedup_window: 30 * day };
    let journal = EmbeddedJournal::open(options).await.expect("a journal can be made");
    journal.set_lanes(&[lane]).await.expect("a new journal has no other lane");
    let name = FeedName { tenant_id: tenant.tenant_id.clone(), source: "alerts".to_owned() };
    let feed = journal.open_feed(&name, "mde_alerts").await.expect("the journal is open").id;
    for page in 0..count / PAGE {
        let entries = (page * PAGE..(page + 1) * PAGE).map(entry).collect();
        let append =
            Append { feed, to: Target::Live, entries, checkpoints: Vec::new(), reread: false, server_time: None };
        journal.append(append).await.expect("the journal has room");
    }
    journal.close().await;
}

/// An alert of about 1 KiB, a second later than the one before it.
fn entry(number: u32) -> NewEntry {
    const NEW_YEAR_2026: i64 = 639_028_224_000_000_000;
    let mut dice = fastrand::Rng::with_seed(number.into());
    let id = dice.u128(..);
    // Half of it is as hard to compress as digests and ids are.
    let digests: String = (0..4).map(|_| format!("{:032x} ", dice.u128(..))).collect();
    let json = format!(
        r#"{{"id":"da{id:032x}_1","incidentId":{number},"severity":"Medium","status":"New","classification":null,"determination":null,"investigationState":"Queued","detectionSource":"WindowsDefenderAtp","category":"Execution","threatFamilyName":null,"title":"Suspicious PowerShell command line","description":"A suspicious PowerShell activity was observed on the machine. This behavior may indicate that PowerShell was used during installation, exploration, or in some cases in lateral movement activities which are used by attackers to invoke modules, download external payloads, and get more information about the system. Digests: {digests}","alertCreationTime":"2026-01-01T00:00:00.1234567Z","lastUpdateTime":"2026-01-01T00:00:01.19Z","computerDnsName":"server-{number}.contoso.example","machineId":"{id:032x}","evidence":[]}}"#
    );
    let key = Key { time: NEW_YEAR_2026 + i64::from(number) * 10_000_000, id: id.to_be_bytes() };
    NewEntry { key, flags: 0, bytes: Bytes::from(json) }
}
