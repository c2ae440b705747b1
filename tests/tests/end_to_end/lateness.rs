//! Alerts that show late, on boundaries or from the future arrive once, at a bounded cost.

use std::time::Duration;

use atp_sim::{Clock, Options, Population, TenantOptions};
use end_to_end::{Delivered, Place, Settings, Site};

/// Scenario: the simulated clock runs 60 times faster; alerts show up to ten minutes late, lie on whole minutes and
/// milliseconds, or carry update times ahead of the server's clock.
/// Guarantee: each revision that was sent arrives once; at most 12 rows are fetched for each row delivered.
#[test]
fn late_alerts_arrive_once_at_a_bounded_cost() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let alerts = Population {
        backlog: 100,
        per_minute: 30.0,
        late: 0.3,
        late_by: minutes(10),
        from_future: 0.05,
        future_by: minutes(5),
        on_boundary: 0.3,
        updated: 0.2,
        stop_after: Some(minutes(60)),
        ..Population::default()
    };
    let tenants = vec![TenantOptions::named("contoso").with_alerts(alerts)];
    let site = Site::start(Options {
        tenants: tenants.clone(),
        clock: Clock { speed: 60.0, ..Clock::default() },
        ..Options::default()
    });
    let place = Place::new(&site.simulator, &tenants, &Settings::mde("poll_every: 1s"));

    let running = place.start(&["run"]);
    // 60 simulated minutes of alerts, and 40 more in which the late ones show and the look-back finds them.
    std::thread::sleep(Duration::from_secs(100));
    running.terminate(Duration::from_secs(20)).assert_done();

    let delivered = Delivered::read(&place.output());
    let summary = site.expect_all(&delivered);
    let cost = summary.rows as f64 / delivered.records.len() as f64;
    println!("{summary}; {cost:.1} rows fetched for each row delivered");
    assert!(summary.sent >= 1_800, "{summary}");
    assert_eq!(delivered.copies(), 0, "each arrives once");
    assert!(cost <= 12.0, "{cost:.1} rows fetched for each row delivered");
}
