//! A network that swallows everything for a while.

use std::time::{Duration, Instant};

use end_to_end::{BlackHole, Expected, Place, Receiver, Settings, Tail};

use super::{frame_receiver, site, wait_until};

/// How long nothing comes through.
const SPAN: Duration = Duration::from_secs(30);

/// Scenario: for 30 seconds in the middle of a run no packet passes between the sink and its receiver, and neither side
/// is told.
/// Guarantee: the sink goes on by itself afterwards, and nothing is lost.
#[test]
fn a_black_hole_loses_nothing() {
    let alerts = 60_000;
    let (site, tenants) = site(alerts);
    let place = Place::empty();
    let mut receiver = Receiver::of_frames(frame_receiver(), place.folder(), "tcp", "octet_counting");
    receiver.start();
    let way = receiver.only_way().clone();
    let sinks = vec![way.sink("siem", "max_rate: 8000/s,")];
    place.set_up(&site.simulator, &tenants, &Settings::beside_cef(sinks));

    let running = place.start(&["run", "--once"]);
    let mut tail = Tail::of(&way.file);
    wait_until("the receiver has taken some", || tail.lines() >= alerts as usize / 4);
    let Some(hole) = BlackHole::dig(way.port) else { return };
    let dug = Instant::now();
    let mut before = 0;
    wait_until("the receiver has written what had come", || {
        before = tail.lines();
        std::thread::sleep(Duration::from_secs(1));
        tail.lines() == before
    });
    assert!(before < alerts as usize, "it came under load");
    std::thread::sleep(SPAN.saturating_sub(dug.elapsed()));
    assert_eq!(tail.lines(), before, "nothing came through");
    drop(hole);
    let lifted = Instant::now();
    wait_until("the receiver gets something again", || tail.lines() > before);
    let again = lifted.elapsed();
    running.finish(Duration::from_secs(300)).assert_done();

    let expected = Expected::read(&site, &place.output());
    let arrived = expected.arrived(&receiver, &way);
    println!("{}; {SPAN:?} without a packet, {} copies, again after {again:.1?}", expected.summary, arrived.copies);
    assert!(expected.len() >= alerts as usize);
    assert_eq!(arrived.missing, 0, "{arrived:?}");
    assert!(arrived.copies > 0, "what the black hole swallowed is in doubt");
}
