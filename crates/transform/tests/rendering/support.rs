//! A strict reader of CEF, written from the standard's rules and not from our writer.

use std::collections::BTreeSet;

use transform::{CefHeader, Origin, Renderer, Shape};

pub(crate) const TENANT_ID: &str = "11111111-2222-3333-4444-555555555555";

pub(crate) const ORIGIN: Origin<'static> = Origin { tenant_id: TENANT_ID, tenant_name: "contoso", partial: false };

pub(crate) fn cef(shape: Shape, raw: &str) -> Line {
    let mut out = Vec::new();
    let renderer = Renderer::cef(CefHeader::default());
    renderer.render(shape, &ORIGIN, None, raw.as_bytes(), &mut out).expect("the input is an object");
    Line::decode(std::str::from_utf8(&out).expect("a line is UTF-8"))
}

/// A line of CEF, decoded.
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
        let rest = line.strip_prefix("CEF:0|").expect("a line begins with its version");
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
