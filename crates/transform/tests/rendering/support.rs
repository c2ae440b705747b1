//! Strict readers of CEF and LEEF, written from the standards' rules and not from our writer; and what of a text a
//! reader should see.

use std::collections::BTreeSet;

use transform::{CefHeader, LeefDelimiter, LeefOptions, LeefVersion, Origin, Renderer, Shape};

pub(crate) const TENANT_ID: &str = "11111111-2222-3333-4444-555555555555";

pub(crate) const ORIGIN: Origin<'static> = Origin { tenant_id: TENANT_ID, tenant_name: "contoso", partial: false };

pub(crate) fn cef(shape: Shape, raw: &str) -> Line {
    let mut out = Vec::new();
    let renderer = Renderer::cef(CefHeader::default());
    renderer.render(shape, &ORIGIN, None, raw.as_bytes(), &mut out).expect("the input is an object");
    Line::decode(std::str::from_utf8(&out).expect("a line is UTF-8"))
}

/// The attributes of a line of LEEF 1.0.
pub(crate) fn leef(shape: Shape, raw: &str) -> Line {
    leef_of(LeefVersion::V1, shape, raw)
}

pub(crate) fn leef_of(version: LeefVersion, shape: Shape, raw: &str) -> Line {
    let mut out = Vec::new();
    let renderer = Renderer::leef(&LeefOptions { version, ..LeefOptions::default() });
    renderer.render(shape, &ORIGIN, None, raw.as_bytes(), &mut out).expect("the input is an object");
    Line::decode_leef(std::str::from_utf8(&out).expect("a line is UTF-8"), version)
}

/// A line of CEF or LEEF, decoded.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) header: Vec<String>,
    /// In the order of the line.
    pub(crate) pairs: Vec<(String, String)>,
}

impl Line {
    /// Panics at the first thing that the standard does not allow, or that a known receiver chokes on.
    pub(crate) fn decode(line: &str) -> Self {
        assert!(!line.contains(|char: char| char.is_control() || "\u{2028}\u{2029}".contains(char)), "{line:?}");
        let rest = line.strip_prefix("CEF:0|").or_else(|| line.strip_prefix("CEF:1|"));
        let rest = rest.expect("a line begins with its version");
        let (header, extension) = header(rest);
        let pairs = pairs(extension);
        let keys: BTreeSet<_> = pairs.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), pairs.len(), "a key stands twice in {line}");
        for (at, (key, value)) in pairs.iter().enumerate() {
            assert!(!value.is_empty() && value.trim_matches(' ') == value, "{key} is empty or has blanks in {line}");
            if let Some(labelled) = key.strip_suffix("Label") {
                assert_eq!(pairs[at - 1].0, labelled, "a label does not follow its value in {line}");
            }
        }
        Self { header, pairs }
    }

    /// Panics at the first thing that IBM's guide does not allow, or that a known reader chokes on.
    pub(crate) fn decode_leef(line: &str, version: LeefVersion) -> Self {
        let (opening, delimiter) = match version {
            LeefVersion::V1 => ("LEEF:1.0|", LeefDelimiter::TAB),
            LeefVersion::V2(delimiter) => ("LEEF:2.0|", delimiter),
        };
        let stray = |char: char| char.is_control() && char != delimiter.get() || "\u{2028}\u{2029}".contains(char);
        assert!(!line.contains(stray), "{line:?}");
        let rest = line.strip_prefix(opening).expect("a line begins with its version");
        let fields = if version == LeefVersion::V1 { 5 } else { 6 };
        let mut header: Vec<String> = rest.splitn(fields, '|').map(str::to_owned).collect();
        assert_eq!(header.len(), fields, "{line:?}");
        let attributes = header.pop().expect("there are several");
        if version != LeefVersion::V1 {
            let named = header.pop().expect("there are several");
            assert!(named.is_empty() && delimiter == LeefDelimiter::TAB || named == delimiter.get().to_string());
        }
        assert!(header.iter().all(|field| !field.is_empty() && field.trim_matches(' ') == field), "{line:?}");
        let pairs: Vec<(String, String)> = attributes
            .split(delimiter.get())
            .map(|pair| pair.split_once('=').expect("an attribute has a key and a value"))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let keys: BTreeSet<_> = pairs.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), pairs.len(), "a key stands twice in {line}");
        assert!(pairs.len() >= 4, "some readers take a line of fewer than four attributes for another format: {line}");
        for (key, value) in &pairs {
            assert!(key.chars().all(|char| char.is_ascii_alphanumeric()), "{key:?} is a key");
            assert!(!value.is_empty() && value.trim_matches(' ') == value, "{key} is empty or has blanks in {line}");
            assert!(!value.contains('|'), "some readers split a value at a bar: {line}");
        }
        Self { header, pairs }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

fn header(line: &str) -> (Vec<String>, &str) {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut chars = line.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some((_, escaped @ ('\\' | '|'))) => field.push(escaped),
                other => panic!("{other:?} is escaped in the header of {line}"),
            },
            '|' => {
                fields.push(std::mem::take(&mut field));
                if fields.len() == 6 {
                    return (fields, &line[at + 1..]);
                }
            }
            _ => field.push(char),
        }
    }
    panic!("{} fields in the header of {line}", fields.len());
}

/// Splits at every unescaped `=`; the word before it is a key.
fn pairs(extension: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut text = String::new();
    let mut key = None;
    let mut chars = extension.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => text.push(match chars.next() {
                Some(escaped @ ('\\' | '=')) => escaped,
                Some('n') => '\n',
                Some('r') => '\r',
                other => panic!("{other:?} is escaped in {extension}"),
            }),
            '=' => {
                let (value, next) = match text.rsplit_once(' ') {
                    Some((value, next)) => (value.to_owned(), next.to_owned()),
                    None => (String::new(), text.clone()),
                };
                assert!(!next.is_empty() && next.chars().all(|char| char.is_ascii_alphanumeric()), "{next:?} is a key");
                if let Some(key) = key.replace(next) {
                    pairs.push((key, value));
                } else {
                    assert_eq!(value, "", "text stands before the first key");
                }
                text.clear();
            }
            _ => text.push(char),
        }
    }
    if let Some(key) = key {
        pairs.push((key, text));
    }
    pairs
}

/// Where a text stands.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// The header of CEF.
    Header,
    /// A value of CEF.
    Extension,
    /// A value of LEEF, or its header, with this between attributes.
    Leef(char),
}

/// What a reader should see of a text of the input.
pub(crate) fn sanitise(text: &str, place: Place, limit: usize) -> String {
    let mut units: Vec<String> = text
        .chars()
        .map(|char| match char {
            '\t' | '\u{2028}' | '\u{2029}' => " ".to_owned(),
            '\n' | '\r' if place != Place::Extension => " ".to_owned(),
            '\n' | '\r' => char.to_string(),
            '|' if matches!(place, Place::Leef(_)) => "¦".to_owned(),
            _ if place == Place::Leef(char) => wide(char).to_string(),
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

/// The sign in full width.
fn wide(char: char) -> char {
    char::from_u32(char as u32 + 0xFEE0).expect("every sign of ASCII has one")
}
