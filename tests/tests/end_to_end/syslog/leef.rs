//! LEEF through real receivers.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use end_to_end::{Certificates, Place, Receiver, Settings, Tail};
use serde_json::Value;

use super::{site, wait_until};

const ALERTS: u32 = 4_000;

/// How a line begins, and the format as the pipeline file writes it: with TAB and with `^`.
const FORMATS: [(&str, &str); 2] =
    [("LEEF:1.0|", "{ leef: { version: 1 } }"), ("LEEF:2.0|", "{ leef: { version: 2, delimiter: \"^\" } }")];

/// Ways through each receiver: lines, and frames of counted octets.
const WAYS: [&str; 2] = ["lf", "tcp"];

/// Scenario: hostile alerts as LEEF with TAB and with `^`, through rsyslog and syslog-ng, and beside that into files.
/// Guarantee: what a strict reader parses behind the receivers is what it parses in the files, attribute by attribute,
/// and it refuses nothing.
#[test]
fn leef_is_parsed_behind_receivers_as_it_went_in() {
    let (site, tenants) = site(ALERTS);
    let place = Place::empty();
    let certificates = Certificates::make(&place.path("certificates"));
    let mut receivers = Vec::new();
    receivers.extend(Receiver::rsyslog(&place.path("rsyslog"), &certificates).map(|receiver| ("rsyslog", receiver)));
    receivers
        .extend(Receiver::syslog_ng(&place.path("syslog_ng"), &certificates).map(|receiver| ("syslog_ng", receiver)));
    if receivers.is_empty() {
        return;
    }
    let mut sinks = vec![format!("caret: {{ format: {}, file: {{ path: caret.leef }} }}", FORMATS[1].1)];
    for (name, receiver) in &mut receivers {
        receiver.start();
        for (number, (_, format)) in FORMATS.iter().enumerate() {
            sinks.extend(WAYS.map(|way| receiver.way(way).sink_in(format, &format!("{name}_{way}_{number}"), "")));
        }
    }
    let settings = Settings { format: FORMATS[0].1.to_owned(), ..Settings::beside_cef(sinks) };
    place.set_up(&site.simulator, &tenants, &settings);
    place.start(&["run", "--once"]).finish(Duration::from_secs(300)).assert_done();

    for ((beginning, _), copy) in FORMATS.iter().zip([place.output(), place.path("caret.leef")]) {
        let text = fs::read_to_string(copy).expect("the run has written its file");
        let went_in = parsed(text.lines().map(str::to_owned).collect());
        assert!(went_in.len() >= ALERTS as usize, "{} records", went_in.len());
        for (name, receiver) in &receivers {
            for way in WAYS.map(|way| receiver.way(way)) {
                let mut tail = Tail::of(&way.file);
                wait_until(&format!("{name} has all of {}", way.name), || tail.lines() >= 2 * went_in.len());
                let mut messages = Vec::new();
                receiver
                    .read(way, |message| messages.extend(Some(message.message).filter(|it| it.starts_with(beginning))));
                let came_out = parsed(messages);
                assert!(came_out == went_in, "{name}, {}: something else was parsed", way.name);
            }
        }
        println!("{beginning} {} records through {} ways", went_in.len(), WAYS.len() * receivers.len());
    }
}

/// What the strict reader makes of lines, by record id.
fn parsed(lines: Vec<String>) -> HashMap<String, Value> {
    let python = std::env::var_os("ATP_PYTHON").expect("./tests/run makes a Python, and the receivers are there");
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/transform/tests/leef_reader.py");
    let mut command = Command::new(python);
    let mut child = command.arg(reader).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut input = child.stdin.take().expect("it was asked for");
    let writer = std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = child.wait_with_output().expect("a program that was started ends");
    writer.join().expect("writing does not panic").expect("the reader reads all lines");
    let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let by_record = answers.map(|answer| {
        let answer = answer.expect("an answer is JSON");
        let id = answer["attributes"]["recordId"].as_str();
        (id.unwrap_or_else(|| panic!("no LEEF: {answer}")).to_owned(), answer)
    });
    by_record.collect()
}
