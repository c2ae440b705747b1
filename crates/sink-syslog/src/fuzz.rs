//! What must hold whatever bytes come in: the bodies of the fuzz targets in the folder `fuzz` of the repository, which
//! are properties in the tests of this crate as well. With the feature `fuzz` only; nothing else uses it.

mod header;

use crate::relp_frame::{Answer, AnswerReader, Kind};

/// Reads `bytes` as the answers of a RELP server, at once and byte by byte: the result is the same, and nothing in it is
/// longer than may be kept.
///
/// # Panics
/// Where that does not hold.
pub fn relp_answer(bytes: &[u8]) {
    let whole = answers([bytes]);
    assert_eq!(whole, answers(bytes.chunks(1)), "pieces make a difference");
    for answer in &whole.0 {
        assert!(answer.transaction <= 999_999_999, "{} has ten digits", answer.transaction);
        if let Kind::Response { code, text, offers } = &answer.kind {
            assert!(*code <= 999, "{code} has four digits");
            assert!(offers.len() <= 32, "{} offers are kept", offers.len());
            let values = offers.iter().flat_map(|(name, value)| [name, value]);
            values.for_each(|text| assert_short_and_printable(text));
            assert_short_and_printable(text);
        }
    }
}

/// Makes options and a record out of `bytes` and holds the message to the grammar of its header, to its limit, and to
/// its framings.
///
/// # Panics
/// Where one is broken.
pub fn syslog_header(bytes: &[u8]) {
    header::check(header::Case::read(bytes));
}

fn answers<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Answer>, Option<String>) {
    let mut reader = AnswerReader::default();
    let mut answers = Vec::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            match reader.read(&mut piece) {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => assert!(piece.is_empty(), "no answer, though bytes are left"),
                Err(error) => return (answers, Some(error.to_string())),
            }
        }
    }
    (answers, None)
}

fn assert_short_and_printable(text: &str) {
    assert!(text.chars().count() <= 256, "{text:?} is too long to be kept");
    assert!(!text.contains(char::is_control), "{text:?} has controls");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        /// Guarantee: the fuzz targets hold for bytes that nobody chose.
        #[test]
        fn the_targets_hold(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
            super::relp_answer(&bytes);
            super::syslog_header(&bytes);
        }
    }
}
