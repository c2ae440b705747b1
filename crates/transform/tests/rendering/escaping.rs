//! That no text of an alert can make a line say anything but that text.

use proptest::prelude::*;
use serde_json::json;
use transform::{LeefDelimiter, LeefVersion, Shape};

use crate::samples::hostile::HOSTILE;
use crate::support::{Place, cef, leef_of, sanitise};

/// Guarantees that the texts by which attackers forge fields, lines and terminals come out as text and nothing else.
#[test]
fn hostile_texts_stay_texts() {
    let long = "A".repeat(64 * 1024);
    for text in HOSTILE.iter().copied().chain([long.as_str()]) {
        let row = json!({"AlertTitle": text, "IoaDefinitionId": text, "AlertId": text, "FileName": text, "CommandLine": text, "Description": text,
                         "Url": text, "UserName": text, "MachineName": text, "ThreatName": text, "LogOnUsers": text, "ComputerDnsName": text});
        let line = cef(Shape::LegacyRow, &row.to_string());
        assert_eq!(line.header[4], or(&sanitise(text, Place::Header, 512), "Alert"), "{text:?}");
        for (key, limit) in
            [("fname", 1023), ("cs3", 4000), ("msg", 1023), ("request", 1023), ("suser", 1023), ("shost", 1023)]
        {
            assert_eq!(line.get(key).unwrap_or_default(), sanitise(text, Place::Extension, limit), "{key} of {text:?}");
        }
        for forged in ["dst", "x", "act", "src"] {
            assert_eq!(line.get(forged), None, "{text:?} forged {forged}");
        }
        for version in LEEF_VERSIONS {
            let line = leef_of(version, Shape::LegacyRow, &row.to_string());
            let place = Place::Leef(delimiter(version));
            assert_eq!(line.header[3], or(&sanitise(text, place, 255), "unknown"), "{text:?}");
            for (key, limit) in [("fileName", 1023), ("processCommandLine", 4000), ("description", 4000), ("url", 1023)]
            {
                assert_eq!(line.get(key).unwrap_or_default(), sanitise(text, place, limit), "{key} of {text:?}");
            }
            for forged in ["dst", "x", "act", "src", "usrname"] {
                assert_eq!(line.get(forged), None, "{text:?} forged {forged}");
            }
        }
    }
}

const LEEF_VERSIONS: [LeefVersion; 3] =
    [LeefVersion::V1, LeefVersion::V2(LeefDelimiter::CARET), LeefVersion::V2(LeefDelimiter::TAB)];

fn delimiter(version: LeefVersion) -> char {
    match version {
        LeefVersion::V1 => '\t',
        LeefVersion::V2(delimiter) => delimiter.get(),
    }
}

