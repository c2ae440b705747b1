//! A scalar of the input, as it stands there: nothing is copied or decoded before it is written.

use std::net::IpAddr;

/// The content of a JSON string without its quotes, or a number, `true`, `false`; empty where there is none.
///
/// Keeping the input's own spelling makes reading free of allocations, and `"5"` and `5` the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// `raw` must be what the lexer found: every backslash in it begins a whole escape.
    pub(crate) const fn new(raw: &'a [u8]) -> Self {
        Self(raw)
    }

    /// The text with its escapes as they stand in the input.
    pub(crate) const fn raw(self) -> &'a [u8] {
        self.0
    }

    /// Neither missing nor `""`.
    pub(crate) const fn is_some(self) -> bool {
        !self.0.is_empty()
    }

    /// This text, or the other where this one is missing.
    pub(crate) fn or(self, other: Self) -> Self {
        if self.is_some() { self } else { other }
    }

    /// Whether it says something: Microsoft's APIs, and what stands between, also write nothing as `""`, `-`, `N/A` and
    /// `null`.
    pub(crate) fn says_something(self) -> bool {
        // None of these words is longer, and blanks around them are rare.
        if self.0.len() > 4 && !self.0[0].is_ascii_whitespace() {
            return true;
        }
        let word = self.0.trim_ascii();
        !(matches!(word, b"" | b"-") || word.eq_ignore_ascii_case(b"n/a") || word.eq_ignore_ascii_case(b"null"))
    }

    /// The text without escapes, where it is short: a word, a number, a time, an address. Else empty.
    pub(crate) fn short<'b>(self, buffer: &'b mut [u8; SHORT]) -> &'b [u8]
    where
        'a: 'b,
    {
        if self.0.len() > 6 * SHORT {
            return b"";
        }
        if !self.0.contains(&b'\\') {
            return self.0;
        }
        let mut length = 0;
        for piece in self.decoded() {
            let mut utf8 = [0; 4];
            let bytes = match piece {
                Piece::Run(run) => run,
                Piece::Char(char) => char.encode_utf8(&mut utf8).as_bytes(),
            };
            let Some(room) = buffer.get_mut(length..length + bytes.len()) else { return b"" };
            room.copy_from_slice(bytes);
            length += bytes.len();
        }
        &buffer[..length]
    }

    /// The address that it is; one of IPv4 in the clothes of IPv6 is one of IPv4.
    pub(crate) fn ip_address(self) -> Option<IpAddr> {
        let mut buffer = [0; SHORT];
        let text = str::from_utf8(self.short(&mut buffer).trim_ascii()).ok()?;
        text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
    }

    /// The first of a list that is written as one text, separated by commas or semicolons.
    pub(crate) fn first_of_list(self) -> Self {
        let first = self.0.split(|byte| matches!(byte, b',' | b';')).next().unwrap_or_default();
        Self(first)
    }

    /// The text in pieces, its escapes resolved.
    pub(crate) fn decoded(self) -> Pieces<'a, 'static> {
        self.pieces(&BACKSLASH_AND_NON_ASCII)
    }

    /// The text in pieces: runs of bytes that `stops` does not name, and the characters between them. `stops` must name
    /// the backslash and all that is not ASCII.
    pub(crate) const fn pieces<'s>(self, stops: &'s Stops) -> Pieces<'a, 's> {
        Pieces { rest: self.0, stops }
    }
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// ASCII that stands for itself.
    Run(&'a [u8]),
    /// One character.
    Char(char),
}

/// Walks over a text without copying it. A lone surrogate, and a byte that is not UTF-8, is U+FFFD.
pub(crate) struct Pieces<'a, 's> {
    rest: &'a [u8],
    stops: &'s Stops,
}

