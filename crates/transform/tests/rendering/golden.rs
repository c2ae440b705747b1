//! Whole records, as they are to stay: a change here is a change for every receiver.

use std::fmt::Write as _;

use transform::{Budget, CefHeader, Envelope, Renderer};

use crate::samples::{SAMPLES, Sample, line_formats};
use crate::support::ORIGIN;

/// Guarantees every sample in every format of lines, whole and within the two budgets that cut it. A pair stands on a
/// line of its own here; nothing else is changed.
#[test]
fn lines() {
    for sample in SAMPLES {
        let mut shown = String::new();
        for (name, renderer) in line_formats() {
            let whole = render(&renderer, sample);
            writeln!(shown, "== {name}, {} bytes\n{}\n", whole.len(), broken(&whole)).unwrap();
            for bytes in [2048, 1024] {
                let cut = render(&renderer.clone().within(Budget::bytes(bytes)), sample);
                if cut != whole {
                    writeln!(shown, "== {name} within {bytes}, {} bytes\n{}\n", cut.len(), broken(&cut)).unwrap();
                }
            }
        }
        insta::assert_snapshot!(format!("{}_lines", sample.name), shown);
    }
}

/// Guarantees the raw JSON of every sample, with and without its envelope.
#[test]
fn json() {
    for sample in SAMPLES {
        let none = render(&Renderer::json(Envelope::None), sample);
        let wrap = render(&Renderer::json(Envelope::Wrap), sample);
        let opening =
            wrap.strip_suffix('}').and_then(|wrap| wrap.strip_suffix(&none)).expect("the envelope is around it");
        insta::assert_snapshot!(format!("{}_json", sample.name), format!("{opening}\n{none}\n}}"));
    }
}

/// Guarantees the records of an alert that is rendered piece by piece.
#[test]
fn pieces() {
    let sample = SAMPLES.iter().find(|sample| sample.name == "graph_alert").expect("it is a sample");
    let mut shown = String::new();
    let renderer = Renderer::cef(CefHeader::default());
    renderer
        .render_each_evidence(sample.shape, &ORIGIN, sample.json.as_bytes(), |rendered, record| {
            let record = str::from_utf8(record).expect("a record is UTF-8");
            writeln!(shown, "== {}\n{}\n", rendered.record_id, broken(record)).unwrap();
        })
        .expect("the sample is an object");
    insta::assert_snapshot!("graph_alert_pieces", shown);
}

fn render(renderer: &Renderer, sample: &Sample) -> String {
    let mut out = Vec::new();
    renderer.render(sample.shape, &ORIGIN, None, sample.json.as_bytes(), &mut out).expect("the sample is an object");
    String::from_utf8(out).expect("a record is UTF-8")
}

/// The record with a line break in place of what stands between two pairs, and one behind the header.
fn broken(record: &str) -> String {
    let header = header_end(record);
    let delimiter = match record.split('|').nth(5) {
        Some(delimiter) if record.starts_with("LEEF:2.0|") => delimiter.to_owned(),
        _ if record.starts_with("LEEF:1.0|") => "\t".to_owned(),
        _ => " ".to_owned(),
    };
    let mut lines: Vec<String> = vec![record[..header].to_owned()];
    for part in record[header..].split(&delimiter) {
        let goes_on = delimiter == " " && lines.len() > 1 && !begins_with_key(part);
        match lines.last_mut() {
            Some(line) if goes_on => *line = format!("{line} {part}"),
            _ => lines.push(format!("  {part}")),
        }
    }
    lines.join("\n")
}

/// An equals sign of a value has a backslash before it, so that only a key's ends a word.
fn begins_with_key(part: &str) -> bool {
    part.split_once('=').is_some_and(|(key, _)| !key.is_empty() && key.chars().all(|char| char.is_ascii_alphanumeric()))
}

/// The place behind the last `|` of the header that no backslash takes its meaning from.
fn header_end(record: &str) -> usize {
    let fields = match record {
        _ if record.starts_with("LEEF:1.0|") => 5,
        _ if record.starts_with("LEEF:2.0|") => 6,
        _ => 7,
    };
    let bytes = record.as_bytes();
    let bars = (0..bytes.len()).filter(|&at| bytes[at] == b'|' && (at == 0 || bytes[at - 1] != b'\\'));
    bars.take(fields).last().expect("a record has a header") + 1
}
