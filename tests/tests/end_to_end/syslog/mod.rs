//! Syslog against real receivers: rsyslog, syslog-ng and one of our own that can be killed at any frame.
//!
//! Beside the syslog sinks each run writes the same CEF to a file, and every message must be its record's line of that
//! file, byte for byte, under the header that the alert calls for.

mod alone;
mod black_hole;
mod certificates;
mod leef;
mod receivers;
mod relp;
mod stops;
mod transports;

use std::path::Path;
use std::time::{Duration, Instant};

use atp_sim::{Options, Population, TenantOptions};
use end_to_end::Site;

/// The program of our own receiver.
fn frame_receiver() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_frame-receiver"))
}

/// A simulator whose two tenants have so many alerts, hostile ones among them.
fn site(alerts: u32) -> (Site, Vec<TenantOptions>) {
    let population = Population { hostile: 0.05, ..Population::at_rest(alerts / 2) };
    let tenants = vec![
        TenantOptions::named("contoso").with_alerts(population.clone()),
        TenantOptions::named("fabrikam").with_alerts(population),
    ];
    (Site::start(Options { tenants: tenants.clone(), ..Options::default() }), tenants)
}

/// Waits until something has come to pass.
///
/// # Panics
/// Where it does not within two minutes.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(120), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
