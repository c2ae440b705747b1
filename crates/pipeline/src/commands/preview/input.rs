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

/// The alerts in a text: objects one after the other, in lists, or in answers of an API.
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

/// What a value holds: the items of a list or of an answer, or itself. An answer has its items in `value`, that of a
/// hunting query in `results`, or `Results` where Defender for Endpoint is asked.
fn items(value: &RawValue) -> Vec<&RawValue> {
    let answered = || members(value).and_then(|members| ANSWERS.iter().find_map(|name| list(members.get(*name)?)));
    list(value).or_else(answered).unwrap_or_else(|| vec![value])
}

const ANSWERS: [&str; 3] = ["value", "results", "Results"];

fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

fn members(value: &RawValue) -> Option<HashMap<String, &RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// An object whose shape shows by its members. Names count in any case, as they do where alerts are rendered.
fn alert(value: &RawValue) -> Option<Alert> {
    let shape = shape(&members(value)?)?;
    Some(Alert { shape, raw: value.get().to_owned() })
}

/// The shape that the names of an object's members tell. None of what an API can leave out is asked for: an alert of the
/// public API is what has an `id` and nothing of Graph's.
fn shape(members: &HashMap<String, &RawValue>) -> Option<Shape> {
    let has = |names: &[&str]| members.keys().any(|member| names.iter().any(|name| member.eq_ignore_ascii_case(name)));
    match (has(&["id"]), has(HUNTING)) {
        // A row of the tables of alerts has an `AlertId` too, but its time is called otherwise than in the export.
        _ if has(&["FullId"]) => Some(Shape::LegacyRow),
        (_, false) if has(&["AlertId"]) => Some(Shape::LegacyRow),
        (true, _) if has(GRAPH_ALERT) => Some(Shape::GraphAlert),
        (true, _) if has(GRAPH_INCIDENT) => Some(Shape::GraphIncident),
        (true, _) if has(GRAPH) => Some(Shape::GraphAlert),
        (true, _) => Some(Shape::MdeAlert),
        (false, true) => Some(Shape::HuntingRow),
        (false, false) => None,
    }
}

/// What alerts of Graph have and its incidents have not.
const GRAPH_ALERT: &[&str] = &["alertWebUrl", "serviceSource", "providerAlertId"];

/// What incidents have. Alerts name the page of their incident too, and are told apart before.
const GRAPH_INCIDENT: &[&str] = &["redirectIncidentId", "incidentWebUrl", "displayName", "alerts"];

/// What Graph names otherwise than the public API does.
const GRAPH: &[&str] = &["createdDateTime", "lastUpdateDateTime"];

/// The columns of time that every table of advanced hunting has, in Defender and in Sentinel.
const HUNTING: &[&str] = &["Timestamp", "TimeGenerated"];

/// One of each shape, of a tenant that does not exist.
const SAMPLES: &str = concat!(
    include_str!("../../../samples/mde_alert.json"),
    include_str!("../../../samples/legacy_row.json"),
    include_str!("../../../samples/graph_alert.json"),
    include_str!("../../../samples/graph_incident.json"),
    include_str!("../../../samples/hunting_row.json"),
);

const NO_ALERT: &str = "neither an alert or an incident, which has an `id`, nor a row of the SIEM export, which has an \
                        `AlertId`, nor one of a hunting query, which has a `Timestamp`";

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Result<Vec<Shape>, String> {
        alerts(text).map(|alerts| alerts.into_iter().map(|alert| alert.shape).collect())
    }

    /// Guarantee: one object, a list, an answer of the API and JSON lines are read, whatever their texts hold.
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

    /// Guarantee: a shape is told by what the API always sends, whatever else is there, or was not asked for.
    #[test]
    fn every_shape_is_told() {
        use Shape::{GraphAlert, GraphIncident, HuntingRow, LegacyRow, MdeAlert};
        assert_eq!(
            alerts(SAMPLES).map(|alerts| alerts.iter().map(|alert| alert.shape).collect::<Vec<_>>()),
            Ok(vec![MdeAlert, LegacyRow, GraphAlert, GraphIncident, HuntingRow])
        );
        for (text, shape) in [
            (r#"{ "id": "a", "incidentId": 1, "lastUpdateTime": "x" }"#, MdeAlert),
            (r#"{ "id": "a", "serviceSource": "x", "incidentWebUrl": "x", "createdDateTime": "x" }"#, GraphAlert),
            (r#"{ "id": "a", "lastUpdateDateTime": "x", "title": "x" }"#, GraphAlert),
            (r#"{ "id": "1", "displayName": "x", "createdDateTime": "x" }"#, GraphIncident),
            (r#"{ "id": "1", "alerts": [{ "id": "a", "alertWebUrl": "x" }] }"#, GraphIncident),
            (r#"{ "AlertId": "a", "DeviceID": "x", "ReportID": 1, "AlertTime": "x" }"#, LegacyRow),
            (r#"{ "Timestamp": "x", "AlertId": "a", "Title": "x" }"#, HuntingRow),
            (r#"{ "TimeGenerated": "x", "Computer": "y" }"#, HuntingRow),
            (r#"{ "schema": [{ "name": "Timestamp" }], "results": [{ "Timestamp": "x" }] }"#, HuntingRow),
            (r#"{ "Stats": {}, "Results": [{ "Timestamp": "x", "ReportId": 1 }] }"#, HuntingRow),
        ] {
            assert_eq!(shapes(text), Ok(vec![shape]), "{text}");
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
            (r#"[ { "id": 1 }, { "title": "x" } ]"#, "record 2 is neither an alert or an incident"),
            ("17", "record 1 is neither an alert or an incident"),
            ("[[{\"id\": 1}]]", "record 1 is neither an alert or an incident"),
        ] {
            let told = shapes(text).expect_err("it is no alert");
            assert!(told.starts_with(sentence), "{text}: {told}");
        }
    }
}
