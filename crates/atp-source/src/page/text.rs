//! The text of a scalar, where it is looked at.

use std::borrow::Cow;

use crate::page::json::Scalar;

/// Whether a name is this one.
pub(super) fn is(name: Scalar<'_>, plain: &[u8]) -> bool {
    if name.escaped { *unescape(name) == *plain } else { name.raw == plain }
}

/// Whether a value says something: `""`, `-`, `N/A` and `null` are these APIs' ways to say nothing.
pub(super) fn says_something(value: Scalar<'_>) -> bool {
    if value.raw.len() > 4 && !value.raw[0].is_ascii_whitespace() {
        return true;
    }
    let word = value.raw.trim_ascii();
    !(matches!(word, b"" | b"-") || word.eq_ignore_ascii_case(b"n/a") || word.eq_ignore_ascii_case(b"null"))
}

/// The text with its escapes resolved; a lone surrogate, and a byte that is not UTF-8, is U+FFFD.
pub(super) fn unescape(text: Scalar<'_>) -> Cow<'_, [u8]> {
    if !text.escaped {
        return match str::from_utf8(text.raw) {
            Ok(_) => Cow::Borrowed(text.raw),
            Err(_) => Cow::Owned(String::from_utf8_lossy(text.raw).into_owned().into_bytes()),
        };
    }
    let mut resolved = Vec::with_capacity(text.raw.len());
    let mut rest = text.raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        resolved.extend_from_slice(&rest[..at]);
        rest = escape(&rest[at + 1..], &mut resolved);
    }
    resolved.extend_from_slice(rest);
    Cow::Owned(String::from_utf8_lossy(&resolved).into_owned().into_bytes())
}

/// Resolves the escape whose backslash was taken, and returns what follows it.
fn escape<'a>(rest: &'a [u8], resolved: &mut Vec<u8>) -> &'a [u8] {
    let Some((&kind, after)) = rest.split_first() else { return rest };
    let char = match kind {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(after, resolved),
        other => char::from(other),
    };
    resolved.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    after
}

fn unicode<'a>(rest: &'a [u8], resolved: &mut Vec<u8>) -> &'a [u8] {
    let Some(first) = unit(rest) else { return rest };
    let after = &rest[4..];
    let second = after.strip_prefix(b"\\u").and_then(|rest| unit(rest).map(|unit| (unit, &rest[4..])));
    let units = [first, second.map_or(0, |(unit, _)| unit)];
    let pair = second.filter(|_| matches!(units, [0xD800..=0xDBFF, 0xDC00..=0xDFFF]));
    let (char, after) = match pair {
        Some((_, after)) => (char::decode_utf16(units).next(), after),
        None => (char::decode_utf16([first]).next(), after),
    };
    let char = char.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER);
    resolved.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    after
}

/// One code unit of UTF-16, in four hex digits.
fn unit(rest: &[u8]) -> Option<u16> {
    let digits = str::from_utf8(rest.get(..4)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolve(raw: &str) -> String {
        let text = Scalar { raw: raw.as_bytes(), escaped: raw.contains('\\') };
        String::from_utf8(unescape(text).into_owned()).unwrap()
    }

    #[test]
    fn lone_surrogates_are_replaced_one_by_one() {
        assert_eq!(
            resolve(r"\ud83d\ude00 \ud83d \ude00\ud83dx\ud83d\u0041"),
            "\u{1F600} \u{FFFD} \u{FFFD}\u{FFFD}x\u{FFFD}A"
        );
        assert_eq!(resolve(r#"\"\\\/\b\f\n\r\t\u00e9"#), "\"\\/\u{8}\u{c}\n\r\t\u{e9}");
    }

    proptest! {
        /// Guarantee: whatever serde_json writes is resolved to what it was.
        #[test]
        fn strings_come_back(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(resolve(&json[1..json.len() - 1]), text);
        }
    }
}
