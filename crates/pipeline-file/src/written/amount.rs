//! Amounts with their units.

use std::time::Duration;

use super::Form;
use crate::plan::Start;

/// A duration: `90s`, `15m`, `1h30m`, `30d`.
pub(crate) struct Span;

/// A size in bytes: `512MiB`, `4GiB`, `10GB`.
pub(crate) struct Size;

/// A size in bytes whose unit may be left out: `8192`, `8KiB`.
pub(crate) struct Bytes;

/// A share: `20%`.
pub(crate) struct Percentage;

/// A rate: `500/s`.
pub(crate) struct PerSecond;

/// Where a new sink begins: `now`, `journal` or a duration.
pub(crate) struct Begin;

/// An amount that can be shown in the way it is written.
pub(crate) trait Unit: Form<Value: Ord> {
    /// The usual way to write it.
    fn show(value: &Self::Value) -> String;
}

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

/// The units of sizes; those by which one is shown come first.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Ten years: past that a duration is a slip, and added to a time it could overflow.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

impl Form for Span {
    type Value = Duration;
    const FORMAT: &'static str = "duration";
    const PATTERN: &'static str = "^([0-9]+(ms|s|m|h|d))+$";

    fn read(text: &str) -> Result<Duration, String> {
        if let Some(number) = bare_number(text) {
            return Err(format!("a duration needs a unit; did you mean `{number}s`?"));
        }
        let mut rest = text;
        let mut sum = 0_u64;
        while !rest.is_empty() {
            let (number, after) = leading_number(rest).ok_or_else(not_a_duration)?;
            // `ms` stands before `m` and `s`, which would else take its first letter.
            let (unit, milliseconds) =
                DURATION_UNITS.iter().find(|(unit, _)| after.starts_with(unit)).ok_or_else(not_a_duration)?;
            sum = number.checked_mul(*milliseconds).and_then(|part| sum.checked_add(part)).ok_or_else(too_long)?;
            rest = &after[unit.len()..];
        }
        match Duration::from_millis(sum) {
            _ if text.is_empty() => Err(not_a_duration()),
            span if span > LONGEST => Err(too_long()),
            span => Ok(span),
        }
    }
}

fn not_a_duration() -> String {
    "not a duration; it is a number and one of `ms`, `s`, `m`, `h`, `d`, such as `90s` or `1h30m`".to_owned()
}

fn too_long() -> String {
    "longer than ten years".to_owned()
}

impl Unit for Span {
    /// In the largest unit that people would take: `60s` and not `1m`, `24h` and `72h`, but `30d`.
    fn show(value: &Duration) -> String {
        let milliseconds = value.as_millis();
        let usual = |(name, unit): &&(&str, u64)| {
            let unit = u128::from(*unit);
            let least = if *name == "d" { 7 } else { 2 };
            milliseconds.is_multiple_of(unit) && milliseconds >= least * unit
        };
        match DURATION_UNITS.iter().filter(usual).max_by_key(|(_, unit)| *unit) {
            Some((name, unit)) => format!("{}{name}", milliseconds / u128::from(*unit)),
            None => format!("{milliseconds}ms"),
        }
    }
}

impl Form for Size {
    type Value = u64;
    const FORMAT: &'static str = "size";
    const PATTERN: &'static str = "^[0-9]+ ?(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)$";

    fn read(text: &str) -> Result<u64, String> {
        let wrong = || "not a size; it is a number and one of `KiB`, `MiB`, `GiB`, `TiB`, such as `4GiB`".to_owned();
        if let Some(number) = bare_number(text) {
            return Err(format!("a size needs a unit; did you mean `{number}GiB`, or `{number}B`?"));
        }
        let (number, after) = leading_number(text).ok_or_else(wrong)?;
        let unit = after.strip_prefix(' ').unwrap_or(after);
        let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        number.checked_mul(*bytes).ok_or_else(|| "larger than any disk".to_owned())
    }
}

impl Unit for Size {
    fn show(value: &u64) -> String {
        match SIZE_UNITS.iter().find(|(_, unit)| value.is_multiple_of(*unit) && *value > 0) {
            Some((name, unit)) => format!("{}{name}", value / unit),
            None => "0B".to_owned(),
        }
    }
}

impl Form for Bytes {
    type Value = u64;
    const FORMAT: &'static str = "bytes";
    const PATTERN: &'static str = "^[0-9]+ ?(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?$";

    fn read(text: &str) -> Result<u64, String> {
        match bare_number(text) {
            Some(bytes) => Ok(bytes),
            None => Size::read(text)
                .map_err(|_| "not a size; it is a number of bytes, or a number and a unit, such as `8KiB`".to_owned()),
        }
    }
}

impl Unit for Bytes {
    fn show(value: &u64) -> String {
        value.to_string()
    }
}

impl Form for Percentage {
    type Value = u8;
    const FORMAT: &'static str = "percentage";
    const PATTERN: &'static str = "^([0-9]|[1-8][0-9]|90)%$";

    fn read(text: &str) -> Result<u8, String> {
        if let Some(number) = bare_number(text) {
            return Err(format!("a share needs its sign; did you mean `{number}%`?"));
        }
        match text.strip_suffix('%').and_then(bare_number) {
            Some(share @ 0..=90) => Ok(u8::try_from(share).expect("at most 90")),
            Some(_) => Err("a share of more than `90%` leaves too little".to_owned()),
            None => Err("not a share; it is a number from 0 to 90 and `%`, such as `20%`".to_owned()),
        }
    }
}

impl Form for PerSecond {
    type Value = u32;
    const FORMAT: &'static str = "rate";
    const PATTERN: &'static str = "^[1-9][0-9]*/s$";

