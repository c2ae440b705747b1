//! Where a frame ends: octet counting and line feeds (RFC 6587, section 3.4), told apart by its first byte.

use std::io;

/// A frame that is being received.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    /// Whether nothing of it has come yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many of the waiting bytes, of which there is at least one, belong to this frame. They are all it needs or all
    /// there are.
    ///
    /// # Errors
    /// Where a length is no length.
    pub(crate) fn wants(&self, waiting: &[u8]) -> io::Result<usize> {
        let first = *self.bytes.first().unwrap_or(&waiting[0]);
        if !first.is_ascii_digit() {
            return Ok(end_of_first(waiting, b'\n'));
        }
        match self.length()? {
            Some((digits, length)) => Ok((digits + 1 + length - self.bytes.len()).min(waiting.len())),
            // The length comes by itself, with its space: then it is known how much follows.
            None => Ok(end_of_first(waiting, b' ')),
        }
    }

    /// Adds the bytes that it wanted; gives the line of the file once it is whole.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.bytes.extend_from_slice(bytes);
        let counted = self.bytes[0].is_ascii_digit();
        let whole = if counted {
            matches!(self.length(), Ok(Some((digits, length))) if self.bytes.len() == digits + 1 + length)
        } else {
            self.bytes.ends_with(b"\n")
        };
        if !whole {
            return None;
        }
        let mut line = std::mem::take(&mut self.bytes);
        if counted {
            line.push(b'\n');
        } else {
            let length = format!("{} ", line.len() - 1);
            line.splice(..0, length.into_bytes());
        }
        Some(line)
    }

    /// The number of digits and the length that they say, once the space behind them is there.
    fn length(&self) -> io::Result<Option<(usize, usize)>> {
        let digits = self.bytes.iter().position(|byte| *byte == b' ');
        let text = &self.bytes[..digits.unwrap_or(self.bytes.len())];
        let sound = text.iter().all(u8::is_ascii_digit) && text.len() <= MOST_DIGITS && text.first() != Some(&b'0');
        let number = std::str::from_utf8(text).ok().filter(|_| sound);
        let Some(number) = number else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame begins with no length"));
        };
        Ok(digits.and_then(|digits| Some((digits, number.parse().ok()?))))
    }
}

/// Behind the first `end`, or behind all.
fn end_of_first(bytes: &[u8], end: u8) -> usize {
    bytes.iter().position(|byte| *byte == end).map_or(bytes.len(), |place| place + 1)
}

/// Frames of less than 10 MB.
const MOST_DIGITS: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    /// Both framings, in pieces of every size, give the same lines.
    #[test]
    fn frames_are_told_apart_however_they_come() {
        let stream = b"5 a\nb c<1>one\n<2>two\n12 <3>twelve 12";
        let lines: Vec<&[u8]> = vec![b"5 a\nb c\n", b"6 <1>one\n", b"6 <2>two\n", b"12 <3>twelve 12\n"];
        for piece in 1..=stream.len() {
            assert_eq!(lines_of(stream, piece), lines, "in pieces of {piece}");
        }
    }

    /// What is no length is an error and not a long wait.
    #[test]
    fn a_length_that_is_none_is_refused() {
        for wrong in [&b"1x"[..], b"123456789", b"0 "] {
            let mut frame = Frame::default();
            let refused = frame.wants(wrong).map(|taken| frame.take(&wrong[..taken])).and_then(|_| frame.wants(b"x"));
            assert!(refused.is_err(), "{wrong:?}");
        }
    }

    fn lines_of(stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let (mut frame, mut at, mut lines) = (Frame::default(), 0, Vec::new());
        while at < stream.len() {
            let waiting = &stream[at..(at + piece).min(stream.len())];
            let taken = frame.wants(waiting).unwrap();
            lines.extend(frame.take(&waiting[..taken]));
            at += taken;
        }
        assert!(frame.is_empty());
        lines
    }
}
