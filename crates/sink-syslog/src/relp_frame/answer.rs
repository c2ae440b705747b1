//! Reading what a RELP server says.

use std::borrow::Cow;
use std::{fmt, mem};

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The transaction that it answers; 0 for what answers none.
    pub(crate) transaction: u32,
    /// What it says.
    pub(crate) kind: Kind,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `rsp`: what became of a command.
    Response {
        /// 200 for done, 500 for failed.
        code: u16,
        /// The words behind the code: at most 256 characters, with controls as spaces.
        text: Cow<'static, str>,
        /// Name and value of what the server offers: at most 32, in the answer to `open` alone.
        offers: Vec<(String, String)>,
    },
    /// `serverclose`: the server is about to end the connection.
    ServerClose,
}

/// Reads answers from a stream in pieces of any size.
///
/// It holds no more than has come, and never more than 128 KiB. After an error the stream has lost its frames, and only
/// a new connection with a new reader helps.
#[derive(Debug, Default)]
pub(crate) struct AnswerReader {
    state: State,
    transaction: Number,
    command: Vec<u8>,
    length: Number,
    data: Vec<u8>,
}

impl AnswerReader {
    /// Takes from the front of `bytes` what belongs to the next answer, and gives that once it is complete. `None` when
    /// all bytes are taken and more are needed.
    ///
    /// # Errors
    /// The bytes are no answer of RELP.
    pub(crate) fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Answer>, FrameError> {
        if let (State::Transaction, 0) = (self.state, self.transaction.digits)
            && let Some((transaction, rest)) = plain_acknowledgement(bytes)
        {
            *bytes = rest;
            let kind = Kind::Response { code: 200, text: Cow::Borrowed("OK"), offers: Vec::new() };
            return Ok(Some(Answer { transaction, kind }));
        }
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Transaction => self.read_transaction(byte)?,
                State::Command => self.read_command(byte)?,
                State::Length => self.read_length(byte)?,
                State::Data => {
                    self.read_data(bytes);
                    continue;
                }
                State::End if byte != b'\n' => return Err(FrameError::End),
                State::End => {}
            }
            *bytes = rest;
            // A line feed is taken in two places only: as the end, and where a length of 0 has no data behind it.
            if byte == b'\n' {
                return mem::take(self).into_answer().map(Some);
            }
        }
        Ok(None)
    }

    fn read_transaction(&mut self, byte: u8) -> Result<(), FrameError> {
        match byte {
            b'0'..=b'9' => self.transaction.push(byte).ok_or(FrameError::Transaction),
            b' ' if self.transaction.digits > 0 => {
                self.state = State::Command;
                Ok(())
            }
            _ => Err(FrameError::Transaction),
        }
    }

    fn read_command(&mut self, byte: u8) -> Result<(), FrameError> {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' if self.command.len() < MAX_COMMAND => {
                self.command.push(byte);
                Ok(())
            }
            b' ' if !self.command.is_empty() => {
                self.state = State::Length;
                Ok(())
            }
            _ => Err(FrameError::Command),
        }
    }

    fn read_length(&mut self, byte: u8) -> Result<(), FrameError> {
        match byte {
            b'0'..=b'9' => self.length.push(byte).ok_or(FrameError::Length),
            b' ' if self.length.value > MAX_DATA => Err(FrameError::TooLong(self.length.value)),
            b' ' if self.length.digits > 0 => {
                self.state = State::Data;
                Ok(())
            }
            b'\n' if self.length.digits > 0 && self.length.value == 0 => Ok(()),
            _ => Err(FrameError::Length),
        }
    }

    fn read_data(&mut self, bytes: &mut &[u8]) {
        let missing = self.length.value as usize - self.data.len();
        let (data, rest) = bytes.split_at(missing.min(bytes.len()));
        self.data.extend_from_slice(data);
        *bytes = rest;
        if data.len() == missing {
            self.state = State::End;
        }
    }

    fn into_answer(self) -> Result<Answer, FrameError> {
        let kind = match self.command.as_slice() {
            b"rsp" => response(&self.data)?,
            b"serverclose" => Kind::ServerClose,
            _ => return Err(FrameError::Unexpected(String::from_utf8_lossy(&self.command).into_owned())),
        };
        Ok(Answer { transaction: self.transaction.value, kind })
    }
}

/// Which part of a frame comes next.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Transaction,
    Command,
    Length,
    Data,
    End,
}

/// A number of up to nine digits.
#[derive(Debug, Default)]
struct Number {
    value: u32,
    digits: u8,
}

impl Number {
    /// `None` for a tenth digit.
    fn push(&mut self, digit: u8) -> Option<()> {
        if self.digits == MAX_DIGITS {
            return None;
        }
        self.digits += 1;
        self.value = self.value * 10 + u32::from(digit - b'0');
        Some(())
    }
}

