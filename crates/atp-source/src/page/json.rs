//! Passes over JSON without building anything: the grammar of RFC 8259, nothing recursive, no escape resolved.

use std::fmt;

/// A body that is no JSON, or was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonsense {
    /// What was missing.
    pub(crate) expected: &'static str,
    /// The byte at which.
    pub(crate) at: usize,
}

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing at byte {}", self.expected, self.at)
    }
}

impl std::error::Error for Nonsense {}

/// The content of a string, between its quotes, or a number or word.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scalar<'a> {
    pub(crate) raw: &'a [u8],
    /// There is a backslash in it.
    pub(crate) escaped: bool,
}

/// A value that was passed over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Container,
    Null,
    Scalar(Scalar<'a>),
}

/// A place in a body.
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn missing(&self, expected: &'static str) -> Nonsense {
        Nonsense { expected, at: self.at }
    }

    /// The next byte that is no white space, not taken.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes the next byte that is no white space, where it is this one.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes the next byte that is no white space, a comma or a closing bracket; leaves any other.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u8> {
        let byte = self.peek().filter(|byte| matches!(byte, b',' | b'}' | b']'))?;
        self.at += 1;
        Some(byte)
    }

    /// A member's name and its colon.
    #[inline]
    pub(crate) fn name(&mut self) -> Result<Scalar<'a>, Nonsense> {
        if !self.take(b'"') {
            return Err(self.missing("a member's name"));
        }
        let name = self.string()?;
        if !self.take(b':') {
            return Err(self.missing("a colon"));
        }
        Ok(name)
    }

    /// Passes over a value, however deep it is nested.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Value<'a>, Nonsense> {
        let first = self.peek().ok_or(self.missing("a value"))?;
        let start = self.at;
        self.at += 1;
        match first {
            b'"' => self.string().map(Value::Scalar),
            b'{' | b'[' => self.container(first == b'{').map(|()| Value::Container),
            b'n' => self.word(b"ull").map(|()| Value::Null),
            _ => {
                self.at = start;
                self.plain(first)?;
                Ok(Value::Scalar(Scalar { raw: &self.bytes[start..self.at], escaped: false }))
            }
        }
    }

    /// A number or a word.
    fn plain(&mut self, first: u8) -> Result<(), Nonsense> {
        if matches!(first, b'-' | b'0'..=b'9') {
            return self.number();
        }
        self.at += 1;
        match first {
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            _ => {
                self.at -= 1;
                Err(self.missing("a value"))
            }
        }
    }

    #[inline]
    fn word<const N: usize>(&mut self, rest: &[u8; N]) -> Result<(), Nonsense> {
        if self.bytes[self.at..].first_chunk::<N>() == Some(rest) {
            self.at += N;
            return Ok(());
        }
        Err(self.missing("a value"))
    }

    fn number(&mut self) -> Result<(), Nonsense> {
        self.at += usize::from(self.bytes[self.at] == b'-');
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Nonsense> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(self.missing("a digit")) } else { Ok(()) }
    }

    /// The rest of a string whose opening quote was taken.
    #[inline]
    fn string(&mut self) -> Result<Scalar<'a>, Nonsense> {
        let start = self.at;
        let escaped = self.skip_string()?;
        Ok(Scalar { raw: &self.bytes[start..self.at - 1], escaped })
    }

    /// Passes over the rest of a string. Returns whether there is a backslash in it.
    #[inline]
    fn skip_string(&mut self) -> Result<bool, Nonsense> {
        self.at = plain_end(self.bytes, self.at);
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(false);
        }
        self.skip_escaped().map(|()| true)
    }

    /// Passes over the rest of a string from its first backslash on.
    fn skip_escaped(&mut self) -> Result<(), Nonsense> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.missing("the end of a string")),
            }
            self.at = plain_end(self.bytes, self.at);
        }
    }

    fn escape(&mut self) -> Result<(), Nonsense> {
        let length = match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6).unwrap_or_default();
                if digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit) { 6 } else { 0 }
            }
            _ => 0,
        };
        if length == 0 {
            return Err(self.missing("an escape"));
        }
        self.at += length;
        Ok(())
    }

    /// The rest of an array or object whose opening bracket was taken.
    fn container(&mut self, is_object: bool) -> Result<(), Nonsense> {
        let mut around = Nesting::default();
        let mut in_object = is_object;
        let mut opened = true;
        loop {
            let is_empty = opened && self.peek() == Some(closing(in_object));
            if !is_empty && let Some(inner) = self.element(in_object)? {
                around.push(in_object);
                (in_object, opened) = (inner, true);
                continue;
            }
            loop {
                let byte = self.peek();
                self.at += 1;
                match byte {
                    Some(b',') => break,
                    Some(byte) if byte == closing(in_object) => {
                        let Some(outer) = around.pop() else { return Ok(()) };
                        in_object = outer;
                    }
                    _ => {
                        self.at -= 1;
                        return Err(self.missing("a comma or a closing bracket"));
                    }
                }
            }
            opened = false;
        }
    }

    /// Passes over an element, or enters it. Returns what was entered: an object or not.
    #[inline]
    fn element(&mut self, in_object: bool) -> Result<Option<bool>, Nonsense> {
        if in_object {
            if !self.take(b'"') {
                return Err(self.missing("a member's name"));
            }
            self.skip_string()?;
            if !self.take(b':') {
                return Err(self.missing("a colon"));
            }
        }
        let first = self.peek().ok_or(self.missing("a value"))?;
        match first {
            b'"' => {
                self.at += 1;
                self.skip_string()?;
            }
            b'{' | b'[' => {
                self.at += 1;
                return Ok(Some(first == b'{'));
            }
            b'n' => self.word(b"null")?,
            _ => self.plain(first)?,
        }
        Ok(None)
    }
}

