//! Alerts from a file, from standard input, or from inside the program.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Deserializer;
use serde_json::value::RawValue;
use transform::Shape;

use crate::exit::{Failure, FailureKind};

/// An alert as an API sent it: one JSON object.
#[derive(Debug)]
pub(crate) struct Alert {
    pub(crate) shape: Shape,
    pub(crate) raw: String,
}

/// The alerts of a file; `-` is standard input, and without a file there are those that are built in.
pub(crate) fn read(file: Option<&Path>) -> Result<Vec<Alert>, Failure> {
    let (name, bytes) = match file {
        None => return alerts(SAMPLES).map_err(|message| Failure::new(FailureKind::Failed, message)),
        Some(path) if path == Path::new("-") => ("standard input".to_owned(), standard_input()),
        Some(path) => (path.display().to_string(), fs::read(path)),
    };
    let failed = |error| Failure::because(FailureKind::Failed, &format!("failed to read {name}"), &error);
    let bytes = bytes.map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    alerts(&text).map_err(|message| Failure::new(FailureKind::Failed, format!("{name}: {message}")))
}

fn standard_input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The alerts in a text: objects one after the other, in lists, or in answers of an API, whose `value` is a list.
fn alerts(text: &str) -> Result<Vec<Alert>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut alerts = Vec::new();
    for value in Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value.map_err(|error| format!("this is neither JSON nor a JSON object on each line: {error}"))?;
        for item in items(value) {
            let number = alerts.len() + 1;
            alerts.push(alert(item).ok_or_else(|| format!("record {number} is {NO_ALERT}"))?);
        }
    }
    if alerts.is_empty() { Err("there is no alert in it".to_owned()) } else { Ok(alerts) }
}

/// What a value holds: the items of a list or of an answer, or itself.
fn items(value: &RawValue) -> Vec<&RawValue> {
    let answered = || members(value).and_then(|members| list(members.get("value")?));
    list(value).or_else(answered).unwrap_or_else(|| vec![value])
}

fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

fn members(value: &RawValue) -> Option<HashMap<String, &RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// An object whose shape shows by the name of its id. Names count in any case, as they do where alerts are rendered.
fn alert(value: &RawValue) -> Option<Alert> {
    let members = members(value)?;
    let has = |name: &str| members.keys().any(|member| member.eq_ignore_ascii_case(name));
    let shape = match (has("AlertId") || has("FullId"), has("id")) {
        (true, _) => Shape::LegacyRow,
        (false, true) => Shape::MdeAlert,
        (false, false) => return None,
    };
    Some(Alert { shape, raw: value.get().to_owned() })
}

/// An alert of the public API and a row of the legacy export, of a tenant that does not exist.
const SAMPLES: &str =
    concat!(include_str!("../../../samples/mde_alert.json"), include_str!("../../../samples/legacy_row.json"));

const NO_ALERT: &str = "neither an alert of Defender's API, which has an `id`, nor a row of the SIEM export, which has \
                        an `AlertId`";

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Result<Vec<Shape>, String> {
        alerts(text).map(|alerts| alerts.into_iter().map(|alert| alert.shape).collect())
    }

    /// Guarantee: one object, a list, an answer of the API and JSON lines are read, of either shape, whatever their
    /// texts hold.
    #[test]
    fn every_form_of_input_is_read() {
        use Shape::{LegacyRow, MdeAlert};
        for (text, expected) in [
            (r#"{ "id": "a" }"#, vec![MdeAlert]),
            ("\u{feff}{ \"AlertId\": \"a\", \"AlertTitle\": \"\\ud83d\" }", vec![LegacyRow]),
            (r#"{ "fullid": "a", "id": 1 }"#, vec![LegacyRow]),
            (r#"[ { "id": "a" }, { "AlertId": "b" } ]"#, vec![MdeAlert, LegacyRow]),
            (r#"{ "@odata.context": "x", "value": [ { "id": "a" }, { "id": "b" } ] }"#, vec![MdeAlert, MdeAlert]),
            ("{\"id\": \"a\"}\n\n{\"id\": \"b\"}\r\n{\"FullId\": \"c\"}\n", vec![MdeAlert, MdeAlert, LegacyRow]),
            (r#"{ "id": "a", "value": "text" }"#, vec![MdeAlert]),
        ] {
            assert_eq!(shapes(text), Ok(expected), "{text}");
        }
    }

    /// Guarantee: an alert is rendered from the very bytes that were read.
    #[test]
    fn bytes_are_kept() {
        let read = alerts("[ {\"id\":  \"\\u0041\", \"id\": 1.50 } ]").expect("it is an alert");
        assert_eq!(read[0].raw, "{\"id\":  \"\\u0041\", \"id\": 1.50 }");
    }

    /// Guarantee: anything else is refused with a sentence that says what was expected and which record it is.
    #[test]
    fn anything_else_is_refused() {
        for (text, sentence) in [
            ("", "there is no alert in it"),
            (r#"{ "value": [] }"#, "there is no alert in it"),
            (
                "CEF:0|Microsoft|",
                "this is neither JSON nor a JSON object on each line: expected value at line 1 column 1",
            ),
            ("{\"id\": 1}\n{\"id\": ", "this is neither JSON nor a JSON object on each line: EOF while parsing"),
            (r#"[ { "id": 1 }, { "title": "x" } ]"#, "record 2 is neither an alert of Defender's API"),
            ("17", "record 1 is neither an alert of Defender's API"),
            ("[[{\"id\": 1}]]", "record 1 is neither an alert of Defender's API"),
        ] {
            let told = shapes(text).expect_err("it is no alert");
            assert!(told.starts_with(sentence), "{text}: {told}");
        }
    }
}
