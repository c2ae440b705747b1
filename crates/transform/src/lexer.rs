//! Reads JSON member by member, the whole grammar of RFC 8259 and nothing beside it.
//!
//! It recurses into nothing, so that no depth of nesting can end the process; it resolves no escape, so that no lone
//! surrogate can fail an alert; it allocates nothing, but one bit for each level of nesting past the 64th.

use std::error::Error;
use std::fmt;

use crate::text::Text;

/// Bytes that are not one JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    expected: &'static str,
    at: usize,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to read an alert as a JSON object: {} is missing at byte {}", self.expected, self.at)
    }
}

impl Error for Unreadable {}

/// A value of which the content, where it is an array or an object, is still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Scalar(Text<'a>),
    Open(Container),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Array,
    Object,
}

/// A place in the input.
pub(crate) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A place further in, where a value begins.
    pub(crate) const fn at(bytes: &'a [u8], place: usize) -> Self {
        Self { bytes, at: place }
    }

    /// Enters the object that the whole input is.
    pub(crate) fn open_object(&mut self) -> Result<(), Unreadable> {
        self.skip_blanks();
        if self.bytes.get(self.at) == Some(&b'{') {
            self.at += 1;
            return Ok(());
        }
        Err(self.missing("an opening brace"))
    }

    /// The name of an object's first member, the object just entered; `None` where it is empty.
    pub(crate) fn first_member(&mut self) -> Result<Option<Text<'a>>, Unreadable> {
        self.skip_blanks();
        if self.take_if(b'}') { Ok(None) } else { self.name().map(Some) }
    }

    /// The name of the next member, the last one's value just read; `None` after the last.
    pub(crate) fn next_member(&mut self) -> Result<Option<Text<'a>>, Unreadable> {
        self.skip_blanks();
        if self.take_if(b',') {
            self.skip_blanks();
            return self.name().map(Some);
        }
        if self.take_if(b'}') { Ok(None) } else { Err(self.missing("a comma or a closing brace")) }
    }

    /// Whether the array just entered has an element.
    pub(crate) fn first_element(&mut self) -> Result<bool, Unreadable> {
        self.skip_blanks();
        Ok(!self.take_if(b']'))
    }

    /// Whether another element follows the one just read.
    pub(crate) fn next_element(&mut self) -> Result<bool, Unreadable> {
        self.skip_blanks();
        if self.take_if(b',') {
            return Ok(true);
        }
        if self.take_if(b']') { Ok(false) } else { Err(self.missing("a comma or a closing bracket")) }
    }

    /// The next value; of an array or an object only the opening bracket is read.
    pub(crate) fn value(&mut self) -> Result<Value<'a>, Unreadable> {
        self.skip_blanks();
        let Some(&first) = self.bytes.get(self.at) else { return Err(self.missing("a value")) };
        let start = self.at;
        self.at += 1;
        match first {
            b'"' => self.string().map(Value::Scalar),
            b'{' => Ok(Value::Open(Container::Object)),
            b'[' => Ok(Value::Open(Container::Array)),
            b'n' => self.word(b"ull").map(|()| Value::Null),
            b't' => self.word(b"rue").map(|()| self.scalar(start)),
            b'f' => self.word(b"alse").map(|()| self.scalar(start)),
            b'-' | b'0'..=b'9' => self.number(first).map(|()| self.scalar(start)),
            _ => {
                self.at = start;
                Err(self.missing("a value"))
            }
        }
    }

    /// Skips the rest of an array or object just entered, however deep it is nested.
    pub(crate) fn skip(&mut self, container: Container) -> Result<(), Unreadable> {
        let mut nesting = Nesting::default();
        let mut container = container;
        let mut more = self.enter(container)?;
        loop {
            if !more {
                let Some(outer) = nesting.pop() else { return Ok(()) };
                container = outer;
                more = self.proceed(container)?;
                continue;
            }
            if let Value::Open(inner) = self.value()? {
                nesting.push(container);
                container = inner;
                more = self.enter(container)?;
            } else {
                more = self.proceed(container)?;
            }
        }
    }

    /// Skips the rest of an array or object just entered, and gives all of it, brackets included.
    pub(crate) fn capture(&mut self, container: Container) -> Result<&'a [u8], Unreadable> {
        let start = self.at - 1;
        self.skip(container)?;
        Ok(&self.bytes[start..self.at])
    }

    /// The place of the bracket just read.
    pub(crate) const fn opened(&self) -> usize {
        self.at - 1
    }

    /// The place of what is read next.
    pub(crate) const fn place(&self) -> usize {
        self.at
    }

    /// Says that nothing but white space follows.
    pub(crate) fn end(&mut self) -> Result<(), Unreadable> {
        self.skip_blanks();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.missing("the end")) }
    }

    fn enter(&mut self, container: Container) -> Result<bool, Unreadable> {
        match container {
            Container::Array => self.first_element(),
            Container::Object => Ok(self.first_member()?.is_some()),
        }
    }

    fn proceed(&mut self, container: Container) -> Result<bool, Unreadable> {
        match container {
            Container::Array => self.next_element(),
            Container::Object => Ok(self.next_member()?.is_some()),
        }
    }

    fn name(&mut self) -> Result<Text<'a>, Unreadable> {
        if !self.take_if(b'"') {
            return Err(self.missing("a name"));
        }
        let name = self.string()?;
        self.skip_blanks();
        if self.take_if(b':') { Ok(name) } else { Err(self.missing("a colon")) }
    }

    /// The rest of a string whose opening quote is read.
    fn string(&mut self) -> Result<Text<'a>, Unreadable> {
        let start = self.at;
        loop {
            self.at += ordinary(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text::new(&self.bytes[start..self.at - 1]));
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.missing("a closing quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Unreadable> {
        let length = match self.bytes[self.at..] {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return Err(self.missing("an escape")),
        };
        self.at += length;
        Ok(())
    }

    /// The rest of a number: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, its first byte read.
    fn number(&mut self, first: u8) -> Result<(), Unreadable> {
        match first {
            b'0' => {}
            b'-' if self.take_if(b'0') => {}
            b'-' => self.digits()?,
            _ => self.skip_digits(),
        }
        if self.take_if(b'.') {
            self.digits()?;
        }
        if self.take_if(b'e') || self.take_if(b'E') {
            let _ = self.take_if(b'+') || self.take_if(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Unreadable> {
        let start = self.at;
        self.skip_digits();
        if self.at > start { Ok(()) } else { Err(self.missing("a digit")) }
    }

    fn skip_digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn word(&mut self, rest: &'static [u8]) -> Result<(), Unreadable> {
        if self.bytes[self.at..].starts_with(rest) {
            self.at += rest.len();
            return Ok(());
        }
        Err(self.missing("true, false or null"))
    }

    fn scalar(&self, start: usize) -> Value<'a> {
        Value::Scalar(Text::new(&self.bytes[start..self.at]))
    }

    fn take_if(&mut self, byte: u8) -> bool {
        let is = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    const fn missing(&self, expected: &'static str) -> Unreadable {
        Unreadable { expected, at: self.at }
    }
}

/// How many bytes come before a quote, a backslash or a control: eight are looked at in one step.
pub(crate) fn ordinary(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    words.len() * 8 + tail.iter().position(ends).unwrap_or(tail.len())
}

/// Sets the top bit of each byte that is a quote, a backslash or a control. A borrow may set it in a byte above the
/// first such byte too, never below it.
const fn special_bytes(word: u64) -> u64 {
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    (quote | backslash | control) & !word & TOP_BITS
}

const ONES: u64 = u64::MAX / 255;
const TOP_BITS: u64 = ONES << 7;

/// The arrays and objects around a place: one bit each, the first 64 of them in place.
#[derive(Default)]
struct Nesting {
    depth: usize,
    near: u64,
    far: Vec<u64>,
}

impl Nesting {
    fn push(&mut self, container: Container) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.far.push(self.near);
        }
        self.near = self.near << 1 | u64::from(container == Container::Object);
        self.depth += 1;
    }

    fn pop(&mut self) -> Option<Container> {
        self.depth = self.depth.checked_sub(1)?;
        let container = if self.near & 1 == 1 { Container::Object } else { Container::Array };
        self.near >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.near = self.far.pop().expect("64 levels up were pushed on the way down");
        }
        Some(container)
    }
}
