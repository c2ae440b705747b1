//! Certificates that are wrong, on either side.

use std::time::Duration;

use end_to_end::{Arrived, Certificates, Expected, Place, Receiver, Settings, Way};

use super::site;

/// A certificate that is wrong.
struct Wrong<'a> {
    receiver: &'a Receiver,
    /// The way as a person first set it up, under the name of its sink.
    way: Way,
    /// What the sentence must name.
    words: &'static [&'static str],
    /// The keys under `syslog:` once a person has done what it says.
    mended: String,
}

/// Scenario: a receiver's certificate is expired, of another name, of an unknown authority, signed by nobody; and a
/// receiver asks for ours under TLS 1.3, whose refusal comes after the handshake, and there is none.
/// Guarantee: nothing is sent or counted as sent, the log says what to do, all waits in the journal, and once the
/// settings are right everything arrives, once.
#[test]
fn wrong_certificates_send_nothing_and_say_what_to_do() {
    let alerts = 500;
    let (site, tenants) = site(alerts);
    let place = Place::empty();
    let certificates = Certificates::make(&place.path("certificates"));
    let Some(mut rsyslog) = Receiver::rsyslog(&place.path("rsyslog"), &certificates) else { return };
    let Some(mut syslog_ng) = Receiver::syslog_ng(&place.path("syslog_ng"), &certificates) else { return };
    rsyslog.start();
    syslog_ng.start();

    let cases = cases(&rsyslog, &syslog_ng, &certificates);
    let sinks = cases.iter().map(|case| case.way.sink(case.way.name, "")).collect();
    let mended = cases.iter().map(Wrong::mended).collect();
    let files: Vec<_> = cases.iter().map(|case| case.way.clone()).collect();
    place.set_up(&site.simulator, &tenants, &Settings::beside_cef(sinks));
    let halted = place.start(&["run", "--once", "--within", "60s"]).finish(Duration::from_secs(90));
    assert_eq!(halted.code(), Some(3), "{}", halted.log);
    cases.iter().for_each(|case| case.expect_said(&halted.log));
    let expected = Expected::read(&site, &place.output());
    assert!(expected.len() >= alerts as usize);
    for case in &cases {
        let nothing = Arrived { missing: expected.len(), ..Arrived::default() };
        assert_eq!(expected.arrived(case.receiver, &case.way), nothing, "{}", case.way.name);
    }

    // Each is mended as its sentence says; the expired one by the receiver's owner.
    certificates.renew("expired");
    rsyslog.kill();
    rsyslog.start();
    place.set_up(&site.simulator, &tenants, &Settings::beside_cef(mended));
    place.start(&["run", "--once", "--within", "120s"]).finish(Duration::from_secs(150)).assert_done();
    for way in &files {
        let receiver = if way.name.ends_with("syslog_ng") { &syslog_ng } else { &rsyslog };
        let once = Arrived { messages: expected.len(), ..Arrived::default() };
        assert_eq!(expected.arrived(receiver, way), once, "{}", way.name);
    }
}

impl Wrong<'_> {
    /// The sink once a person has mended it.
    fn mended(&self) -> String {
        Way { keys: self.mended.clone(), ..self.way.clone() }.sink(self.way.name, "")
    }

    fn expect_said(&self, log: &str) {
        let sink = format!("sink=\"{}\"", self.way.name);
        let said = log.lines().find(|line| line.contains(&sink) && line.contains("needs a person"));
        let said = said.unwrap_or_else(|| panic!("nothing is said about {sink}:\n{log}"));
        for word in self.words {
            assert!(said.contains(word), "{word} is not named: {said}");
        }
        println!("{said}");
    }
}

fn cases<'a>(rsyslog: &'a Receiver, syslog_ng: &'a Receiver, certificates: &Certificates) -> Vec<Wrong<'a>> {
    let counted = "framing: octet_counting";
    let ca = |name: &str| format!("ca: \"{}\"", certificates.pem(name).display());
    let server = |more: &str| format!("{counted}, tls: {{ {}{more} }}", ca("ca"));
    let wrong = |name, words, mended| {
        let way = rsyslog.way(name).clone();
        Wrong { receiver: rsyslog, way, words, mended }
    };
    let without_ours = |name: &'static str, receiver: &'a Receiver| {
        let way = receiver.way("mutual");
        let mended = way.keys.clone();
        let way = Way { name, keys: server(""), ..way.clone() };
        Wrong { receiver, way, words: &["tls.cert"], mended }
    };
    vec![
        wrong("expired", &["expired"], server("")),
        wrong("wrong_name", &["elsewhere.example", "tls.server_name"], server(", server_name: elsewhere.example")),
        wrong("stranger", &["tls.ca"], format!("{counted}, tls: {{ {} }}", ca("other_ca"))),
        wrong("self_signed", &["tls.pin"], format!("{counted}, tls: {{ pin: {} }}", certificates.fingerprint())),
        without_ours("none_rsyslog", rsyslog),
        without_ours("none_syslog_ng", syslog_ng),
    ]
}