fn closing(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

/// Which of the containers around are objects: one bit for each.
#[derive(Default)]
struct Nesting {
    depth: usize,
    top: u64,
    below: Vec<u64>,
}

impl Nesting {
    #[inline]
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.below.push(self.top);
        }
        self.top = self.top << 1 | u64::from(is_object);
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<bool> {
        self.depth = self.depth.checked_sub(1)?;
        let is_object = self.top & 1 == 1;
        self.top >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.top = self.below.pop().unwrap_or_default();
        }
        Some(is_object)
    }
}

/// Where the run of bytes ends that stand for themselves in a string.
#[inline]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let special = special(u64::from_le_bytes(*chunk));
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}

/// The high bit of each byte that is a quote, a backslash or a control character. Bits above the lowest may be wrong.
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero_in(word ^ (ONES * 0x22));
    let backslash = zero_in(word ^ (ONES * 0x5C));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn reads(body: &[u8]) -> bool {
        let mut scanner = Scanner::new(body);
        scanner.value().is_ok() && scanner.peek().is_none()
    }

    /// Text that is nearly JSON.
    fn nearly_json() -> impl Strategy<Value = String> {
        let token = prop_oneof![
            Just("{"),
            Just("}"),
            Just("["),
            Just("]"),
            Just(","),
            Just(":"),
            Just("\"a\""),
            Just("\""),
            Just("1"),
            Just("-0.5e+7"),
            Just("01"),
            Just("1."),
            Just("null"),
            Just("tru"),
            Just("true"),
            Just("\\u12aF"),
            Just("\\"),
            Just(" \n\t"),
            Just("\"\\u12aF\\n\""),
            Just("\"0123456789\""),
            Just("\"\u{1}\""),
            Just("\"k\":"),
            Just("\"k\":{"),
        ];
        prop::collection::vec(token, 1..14).prop_map(|tokens| tokens.concat())
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 60, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                prop::collection::hash_map(any::<String>(), inner, 0..8)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        /// Guarantee: what is JSON and what is not is the same to us as to serde_json.
        #[test]
        fn the_grammar_is_that_of_serde_json(text in nearly_json()) {
            prop_assert_eq!(reads(text.as_bytes()), serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
        }

        /// Guarantee: all JSON is read, and none of it once it is cut.
        #[test]
        fn json_is_read_and_cut_json_is_not(value in json(), cut in any::<prop::sample::Index>()) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert!(reads(text.as_bytes()));
            let cut = &text.as_bytes()[..cut.index(text.len())];
            prop_assert!(value.is_number() || !reads(cut));
        }

        /// Guarantee: no bytes make it panic.
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            reads(&bytes);
        }

        /// Guarantee: a run ends at the first byte that a slow search finds.
        #[test]
        fn runs_end_where_a_slow_search_ends_them(bytes in prop::collection::vec(0x1E_u8..=0x60, 0..40)) {
            let slow = bytes.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
            prop_assert_eq!(plain_end(&bytes, 0), slow.unwrap_or(bytes.len()));
        }
    }

    #[test]
    fn a_million_brackets_are_only_memory() {
        let deep = [b"[{\"a\":".repeat(500_000), b"1".to_vec(), b"}]".repeat(500_000)].concat();
        assert!(reads(&deep));
        assert!(!reads(&deep[..deep.len() - 1]));
    }
}