    fn read(text: &str) -> Result<u32, String> {
        let wrong = || "not a rate; it is a number of records and `/s`, such as `500/s`".to_owned();
        if let Some(number) = bare_number(text) {
            return Err(format!("a rate needs its unit; did you mean `{number}/s`?"));
        }
        match text.strip_suffix("/s").and_then(bare_number).ok_or_else(wrong)? {
            0 => Err("nothing would ever go out; take `enabled: false` to switch a sink off".to_owned()),
            rate => u32::try_from(rate).map_err(|_| "faster than any sink; leave it out for no limit".to_owned()),
        }
    }
}

impl Form for Begin {
    type Value = Start;
    const FORMAT: &'static str = "start";
    const PATTERN: &'static str = "^(now|journal|([0-9]+(ms|s|m|h|d))+)$";

    fn read(text: &str) -> Result<Start, String> {
        match text {
            "journal" => Ok(Start::Journal),
            "now" => Ok(Start::Now),
            _ => match Span::read(text) {
                Ok(span) => Ok(Start::Since(span)),
                Err(_) if bare_number(text).is_none() => {
                    Err("expected `now`, `journal` or a duration such as `24h`".to_owned())
                }
                Err(message) => Err(message),
            },
        }
    }
}

/// What is wrong with an amount that must lie between two others, both written as in the file.
pub(super) fn out_of_bounds<F: Unit>(text: &str, least: Option<&str>, most: Option<&str>) -> Option<String> {
    let value = match F::read(text) {
        Ok(value) => value,
        Err(message) => return Some(message),
    };
    let breaks = |bound: &str, broken: fn(&F::Value, &F::Value) -> bool| {
        F::read(bound).is_ok_and(|bound| broken(&value, &bound))
    };
    match (least, most) {
        (Some(least), _) if breaks(least, |value, least| value < least) => Some(format!("must be at least `{least}`")),
        (_, Some(most)) if breaks(most, |value, most| value > most) => Some(format!("must be at most `{most}`")),
        _ => None,
    }
}

fn bare_number(text: &str) -> Option<u64> {
    leading_number(text).and_then(|(number, rest)| rest.is_empty().then_some(number))
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Durations are read with their units; a bare number is answered with what was probably meant.
    #[test]
    fn durations() {
        let seconds = |text| Span::read(text).map(|span| span.as_secs_f64());
        assert_eq!(seconds("60s"), Ok(60.0));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert_eq!(seconds("250ms"), Ok(0.25));
        assert_eq!(seconds("30d"), Ok(2_592_000.0));
        assert_eq!(seconds("60"), Err("a duration needs a unit; did you mean `60s`?".to_owned()));
        for wrong in ["", "s", "5 m", "-1s", "1.5h", "5min", "fast"] {
            assert_eq!(seconds(wrong), Err(not_a_duration()), "{wrong}");
        }
        for endless in ["99999d", "18446744073709551615d", "18446744073709551615ms1s"] {
            assert_eq!(seconds(endless), Err(too_long()), "{endless}");
        }
    }

    /// Sizes are read with their units, binary and decimal told apart.
    #[test]
    fn sizes() {
        assert_eq!(Size::read("4GiB"), Ok(4 << 30));
        assert_eq!(Size::read("4 GB"), Ok(4_000_000_000));
        assert_eq!(Size::read("4"), Err("a size needs a unit; did you mean `4GiB`, or `4B`?".to_owned()));
        for wrong in ["", "GiB", "4Gi", "4gib", "4  GiB", "-4GiB", "99999999999TiB"] {
            assert!(Size::read(wrong).is_err(), "{wrong}");
        }
    }

    /// A number of bytes needs no unit, and may have one.
    #[test]
    fn bytes() {
        assert_eq!(Bytes::read("8192"), Ok(8_192));
        assert_eq!(Bytes::read("8KiB"), Ok(8_192));
        for wrong in ["", "-1", "8 kib", "1e3", "99999999999999999999"] {
            assert!(Bytes::read(wrong).is_err(), "{wrong}");
        }
    }

    /// Shares and rates refuse what would stop everything.
    #[test]
    fn shares_and_rates() {
        assert_eq!(Percentage::read("20%"), Ok(20));
        assert_eq!(Percentage::read("20"), Err("a share needs its sign; did you mean `20%`?".to_owned()));
        assert!(Percentage::read("91%").is_err());
        assert_eq!(PerSecond::read("500/s"), Ok(500));
        assert_eq!(PerSecond::read("500"), Err("a rate needs its unit; did you mean `500/s`?".to_owned()));
        assert!(PerSecond::read("0/s").is_err());
        assert!(PerSecond::read("500/m").is_err());
    }

    /// Durations are shown in the unit that people take for them.
    #[test]
    fn shown_durations() {
        for usual in ["60s", "15m", "24h", "72h", "30d", "90m", "1500ms", "1ms", "0ms"] {
            assert_eq!(Span::show(&Span::read(usual).unwrap()), usual);
        }
    }

    /// Bounds are inclusive.
    #[test]
    fn bounds_are_inclusive() {
        let wrong = |text| out_of_bounds::<Span>(text, Some("1m"), Some("1h"));
        assert_eq!(wrong("60s"), None);
        assert_eq!(wrong("60m"), None);
        assert_eq!(wrong("59s"), Some("must be at least `1m`".to_owned()));
        assert_eq!(wrong("61m"), Some("must be at most `1h`".to_owned()));
    }

    proptest! {
        /// What is shown reads back as itself.
        #[test]
        fn shown_amounts_read_back(milliseconds in 0..=315_360_000_000_u64, bytes: u64) {
            let span = Duration::from_millis(milliseconds);
            prop_assert_eq!(Span::read(&Span::show(&span)), Ok(span));
            prop_assert_eq!(Size::read(&Size::show(&bytes)), Ok(bytes));
        }
    }
}
