//! What an answer that is no page, or no token, asks for. Pure functions from the answer to the fault.

pub(crate) mod api;
pub(crate) mod token;

use std::time::Duration;

use crate::ticks;

/// The longest wait that is taken from the other side. Its quota windows are a minute and an hour; a longer hint is a
/// mistake, and asking once an hour harms nobody.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// The most characters of foreign text in one of our sentences.
const QUOTED: usize = 300;

/// Reads `Retry-After`: seconds, whole or not, or an HTTP date, which is counted from the answer's own `Date`.
/// What cannot be read, and what has passed, is no hint.
pub(crate) fn retry_after(header: Option<&str>, date: Option<i64>) -> Option<Duration> {
    let text = header?.trim();
    let wait = match text.parse::<f64>() {
        Ok(seconds) if seconds.is_nan() => return None,
        Ok(seconds) if seconds >= LONGEST_WAIT.as_secs_f64() => LONGEST_WAIT,
        Ok(seconds) => Duration::try_from_secs_f64(seconds.ceil()).ok()?,
        Err(_) => {
            let ticks = ticks::parse_http_date(text)?.checked_sub(date?)?;
            Duration::from_secs(u64::try_from(ticks / ticks::SECOND).ok()?)
        }
    };
    Some(wait.min(LONGEST_WAIT)).filter(|wait| !wait.is_zero())
}

/// Foreign text made fit for one of our sentences: short, and without what would break or hide a line.
pub(crate) fn quote(text: &str) -> String {
    let hides = |char: char| matches!(char, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}');
    let visible = text.chars().map(|char| if char.is_whitespace() { ' ' } else { char });
    let kept: String = visible.filter(|&char| !char.is_control() && !hides(char)).take(QUOTED).collect();
    kept.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Guarantee: every form of `Retry-After` that was seen, and every nonsense in its place, gives a bounded wait.
    #[test]
    fn waits_are_read_in_every_form() {
        let date = ticks::parse_http_date("Mon, 20 Jul 2020 10:53:50 GMT");
        let cases = [
            (Some("7"), Some(7)),
            (Some(" 7 "), Some(7)),
            (Some("0.2"), Some(1)),
            (Some("6.0001"), Some(7)),
            (Some("Mon, 20 Jul 2020 10:54:20 GMT"), Some(30)),
            (Some("Mon, 20 Jul 2020 10:53:20 GMT"), None),
            (Some("Sat, 20 Jul 2120 10:53:20 GMT"), Some(3_600)),
            (Some("99999999999999999999999"), Some(3_600)),
            (Some("inf"), Some(3_600)),
            (Some("-5"), None),
            (Some("0"), None),
            (Some("NaN"), None),
            (Some("soon"), None),
            (Some(""), None),
            (None, None),
        ];
        for (header, seconds) in cases {
            assert_eq!(retry_after(header, date), seconds.map(Duration::from_secs), "{header:?}");
        }
    }

    proptest! {
        /// Guarantee: quoted text is one short visible line, whatever the other side sends.
        #[test]
        fn quoted_text_is_one_short_line(text in any::<String>()) {
            let quoted = quote(&text);
            prop_assert!(quoted.chars().count() <= QUOTED);
            let breaks_a_line = |char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{202E}');
            prop_assert!(!quoted.contains(breaks_a_line));
        }
    }
}