/// Guarantees that each escape of JSON is resolved before anything is sanitised.
#[test]
fn each_escape_of_json_is_resolved() {
    let line = cef(Shape::MdeAlert, r#"{"description":"\"\\\/|\b|\f|\n|\r|\t|\u00e9|\u003D"}"#);
    assert_eq!(line.get("msg"), Some("\"\\/|<U+0008>|<U+000C>|\n|\r| |é|="));
}

/// Guarantees that a lone surrogate fails nothing and shows as U+FFFD.
#[test]
fn a_lone_surrogate_is_a_replacement_character() {
    for (text, expected) in [
        (r"a\ud83db", "a\u{fffd}b"),
        (r"\udc00", "\u{fffd}"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
        (r"\ud83d\n", "\u{fffd}"),
        (r"\ud83d\u0041", "\u{fffd}A"),
        (r"\uD83D\uDE00", "😀"),
        (r"\ud83d", "\u{fffd}"),
    ] {
        let line = cef(Shape::MdeAlert, &format!(r#"{{"description":"{text}"}}"#));
        assert_eq!(line.get("msg"), Some(expected), "{text}");
    }
}

/// A text of the kind that breaks escapers, short or around a limit.
fn text() -> impl Strategy<Value = String> {
    let hostile = "[\\\\|=\n\r\t \"a-cé😀\u{0}\u{8}\u{c}\u{1b}\u{7f}\u{9b}\u{85}\u{200b}\u{202e}\u{2028}\u{feff}\u{fffd}\u{ad}\u{e0041}]{0,24}";
    let around = (prop::sample::select(vec![38_usize, 61, 98, 253, 510, 1021, 3998]), "[=\\\\a \n\u{202e}é]{0,8}");
    prop_oneof![
        4 => hostile,
        1 => any::<String>(),
        1 => around.prop_map(|(length, tail)| "x".repeat(length) + &tail),
    ]
}

/// JSON of a string with every character as an escape or as itself.
fn spelled(text: &str, escape_all: bool) -> String {
    if !escape_all {
        return serde_json::to_string(text).expect("a text is JSON");
    }
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

/// Whether a reader takes the text for nothing, as the README lists it.
fn says_nothing(text: &str) -> bool {
    let word = text.trim_matches([' ', '\t', '\n', '\r', '\u{c}']);
    word.is_empty() || word == "-" || word.eq_ignore_ascii_case("n/a") || word.eq_ignore_ascii_case("null")
}

/// The keys that hold one text each, with the longest that the standard gives them; in LEEF likewise.
const TEXTS: [(&str, &str, usize, &str, usize); 13] = [
    ("Actor", "cs4", 4000, "actor", 1023),
    ("Category", "cat", 1023, "cat", 1023),
    ("CommandLine", "cs3", 4000, "processCommandLine", 4000),
    ("Description", "msg", 1023, "description", 4000),
    ("DeviceID", "deviceExternalId", 255, "machineId", 255),
    ("FileName", "fname", 1023, "fileName", 1023),
    ("Md5", "cs5", 4000, "md5", 255),
    ("RemediationAction", "act", 63, "action", 255),
    ("Source", "sourceServiceName", 1023, "detectionSource", 255),
    ("ThreatName", "cs1", 4000, "threatName", 1023),
    ("Url", "request", 1023, "url", 1023),
    ("UserDomain", "sntdom", 255, "domain", 255),
    ("UserName", "suser", 1023, "usrName", 255),
];

proptest! {
    /// Guarantees that what a strict reader decodes is the sanitised text, for any text in any member, however its
    /// JSON spells it; that no limit is passed, no key forged, and the keys that every record has are there.
    #[test]
    fn a_line_decodes_to_the_sanitised_texts(
        texts in prop::collection::vec(text(), TEXTS.len()), title in text(), escape_all: bool,
    ) {
        let mut members: Vec<String> =
            TEXTS.iter().zip(&texts).map(|((name, ..), text)| format!("\"{name}\":{}", spelled(text, escape_all))).collect();
        members.push(format!("\"AlertTitle\":{}", spelled(&title, escape_all)));
        let line = cef(Shape::LegacyRow, &format!("{{{}}}", members.join(",")));

        for ((name, key, limit, ..), text) in TEXTS.iter().zip(&texts) {
            let expected = sanitise(text, Place::Extension, *limit);
            prop_assert!(expected.chars().count() <= *limit);
            if !says_nothing(text) {
                prop_assert_eq!(line.get(key).unwrap_or_default(), expected, "{}", name);
            }
        }
        if !says_nothing(&title) {
            let expected = sanitise(&title, Place::Header, 512);
            prop_assert_eq!(&line.header[4], or(&expected, "Alert"));
        }
        prop_assert!(line.get("devicePayloadId").is_some_and(|id| id.len() == 32));
        prop_assert_eq!(line.get("flexString2"), Some("contoso"));
        for (key, _) in &line.pairs {
            let known = TEXTS.iter().any(|(_, known, ..)| key == known || key == &format!("{known}Label"));
            let own = ["devicePayloadId", "flexString2", "flexString2Label", "filePath"];
            prop_assert!(known || own.contains(&key.as_str()), "{} was forged", key);
        }
    }
}

proptest! {
    /// Guarantees the same of LEEF, with any delimiter.
    #[test]
    fn a_line_of_leef_decodes_to_the_sanitised_texts(
        texts in prop::collection::vec(text(), TEXTS.len()), title in text(), escape_all: bool,
        version in prop_oneof![Just(LeefVersion::V1), delimiters().prop_map(LeefVersion::V2)],
    ) {
        let mut members: Vec<String> =
            TEXTS.iter().zip(&texts).map(|((name, ..), text)| format!("\"{name}\":{}", spelled(text, escape_all))).collect();
        members.push(format!("\"AlertTitle\":{}", spelled(&title, escape_all)));
        let line = leef_of(version, Shape::LegacyRow, &format!("{{{}}}", members.join(",")));

        let place = Place::Leef(delimiter(version));
        for ((name, .., key, limit), text) in TEXTS.iter().zip(&texts) {
            let expected = sanitise(text, place, *limit);
            prop_assert!(expected.chars().count() <= *limit);
            if !says_nothing(text) {
                prop_assert_eq!(line.get(key).unwrap_or_default(), expected, "{}", name);
            }
        }
        prop_assert!(line.get("recordId").is_some_and(|id| id.len() == 32));
        prop_assert_eq!((line.get("tenant"), line.get("sev")), (Some("contoso"), Some("1")));
        for (key, _) in &line.pairs {
            let known = TEXTS.iter().any(|(.., known, _)| key == known);
            let own = ["recordId", "tenant", "tenantId", "sev", "severityName", "category", "filePath", "alertTitle"];
            prop_assert!(known || own.contains(&key.as_str()), "{} was forged", key);
        }
    }
}

fn delimiters() -> impl Strategy<Value = LeefDelimiter> {
    prop::sample::select("\t!#$%&'*,;?@^`~".chars().collect::<Vec<_>>())
        .prop_map(|char| LeefDelimiter::new(char).expect("it is one of them"))
}
