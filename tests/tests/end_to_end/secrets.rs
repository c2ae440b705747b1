//! No secret is in any log, at any level, in any form.

use std::time::Duration;

use atp_sim::{CallKind, Fault, Faults, Options, Population, TenantOptions};
use end_to_end::{Place, Settings, Site};

/// Scenario: everything is logged while tokens are fetched, refused and fetched again, and calls fail.
/// Guarantee: neither the client secret nor a token nor a piece of either is in what the program writes.
#[test]
fn no_secret_is_logged_at_any_level() {
    let tenants = vec![TenantOptions::named("contoso").with_alerts(Population::at_rest(50))];
    let faults = Faults::script(CallKind::Token, vec![Some(Fault::ServerError), Some(Fault::Cut), None]);
    let site = Site::start(Options { tenants: tenants.clone(), faults, ..Options::default() });
    let place = Place::new(&site.simulator, &tenants, &Settings::default());
    for format in ["human", "json"] {
        let arguments = ["--log", "trace", "--log-format", format, "run", "--once"];
        let finished = place.start(&arguments).finish(Duration::from_secs(60));
        finished.assert_done();
        assert!(finished.log.contains("a feed asks for its next page"), "trace lines are written: {}", finished.log);
        let secret = &tenants[0].client_secret;
        for canary in [secret.as_str(), &secret[..8], "eyJ", "client_secret="] {
            assert!(!finished.log.contains(canary), "{canary} is in the log:\n{}", finished.log);
        }
    }
}
