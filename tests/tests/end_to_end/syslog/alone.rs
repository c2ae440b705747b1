//! One sink's trouble is its own. `./tests/run` runs this with nothing beside it, since it compares rates.

use std::time::Duration;

use end_to_end::{Arrived, BlackHole, Expected, Place, Receiver, Settings, Tail};

use super::{frame_receiver, site, wait_until};

/// Half of the run.
const HALF: Duration = Duration::from_secs(16);
/// What each sink sends in a second.
const RATE: u32 = 1_000;

/// Scenario: three sinks on three receivers send at a set rate; in the middle half of the run one of them is in a black
/// hole, in the first and the last quarter it is not.
/// Guarantee: in that half the others keep 90 % of their rate of the other half; the backlog arrives afterwards.
#[test]
fn a_dead_receiver_holds_up_no_other_sink() {
    let alerts = RATE * (2 * HALF.as_secs() as u32 + 10);
    let (site, tenants) = site(alerts);
    let place = Place::empty();
    let mut receivers = NAMES.map(|name| Receiver::of_frames(frame_receiver(), place.folder(), name, "octet_counting"));
    receivers.iter_mut().for_each(Receiver::start);
    let rate = format!("max_rate: {RATE}/s,");
    let sinks = receivers.iter().map(|receiver| receiver.only_way().sink(receiver.only_way().name, &rate)).collect();
    place.set_up(&site.simulator, &tenants, &Settings::beside_cef(sinks));
    let mut tails = receivers.each_ref().map(|receiver| Tail::of(&receiver.only_way().file));
    let mut lines = || tails.each_mut().map(Tail::lines);

    let running = place.start(&["run", "--once"]);
    let mut read = Tail::of(&place.output());
    wait_until("all is read and each has some", || {
        read.lines() >= alerts as usize && lines().iter().all(|lines| *lines >= RATE as usize)
    });
    let mut marks = vec![lines()];
    std::thread::sleep(HALF / 2);
    marks.push(lines());
    let Some(hole) = BlackHole::dig(receivers[0].only_way().port) else { return };
    std::thread::sleep(HALF);
    marks.push(lines());
    drop(hole);
    std::thread::sleep(HALF / 2);
    marks.push(lines());
    running.finish(Duration::from_secs(300)).assert_done();

    let expected = Expected::read(&site, &place.output());
    assert!(expected.len() >= alerts as usize);
    let taken = |sink: usize, from: usize| marks[from + 1][sink] - marks[from][sink];
    println!("{}", expected.summary);
    for (sink, receiver) in receivers.iter().enumerate() {
        let (held, free) = (taken(sink, 1), taken(sink, 0) + taken(sink, 2));
        println!("{}: {held} in the half with the black hole, {free} in the other", NAMES[sink]);
        let arrived = expected.arrived(receiver, receiver.only_way());
        if sink == 0 {
            assert!(held < RATE as usize / 4, "nothing passes through a black hole");
            assert_eq!(arrived.missing, 0, "the backlog arrives: {arrived:?}");
        } else {
            assert!(held * 10 >= free * 9, "a dead receiver holds up {}", NAMES[sink]);
            assert_eq!(arrived, Arrived { messages: expected.len(), ..Arrived::default() }, "{}", NAMES[sink]);
        }
    }
}

/// The first is the one that dies.
const NAMES: [&str; 3] = ["dead", "second", "third"];
