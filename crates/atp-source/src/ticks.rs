//! Time as .NET counts it: ticks of 100 ns since 0001-01-01 UTC, the unit in which these APIs think.

use chrono::DateTime;

/// Ticks in a millisecond, the finest step of a window.
pub(crate) const MILLISECOND: i64 = 10_000;
/// Ticks in a second.
pub(crate) const SECOND: i64 = 1_000 * MILLISECOND;
/// Ticks in a minute.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// Ticks in an hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Ticks in a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// Ticks at 1970-01-01.
pub(crate) const UNIX_EPOCH: i64 = 621_355_968_000_000_000;

/// Cumulative days before each month of a common year.
const DAYS_BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Reads an ISO 8601 time in UTC with 0 to 9 fractional digits, truncating below the tick.
/// The zone may be `Z`, `+00:00` or missing; any other zone, and any date that does not exist, is `None`.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (head, rest) = text.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| head[at] != byte) {
        return None;
    }
    let (hour, minute, second) = (digits(&head[11..13])?, digits(&head[14..16])?, digits(&head[17..19])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(digits(&head[..4])?, digits(&head[5..7])?, digits(&head[8..10])?)?;
    let fraction = fraction(rest)?;
    Some(days * DAY + hour * HOUR + minute * MINUTE + second * SECOND + fraction)
}

/// Days from 0001-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if year < 1 || !(1..=12).contains(&month) {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month = usize::try_from(month - 1).ok()?;
    let next = DAYS_BEFORE.get(month + 1).copied().unwrap_or(365);
    let length = next - DAYS_BEFORE[month] + i64::from(leap && month == 1);
    if day < 1 || day > length {
        return None;
    }
    let years = year - 1;
    let before = years * 365 + years / 4 - years / 100 + years / 400;
    Some(before + DAYS_BEFORE[month] + i64::from(leap && month > 1) + day - 1)
}

/// What follows the seconds: an optional fraction and the zone.
fn fraction(rest: &[u8]) -> Option<i64> {
    let (fraction, zone) = match rest.split_first() {
        Some((b'.', rest)) => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&length) {
                return None;
            }
            let kept = length.min(7);
            let missing = u32::try_from(7 - kept).ok()?;
            (digits(&rest[..kept])? * 10_i64.pow(missing), &rest[length..])
        }
        _ => (0, rest),
    };
    matches!(zone, b"" | b"Z" | b"+00:00").then_some(fraction)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0_i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// Reads an HTTP date (RFC 9110, section 5.6.7): the `Date` header.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    let seconds = DateTime::parse_from_rfc2822(text.trim()).ok()?.timestamp();
    seconds.checked_mul(SECOND)?.checked_add(UNIX_EPOCH)
}

/// Ticks as these APIs take them in a filter: to the millisecond, truncated, with `Z`.
pub(crate) fn format(ticks: i64) -> String {
    let millis = (ticks - UNIX_EPOCH).div_euclid(MILLISECOND);
    match DateTime::from_timestamp_millis(millis) {
        Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        None => format!("{ticks} ticks"),
    }
}

/// The start of the millisecond that `ticks` lies in.
pub(crate) fn floor_to_millisecond(ticks: i64) -> i64 {
    ticks - ticks.rem_euclid(MILLISECOND)
}

/// A duration in ticks, capped far beyond any life of an alert.
pub(crate) fn from_duration(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX).min(10_000 * DAY)
}

/// Ticks as a duration; what is below zero is zero.
pub(crate) fn to_duration(ticks: i64) -> std::time::Duration {
    let ticks = u64::try_from(ticks).unwrap_or_default();
    std::time::Duration::from_micros(ticks / 10)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_that_these_apis_send_are_read() {
        let whole = parse(b"2020-07-20T10:53:50Z").unwrap();
        assert_eq!(whole, 637_308_392_300_000_000);
        assert_eq!(parse(b"2020-07-20T10:53:50.19Z"), Some(whole + 1_900_000));
        assert_eq!(parse(b"2020-07-20T10:53:50.0966667Z"), Some(whole + 966_667));
        assert_eq!(parse(b"2020-07-20T10:53:50.096666799+00:00"), Some(whole + 966_667));
        assert_eq!(parse(b"2020-07-20T10:53:50"), Some(whole));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2020",
            "2020-13-01T00:00:00Z",
            "2021-02-29T00:00:00Z",
            "2020-01-01T24:00:00Z",
            "2020-01-01T00:00:00+02:00",
            "2020-01-01T00:00:00.Z",
            "2020-01-01T00:00:00.1234567890Z",
            "2020-01-0xT00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2020-07-20 10:53:50",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_server_date_is_read() {
        let ticks = parse_http_date("Mon, 20 Jul 2020 10:53:50 GMT");
        assert_eq!(ticks, parse(b"2020-07-20T10:53:50Z"));
        assert_eq!(parse_http_date("yesterday"), None);
    }

    proptest! {
        /// Guarantee: a calendar that others wrote agrees about every day of four millennia.
        #[test]
        fn ticks_agree_with_chrono(seconds in -62_135_596_800_i64..64_060_588_800) {
            let time = Utc.timestamp_opt(seconds, 0).unwrap();
            let text = time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
            prop_assert_eq!(parse(text.as_bytes()), Some(seconds * SECOND + UNIX_EPOCH));
        }

        /// Guarantee: what is written into a filter is the same millisecond again.
        #[test]
        fn a_filter_literal_is_the_same_millisecond(millis in 0_i64..4_000_000_000_000) {
            let ticks = UNIX_EPOCH + millis * MILLISECOND + 17;
            prop_assert_eq!(parse(format(ticks).as_bytes()), Some(floor_to_millisecond(ticks)));
        }

        /// Guarantee: no bytes make it panic.
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&bytes);
        }
    }
}
