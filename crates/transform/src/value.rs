//! The writing of one value, the same for every format of lines: one pass from the input's spelling to the record's, in
//! which it is sanitised, trimmed, cut to its longest and escaped.

use crate::text::{Piece, Stops, Text};

/// Where a value stands: what a format makes of the characters that mean something to it there.
pub(crate) trait Place {
    /// The ASCII that does not simply stand for itself.
    fn stops(&self) -> &Stops;

    /// What stands for a character of the format's own; `None` for all others.
    fn show(&self, char: char) -> Option<Shown>;
}

/// What stands for a character.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    /// White space: left out at both ends of a value.
    Blank(&'static str),
    /// An escape, which a reader turns back.
    Escaped(&'static str),
    /// Another character, where the format has no escapes.
    Instead(char),
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Nothing,
    Whole,
    Cut,
}

/// How long a value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// In characters as a reader sees them, as the standards count.
    pub(crate) characters: usize,
    /// In bytes as they are sent, as receivers count. At least eight: an ellipsis and a character fit in.
    pub(crate) bytes: usize,
}

impl Limit {
    pub(crate) const fn characters(characters: usize) -> Self {
        Self { characters, bytes: usize::MAX }
    }
}

/// Writes one value, of one part or several.
///
/// What is cut is cut between characters as a reader sees them: never inside an escape, never inside a character, never
/// inside the visible form of one.
pub(crate) struct ValueWriter<'p, 'o, P> {
    place: &'p P,
    limit: Limit,
    ellipsis: &'static str,
    out: &'o mut Vec<u8>,
    /// Where the value begins.
    start: usize,
    /// Where its last character ends that is not blank.
    end: usize,
    /// Where it has to end to leave room for the ellipsis.
    fitting: usize,
    count: usize,
    is_cut: bool,
}

impl<'p, 'o, P: Place> ValueWriter<'p, 'o, P> {
    pub(crate) const fn new(place: &'p P, limit: Limit, out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        Self { place, limit, ellipsis: "…", out, start, end: start, fitting: start, count: 0, is_cut: false }
    }

    /// Cuts without a mark: for an id, which a reader compares.
    pub(crate) const fn without_ellipsis(mut self) -> Self {
        self.ellipsis = "";
        self
    }

    /// Adds what the API sent.
    pub(crate) fn push(&mut self, text: Text<'_>) {
        for piece in text.pieces(self.place.stops()) {
            if self.is_cut {
                return;
            }
            match piece {
                Piece::Run(run) => self.push_run(run),
                Piece::Char(char) => self.push_char(char),
            }
        }
    }

    /// Adds a word of the operator's or of ours.
    pub(crate) fn push_str(&mut self, text: &str) {
        for char in text.chars() {
            if self.is_cut {
                return;
            }
            self.push_char(char);
        }
    }

    /// Ends the value.
    pub(crate) fn finish(self) -> Written {
        self.out.truncate(self.end);
        match (self.is_cut, self.end > self.start) {
            (true, _) => Written::Cut,
            (false, true) => Written::Whole,
            (false, false) => Written::Nothing,
        }
    }

    /// Adds characters that stand for themselves, one byte each.
    fn push_run(&mut self, run: &[u8]) {
        let run = if self.end == self.start { run.trim_ascii_start() } else { run };
        if let Some(last) = run.iter().rposition(|&byte| byte != b' ') {
            let room = self.room();
            if last >= room {
                self.add_run(&run[..room]);
                self.cut();
                return;
            }
            self.end = self.out.len() + last + 1;
        }
        self.add_run(run);
    }

    fn push_char(&mut self, char: char) {
        match self.place.show(char) {
            Some(Shown::Blank(blank)) => self.push_blank(blank.as_bytes()),
            Some(Shown::Escaped(escaped)) => self.push_visible(escaped.as_bytes(), 1),
            Some(Shown::Instead(other)) => self.push_itself(other),
            None if matches!(char, ' ' | '\t' | '\u{2028}' | '\u{2029}') => self.push_blank(b" "),
            None if is_deceptive(char) => self.push_code_point(char),
            None => self.push_itself(char),
        }
    }

    /// Adds white space, which counts only when something follows it.
    fn push_blank(&mut self, escaped: &[u8]) {
        if self.end > self.start {
            self.add(escaped, 1);
        }
    }

    fn push_itself(&mut self, char: char) {
        self.push_visible(char.encode_utf8(&mut [0; 4]).as_bytes(), 1);
    }

    fn push_code_point(&mut self, char: char) {
        let code = char as u32;
        let digits = if code > 0xFFFF { 5 } else { 4 };
        let mut form = *b"<U+00000>";
        for (place, shift) in form[3..3 + digits].iter_mut().rev().zip((0..).step_by(4)) {
            *place = b"0123456789ABCDEF"[(code >> shift & 15) as usize];
        }
        form[3 + digits] = b'>';
        self.push_visible(&form[..4 + digits], 4 + digits);
    }

    fn push_visible(&mut self, escaped: &[u8], width: usize) {
        if self.count + width > self.limit.characters || self.written() + escaped.len() > self.limit.bytes {
            self.cut();
            return;
        }
        self.add(escaped, width);
        self.end = self.out.len();
    }

    fn add(&mut self, escaped: &[u8], width: usize) {
        self.out.extend_from_slice(escaped);
        self.count += width;
        let fits_characters = self.count + self.ellipsis_width() <= self.limit.characters;
        if fits_characters && self.written() + self.ellipsis.len() <= self.limit.bytes {
            self.fitting = self.out.len();
        }
    }

    /// Adds so many characters of one byte each.
    fn add_run(&mut self, run: &[u8]) {
        let characters = self.limit.characters.saturating_sub(self.ellipsis_width() + self.count);
        let bytes = self.limit.bytes.saturating_sub(self.ellipsis.len() + self.written());
        let room = characters.min(bytes);
        if room > 0 {
            self.fitting = self.out.len() + room.min(run.len());
        }
        self.out.extend_from_slice(run);
        self.count += run.len();
    }

    fn cut(&mut self) {
        self.out.truncate(self.fitting);
        while self.out.len() > self.start && self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        self.out.extend_from_slice(self.ellipsis.as_bytes());
        self.end = self.out.len();
        self.is_cut = true;
    }

    /// How many more characters of one byte each fit in.
    fn room(&self) -> usize {
        let characters = self.limit.characters.saturating_sub(self.count);
        characters.min(self.limit.bytes.saturating_sub(self.written()))
    }

    const fn written(&self) -> usize {
        self.out.len() - self.start
    }

    const fn ellipsis_width(&self) -> usize {
        if self.ellipsis.is_empty() { 0 } else { 1 }
    }
}

/// Characters that a reader does not see, or that move what he sees: controls; the marks of writing direction and of no
/// width, by which a name shows another ending than it has; tags, which spell whole sentences that only a program reads.
/// Deleting them would change evidence.
const fn is_deceptive(char: char) -> bool {
    matches!(char,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
