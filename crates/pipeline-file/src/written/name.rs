//! Names and ids.

use super::{Form, Written};

/// The name that the operator gives to a tenant, a source, a sink, a credential or a label.
pub(crate) struct Name;

/// An id of Entra, for a directory or an application.
pub(crate) struct Guid;

/// The name of an environment variable.
pub(crate) struct EnvName;

/// Any text but none.
pub(crate) struct NonEmpty;

impl Form for Name {
    type Value = String;
    const FORMAT: &'static str = "name";
    const PATTERN: &'static str = "^[A-Za-z0-9_.-]+$";

    fn read(text: &str) -> Result<String, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if !text.is_empty() && text.bytes().all(allowed) {
            Ok(text.to_owned())
        } else {
            Err("a name is made of letters, digits, `_`, `.` and `-`".to_owned())
        }
    }
}

impl std::borrow::Borrow<str> for Written<Name> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Form for Guid {
    type Value = String;
    const FORMAT: &'static str = "uuid";
    const PATTERN: &'static str = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$";

    /// The id in lower case.
    fn read(text: &str) -> Result<String, String> {
        const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
        let groups: Vec<&str> = text.split('-').collect();
        let hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if groups.iter().map(|group| group.len()).eq(GROUPS) && groups.into_iter().all(hex) {
            Ok(text.to_ascii_lowercase())
        } else {
            Err("not an id; it looks like 11111111-2222-3333-4444-555555555555".to_owned())
        }
    }
}

impl Form for EnvName {
    type Value = String;
    const FORMAT: &'static str = "environment-variable";
    const PATTERN: &'static str = "^[A-Za-z_][A-Za-z0-9_]*$";

    fn read(text: &str) -> Result<String, String> {
        let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if starts && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            Ok(text.to_owned())
        } else {
            Err("not the name of an environment variable".to_owned())
        }
    }
}

impl Form for NonEmpty {
    type Value = String;
    const FORMAT: &'static str = "text";
    const PATTERN: &'static str = "[^\\u0000]";

    fn read(text: &str) -> Result<String, String> {
        if text.is_empty() {
            Err("must not be empty".to_owned())
        } else if text.contains('\0') {
            Err("must not contain a zero byte".to_owned())
        } else {
            Ok(text.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entra's ids are read in either case and kept in lower case; verified domains and cut ids are refused.
    #[test]
    fn ids() {
        let id = "AAAAAAAA-2222-3333-4444-555555555555";
        assert_eq!(Guid::read(id), Ok(id.to_lowercase()));
        for wrong in
            ["", "contoso.com", &id[1..], "AAAAAAAA222233334444555555555555", "ZAAAAAAA-2222-3333-4444-555555555555"]
        {
            assert!(Guid::read(wrong).is_err(), "{wrong}");
        }
    }

    /// Names and environment variables keep to their letters.
    #[test]
    fn names() {
        assert!(Name::read("contoso-eu_1.a").is_ok());
        assert!(Name::read("contoso eu").is_err());
        assert!(Name::read("").is_err());
        assert!(EnvName::read("CONTOSO_SECRET").is_ok());
        assert!(EnvName::read("1SECRET").is_err());
        assert!(EnvName::read("${SECRET}").is_err());
    }
}
