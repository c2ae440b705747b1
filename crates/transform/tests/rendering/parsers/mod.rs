//! What independent readers make of our lines: a thousand generated alerts, the hostile texts and the golden samples,
//! whole and cut. Where they differ from the standards is written in the README.

mod population;
mod programs;

use serde_json::Value;
use transform::{Budget, LeefDelimiter, LeefVersion, Renderer, ticks};

use crate::parsers::population::alerts;
use crate::parsers::programs::{lognormalizer, python, tenzir};
use crate::samples::{SAMPLES, line_formats};
use crate::support::{Line, ORIGIN};

/// Guarantees that liblognorm, the strictest reader of CEF, reads what we read.
#[test]
fn liblognorm_reads_cef() {
    let records = records("CEF:0");
    // It eats the first character behind the header unless that is a blank.
    let input: Vec<String> = records.iter().map(|record| with_blank(record)).collect();
    let Some(answers) = lognormalizer(&input) else { return };
    assert_eq!(answers.len(), records.len());
    for (record, answer) in records.iter().zip(answers) {
        let read = &answer["f"];
        let header = ["DeviceVendor", "DeviceProduct", "DeviceVersion", "SignatureID", "Name", "Severity"];
        same(record, &Line::decode(record), &header.map(|field| &read[field]), &read["Extensions"]);
    }
}

/// Guarantees that cefp reads what we read.
#[test]
fn cefp_reads_cef() {
    for format in ["CEF:0", "CEF:1"] {
        let records = records(format);
        let Some(answers) = python("cef_reader.py", &records) else { return };
        assert_eq!(answers.len(), records.len());
        for (record, read) in records.iter().zip(answers) {
            let device = &read["device"];
            let header = [
                &device["vendor"],
                &device["product"],
                &device["version"],
                &device["event_class_id"],
                &read["name"],
                &read["severity"],
            ];
            same(record, &Line::decode(record), &header, &read["extension"]);
        }
    }
}

/// Guarantees that a strict reader written from IBM's guide in another language reads what we read, and finds nothing
/// that the guide does not allow.
#[test]
fn a_strict_reader_reads_leef() {
    for (format, version) in [("LEEF:1.0", LeefVersion::V1), ("LEEF:2.0", CARET)] {
        let records = records(format);
        let Some(answers) = python("leef_reader.py", &records) else { return };
        assert_eq!(answers.len(), records.len());
        for (record, read) in records.iter().zip(answers) {
            assert_eq!(read["error"], Value::Null, "{record}");
            let header: Vec<&Value> = read["header"].as_array().expect("the header is a list").iter().collect();
            same(record, &Line::decode_leef(record, version), &header, &read["attributes"]);
        }
    }
}

/// Guarantees that the strict reader refuses what the guide does not allow: else it would prove nothing.
#[test]
fn the_strict_reader_is_strict() {
    let lines = [
        "LEEF:1.0|V|P|1|id",
        "LEEF:2.0|V|P|1|id|a=b",
        "LEEF:3.0|V|P|1|id|a=b",
        "LEEF:1.0|V||1|id|a=b",
        "LEEF:1.0|V|P|1|id|a=b\tno attribute",
        "LEEF:1.0|V|P|1|id|a=b\ta=c",
        "LEEF:1.0|V|P|1|id|a=",
        "LEEF:1.0|V|P|1|id|a b=c",
        "LEEF:1.0|V|P|1|id|a=\u{1}",
        "LEEF:1.0|V|P|1|id|src=host",
        "LEEF:1.0|V|P|1|id|sev=0",
        "LEEF:1.0|V|P|1|id|identHostName=h",
        "LEEF:1.0|V|P|1|id|devTime=2021-01-26T20:33:57Z",
        "LEEF:1.0|V|P|1|id|devTime=x\tdevTimeFormat=MMM dd yyyy HH:mm:ss.SSS zzz",
        "LEEF:2.0|V|P|1|id|xyz|a=b",
    ];
    let Some(answers) = python("leef_reader.py", &lines.map(str::to_owned)) else { return };
    assert_eq!(answers.len(), lines.len());
    for (line, answer) in lines.iter().zip(answers) {
        assert!(answer["error"].is_string(), "{line}: {answer}");
    }
}

