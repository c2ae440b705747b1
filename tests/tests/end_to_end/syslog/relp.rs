//! RELP and a receiver that is killed: what was acknowledged stays.

use std::time::Duration;

use end_to_end::{Certificates, Expected, Place, Receiver, Settings, Tail};

use super::{site, wait_until};

const KILLS: usize = 12;
/// Messages that are sent and not acknowledged, at most.
const WINDOW: usize = 128;

/// Scenario: rsyslog, which acknowledges what it has written, is killed twelve times under load.
/// Guarantee: nothing that was acknowledged is lost, since that is never sent again and yet everything is there; copies
/// are at most the window for each kill.
#[test]
fn nothing_acknowledged_is_lost() {
    let alerts = 60_000;
    let (site, tenants) = site(alerts);
    let place = Place::empty();
    let certificates = Certificates::make(&place.path("certificates"));
    let Some(mut receiver) = Receiver::rsyslog(&place.path("rsyslog"), &certificates) else { return };
    receiver.start();
    let way = receiver.way("relp").clone();
    place.set_up(&site.simulator, &tenants, &Settings::beside_cef(vec![way.sink("siem", "")]));

    let running = place.start(&["run", "--once"]);
    let mut tail = Tail::of(&way.file);
    // The last kill comes when half of the alerts are still to be sent, or somewhat fewer on a machine that is busy.
    let step = alerts as usize / (2 * KILLS);
    for kill in 0..KILLS {
        let taken = (step * (kill + 1)).max(tail.lines() + step / 4);
        wait_until("the receiver has taken more", || tail.lines() >= taken);
        assert_eq!(receiver.kill().signal(), Some(9));
        assert!(tail.lines() < alerts as usize, "kill {kill} came under load");
        receiver.start();
    }
    running.finish(Duration::from_secs(300)).assert_done();

    let expected = Expected::read(&site, &place.output());
    let arrived = expected.arrived(&receiver, &way);
    println!("{}; {KILLS} kills, {} copies, {} torn", expected.summary, arrived.copies, arrived.torn);
    assert!(expected.len() >= alerts as usize);
    assert_eq!(arrived.missing, 0, "acknowledged and lost: {arrived:?}");
    assert!(arrived.copies <= KILLS * WINDOW, "{} copies", arrived.copies);
}
