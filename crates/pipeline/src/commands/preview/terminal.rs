//! A message on a terminal: its header dim, the keys of its record bold, and nothing in it that steers the terminal.

use std::ops::Range;

/// A message that carries `payload`, coloured. A payload that was cut or changed on its way is found by its beginning.
pub(crate) fn shown(message: &[u8], payload: &[u8]) -> String {
    let start = payload_start(message, payload);
    let (header, record) = message.split_at(start);
    let (header, record) = (String::from_utf8_lossy(header), String::from_utf8_lossy(record));
    let mut out = String::with_capacity(message.len() * 2);
    if !header.is_empty() {
        out.push_str(DIM);
        push_visible(&mut out, &header);
        out.push_str(PLAIN);
    }
    let mut done = 0;
    for key in keys(&record) {
        push_visible(&mut out, &record[done..key.start]);
        out.push_str(BOLD);
        push_visible(&mut out, &record[key.clone()]);
        out.push_str(PLAIN);
        done = key.end;
    }
    push_visible(&mut out, &record[done..]);
    out
}

/// Where the record begins in a message.
fn payload_start(message: &[u8], payload: &[u8]) -> usize {
    /// As much of a payload is no part of any header.
    const TELLING: usize = 6;
    let beginning = &payload[..payload.len().min(TELLING)];
    let found = message.windows(beginning.len().max(1)).position(|window| window == beginning);
    found.unwrap_or(0)
}

/// Where the keys of a record stand.
fn keys(record: &str) -> Vec<Range<usize>> {
    match record.as_bytes() {
        [b'{', ..] => json_keys(record),
        [b'L', b'E', b'E', b'F', b':', ..] => leef_keys(record),
        _ => cef_keys(record),
    }
}

/// The words before the first `=` of each attribute. What stands between attributes is the sixth part of the header of
/// LEEF 2.0; where that is empty, and in LEEF 1.0, it is a tab.
fn leef_keys(record: &str) -> Vec<Range<usize>> {
    let header_parts = if record.starts_with("LEEF:2.") { 6 } else { 5 };
    let Some((last, _)) = record.match_indices('|').nth(header_parts - 1) else { return Vec::new() };
    let delimiter = match (header_parts, record[..last].chars().next_back()) {
        (6, Some(delimiter)) if delimiter != '|' => delimiter,
        _ => '\t',
    };
    let mut keys = Vec::new();
    let mut start = last + 1;
    for attribute in record[start..].split(delimiter) {
        keys.extend(attribute.find('=').map(|length| start..start + length));
        start += attribute.len() + delimiter.len_utf8();
    }
    keys
}

/// The words before each `=` that has no backslash, behind the seven parts of the header.
fn cef_keys(record: &str) -> Vec<Range<usize>> {
    const HEADER_PARTS: usize = 7;
    let mut keys = Vec::new();
    let (mut parts, mut word, mut escaped) = (0, 0, false);
    for (position, byte) in record.bytes().enumerate() {
        match byte {
            b'\\' if !escaped => {
                escaped = true;
                continue;
            }
            b'|' if !escaped && parts < HEADER_PARTS => {
                parts += 1;
                word = position + 1;
            }
            b' ' => word = position + 1,
            b'=' if !escaped && parts == HEADER_PARTS => keys.push(word..position),
            _ => {}
        }
        escaped = false;
    }
    keys
}

/// The texts before each `:`, their quotes included.
fn json_keys(record: &str) -> Vec<Range<usize>> {
    let mut keys = Vec::new();
    let (mut text, mut last, mut escaped) = (None, None, false);
    for (position, byte) in record.bytes().enumerate() {
        match (text, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(start), b'"') => (text, last) = (None, Some(start..position + 1)),
            (None, b'"') => text = Some(position),
            (None, b':') => keys.extend(last.take()),
            (None, b' ') | (Some(_), _) => {}
            (None, _) => last = None,
        }
    }
    keys
}

/// Appends a text; what a terminal would obey is shown as a sign, reversed.
fn push_visible(out: &mut String, text: &str) {
    for character in text.chars() {
        let sign = match character {
            '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).map(String::from),
            '\u{7f}' => Some('\u{2421}'.to_string()),
            '\u{80}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => {
                Some(format!("<U+{:04X}>", u32::from(character)))
            }
            _ => None,
        };
        match sign {
            Some(sign) => [REVERSED, &sign, PLAIN].iter().for_each(|part| out.push_str(part)),
            None => out.push(character),
        }
    }
}

// Select Graphic Rendition (ECMA-48, section 8.3.117).
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";
const REVERSED: &str = "\u{1b}[7m";

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown, with colours as signs: `(` dim, `[` bold, `{` reversed, and their ends.
    fn signs(message: &str, payload: &str) -> String {
        let mut open = ' ';
        let mut out = String::new();
        let coloured = shown(message.as_bytes(), payload.as_bytes());
        for (index, part) in coloured.split('\u{1b}').enumerate() {
            let (code, text) = if index == 0 { ("", part) } else { part.split_at(3) };
            let sign = match code {
                "[1m" => '«',
                "[2m" => '(',
                "[7m" => '‹',
                _ => match open {
                    '«' => '»',
                    '(' => ')',
                    _ => '›',
                },
            };
            if index > 0 {
                out.push(sign);
                open = sign;
            }
            out.push_str(text);
        }
        out
    }

    /// Guarantee: header, keys and bytes that a terminal would obey are told apart, in CEF, in LEEF and in JSON.
    #[test]
    fn parts_are_told_apart() {
        let cef = "CEF:0|a\\|b|c|1|id|x=y|5|msg=a\\=b c key=\u{9b}31m";
        assert_eq!(
            signs(&format!("<165>1 - host - - - - {cef}\n"), cef),
            "(<165>1 - host - - - - )CEF:0|a\\|b|c|1|id|x=y|5|«msg»=a\\=b c «key»=‹<U+009B>›31m‹␊›"
        );
        let leef = "LEEF:1.0|a|b|1|id|cat=x y=z\tsev=5";
        assert_eq!(signs(leef, leef), "LEEF:1.0|a|b|1|id|«cat»=x y=z‹␉›«sev»=5");
        let leef = "LEEF:2.0|a|b|1|id|^|cat=x|y=z^sev=5^";
        assert_eq!(signs(leef, leef), "LEEF:2.0|a|b|1|id|^|«cat»=x|y=z^«sev»=5^");
        let leef = "LEEF:2.0|a|b|1|id||cat=^\tsev=5";
        assert_eq!(signs(leef, leef), "LEEF:2.0|a|b|1|id||«cat»=^‹␉›«sev»=5");
        let json = r#"{"a":"b:\"c\":","d":[1,"e",{"f":"g"}]}"#;
        assert_eq!(signs(json, json), r#"{«"a"»:"b:\"c\":",«"d"»:[1,"e",{«"f"»:"g"}]}"#);
    }

    /// Guarantee: a record that was cut short is still found behind its header.
    #[test]
    fn a_cut_record_is_found() {
        assert_eq!(signs("<1>x CEF:0|a|b|c", "CEF:0|a|b|c|d|e|f|g=h"), "(<1>x )CEF:0|a|b|c");
        assert_eq!(signs("<1>x LEEF:2.0|a|b|c|d=", "LEEF:2.0|a|b|c|d=|^|g=h"), "(<1>x )LEEF:2.0|a|b|c|d=");
    }
}
