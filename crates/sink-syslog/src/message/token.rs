//! Words of a header, within their alphabet and length.

/// `text` as a field of an RFC 5424 header: every character outside PRINTUSASCII becomes `_`, what is longer than
/// `max_length` is cut, and where nothing is left the NIL value `-` stands (RFC 5424, section 6).
pub(super) fn header_field(text: &str, max_length: usize) -> String {
    let field: String = text.chars().take(max_length).map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    if field.is_empty() { NIL.to_owned() } else { field }
}

/// `name` as the TAG of RFC 3164, which is made of letters and digits of ASCII and ends at any other (section 4.1.3):
/// others are left out. `None` where nothing is left.
pub(super) fn tag(name: &str) -> Option<String> {
    let tag: String = name.chars().filter(char::is_ascii_alphanumeric).take(MAX_TAG).collect();
    (!tag.is_empty()).then_some(tag)
}

/// Stands for what is unknown (RFC 5424, section 6).
pub(super) const NIL: &str = "-";

/// The longest HOSTNAME (RFC 5424, section 6).
pub(super) const MAX_HOSTNAME: usize = 255;

/// The longest APP-NAME (RFC 5424, section 6).
pub(super) const MAX_APP_NAME: usize = 48;

/// The longest MSGID (RFC 5424, section 6).
pub(super) const MAX_MESSAGE_ID: usize = 32;

/// The longest TAG (RFC 3164, section 4.1.3).
const MAX_TAG: usize = 32;

#[cfg(test)]
mod tests {
    use super::{header_field, tag};

    /// Guarantee: a field is in its alphabet and within its length, whatever comes in.
    #[test]
    fn fields_hold_their_alphabet_and_length() {
        let cases = [
            ("", 9, "-"),
            ("atp-contoso", 255, "atp-contoso"),
            ("two words", 255, "two_words"),
            ("żółw", 255, "___w"),
            ("a\nb\0c\u{7f}", 255, "a_b_c_"),
            ("fe80::1", 255, "fe80::1"),
            ("abcdef", 3, "abc"),
            ("🚨🚨🚨🚨", 3, "___"),
        ];
        for (text, max_length, expected) in cases {
            assert_eq!(header_field(text, max_length), expected, "{text:?}");
        }
    }

    /// Guarantee: a tag has 1 to 32 letters and digits of ASCII, or is none.
    #[test]
    fn tags_are_letters_and_digits() {
        assert_eq!(tag("atp-forwarder").as_deref(), Some("atpforwarder"));
        assert_eq!(tag("Ą[1]: x").as_deref(), Some("1x"));
        assert_eq!(tag(&"x".repeat(33)), Some("x".repeat(32)));
        assert_eq!(tag("-_ :"), None);
    }
}