/// The answer that nearly all are, whole at the front of `bytes`, and what comes behind it: read at once, for there is one
/// to each message.
fn plain_acknowledgement(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let digits = bytes.iter().take(usize::from(MAX_DIGITS) + 1).position(|byte| !byte.is_ascii_digit())?;
    let rest = bytes[digits..].strip_prefix(b" rsp 6 200 OK\n").filter(|_| digits > 0)?;
    let transaction = bytes[..digits].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    Some((transaction, rest))
}

/// `CODE [SP TEXT] [LF OFFERS]`, the code being of three digits.
fn response(data: &[u8]) -> Result<Kind, FrameError> {
    let (first_line, offer_lines) = match memchr::memchr(b'\n', data) {
        Some(place) => (&data[..place], &data[place + 1..]),
        None => (data, &[][..]),
    };
    let (digits, text) = first_line.split_at_checked(3).ok_or(FrameError::Code)?;
    if !digits.iter().all(u8::is_ascii_digit) || text.first().is_some_and(|byte| *byte != b' ') {
        return Err(FrameError::Code);
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    Ok(Kind::Response {
        code,
        text: Cow::Owned(printable(text.get(1..).unwrap_or_default())),
        offers: offers(offer_lines),
    })
}

/// `NAME[=VALUE]`, one on a line.
fn offers(lines: &[u8]) -> Vec<(String, String)> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let pairs = lines.map(|line| match memchr::memchr(b'=', line) {
        Some(place) => (printable(&line[..place]), printable(&line[place + 1..])),
        None => (printable(line), String::new()),
    });
    pairs.take(MAX_OFFERS).collect()
}

