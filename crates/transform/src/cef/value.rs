//! The sanitiser and the escaper of CEF: one pass from the input's spelling to the line's.

use crate::text::{Piece, Stops, Text};

/// Where a value stands, for the header and the extension escape different characters.
pub(super) struct Place {
    stops: Stops,
    is_header: bool,
}

/// A field of the header: `\` and `|` take a backslash, a line break is a space.
pub(super) static HEADER: Place = Place { stops: Stops::controls_and(b"|"), is_header: true };

/// A value of the extension: `\` and `=` take a backslash, a line break is `\n` or `\r`.
pub(super) static EXTENSION: Place = Place { stops: Stops::controls_and(b"="), is_header: false };

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Nothing,
    Whole,
    Cut,
}

/// Writes one value, of one part or several: sanitised, trimmed, cut to its longest, escaped.
///
/// The length is counted in characters as a reader sees them, before escaping, so that no cut falls inside an escape.
pub(super) struct ValueWriter<'o> {
    place: &'static Place,
    limit: usize,
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

impl<'o> ValueWriter<'o> {
    pub(super) fn new(place: &'static Place, limit: usize, out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        Self { place, limit, ellipsis: "…", out, start, end: start, fitting: start, count: 0, is_cut: false }
    }

    /// Cuts without a mark: for an id, which a reader compares.
    pub(super) const fn without_ellipsis(mut self) -> Self {
        self.ellipsis = "";
        self
    }

    /// Adds what the API sent.
    pub(super) fn push(&mut self, text: Text<'_>) {
        for piece in text.pieces(&self.place.stops) {
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
    pub(super) fn push_str(&mut self, text: &str) {
        for char in text.chars() {
            if self.is_cut {
                return;
            }
            self.push_char(char);
        }
    }

    /// Ends the value.
    pub(super) fn finish(self) -> Written {
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
        let room = self.limit.saturating_sub(self.count);
        let last = run.iter().rposition(|&byte| byte != b' ');
        if let Some(last) = last {
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
        match char {
            ' ' | '\t' | '\u{2028}' | '\u{2029}' => self.push_blank(b" "),
            '\n' | '\r' if self.place.is_header => self.push_blank(b" "),
            '\n' => self.push_blank(b"\\n"),
            '\r' => self.push_blank(b"\\r"),
            '\\' => self.push_visible(b"\\\\", 1),
            '|' if self.place.is_header => self.push_visible(b"\\|", 1),
            '=' if !self.place.is_header => self.push_visible(b"\\=", 1),
            _ if is_deceptive(char) => self.push_code_point(char),
            _ => self.push_visible(char.encode_utf8(&mut [0; 4]).as_bytes(), 1),
        }
    }

    /// Adds white space, which counts only when something follows it.
    fn push_blank(&mut self, escaped: &[u8]) {
        if self.end > self.start {
            self.add(escaped, 1);
        }
    }

    fn push_visible(&mut self, escaped: &[u8], width: usize) {
        if self.count + width > self.limit {
            self.cut();
            return;
        }
        self.add(escaped, width);
        self.end = self.out.len();
    }

    fn push_code_point(&mut self, char: char) {
        let mut form = *b"<U+0000>";
        for (place, shift) in form[3..7].iter_mut().zip([12, 8, 4, 0]) {
            *place = b"0123456789ABCDEF"[(char as usize) >> shift & 15];
        }
        self.push_visible(&form, form.len());
    }

    fn add(&mut self, escaped: &[u8], width: usize) {
        self.out.extend_from_slice(escaped);
        self.count += width;
        if self.count + self.ellipsis_width() <= self.limit {
            self.fitting = self.out.len();
        }
    }

    /// Adds so many characters of one byte each.
    fn add_run(&mut self, run: &[u8]) {
        let room = self.limit.saturating_sub(self.ellipsis_width() + self.count);
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

    const fn ellipsis_width(&self) -> usize {
        if self.ellipsis.is_empty() { 0 } else { 1 }
    }
}

/// Characters that a reader does not see, or that move what he sees: controls, and the marks of writing direction and
/// zero width by which a name shows another ending than it has. Deleting them would change evidence.
const fn is_deceptive(char: char) -> bool {
    matches!(char,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
