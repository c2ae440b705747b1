//! Writing JSON straight into bytes: fast, and able to write what a serialiser refuses, such as a lone surrogate.

use crate::ticks;

/// A text for JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Text<'a> {
    /// Is escaped on the way.
    Plain(&'a str),
    /// Stands between the quotes as it is.
    Escaped(&'a str),
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Plain(text)
    }
}

/// JSON under way. The commas come by themselves; brackets are the caller's.
pub(crate) struct Json<'a>(pub(crate) &'a mut Vec<u8>);

impl Json<'_> {
    pub(crate) fn open(&mut self, bracket: u8) {
        self.comma();
        self.0.push(bracket);
    }

    pub(crate) fn close(&mut self, bracket: u8) {
        self.0.push(bracket);
    }

    pub(crate) fn key(&mut self, name: &str) {
        self.comma();
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    pub(crate) fn string<'t>(&mut self, name: &str, text: impl Into<Text<'t>>) {
        self.key(name);
        self.element(text);
    }

    pub(crate) fn optional(&mut self, name: &str, text: Option<Text<'_>>) {
        match text {
            Some(text) => self.string(name, text),
            None => self.null(name),
        }
    }

    pub(crate) fn null(&mut self, name: &str) {
        self.literal(name, "null");
    }

    pub(crate) fn number(&mut self, name: &str, number: i64) {
        self.literal(name, &number.to_string());
    }

    pub(crate) fn time(&mut self, name: &str, time: i64) {
        self.key(name);
        self.0.push(b'"');
        ticks::write(time, self.0);
        self.0.push(b'"');
    }

    pub(crate) fn literal(&mut self, name: &str, json: &str) {
        self.key(name);
        self.0.extend_from_slice(json.as_bytes());
    }

    /// A string as an element of an array.
    pub(crate) fn element<'t>(&mut self, text: impl Into<Text<'t>>) {
        self.comma();
        self.0.push(b'"');
        match text.into() {
            Text::Escaped(text) => self.0.extend_from_slice(text.as_bytes()),
            Text::Plain(text) => self.escape(text),
        }
        self.0.push(b'"');
    }

    /// A comma is due after anything but an opening bracket, a key, a comma, or nothing.
    fn comma(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{' | b'[' | b':' | b',')) {
            self.0.push(b',');
        }
    }

    fn escape(&mut self, text: &str) {
        let mut clean = 0;
        for (at, byte) in text.bytes().enumerate() {
            let short = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..0x20 => b"\\u",
                _ => continue,
            };
            self.0.extend_from_slice(&text.as_bytes()[clean..at]);
            self.0.extend_from_slice(short);
            if short == b"\\u" {
                self.0.extend_from_slice(format!("{byte:04x}").as_bytes());
            }
            clean = at + 1;
        }
        self.0.extend_from_slice(&text.as_bytes()[clean..]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the text, the JSON holds it.
        #[test]
        fn text_survives(text in any::<String>()) {
            let mut out = Vec::new();
            let mut json = Json(&mut out);
            json.open(b'{');
            json.string("a", text.as_str());
            json.null("b");
            json.close(b'}');
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read["a"].as_str(), Some(text.as_str()));
        }
    }
}
