//! Raw JSON: what the API sent, byte for byte but the white space between tokens.

use std::io::Write as _;

use crate::lexer::ordinary;
use crate::render::{Origin, Rendered};
use crate::ticks;
use crate::view::View;

/// What stands around raw JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Nothing: the alert alone.
    None,
    /// An object that names tenant, record and update time.
    Wrap,
}

/// Writes raw JSON.
#[derive(Clone, Debug)]
pub(crate) struct Json {
    envelope: Envelope,
}

impl Json {
    pub(crate) const fn new(envelope: Envelope) -> Self {
        Self { envelope }
    }

    pub(crate) fn write(&self, view: &View<'_>, origin: &Origin<'_>, rendered: &Rendered, out: &mut Vec<u8>) {
        match self.envelope {
            Envelope::None => write_alert(view, out),
            Envelope::Wrap => {
                write_envelope(view, origin, rendered, out);
                write_alert(view, out);
                out.push(b'}');
            }
        }
    }
}

/// Writes all members of the envelope but the alert, which comes last so that a cut line still says whose it is.
fn write_envelope(view: &View<'_>, origin: &Origin<'_>, rendered: &Rendered, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"tenant\":");
    write_string(origin.tenant_name, out);
    out.extend_from_slice(b",\"tenant_id\":");
    write_string(origin.tenant_id, out);
    out.extend_from_slice(b",\"record_id\":\"");
    out.extend_from_slice(&rendered.record_id.hex());
    out.extend_from_slice(b"\",\"updated\":");
    match rendered.updated {
        0 => out.extend_from_slice(b"null"),
        updated => {
            out.push(b'"');
            ticks::write(updated, out);
            out.push(b'"');
        }
    }
    out.extend_from_slice(b",\"source\":");
    write_string(view.shape().source_kind(), out);
    if origin.partial {
        out.extend_from_slice(b",\"partial\":true");
    }
    if let Some(index) = view.evidence_index() {
        write!(out, ",\"evidence_index\":{index}").expect("a vector takes every byte");
    }
    out.extend_from_slice(b",\"alert\":");
}

/// Writes the alert; where it is rendered piece by piece, with that piece alone in its list of evidence.
fn write_alert(view: &View<'_>, out: &mut Vec<u8>) {
    let raw = view.raw();
    let Some(piece) = view.piece() else { return write_minified(raw, out) };
    write_minified(&raw[..piece.list.start], out);
    out.push(b'[');
    write_minified(&raw[piece.item.clone()], out);
    out.push(b']');
    write_minified(&raw[piece.list.end..], out);
}

/// Copies JSON without the white space between its tokens. What is not UTF-8 becomes U+FFFD, since no receiver of JSON
/// takes it.
fn write_minified(raw: &[u8], out: &mut Vec<u8>) {
    match str::from_utf8(raw) {
        Ok(_) => write_tokens(raw, out),
        Err(_) => write_tokens(String::from_utf8_lossy(raw).as_bytes(), out),
    }
}

/// Copies as much at once as has no white space between tokens, which is mostly everything.
fn write_tokens(json: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => at = end_of_string(json, at + 1),
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.extend_from_slice(&json[copied..at]);
                at += 1;
                copied = at;
            }
            _ => at += 1,
        }
    }
    out.extend_from_slice(&json[copied..]);
}

/// The place behind the closing quote of a string whose content begins at `start`.
fn end_of_string(json: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        at += ordinary(json.get(at..).unwrap_or_default());
        match json.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
            None => return json.len(),
        }
    }
}

/// Writes a string of ours.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for char in text.chars() {
        match char {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\0'..' ' => {
                let code = char as usize;
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[code >> 4], HEX[code & 15]]);
            }
            _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

const HEX: &[u8; 16] = b"0123456789abcdef";
