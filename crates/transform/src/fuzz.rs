//! What the fuzz targets of this repository call: any bytes in, and a panic where a promise of the crate is broken.

use crate::{
    Budget, CefHeader, CefVersion, Envelope, LeefDelimiter, LeefOptions, LeefVersion, Origin, Renderer, Shape, severity,
};

/// Any bytes as an alert of every shape: read or refused alike in every format, never more than one line, within its
/// budget.
pub fn reading(bytes: &[u8]) {
    for shape in Shape::ALL {
        severity(shape, bytes);
        let taken = [cef(), leef(LeefVersion::V1), Renderer::json(Envelope::None), Renderer::json(Envelope::Wrap)]
            .map(|renderer| record(&renderer, shape, bytes).is_some());
        assert!(taken.iter().all(|&taken_here| taken_here == taken[0]), "formats differ in what they read");
        let mut pieces = 0;
        let read = cef().render_each_evidence(shape, &ORIGIN, bytes, |_, piece| {
            assert_is_line(piece, Budget::SMALLEST);
            pieces += 1;
        });
        assert_eq!(read.is_ok(), taken[0]);
        assert_eq!(pieces > 0, taken[0]);
    }
}

/// Any text as the title, the command line and the rule of an alert in CEF: what stands between two bars or behind an
/// equals sign reads back, and no key is there that is not ours.
pub fn cef_encoder(bytes: &[u8]) {
    let line = record(&cef(), Shape::MdeAlert, &alert(bytes)).expect("the alert is JSON");
    let mut unescaped = 0;
    let mut escaped = false;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'\\' if !escaped => {
                escaped = true;
                continue;
            }
            b'|' if !escaped && unescaped < 7 => unescaped += 1,
            b'=' if !escaped && unescaped == 7 => assert_is_key(&line[..at]),
            b'\\' | b'|' | b'=' | b'n' | b'r' => {}
            _ => assert!(!escaped, "{:?} is escaped in {line}", char::from(byte)),
        }
        escaped = false;
    }
    assert!(unescaped == 7 && !escaped, "{line}");
}

/// The same in LEEF, with a delimiter that the first byte chooses: each attribute is one of ours.
pub fn leef_encoder(bytes: &[u8]) {
    let (&choice, bytes) = bytes.split_first().unwrap_or((&b'^', &[]));
    let delimiter = LeefDelimiter::new(char::from(choice)).unwrap_or(LeefDelimiter::CARET);
    let line = record(&leef(LeefVersion::V2(delimiter)), Shape::MdeAlert, &alert(bytes)).expect("the alert is JSON");
    let attributes = line.splitn(7, '|').nth(6).expect("a header has six bars");
    for attribute in attributes.split(delimiter.get()) {
        let (key, value) = attribute.split_once('=').expect("an attribute has a key");
        assert_is_key(key);
        assert!(!value.is_empty() && !value.contains('|'), "{attribute}");
    }
}

fn cef() -> Renderer {
    Renderer::cef_version(CefVersion::V1, CefHeader::default()).within(Budget::bytes(Budget::SMALLEST))
}

fn leef(version: LeefVersion) -> Renderer {
    Renderer::leef(&LeefOptions { version, ..LeefOptions::default() }).within(Budget::bytes(Budget::SMALLEST))
}

/// A record, checked for what every record is.
fn record(renderer: &Renderer, shape: Shape, raw: &[u8]) -> Option<String> {
    let mut out = Vec::new();
    renderer.render(shape, &ORIGIN, None, raw, &mut out).ok()?;
    let most = if out.starts_with(b"{") { usize::MAX } else { Budget::SMALLEST };
    assert_is_line(&out, most);
    Some(String::from_utf8(out).expect("a record is UTF-8"))
}

fn assert_is_line(record: &[u8], most: usize) {
    let text = str::from_utf8(record).expect("a record is UTF-8");
    assert!(!text.contains(['\n', '\r', '\0']), "a record is one line: {text:?}");
    assert!(record.len() <= most, "{} bytes are more than {most}", record.len());
}

/// The last word is a key that the table has, or its label.
fn assert_is_key(text: &str) {
    let word = text.rsplit([' ', '|']).next().unwrap_or_default();
    let key = word.strip_suffix("Label").unwrap_or(word);
    let known = crate::columns::COLUMNS.iter().any(|column| {
        column.cef.is_some_and(|cef| cef.name == key) || column.leef.is_some_and(|leef| leef.name == key)
    });
    assert!(known, "{word:?} is no key of ours");
}

/// An alert with these bytes as texts, as JSON spells them.
fn alert(bytes: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    for char in String::from_utf8_lossy(bytes).chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            '\0'..' ' => text.push_str(&format!("\\u{:04x}", char as u32)),
            _ => text.push(char),
        }
    }
    let process = format!(r#"{{"entityType":"Process","processCommandLine":"{text}","fileName":"{text}"}}"#);
    format!(r#"{{"id":"{text}","title":"{text}","detectorId":"{text}","description":"{text}","evidence":[{process}]}}"#)
        .into_bytes()
}

const ORIGIN: Origin<'static> =
    Origin { tenant_id: "11111111-2222-3333-4444-555555555555", tenant_name: "contoso", partial: false };

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees that the targets themselves hold for what they begin with.
    #[test]
    fn the_targets_hold() {
        for bytes in
            [&b""[..], b"{}", br#"{"evidence":[{"entityType":"File"},{}]}"#, b"^a|b\\c=d\n", b"\tx dst=1", b"\xff"]
        {
            reading(bytes);
            cef_encoder(bytes);
            leef_encoder(bytes);
        }
    }
}
