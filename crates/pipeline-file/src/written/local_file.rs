//! What only files know: permissions, and how many rotated ones stay.

use super::{Form, Span};
use crate::plan::KeepPlan;

/// The permissions of a file: `0640`.
pub(crate) struct FileMode;

/// Which rotated files stay: `14` of them, or those of `14d`.
pub(crate) struct KeepRotated;

impl Form for FileMode {
    type Value = u32;
    const FORMAT: &'static str = "file-mode";
    const PATTERN: &'static str = "^0?[0-7]{3}$";

    fn read(text: &str) -> Result<u32, String> {
        let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
        let octal = digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let mode = u32::from_str_radix(digits, 8).ok().filter(|_| octal);
        match mode {
            None => Err("not the permissions of a file; they are three octal digits, such as `0640`".to_owned()),
            Some(mode) if mode & OWNER != OWNER => {
                Err("we could not write it ourselves; the owner's digit is `6` or `7`".to_owned())
            }
            Some(mode) => Ok(mode),
        }
    }
}

impl Form for KeepRotated {
    type Value = KeepPlan;
    const FORMAT: &'static str = "keep-rotated";
    const PATTERN: &'static str = "^([1-9][0-9]*|([0-9]+(ms|s|m|h|d))+)$";

    fn read(text: &str) -> Result<KeepPlan, String> {
        if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
            return match text.parse() {
                Ok(0) => Err("at least one rotated file stays".to_owned()),
                Ok(files) => Ok(KeepPlan::Files(files)),
                Err(_) => Err("more files than any folder takes; leave it out to keep all".to_owned()),
            };
        }
        Span::read(text).map(KeepPlan::For).map_err(|_| "a number of files, or a duration such as `14d`".to_owned())
    }
}

/// Reading and writing.
const OWNER: u32 = 0o600;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Permissions are octal, with or without the zero in front, and let the owner read and write.
    #[test]
    fn permissions() {
        assert_eq!(FileMode::read("0640"), Ok(0o640));
        assert_eq!(FileMode::read("600"), Ok(0o600));
        assert_eq!(FileMode::read("0777"), Ok(0o777));
        for wrong in ["", "0", "64", "0648", "00640", "1777", "04640", "+640", "rw-r-----", "440", "0240"] {
            assert!(FileMode::read(wrong).is_err(), "{wrong}");
        }
    }

    /// A bare number counts files, a duration is a time.
    #[test]
    fn kept_files() {
        assert_eq!(KeepRotated::read("14"), Ok(KeepPlan::Files(14)));
        assert_eq!(KeepRotated::read("14d"), Ok(KeepPlan::For(Duration::from_secs(14 * 86_400))));
        for wrong in ["", "0", "-1", "14 d", "99999999999", "all"] {
            assert!(KeepRotated::read(wrong).is_err(), "{wrong}");
        }
    }
}
