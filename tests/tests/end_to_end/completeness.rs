//! 100,000 alerts of three tenants arrive, every revision that was sent, through faults and a kill.

use std::time::Duration;

use atp_sim::{Clock, Fault, Faults, Options, Population, TenantOptions};
use end_to_end::{Delivered, Place, Settings, Site, Tail};

const TIED: u32 = 25_000;

/// Scenario: 25,000 of 50,000 alerts of one tenant share an update time, rows come newest-first, alerts are updated
/// while they are read, one call in seven fails, the process is killed half-way.
/// Guarantee: every revision that was sent completely and the last revision of each alert arrive; copies are at most
/// what was in flight at the kill.
#[test]
fn every_revision_arrives_through_faults_and_a_kill() {
    let updated_within = Duration::from_secs(8);
    let alerts = |backlog, ties| Population {
        ties,
        ties_created_together: ties / 25,
        live_updates: 1_000,
        live_updates_within: updated_within,
        usual_delay: Duration::from_secs(1),
        ..Population::at_rest(backlog)
    };
    let tenants = vec![
        TenantOptions::named("contoso").with_alerts(alerts(50_000, TIED)),
        TenantOptions::named("fabrikam").with_alerts(alerts(25_000, 0)),
        TenantOptions::named("woodgrove").with_alerts(alerts(25_000, 0)),
    ];
    let site = Site::start(Options {
        tenants: tenants.clone(),
        clock: Clock { speed: 1.0, ..Clock::default() },
        faults: Faults::every_nth(7, vec![Fault::too_many_requests(1), Fault::BadGateway, Fault::Cut]),
        ..Options::default()
    });
    let place = Place::new(&site.simulator, &tenants, &Settings::mde("page_size: 2500, start: 7d"));

    let running = place.start(&["run", "--once"]);
    let mut arrived = Tail::of(&place.output());
    site.wait_until("half of the alerts have arrived", || arrived.lines() >= 50_000);
    let killed = running.kill();
    assert_eq!(killed.signal(), Some(9), "the kill came in the middle: {}", killed.log);
    site.killed();
    let before_kill = Delivered::read_so_far(&place.output()).records.len();

    // The last updates show before the next run asks, so that it can see them.
    std::thread::sleep(updated_within);
    place.start(&["run", "--once"]).finish(Duration::from_secs(300)).assert_done();

    let delivered = Delivered::read(&place.output());
    let summary = site.expect_all(&delivered);
    let copies = delivered.copies();
    println!("{summary}; {before_kill} before the kill, {copies} copies");
    assert!(summary.sent >= 100_000, "{summary}");
    assert!(summary.superseded > 0, "alerts were updated during the walk: {summary}");
    // What was in flight: two batches of the file sink and the settlement behind them.
    assert!(copies <= 3 * 4_096, "{copies} copies");
    delivered.assert_order(&site);
}