impl<'a> Iterator for Pieces<'a, '_> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let &first = self.rest.first()?;
        if !self.stops.has(first) {
            let run = self.stops.first_in(self.rest);
            return Some(Piece::Run(self.take(run)));
        }
        Some(Piece::Char(match first {
            b'\\' => self.escape(),
            0..0x80 => char::from(self.take(1)[0]),
            _ => self.utf8(),
        }))
    }
}

impl<'a> Pieces<'a, '_> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn escape(&mut self) -> char {
        match self.take(2).get(1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.code_point(),
            Some(&byte) => char::from(byte),
            None => char::REPLACEMENT_CHARACTER,
        }
    }

    /// The character of a `\u` whose digits come next, and of the second half that may follow it.
    fn code_point(&mut self) -> char {
        let unit = hex(self.take(4));
        if !(0xD800..0xDC00).contains(&unit) {
            return char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        match self.rest {
            [b'\\', b'u', digits @ ..] if digits.len() >= 4 && (0xDC00..0xE000).contains(&hex(&digits[..4])) => {
                let low = hex(&self.take(6)[2..]);
                let code_point = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                char::from_u32(code_point).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => char::REPLACEMENT_CHARACTER,
        }
    }

    fn utf8(&mut self) -> char {
        // Four bytes hold the next character, whole or broken.
        let window = &self.rest[..self.rest.len().min(4)];
        let chunk = window.utf8_chunks().next().expect("there is a byte, and so a chunk");
        if let Some(char) = chunk.valid().chars().next() {
            self.take(char.len_utf8());
            return char;
        }
        self.take(chunk.invalid().len());
        char::REPLACEMENT_CHARACTER
    }
}

/// The value of the four digits that the lexer has found to be hexadecimal.
fn hex(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, &digit| value << 4 | char::from(digit).to_digit(16).unwrap_or_default())
}

/// The bytes that end a run.
#[derive(Clone, Debug)]
pub(crate) struct Stops {
    table: [bool; 256],
    /// Those of printable ASCII, the backslash aside: the same twice where there is one.
    own: [u8; 2],
}

impl Stops {
    /// The backslash, controls, all that is not ASCII, and a format's own characters: one, or two.
    pub(crate) const fn controls_and(own: &[u8]) -> Self {
        let mut table = BACKSLASH_AND_NON_ASCII.table;
        let mut byte = 0;
        while byte < 0x20 {
            table[byte] = true;
            byte += 1;
        }
        table[0x7f] = true;
        let own = [own[0], own[own.len() - 1]];
        table[own[0] as usize] = true;
        table[own[1] as usize] = true;
        Self { table, own }
    }

    const fn has(&self, byte: u8) -> bool {
        self.table[byte as usize]
    }

    /// How many bytes come before the first of these: sixteen are looked at in one step.
    fn first_in(&self, bytes: &[u8]) -> usize {
        let mut at = 0;
        for block in bytes.as_chunks::<16>().0 {
            if self.may_be_in(block) {
                break;
            }
            at += block.len();
        }
        at + bytes[at..].iter().position(|&byte| self.has(byte)).unwrap_or(bytes.len() - at)
    }

    /// Whether one of these may be among them; no branch depends on a byte, so that all are compared at once.
    fn may_be_in(&self, block: &[u8; 16]) -> bool {
        let [first, second] = self.own;
        let stops = block.iter().fold(0, |found, &byte| {
            let is_odd = !(0x20..0x7f).contains(&byte) | (byte == b'\\');
            found | u8::from(is_odd | (byte == first) | (byte == second))
        });
        stops != 0
    }
}

const fn backslash_and_non_ascii() -> Stops {
    let mut table = [false; 256];
    table[b'\\' as usize] = true;
    let mut byte = 0x80;
    while byte < 256 {
        table[byte] = true;
        byte += 1;
    }
    Stops { table, own: [b'\\'; 2] }
}

static BACKSLASH_AND_NON_ASCII: Stops = backslash_and_non_ascii();

/// The longest text that is read as a word, a number, a time or an address.
pub(crate) const SHORT: usize = 64;
