//! Times as the services keep them: .NET ticks, 100 ns each, since the year 1.

use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};

/// 100 ns steps in one second.
pub(crate) const PER_SECOND: i64 = 10_000_000;
pub(crate) const PER_MILLISECOND: i64 = 10_000;
const UNIX_EPOCH: i64 = 621_355_968_000_000_000;

/// The ticks of a point in time.
pub(crate) fn from_utc(time: DateTime<Utc>) -> i64 {
    UNIX_EPOCH + time.timestamp() * PER_SECOND + i64::from(time.timestamp_subsec_nanos()) / 100
}

/// The point in time of ticks; the Unix epoch where a calendar does not reach.
pub(crate) fn to_utc(ticks: i64) -> DateTime<Utc> {
    let unix = ticks - UNIX_EPOCH;
    let nanos = u32::try_from(unix.rem_euclid(PER_SECOND) * 100).unwrap_or_default();
    DateTime::from_timestamp(unix.div_euclid(PER_SECOND), nanos).unwrap_or_default()
}

/// Whole seconds since 1970.
pub(crate) fn unix_seconds(ticks: i64) -> i64 {
    (ticks - UNIX_EPOCH).div_euclid(PER_SECOND)
}

/// A span in ticks.
pub(crate) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX / 4)
}

/// The nearest time at or before `ticks` on the grid of a SQL `datetime` column, which counts 1/300 s and is printed
/// with seven digits: `.5133333`, `.0966667`, `.57`.
pub(crate) fn on_sql_grid(ticks: i64) -> i64 {
    let second = ticks.div_euclid(PER_SECOND);
    let step = (ticks.rem_euclid(PER_SECOND) * 3 + 1) / 100_000;
    second * PER_SECOND + (step * 100_000 + 1) / 3
}

/// Appends the time as the services print it: seven digits at most, trailing zeros trimmed, `Z`.
pub(crate) fn write(ticks: i64, out: &mut Vec<u8>) {
    let time = to_utc(ticks);
    push_padded(out, time.year().unsigned_abs(), 4);
    for (mark, part) in [(b'-', time.month()), (b'-', time.day()), (b'T', time.hour())] {
        out.push(mark);
        push_padded(out, part, 2);
    }
    for part in [time.minute(), time.second()] {
        out.push(b':');
        push_padded(out, part, 2);
    }
    let fraction = u32::try_from(ticks.rem_euclid(PER_SECOND)).unwrap_or_default();
    if fraction != 0 {
        out.push(b'.');
        push_padded(out, fraction, 7);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
}

/// The time as text.
pub(crate) fn text(ticks: i64) -> String {
    let mut out = Vec::with_capacity(28);
    write(ticks, &mut out);
    out.into_iter().map(char::from).collect()
}

/// Reads a time as a query may hold it: with or without fraction and zone, or a date alone (`2018-08-01Z`).
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(from_utc(time.to_utc()));
    }
    let bare = text.strip_suffix('Z').unwrap_or(text);
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(bare, format) {
            return Some(from_utc(time.and_utc()));
        }
    }
    let date = NaiveDate::parse_from_str(bare, "%Y-%m-%d").ok()?;
    Some(from_utc(date.and_hms_opt(0, 0, 0)?.and_utc()))
}

/// Reads an ISO 8601 duration of days and smaller (`PT10M`, `P1DT2H`, `PT0.5S`).
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let rest = text.strip_prefix('P')?;
    let (days, clock) = rest.split_once('T').unwrap_or((rest, ""));
    let mut left = [days, clock];
    let mut seconds = 0.0;
    for (part, unit, weight) in [(0, 'D', 86_400.0), (1, 'H', 3_600.0), (1, 'M', 60.0), (1, 'S', 1.0)] {
        if let Some((number, after)) = left[part].split_once(unit) {
            seconds += number.parse::<f64>().ok()? * weight;
            left[part] = after;
        }
    }
    let complete = left == ["", ""] && rest.len() > 1 && seconds.is_finite() && seconds >= 0.0;
    complete.then(|| span(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
}

fn push_padded(out: &mut Vec<u8>, number: u32, width: u32) {
    for place in (0..width).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        out.push(b"0123456789"[digit as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times are printed as the services print them: up to seven digits, zeros trimmed.
    #[test]
    fn prints_trimmed() {
        let whole = parse("2020-07-20T10:53:50Z").unwrap();
        assert_eq!(text(whole), "2020-07-20T10:53:50Z");
        assert_eq!(text(whole + 1_900_000), "2020-07-20T10:53:50.19Z");
        assert_eq!(text(whole + 1), "2020-07-20T10:53:50.0000001Z");
    }

    /// The digits of the ids in Microsoft's samples are ticks of the alert's creation.
    #[test]
    fn ticks_are_those_of_the_samples() {
        assert_eq!(text(637_370_718_981_685_665), "2020-09-30T14:11:38.1685665Z");
        assert_eq!(parse("2020-09-30T14:11:38.1685665Z"), Some(637_370_718_981_685_665));
    }

    /// Update times lie on the grid of 1/300 s and are rounded as SQL Server rounds them.
    #[test]
    fn grid_prints_as_seen_in_the_samples() {
        let second = parse("2021-04-27T12:19:27Z").unwrap();
        for (fraction, printed) in [(5_133_334, "5133333"), (966_699, "0966667"), (5_700_001, "57"), (2_000_000, "2")] {
            let expected = format!("2021-04-27T12:19:27.{printed}Z");
            assert_eq!(text(on_sql_grid(second + fraction)), expected);
        }
    }

    /// Every form of time that the documents show is read; nonsense is not.
    #[test]
    fn reads_all_forms() {
        let day = parse("2018-08-01T00:00:00Z").unwrap();
        for form in
            ["2018-08-01", "2018-08-01Z", "2018-08-01T00:00:00.000", "2018-08-01 00:00:00", "2018-08-01T02:00:00+02:00"]
        {
            assert_eq!(parse(form), Some(day), "{form}");
        }
        assert_eq!(parse("yesterday"), None);
    }

    /// ISO 8601 durations of the `ago` parameter.
    #[test]
    fn reads_durations() {
        assert_eq!(parse_duration("PT10M"), Some(600 * PER_SECOND));
        assert_eq!(parse_duration("P1DT2H"), Some(93_600 * PER_SECOND));
        for nonsense in ["", "P", "10M", "PT", "PT1X", "PT5M3"] {
            assert_eq!(parse_duration(nonsense), None, "{nonsense}");
        }
    }
}
