//! What each further idle tenant costs in memory.
//!
//! `atp-forwarder run` with 100 and with 1,100 tenants whose feeds have polled once, found nothing and wait for the next
//! poll. The baseline is the program itself with 100 tenants; the difference over 1,000 is what one tenant costs. Exits
//! 1 where that is more than 64 KiB.
//!
//! `cargo bench -p end-to-end --bench tenants`

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use atp_sim::{Knobs, Options, Population, TenantOptions};
use end_to_end::{Memory, Place, Settings, Site, extent, median};

const LIMIT: f64 = 64.0;
const FEW: usize = 100;
const FURTHER: usize = 1_000;
/// So long nobody calls before memory is looked at.
const REST: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let mut rounds = Vec::new();
    for _ in 0..extent(3, 1) {
        rounds.push([FEW, FEW + FURTHER].map(idle));
    }
    let kibibytes = |bytes: u64| bytes as f64 / 1024.0;
    let each = |[few, many]: &[Memory; 2]| (kibibytes(many.now) - kibibytes(few.now)) / FURTHER as f64;
    for (index, count) in [FEW, FEW + FURTHER].into_iter().enumerate() {
        let now = median(rounds.iter().map(|round| kibibytes(round[index].now)).collect());
        let peak = median(rounds.iter().map(|round| kibibytes(round[index].peak)).collect());
        println!("{count:>5} idle tenants {:>6.1} MiB, {:>6.1} MiB at most", now / 1024.0, peak / 1024.0);
    }
    let each = median(rounds.iter().map(each).collect());
    println!("each further tenant {each:.1} KiB");
    if each > LIMIT {
        println!("each further idle tenant costs more than {LIMIT} KiB");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The memory of the program when all of so many tenants have polled once and wait.
fn idle(count: usize) -> Memory {
    let tenants: Vec<_> =
        (0..count).map(|n| TenantOptions::named(&format!("tenant-{n}")).with_alerts(Population::empty())).collect();
    let knobs = Knobs { token_lifetime: Some(Duration::from_secs(86_400)), ..Knobs::default() };
    let site = Site::start(Options { tenants: tenants.clone(), knobs, ..Options::default() });
    let place = Place::new(&site.simulator, &tenants, &Settings::mde("poll_every: 1h"));
    let running = place.start(&["run"]);
    site.wait_until("every tenant has polled", || {
        site.simulator.record().feeds.iter().filter(|feed| feed.answers_sent > 0).count() == count
    });
    rest(&site);
    let memory = running.memory();
    running.terminate(Duration::from_secs(30)).assert_done();
    memory
}

/// Waits until nobody calls any more.
fn rest(site: &Site) {
    let calls = || site.simulator.record().calls.values().map(|count| count.made).sum::<u64>();
    let mut before = 0;
    while before != calls() {
        before = calls();
        sleep(REST);
    }
}
