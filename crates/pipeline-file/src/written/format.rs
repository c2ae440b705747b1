//! What only formats know.

use super::Form;

/// What stands between the attributes of LEEF 2.0: `tab`, or the character itself.
pub(crate) struct Delimiter;

/// What keys, numbers, times, addresses and the visible forms of characters do not need.
const DELIMITERS: &str = "!#$%&'*,;?@^`~";

impl Form for Delimiter {
    type Value = char;
    const FORMAT: &'static str = "delimiter";
    const PATTERN: &'static str = "^(tab|[\\t!#$%&'*,;?@^`~])$";

    fn read(text: &str) -> Result<char, String> {
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            _ if text == "tab" => Ok('\t'),
            (Some(delimiter), None) if delimiter == '\t' || DELIMITERS.contains(delimiter) => Ok(delimiter),
            _ => Err("not a delimiter; it is `tab` or one of ! # $ % & ' * , ; ? @ ^ ` ~".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tab has a word; what an attribute may have in it is refused, and so is more than one character.
    #[test]
    fn delimiters() {
        assert_eq!(Delimiter::read("tab"), Ok('\t'));
        assert_eq!(Delimiter::read("\t"), Ok('\t'));
        for delimiter in DELIMITERS.chars() {
            assert_eq!(Delimiter::read(&delimiter.to_string()), Ok(delimiter));
        }
        for wrong in ["", "^^", "x5E", "|", "=", " ", "a", "0", ":", ".", "-", "\\", "\n", "¦", "Tab"] {
            assert!(Delimiter::read(wrong).is_err(), "{wrong}");
        }
    }
}