fn printable(text: &[u8]) -> String {
    // No character is longer than four bytes, so that nothing is read that would not be kept.
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * MAX_TEXT)]);
    text.chars().take(MAX_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Why bytes are no answer of RELP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// The response does not begin with a code of three digits.
    Code,
    /// The command is not of 1 to 32 letters.
    Command,
    /// No line feed ends the frame.
    End,
    /// The length is not of 1 to 9 digits, or no data comes behind it.
    Length,
    /// The answer is longer than any answer is.
    TooLong(u32),
    /// The transaction number is not of 1 to 9 digits.
    Transaction,
    /// The command is none that a server sends.
    Unexpected(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed to read an answer of RELP: ")?;
        match self {
            Self::Code => f.write_str("a response without its code"),
            Self::Command => f.write_str("a command that is not of 1 to 32 letters"),
            Self::End => f.write_str("a frame without its line feed"),
            Self::Length => f.write_str("a length that is not of 1 to 9 digits"),
            Self::TooLong(length) => write!(f, "{length} bytes, more than the {MAX_DATA} that an answer may have"),
            Self::Transaction => f.write_str("a transaction number that is not of 1 to 9 digits"),
            Self::Unexpected(command) => write!(f, "unexpected command {command}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The most digits of a transaction number and of a length.
const MAX_DIGITS: u8 = 9;

/// The longest command.
const MAX_COMMAND: usize = 32;

/// The most data of an answer: what librelp takes by default in either direction.
const MAX_DATA: u32 = 128 * 1024;

/// The most characters of a text, a name or a value that are kept.
const MAX_TEXT: usize = 256;

/// The most offers that are kept; librelp makes three.
const MAX_OFFERS: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response(transaction: u32, code: u16, text: &str, offers: &[(&str, &str)]) -> Answer {
        let offers = offers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { transaction, kind: Kind::Response { code, text: text.to_owned().into(), offers } }
    }

    /// All answers of `stream`, which comes in pieces that end at `ends`.
    fn read_in_pieces(stream: &[u8], ends: &[usize]) -> (Vec<Answer>, Option<FrameError>) {
        let mut reader = AnswerReader::default();
        let mut answers = Vec::new();
        let mut start = 0;
        for &end in ends.iter().chain([&stream.len()]) {
            let mut piece = &stream[start..end];
            start = end;
            loop {
                match reader.read(&mut piece) {
                    Ok(Some(answer)) => answers.push(answer),
                    Ok(None) => break,
                    Err(error) => return (answers, Some(error)),
                }
            }
            assert!(piece.is_empty(), "no answer means that all is taken");
        }
        (answers, None)
    }

    fn read_all(stream: &[u8]) -> (Vec<Answer>, Option<FrameError>) {
        read_in_pieces(stream, &[])
    }

    /// Guarantee: answers as rsyslog gives them are read, one after the other.
    #[test]
    fn answers_of_a_server_are_read() {
        let stream = b"1 rsp 93 200 OK\nrelp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog\n\
            2 rsp 6 200 OK\n3 rsp 3 200\n4 rsp 17 500 out of memory\n0 serverclose 0\n999999999 rsp 6 200 OK\n5 rsp 4 200 \n";
        let offers = [
            ("relp_version", "0"),
            ("relp_software", "librelp,1.11.0,http://librelp.adiscon.com"),
            ("commands", "syslog"),
        ];
        let expected = vec![
            response(1, 200, "OK", &offers),
            response(2, 200, "OK", &[]),
            response(3, 200, "", &[]),
            response(4, 500, "out of memory", &[]),
            Answer { transaction: 0, kind: Kind::ServerClose },
            response(999_999_999, 200, "OK", &[]),
            response(5, 200, "", &[]),
        ];
        assert_eq!(read_all(stream), (expected, None));
    }

    /// Guarantee: what is no answer is an error that says what is wrong with it.
    #[test]
    fn what_is_no_answer_is_refused() {
        let cases: &[(&str, FrameError)] = &[
            (" rsp 0\n", FrameError::Transaction),
            ("\n", FrameError::Transaction),
            ("-1 rsp 0\n", FrameError::Transaction),
            ("1000000000 rsp 0\n", FrameError::Transaction),
            ("HTTP/1.1 400 Bad Request", FrameError::Transaction),
            ("1  0\n", FrameError::Command),
            ("1 r5p 6 200 OK\n", FrameError::Command),
            ("1 rsp\n", FrameError::Command),
            ("1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0\n", FrameError::Command),
            ("1 rsp -6 200 OK\n", FrameError::Length),
            ("1 rsp  200 OK\n", FrameError::Length),
            ("1 rsp 6\n", FrameError::Length),
            ("1 rsp 0000000006 200 OK\n", FrameError::Length),
            ("1 rsp 131073 ", FrameError::TooLong(131_073)),
            ("1 rsp 999999999 ", FrameError::TooLong(999_999_999)),
            ("1 rsp 5 200 OK\n", FrameError::End),
            ("1 rsp 6 200 OK \n", FrameError::End),
            ("1 rsp 0\n", FrameError::Code),
            ("1 rsp 2 OK\n", FrameError::Code),
            ("1 rsp 4 2000\n", FrameError::Code),
            ("1 rsp 4 20 0\n", FrameError::Code),
            ("1 syslog 2 no\n", FrameError::Unexpected("syslog".to_owned())),
        ];
        for (stream, expected) in cases {
            assert_eq!(read_all(stream.as_bytes()), (vec![], Some(expected.clone())), "{stream:?}");
        }
    }

    /// Guarantee: what a server claims reserves no memory, and what it says is kept short and printable.
    #[test]
    fn little_is_kept_of_a_long_answer() {
        let mut reader = AnswerReader::default();
        assert_eq!(reader.read(&mut &b"1 rsp 131072 200 "[..]), Ok(None));
        assert!(reader.data.capacity() < 1024, "{} bytes for four that came", reader.data.capacity());

        let data = format!("500 {}\u{7}\n{}", "ż".repeat(1000), "name=\u{1b}[31m\n".repeat(1000));
        let (answers, error) = read_all(format!("1 rsp {} {data}\n", data.len()).as_bytes());
        assert_eq!(error, None);
        assert_eq!(answers, [response(1, 500, &"ż".repeat(256), &[("name", " [31m"); 32])]);
    }

    fn arbitrary_answer() -> impl Strategy<Value = (Vec<u8>, Answer)> {
        let offers = prop::collection::vec(("[a-z_]{1,32}", "[ -~]{0,64}"), 0..5);
        let response = (1..=999_999_999_u32, 0..=999_u16, "[^\\p{Cc}]{0,80}", offers).prop_map(
            |(transaction, code, text, offers)| {
                let mut data = format!("{code:03} {text}");
                for (name, value) in &offers {
                    data += &format!("\n{name}={value}");
                }
                let frame = format!("{transaction} rsp {} {data}\n", data.len());
                (frame.into_bytes(), Answer { transaction, kind: Kind::Response { code, text: text.into(), offers } })
            },
        );
        let close = Just((b"0 serverclose 0\n".to_vec(), Answer { transaction: 0, kind: Kind::ServerClose }));
        prop_oneof![9 => response, 1 => close]
    }

    proptest! {
        /// Guarantee: however a stream comes in pieces, it gives the same answers.
        #[test]
        fn pieces_make_no_difference(
            answers in prop::collection::vec(arbitrary_answer(), 0..8),
            mut ends in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let stream: Vec<u8> = answers.iter().flat_map(|(frame, _)| frame.clone()).collect();
            let mut ends: Vec<usize> = ends.drain(..).map(|end| end.index(stream.len() + 1)).collect();
            ends.sort_unstable();
            let expected: Vec<Answer> = answers.into_iter().map(|(_, answer)| answer).collect();
            prop_assert_eq!(read_in_pieces(&stream, &ends), (expected, None));
        }

        /// Guarantee: no bytes make the reader panic, and pieces make no difference to what it finds wrong with them.
        #[test]
        fn arbitrary_bytes_are_answers_or_an_error(
            stream in prop::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(b"0123456789 rsp\n".to_vec())], 0..200),
        ) {
            let every_byte: Vec<usize> = (1..stream.len()).collect();
            prop_assert_eq!(read_in_pieces(&stream, &every_byte), read_all(&stream));
        }
    }
}
