//! A syslog message as a receiver understood it, and the files that receivers write.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

/// A message and its RFC 5424 header, `-` where there is no value.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Message {
    /// PRI, the number.
    pub pri: String,
    /// TIMESTAMP.
    pub time: String,
    /// HOSTNAME.
    pub host: String,
    /// APP-NAME.
    pub app: String,
    /// PROCID.
    pub procid: String,
    /// MSGID.
    pub msgid: String,
    /// STRUCTURED-DATA as it came.
    pub sd: String,
    /// MSG.
    pub message: String,
}

impl Message {
    /// A message as rsyslog or syslog-ng has written it, or `None` where the line is torn.
    pub(crate) fn of_json(line: &[u8]) -> Option<Self> {
        let mut message: Self = serde_json::from_slice(line).ok()?;
        // syslog-ng drops NIL values and writes UTC with an offset.
        for field in [&mut message.procid, &mut message.msgid, &mut message.sd] {
            if field.is_empty() {
                field.push('-');
            }
        }
        if let Some(time) = message.time.strip_suffix("+00:00") {
            message.time = format!("{time}Z");
        }
        Some(message)
    }

    /// A message as our own receiver has written it, or `None` where the line is torn.
    ///
    /// # Panics
    /// Where a whole frame is no RFC 5424 message.
    pub(crate) fn of_frame(line: &[u8]) -> Option<Self> {
        let space = line.iter().position(|byte| *byte == b' ')?;
        let (length, frame) = (std::str::from_utf8(&line[..space]).ok()?, &line[space + 1..]);
        if length.parse() != Ok(frame.len()) {
            return None;
        }
        let text = std::str::from_utf8(frame).expect("a frame is UTF-8");
        Some(Self::parse(text).unwrap_or_else(|| panic!("no RFC 5424 message: {text}")))
    }

    /// The record id in our structured data.
    ///
    /// # Panics
    /// Where the structured data is not ours.
    pub fn record_id(&self) -> &str {
        let id = self.sd.strip_prefix("[atp@32473 recordId=\"").and_then(|rest| rest.split('"').next());
        id.filter(|id| id.len() == 32).unwrap_or_else(|| panic!("no record id: {self:?}"))
    }

    /// RFC 5424, section 6, as far as it is used here: one element of structured data at most.
    fn parse(text: &str) -> Option<Self> {
        let (pri, rest) = text.strip_prefix('<')?.split_once('>')?;
        let rest = rest.strip_prefix("1 ")?;
        let mut fields = rest.splitn(6, ' ').map(str::to_owned);
        let (time, host, app) = (fields.next()?, fields.next()?, fields.next()?);
        let (procid, msgid, rest) = (fields.next()?, fields.next()?, fields.next()?);
        let end = if rest.starts_with('[') { end_of_element(&rest)? } else { 1 };
        let message = rest[end..].strip_prefix(' ')?.to_owned();
        Some(Self { pri: pri.to_owned(), time, host, app, procid, msgid, sd: rest[..end].to_owned(), message })
    }
}

/// Behind the first `]` that is not escaped.
fn end_of_element(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b']' => return Some(place + 1),
            _ => {}
        }
    }
    None
}

/// Reads the lines of a receiver's file, one after the other, and counts those that are torn, as a receiver that was
/// killed leaves them. A file that is not there has none.
///
/// # Panics
/// Where the file cannot be read.
pub(crate) fn read_messages(path: &Path, of: fn(&[u8]) -> Option<Message>, mut each: impl FnMut(Message)) -> usize {
    let Ok(file) = File::open(path) else { return 0 };
    let (mut lines, mut line, mut torn) = (BufReader::with_capacity(1 << 20, file), Vec::new(), 0);
    while lines.read_until(b'\n', &mut line).expect("the file is readable") > 0 {
        match of(line.strip_suffix(b"\n").unwrap_or(&line)) {
            Some(message) => each(message),
            None => torn += 1,
        }
        line.clear();
    }
    torn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_apart() {
        let frame = "<164>1 2026-03-01T09:43:11.160Z h a - m [atp@32473 recordId=\"0123456789abcdef0123456789abcdef\" t=\"\\]\"] a b";
        let message = Message::of_frame(format!("{} {frame}", frame.len()).as_bytes()).unwrap();
        assert_eq!(message.record_id(), "0123456789abcdef0123456789abcdef");
        assert_eq!((message.pri.as_str(), message.msgid.as_str(), message.message.as_str()), ("164", "m", "a b"));
        assert_eq!(Message::of_frame(format!("{} {frame}", frame.len() + 1).as_bytes()), None, "a torn line");
    }
}
