//! Times as .NET ticks: 100 ns since 0001-01-01T00:00:00Z, the precision of Microsoft's own texts.

/// Reads an ISO 8601 time in UTC as .NET ticks (100 ns since 0001-01-01).
///
/// Takes `YYYY-MM-DDThh:mm:ss`, 1 to 9 fraction digits after a dot or none, and `Z`, `+00:00` or nothing at the end.
/// What is finer than a tick is cut, never rounded. Anything else, an impossible date too, is `None`.
///
/// ```
/// assert_eq!(transform::ticks("2020-07-20T10:53:50.19Z"), Some(637_308_392_301_900_000));
/// assert_eq!(transform::ticks("2021-02-29T00:00:00Z"), None);
/// ```
pub fn ticks(text: &str) -> Option<i64> {
    parse(text.as_bytes())
}

/// Milliseconds since 1970-01-01 of a time in ticks; what is finer is cut towards the past.
///
/// ```
/// assert_eq!(transform::unix_millis(637_308_392_301_999_999), 1_595_242_430_199);
/// ```
pub fn unix_millis(ticks: i64) -> i64 {
    // Ticks above are multiples of the divisor at the epoch, so one division serves both sides of 1970.
    ticks.div_euclid(PER_MILLISECOND) - UNIX_EPOCH / PER_MILLISECOND
}

pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (moment, rest) = text.split_first_chunk::<19>()?;
    let [_, _, _, _, b'-', _, _, b'-', _, _, b'T', _, _, b':', _, _, b':', _, _] = *moment else { return None };
    let year = two(moment[0], moment[1])? * 100 + two(moment[2], moment[3])?;
    let month = two(moment[5], moment[6])?;
    let day = two(moment[8], moment[9])?;
    let hour = two(moment[11], moment[12])?;
    let minute = two(moment[14], moment[15])?;
    let second = two(moment[17], moment[18])?;
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_of_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * PER_SECOND + fraction(rest)?)
}

/// Writes ticks as ISO 8601 with seven fraction digits: texts of one width, which sort as the times do.
///
/// Only for ticks that [`parse`] gave: the years 1 to 9999.
pub(crate) fn write(ticks: i64, out: &mut Vec<u8>) {
    let seconds = ticks.div_euclid(PER_SECOND);
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let fraction = ticks.rem_euclid(PER_SECOND);
    write_digits::<4>(year, out);
    for (mark, part) in [(b'-', month), (b'-', day), (b'T', hour), (b':', minute), (b':', second)] {
        out.push(mark);
        write_digits::<2>(part, out);
    }
    out.push(b'.');
    write_digits::<7>(fraction, out);
    out.push(b'Z');
}

/// Writes ticks as `Jan 26 2021 20:33:57.722 UTC`, cut to milliseconds; for the years 1 to 9999.
pub(crate) fn write_english(ticks: i64, out: &mut Vec<u8>) {
    let seconds = ticks.div_euclid(PER_SECOND);
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let millisecond = ticks.rem_euclid(PER_SECOND) / PER_MILLISECOND;
    out.extend_from_slice(MONTHS[month as usize - 1].as_bytes());
    out.push(b' ');
    write_digits::<2>(day, out);
    out.push(b' ');
    write_digits::<4>(year, out);
    for (mark, part) in [(b' ', hour), (b':', minute), (b':', second)] {
        out.push(mark);
        write_digits::<2>(part, out);
    }
    out.push(b'.');
    write_digits::<3>(millisecond, out);
    out.extend_from_slice(b" UTC");
}

