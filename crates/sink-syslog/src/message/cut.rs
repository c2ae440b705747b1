//! Where a payload that is too long may end.

/// The longest beginning of `payload` of at most `max_bytes` bytes that ends on a whole character and on a whole escape.
///
/// Escapes are a backslash with the character behind it, as in CEF and JSON, and JSON's `\uXXXX`, of which two make one
/// character beyond the Basic Multilingual Plane. Where backslashes are plain text, as in LEEF, the end comes a few
/// bytes earlier than it need.
pub(super) fn beginning(payload: &[u8], max_bytes: usize) -> &[u8] {
    if payload.len() <= max_bytes {
        return payload;
    }
    let end = before_split_character(payload, max_bytes);
    let end = before_split_escape(payload, end);
    &payload[..before_split_surrogates(payload, end)]
}

fn before_split_character(payload: &[u8], end: usize) -> usize {
    // A character of UTF-8 has at most three bytes behind its first. Where there are more, the payload is not UTF-8.
    let first_byte = (end.saturating_sub(3)..=end).rev().find(|&place| !is_continuation(payload[place]));
    first_byte.unwrap_or(end)
}

fn before_split_escape(payload: &[u8], end: usize) -> usize {
    let kept = &payload[..end];
    if ends_with_open_backslash(kept) {
        return end - 1;
    }
    // `\u` with up to three of its four digits.
    let digits = kept.iter().rev().take(3).take_while(|byte| byte.is_ascii_hexdigit()).count();
    (0..=digits).map(|digits| end - digits).find_map(|place| escape_u_before(kept, place)).unwrap_or(end)
}

fn before_split_surrogates(payload: &[u8], end: usize) -> usize {
    let Some(high) = end.checked_sub(ESCAPE_LENGTH) else { return end };
    let followed_by_low = surrogate(&payload[end..]).is_some_and(|digit| matches!(digit, b'C'..=b'F'));
    let is_high = surrogate(&payload[high..]).is_some_and(|digit| matches!(digit, b'8'..=b'B'));
    if followed_by_low && is_high && ends_with_open_backslash(&payload[..=high]) { high } else { end }
}

/// The place of the `\u` that ends right before `place`.
fn escape_u_before(kept: &[u8], place: usize) -> Option<usize> {
    let before_u = kept[..place].strip_suffix(b"u")?;
    ends_with_open_backslash(before_u).then(|| before_u.len() - 1)
}

/// Whether `text` ends with a backslash that escapes what comes behind it, and is not escaped itself.
fn ends_with_open_backslash(text: &[u8]) -> bool {
    text.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Of a `\uDXXX` at the beginning of `text` the digit behind the D, in upper case: 8 to B make it the first of a pair,
/// C to F the second.
fn surrogate(text: &[u8]) -> Option<u8> {
    match text {
        [b'\\', b'u', b'd' | b'D', digit, ..] => Some(digit.to_ascii_uppercase()),
        _ => None,
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Bytes of a `\uXXXX`.
const ESCAPE_LENGTH: usize = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::beginning;

    /// Guarantee: a cut is as late as it can be, and splits neither character nor escape.
    #[test]
    fn the_end_is_the_last_that_splits_nothing() {
        let cases: &[(&str, usize, &str)] = &[
            ("whole", 5, "whole"),
            ("whole", 9, "whole"),
            ("abc", 0, ""),
            ("abc", 2, "ab"),
            ("aż", 2, "a"),
            ("a🚨b", 4, "a"),
            ("a🚨b", 5, "a🚨"),
            (r"msg=a\=b", 6, "msg=a"),
            (r"msg=a\=b", 7, r"msg=a\="),
            (r"C:\\new", 3, "C:"),
            (r"C:\\new", 4, r"C:\\"),
            (r"\\\\\\x", 3, r"\\"),
            (r"a\nb", 2, "a"),
            (r"a\u00e9b", 2, "a"),
            (r"a\u00e9b", 3, "a"),
            (r"a\u00e9b", 6, "a"),
            (r"a\u00e9b", 7, r"a\u00e9"),
            (r"a\\u00e9", 6, r"a\\u00"),
            (r"a\\\u00e9", 6, r"a\\"),
            (r"a\ud83d\udea8b", 7, "a"),
            (r"a\ud83d\udea8b", 8, "a"),
            (r"a\ud83d\udea8b", 12, "a"),
            (r"a\ud83d\udea8b", 13, r"a\ud83d\udea8"),
            (r"a\uD83D\n", 7, r"a\uD83D"),
            (r"a\\ud83d\udea8", 8, r"a\\ud83d"),
        ];
        for (payload, longest, expected) in cases {
            let kept = beginning(payload.as_bytes(), *longest);
            assert_eq!(String::from_utf8_lossy(kept), **expected, "{payload:?} at {longest}");
        }
    }

    /// Guarantee: bytes that are not UTF-8 are cut as well, within the limit.
    #[test]
    fn what_is_not_utf_8_is_cut_within_the_limit() {
        assert_eq!(beginning(&[0x80; 9], 5), [0x80; 5]);
        assert_eq!(beginning(&[0xff; 9], 1), [0xff; 1]);
    }

    /// Text that may not be split: a character, or an escape of CEF or JSON.
    fn unit() -> impl Strategy<Value = String> {
        let escapes =
            [r"\\", r"\=", r"\|", r"\n", r"\r", "\\\"", r"\u001b", r"\uABCD", r"\ud83d\udea8", r"\uD83D\uDEA8"];
        prop_oneof![
            any::<char>().prop_filter("a backslash begins an escape", |c| *c != '\\').prop_map(String::from),
            // What an escape consists of, without being one.
            proptest::sample::select(vec!["u", "d", "D", "8", "0"]).prop_map(String::from),
            proptest::sample::select(escapes.to_vec()).prop_map(String::from),
        ]
    }

    proptest! {
        /// Guarantee: whatever units make a payload, its beginning is as many whole ones as fit.
        #[test]
        fn the_beginning_is_as_many_whole_units_as_fit(units in prop::collection::vec(unit(), 0..40), longest in 0_usize..120) {
            let payload = units.concat();
            let mut expected = 0;
            for unit in &units {
                if expected + unit.len() > longest {
                    break;
                }
                expected += unit.len();
            }
            let kept = beginning(payload.as_bytes(), longest);
            prop_assert_eq!(kept.len(), expected, "{:?} at {}", payload, longest);
        }
    }
}
