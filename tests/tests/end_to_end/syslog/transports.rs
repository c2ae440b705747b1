//! Every transport to every receiver.

use std::time::{Duration, Instant};

use end_to_end::{Arrived, Certificates, Expected, Place, Receiver, Settings, Tail, Way};

use super::{site, wait_until};

const ALERTS: u32 = 100_000;

/// Ways that take whatever is sent and lose nothing; UDP may.
const WHOLE: [&str; 7] = ["tcp", "lf", "tls12", "tls13", "mutual", "relp", "relps"];

/// Scenario: one run sends 100,000 alerts, hostile ones among them, to rsyslog and syslog-ng over every transport at
/// once.
/// Guarantee: each record arrives once each way, its header and every byte of its CEF as meant. Over UDP what arrives is
/// true, and how much did not is said.
#[test]
fn every_transport_delivers_every_byte() {
    let (site, tenants) = site(ALERTS);
    let place = Place::empty();
    let certificates = Certificates::make(&place.path("certificates"));
    let mut receivers = Vec::new();
    receivers.extend(Receiver::rsyslog(&place.path("rsyslog"), &certificates).map(|receiver| ("rsyslog", receiver)));
    receivers
        .extend(Receiver::syslog_ng(&place.path("syslog_ng"), &certificates).map(|receiver| ("syslog_ng", receiver)));
    let mut sinks = Vec::new();
    for (name, receiver) in &mut receivers {
        receiver.start();
        let ways = receiver.ways().iter().filter(|way| WHOLE.contains(&way.name) || way.name == "udp");
        sinks.extend(ways.map(|way| way.sink(&format!("{name}_{}", way.name), "")));
    }
    if sinks.is_empty() {
        return;
    }
    let ways = sinks.len();
    place.set_up(&site.simulator, &tenants, &Settings::beside_cef(sinks));
    let started = Instant::now();
    place.start(&["run", "--once"]).finish(Duration::from_secs(900)).assert_done();
    println!("{ways} ways at once in {:.0?}", started.elapsed());

    let expected = Expected::read(&site, &place.output());
    println!("{}; {} of them hostile", expected.summary, expected.hostile());
    assert!(expected.len() >= ALERTS as usize && expected.hostile() > 0);
    for (name, receiver) in &receivers {
        for way in receiver.ways().iter().filter(|way| WHOLE.contains(&way.name)) {
            wait_for_lines(way, expected.len());
            let arrived = expected.arrived(receiver, way);
            println!("{name} {}: {} messages", way.name, arrived.messages);
            assert_eq!(arrived, Arrived { messages: expected.len(), ..Arrived::default() }, "{name} {}", way.name);
        }
        let arrived = expected.arrived(receiver, receiver.way("udp"));
        println!("{name} udp: {} sent, {} arrived, {} missing", expected.len(), arrived.messages, arrived.missing);
        assert!(arrived.messages > 0 && arrived.copies == 0 && arrived.torn == 0, "{arrived:?}");
    }
}

/// A receiver may write a moment later than the sender is done.
fn wait_for_lines(way: &Way, lines: usize) {
    let mut tail = Tail::of(&way.file);
    wait_until(&format!("{} has {lines} lines", way.file.display()), || tail.lines() >= lines);
}