/// Writes a number that has no more than `WIDTH` digits, with zeros before it. The formatter of the standard library
/// takes several times as long, and a line has many times.
fn write_digits<const WIDTH: usize>(number: i64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; WIDTH];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Writes a whole number.
pub(crate) fn write_number(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

/// The ticks of `.123Z`, `Z`, `+00:00` or nothing.
fn fraction(rest: &[u8]) -> Option<i64> {
    let digits = match rest {
        [b'.', digits @ ..] => digits,
        _ => return is_utc(rest).then_some(0),
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&count) || !is_utc(&digits[count..]) {
        return None;
    }
    let kept = count.min(7);
    let value = digits[..kept].iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some(value * POWERS_OF_TEN[7 - kept])
}

fn is_utc(zone: &[u8]) -> bool {
    matches!(zone, b"Z" | b"" | b"+00:00")
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// Days from 0001-01-01 to a date of the proleptic Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let years = year - 1;
    let leap_day = i64::from(month > 2 && is_leap(year));
    years * 365 + years / 4 - years / 100 + years / 400 + DAYS_BEFORE_MONTH[month as usize - 1] + leap_day + day - 1
}

/// The date that lies so many days after 0001-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    // A year too late at most, for the mean year is shorter than the longest.
    let mut year = days * 400 / 146_097 + 1;
    if days_before(year, 1, 1) > days {
        year -= 1;
    } else if days_before(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 12;
    while days_before(year, month, 1) > days {
        month -= 1;
    }
    (year, month, days - days_before(year, month, 1) + 1)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const PER_SECOND: i64 = 10_000_000;
const PER_MILLISECOND: i64 = 10_000;
/// 1970-01-01T00:00:00Z.
const UNIX_EPOCH: i64 = 621_355_968_000_000_000;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const POWERS_OF_TEN: [i64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate, NaiveDateTime};
    use proptest::prelude::*;

    use super::*;

    /// Guarantees that every time of the years 1 to 9999 is read as chrono reads it, whatever its fraction's width.
    #[test]
    fn reads_as_chrono_does() {
        proptest!(|(seconds in -62_135_596_800_i64..253_402_300_800, nanos in 0_u32..1_000_000_000, digits in 0_usize..=9)| {
            let time = DateTime::from_timestamp(seconds, nanos).unwrap().naive_utc();
            let fraction = format!(".{nanos:09}");
            let fraction = if digits == 0 { "" } else { &fraction[..=digits] };
            let text = format!("{}{fraction}Z", time.format("%Y-%m-%dT%H:%M:%S"));
            let seen = if digits == 0 { 0 } else { nanos / 10_u32.pow(9 - digits as u32) * 10_u32.pow(9 - digits as u32) };
            let expected = UNIX_EPOCH + seconds * PER_SECOND + i64::from(seen / 100);
            prop_assert_eq!(ticks(&text), Some(expected));
            prop_assert_eq!(unix_millis(expected), seconds * 1_000 + i64::from(seen / 1_000_000));
        });
    }

    /// Guarantees that a written time reads back as itself.
    #[test]
    fn a_written_time_reads_back() {
        proptest!(|(ticks in 0_i64..3_155_378_976_000_000_000)| {
            let mut text = Vec::new();
            write(ticks, &mut text);
            prop_assert_eq!(text.len(), 28);
            prop_assert_eq!(parse(&text), Some(ticks));

            let mut english = Vec::new();
            write_english(ticks, &mut english);
            let english = String::from_utf8(english).unwrap();
            let read = NaiveDateTime::parse_from_str(&english, "%b %d %Y %H:%M:%S%.3f UTC").unwrap();
            prop_assert_eq!(read.and_utc().timestamp_millis(), unix_millis(ticks));
        });
    }

    /// Guarantees that every day there is, and no other, is a date.
    #[test]
    fn knows_each_day_of_the_calendar() {
        let mut expected = 0;
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in 1..=31 {
                    let text = format!("{year:04}-{month:02}-{day:02}T00:00:00");
                    if NaiveDate::from_ymd_opt(year, month, day).is_none() {
                        assert_eq!(ticks(&text), None, "{text}");
                        continue;
                    }
                    assert_eq!(ticks(&text), Some(expected), "{text}");
                    expected += 86_400 * PER_SECOND;
                }
            }
        }
    }

    /// Guarantees that what is no time in UTC is refused and not guessed at.
    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "null",
            "2020-07-20",
            "2020-07-20 10:53:50Z",
            "2020-07-20T10:53Z",
            "0000-01-01T00:00:00Z",
            "2020-13-01T00:00:00Z",
            "2020-00-01T00:00:00Z",
            "2020-01-00T00:00:00Z",
            "2020-01-01T24:00:00Z",
            "2020-01-01T00:60:00Z",
            "2020-01-01T00:00:60Z",
            "2020-01-01T00:00:00.Z",
            "2020-01-01T00:00:00.1234567890Z",
            "2020-01-01T00:00:00+02:00",
            "2020-01-01T00:00:00z",
            "+020-01-01T00:00:00Z",
            "2020-01-01T00:00:00Z ",
            "２０20-01-01T00:00:00Z",
        ] {
            assert_eq!(ticks(text), None, "{text}");
        }
        assert_eq!(ticks("2020-01-01T00:00:00+00:00"), ticks("2020-01-01T00:00:00"));
    }
}
