//! A receiver that is killed and stopped under load.

use std::time::Duration;

use end_to_end::{Expected, Place, Receiver, Settings, Tail};

use super::{frame_receiver, site, wait_until};

/// Every second one is a `kill -9`, every other a SIGTERM.
const STOPS: usize = 20;

/// Guarantee: over TCP with octet counting, at full rate, twenty stops lose nothing.
#[test]
fn stops_at_full_rate_lose_nothing() {
    stops_lose_nothing("octet_counting", "", 100_000);
}

/// Guarantee: over TCP with octet counting, at 8,000 a second, twenty stops lose nothing.
#[test]
fn stops_at_a_rate_lose_nothing() {
    stops_lose_nothing("octet_counting", "max_rate: 8000/s,", 80_000);
}

/// Guarantee: over TCP with line feeds, at full rate, twenty stops lose nothing.
#[test]
fn stops_with_line_feeds_lose_nothing() {
    stops_lose_nothing("lf", "", 100_000);
}

/// Scenario: our own receiver, which writes each frame before it reads the next, is killed ten times and stopped ten
/// times in turn, each time after it has taken some thousands of frames and while more wait, and started again on the
/// same port.
fn stops_lose_nothing(framing: &str, rate: &str, alerts: u32) {
    let (site, tenants) = site(alerts);
    let place = Place::empty();
    let mut receiver = Receiver::of_frames(frame_receiver(), place.folder(), "tcp", framing);
    receiver.start();
    let sinks = vec![receiver.only_way().sink("siem", rate)];
    place.set_up(&site.simulator, &tenants, &Settings::beside_cef(sinks));

    let running = place.start(&["run", "--once"]);
    let mut tail = Tail::of(&receiver.only_way().file);
    // The last stop comes when half of the alerts are still to be sent, or somewhat fewer on a machine that is busy.
    let step = alerts as usize / (2 * STOPS);
    for stop in 0..STOPS {
        let taken = (step * (stop + 1)).max(tail.lines() + step / 4);
        wait_until("the receiver has taken more", || tail.lines() >= taken);
        let ended = if stop % 2 == 0 { receiver.kill() } else { receiver.terminate() };
        assert_eq!((ended.signal(), ended.code()), if stop % 2 == 0 { (Some(9), None) } else { (None, Some(0)) });
        assert!(tail.lines() < alerts as usize, "stop {stop} came under load");
        receiver.start();
    }
    running.finish(Duration::from_secs(300)).assert_done();

    let expected = Expected::read(&site, &place.output());
    let arrived = expected.arrived(&receiver, receiver.only_way());
    println!("{framing} {rate} {}; {STOPS} stops, {} copies, {} torn", expected.summary, arrived.copies, arrived.torn);
    assert!(expected.len() >= alerts as usize);
    assert_eq!(arrived.missing, 0, "lost at {STOPS} stops: {arrived:?}");
    assert!(arrived.copies > 0, "a stop under load leaves something in doubt");
}
