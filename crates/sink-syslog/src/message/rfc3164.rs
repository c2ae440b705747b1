//! The header of RFC 3164.

use std::collections::HashMap;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Offset as _, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;
use sink::Record;

use super::priority::Priority;
use super::token::{self, MAX_HOSTNAME};
use crate::options::MessageOptions;

/// Writes `<PRI>Mmm dd hh:mm:ss HOST TAG: `.
///
/// Before a payload that begins as CEF or LEEF does there is no TAG: their collectors look for `CEF:` and `LEEF:` right
/// behind the host, where RFC 3164 has the TAG, as ArcSight's guide to CEF and QRadar's guide to LEEF show it.
#[derive(Debug)]
pub(super) struct HeaderWriter {
    priority: Priority,
    timezone: Tz,
    /// A space, the host, a space.
    hosts: HashMap<Box<str>, Box<[u8]>>,
    /// With colon and space behind it.
    tag: Box<[u8]>,
}

impl HeaderWriter {
    pub(super) fn new(options: &MessageOptions) -> Self {
        let hosts = options.hosts.iter().map(|(tenant, host)| {
            let host = token::header_field(host, MAX_HOSTNAME);
            (tenant.as_str().into(), format!(" {host} ").into_bytes().into())
        });
        let tag = token::tag(&options.app_name).unwrap_or_else(|| FALLBACK_TAG.to_owned());
        Self {
            priority: Priority::new(options.facility),
            timezone: options.timezone,
            hosts: hosts.collect(),
            tag: format!("{tag}: ").into_bytes().into(),
        }
    }

    pub(super) fn write(&self, record: &Record, out: &mut Vec<u8>) {
        self.priority.write(record.severity, out);
        write_time(self.local(record.time), out);
        out.extend_from_slice(self.hosts.get(&*record.tenant).map_or(UNKNOWN_HOST, |host| host));
        if !SELF_TAGGED.iter().any(|beginning| record.payload.starts_with(beginning)) {
            out.extend_from_slice(&self.tag);
        }
    }

    /// UTC where the zone leads out of the calendar.
    fn local(&self, time: DateTime<Utc>) -> NaiveDateTime {
        let utc = time.naive_utc();
        let offset = self.timezone.offset_from_utc_datetime(&utc).fix();
        utc.checked_add_offset(offset).unwrap_or(utc)
    }
}

/// `Mmm dd hh:mm:ss`, the day with a space before a single digit (RFC 3164, section 4.1.2).
fn write_time(local: NaiveDateTime, out: &mut Vec<u8>) {
    let mut text = *b"Mmm dd hh:mm:ss";
    text[0..3].copy_from_slice(MONTHS[local.month0() as usize]);
    text[4..6].copy_from_slice(&two_digits(local.day()));
    if text[4] == b'0' {
        text[4] = b' ';
    }
    text[7..9].copy_from_slice(&two_digits(local.hour()));
    text[10..12].copy_from_slice(&two_digits(local.minute()));
    text[13..15].copy_from_slice(&two_digits(local.second()));
    out.extend_from_slice(&text);
}

fn two_digits(number: u32) -> [u8; 2] {
    let number = u8::try_from(number).expect("days, hours, minutes and seconds are below 100");
    [b'0' + number / 10, b'0' + number % 10]
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Payloads whose own beginning stands where the TAG would.
const SELF_TAGGED: [&[u8]; 2] = [b"CEF:", b"LEEF:"];

/// RFC 3164 has no word for an unknown host; one token keeps what follows in its place.
const UNKNOWN_HOST: &[u8] = b" - ";

/// For an application's name without a letter or digit: without a TAG the payload's first word would be taken for it.
const FALLBACK_TAG: &str = "atpforwarder";

#[cfg(test)]
mod tests {
    use super::*;

    fn local_text(time: &str, timezone: Tz) -> String {
        let options = super::super::samples::options(crate::options::Header::Rfc3164);
        let writer = HeaderWriter::new(&MessageOptions { timezone, ..options });
        let mut out = Vec::new();
        write_time(writer.local(time.parse().unwrap()), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Guarantee: a time is that of the zone, summer time included, and its day is padded with a space.
    #[test]
    fn times_are_local_and_padded() {
        let cases = [
            ("2026-11-01T00:05:09Z", Tz::UTC, "Nov  1 00:05:09"),
            ("2026-11-21T23:59:59.999Z", Tz::UTC, "Nov 21 23:59:59"),
            ("2026-06-30T23:30:00Z", Tz::Europe__Warsaw, "Jul  1 01:30:00"),
            ("2026-12-31T23:30:00Z", Tz::Europe__Warsaw, "Jan  1 00:30:00"),
            ("2026-01-01T00:30:00Z", Tz::America__New_York, "Dec 31 19:30:00"),
            ("2026-03-29T00:59:59Z", Tz::Europe__Warsaw, "Mar 29 01:59:59"),
            ("2026-03-29T01:00:00Z", Tz::Europe__Warsaw, "Mar 29 03:00:00"),
        ];
        for (time, timezone, expected) in cases {
            assert_eq!(local_text(time, timezone), expected, "{time} in {timezone}");
        }
    }

    /// Guarantee: no time is beyond a zone.
    #[test]
    fn the_ends_of_the_calendar_have_a_local_time() {
        let options = super::super::samples::options(crate::options::Header::Rfc3164);
        let east = HeaderWriter::new(&MessageOptions { timezone: Tz::Asia__Tokyo, ..options.clone() });
        let west = HeaderWriter::new(&MessageOptions { timezone: Tz::America__New_York, ..options });
        assert_eq!(east.local(DateTime::<Utc>::MAX_UTC), DateTime::<Utc>::MAX_UTC.naive_utc());
        assert_eq!(west.local(DateTime::<Utc>::MIN_UTC), DateTime::<Utc>::MIN_UTC.naive_utc());
    }
}