/// Guarantees that Tenzir's parsers read what we read, but for what the README names. In the long run alone: the
/// program is large.
#[test]
fn tenzir_reads_cef_and_leef() {
    for format in ["CEF:0", "CEF:1", "LEEF:1.0", "LEEF:2.0"] {
        let records = records(format);
        let parser = if format.starts_with("CEF") { "parse_cef" } else { "parse_leef" };
        let Some(answers) = tenzir(parser, &records) else { return };
        assert_eq!(answers.len(), records.len());
        let mut asked = 0;
        for (record, answer) in records.iter().zip(answers) {
            let read = &answer["read"];
            if is_misread_by_tenzir(record) {
                continue;
            }
            asked += 1;
            let (line, header, pairs) = match format {
                "LEEF:1.0" => (Line::decode_leef(record, LeefVersion::V1), TENZIR_LEEF, &read["attributes"]),
                "LEEF:2.0" => (Line::decode_leef(record, CARET), TENZIR_LEEF, &read["attributes"]),
                _ => (Line::decode(record), TENZIR_CEF, &read["extension"]),
            };
            let header: Vec<_> = header.iter().map(|field| read[field].as_str().unwrap_or_default()).collect();
            assert_eq!(header, line.header, "{record}");
            let pairs = pairs.as_object().unwrap_or_else(|| panic!("Tenzir refuses {record}"));
            assert_eq!(pairs.len(), line.pairs.len(), "{record}");
            for (key, value) in &line.pairs {
                // LEEF has no escapes, but it resolves some.
                let resolved = format.starts_with("LEEF") && value.contains('\\');
                assert!(resolved || is_tenzirs(&pairs[key], value), "{key} is {} in {record}", pairs[key]);
            }
        }
        assert!(asked > 300, "{asked} of {} are no proof", records.len());
    }
}

const TENZIR_CEF: &[&str] = &["device_vendor", "device_product", "device_version", "signature_id", "name", "severity"];
const TENZIR_LEEF: &[&str] = &["vendor", "product_name", "product_version", "event_class_id"];
const CARET: LeefVersion = LeefVersion::V2(LeefDelimiter::CARET);

/// It takes quotes for quotes, across values and keys, and in LEEF a backslash before the delimiter for an escape of it;
/// in CEF it counts bars in the values as the header's, and knows no backslash that stands for itself in the header.
fn is_misread_by_tenzir(record: &str) -> bool {
    if record.starts_with("LEEF:") {
        return ["\"", "\\\t", "\\^"].iter().any(|misread| record.contains(misread));
    }
    let (header, extension) = record.split_at(header_end(record));
    extension.contains(['|', '"']) || header.contains('\\')
}

/// It makes numbers, truths and times of what looks like them, nothing of `nan`, and takes quotes around a whole value
/// away.
fn is_tenzirs(read: &Value, value: &str) -> bool {
    match read {
        Value::String(read) if read == value || value == format!("\"{read}\"") => true,
        Value::String(read) => ticks(read).is_some() && ticks(read) == ticks(value),
        Value::Number(read) => value.parse::<f64>().ok() == read.as_f64(),
        Value::Bool(read) => value == read.to_string(),
        _ => value.parse::<f64>().is_ok_and(|number| !number.is_finite()),
    }
}

/// The reader's header and pairs are ours, each of them and no more.
fn same(record: &str, line: &Line, header: &[&Value], pairs: &Value) {
    let header: Vec<_> = header.iter().map(|field| field.as_str().unwrap_or_default()).collect();
    assert_eq!(header, line.header, "{record}");
    let pairs = pairs.as_object().unwrap_or_else(|| panic!("the reader refuses {record}"));
    assert_eq!(pairs.len(), line.pairs.len(), "{record}");
    for (key, value) in &line.pairs {
        assert_eq!(pairs.get(key).and_then(Value::as_str), Some(value.as_str()), "{key} of {record}");
    }
}

/// Every record that readers are asked about: one line each.
fn records(format: &str) -> Vec<String> {
    let (_, renderer) = line_formats().into_iter().find(|(name, _)| *name == format).expect("it is a format");
    let renderers = [renderer.clone().within(Budget::bytes(8192)), renderer.within(Budget::bytes(1024))];
    let samples = SAMPLES.iter().map(|sample| (sample.shape, sample.json.to_owned()));
    let mut records = Vec::new();
    for (shape, raw) in samples.chain(alerts()) {
        for renderer in &renderers {
            records.push(render(renderer, shape, &raw));
        }
    }
    records
}

fn render(renderer: &Renderer, shape: transform::Shape, raw: &str) -> String {
    let mut out = Vec::new();
    renderer.render(shape, &ORIGIN, None, raw.as_bytes(), &mut out).expect("a generated alert is an object");
    String::from_utf8(out).expect("a record is UTF-8")
}

/// The line of CEF with a blank behind its header.
fn with_blank(record: &str) -> String {
    let (header, extension) = record.split_at(header_end(record));
    format!("{header} {extension}")
}

/// The place behind the seventh bar of a line of CEF.
fn header_end(record: &str) -> usize {
    let bytes = record.as_bytes();
    let mut bars = 0;
    let mut at = 0;
    while bars < 7 {
        match bytes[at] {
            b'\\' => at += 1,
            b'|' => bars += 1,
            _ => {}
        }
        at += 1;
    }
    at
}
