//! That no text of an alert can make a line say anything but that text.

use proptest::prelude::*;
use serde_json::json;
use transform::Shape;

use crate::support::cef;

/// Guarantees that the texts by which attackers forge fields, lines and terminals come out as text and nothing else.
#[test]
fn hostile_texts_stay_texts() {
    let long = "A".repeat(64 * 1024);
    for text in [
        "x dst=6.6.6.6 act=allow",
        "x\tdst=6.6.6.6",
        "x\nCEF:0|a|b|c|d|e|9|src=6.6.6.6",
        "a\\|b",
        "trailing\\",
        "\\",
        "=",
        "|",
        "\\=",
        "\\n",
        "\"] [evil@1 x=\"1",
        "a\u{202e}gpj.exe",
        "\u{1b}]0;pwn\u{7}",
        "\u{9b}31m",
        "a\0b",
        "-- \"",
        "%0a",
        "${jndi:ldap://x}",
        "=cmd|' /C calc'!A0",
        "ends with |",
        " blanks ",
        "\u{feff}bom",
        "a\u{2028}b\u{2029}c",
        "\u{85}",
        "\r\n",
        "😀 \u{200d}",
        &long,
    ] {
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

/// The keys that hold one text each, with the longest that the standard gives them.
const TEXTS: [(&str, &str, usize); 13] = [
    ("Actor", "cs4", 4000),
    ("Category", "cat", 1023),
    ("CommandLine", "cs3", 4000),
    ("Description", "msg", 1023),
    ("DeviceID", "deviceExternalId", 255),
    ("FileName", "fname", 1023),
    ("Md5", "cs5", 4000),
    ("RemediationAction", "act", 63),
    ("Source", "sourceServiceName", 1023),
    ("ThreatName", "cs1", 4000),
    ("Url", "request", 1023),
    ("UserDomain", "sntdom", 255),
    ("UserName", "suser", 1023),
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

        for ((name, key, limit), text) in TEXTS.iter().zip(&texts) {
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
            let known = TEXTS.iter().any(|(_, known, _)| key == known || key == &format!("{known}Label"));
            let own = ["devicePayloadId", "flexString2", "flexString2Label", "filePath"];
            prop_assert!(known || own.contains(&key.as_str()), "{} was forged", key);
        }
    }
}

/// Where a text stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Header,
    Extension,
}

/// What a reader should see of a text of the input.
fn sanitise(text: &str, place: Place, limit: usize) -> String {
    let mut units: Vec<String> = text
        .chars()
        .map(|char| match char {
            '\t' | '\u{2028}' | '\u{2029}' => " ".to_owned(),
            '\n' | '\r' if place == Place::Header => " ".to_owned(),
            '\n' | '\r' => char.to_string(),
            _ if char.is_control() || is_mark(char) => format!("<U+{:04X}>", char as u32),
            _ => char.to_string(),
        })
        .collect();
    let is_blank = |unit: &String| matches!(unit.as_str(), " " | "\n" | "\r");
    while units.last().is_some_and(is_blank) {
        units.pop();
    }
    let leading = units.iter().take_while(|unit| is_blank(unit)).count();
    units.drain(..leading);
    let width = |unit: &String| unit.chars().count();
    if units.iter().map(width).sum::<usize>() <= limit {
        return units.concat();
    }
    let mut kept = String::new();
    for unit in units {
        if kept.chars().count() + width(&unit) > limit - 1 {
            break;
        }
        kept += &unit;
    }
    format!("{}…", kept.trim_end_matches(' '))
}

fn is_mark(char: char) -> bool {
    let ranges = ['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{e0000}'..='\u{e007f}'];
    ranges.iter().any(|range| range.contains(&char))
        || "\u{ad}\u{61c}\u{180e}\u{feff}\u{fff9}\u{fffa}\u{fffb}".contains(char)
}
