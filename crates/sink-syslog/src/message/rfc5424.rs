//! The header of RFC 5424.

use std::collections::HashMap;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use sink::Record;

use super::priority::Priority;
use super::token::{self, MAX_APP_NAME, MAX_HOSTNAME, MAX_MESSAGE_ID, NIL};
use crate::options::MessageOptions;

/// Writes `<PRI>1 TIME HOST APP PROCID MSGID SD `, the last space being the one before MSG.
#[derive(Debug)]
pub(super) struct HeaderWriter {
    priority: Priority,
    tenants: HashMap<Box<str>, TenantFields>,
    /// For a tenant that the options do not name.
    unnamed_middle: Box<[u8]>,
    structured_data: bool,
}

/// What depends on the tenant alone.
#[derive(Debug)]
struct TenantFields {
    /// From the space behind TIME up to the record id, or to the end where there is no structured data.
    middle: Box<[u8]>,
    /// From behind the record id to the end.
    end: Box<[u8]>,
}

impl HeaderWriter {
    pub(super) fn new(options: &MessageOptions) -> Self {
        let tenants = options.hosts.iter().map(|(tenant, host)| {
            let mut end = Vec::new();
            if options.structured_data {
                write_tenant(tenant, &mut end);
            }
            (tenant.as_str().into(), TenantFields { middle: middle(options, host), end: end.into() })
        });
        Self {
            priority: Priority::new(options.facility),
            tenants: tenants.collect(),
            unnamed_middle: middle(options, NIL),
            structured_data: options.structured_data,
        }
    }

    pub(super) fn write(&self, record: &Record, out: &mut Vec<u8>) {
        let fields = self.tenants.get(&*record.tenant);
        self.priority.write(record.severity, out);
        out.extend_from_slice(b"1 ");
        write_time(record.time, out);
        out.extend_from_slice(fields.map_or(&self.unnamed_middle, |fields| &fields.middle));
        if self.structured_data {
            write_record_id(&record.id, out);
            match fields {
                Some(fields) => out.extend_from_slice(&fields.end),
                None => write_tenant(&record.tenant, out),
            }
        }
    }
}

fn middle(options: &MessageOptions, host: &str) -> Box<[u8]> {
    let host = token::header_field(host, MAX_HOSTNAME);
    let app_name = token::header_field(&options.app_name, MAX_APP_NAME);
    let message_id = token::header_field(options.message_id.as_deref().unwrap_or_default(), MAX_MESSAGE_ID);
    // PROCID is the NIL value: a process id of ours says nothing about an alert and changes with every start.
    let fields = format!(" {host} {app_name} {NIL} {message_id} ");
    let structured_data = if options.structured_data { STRUCTURED_DATA_BEGINS } else { "- " };
    (fields + structured_data).into_bytes().into()
}

/// RFC 3339 in UTC to the millisecond (RFC 5424 takes six digits at most, section 6.2.3); the NIL value for a year of
/// other than four digits. A leap second, which RFC 5424 refuses, is the last millisecond before it.
fn write_time(time: DateTime<Utc>, out: &mut Vec<u8>) {
    let Some(year) = u32::try_from(time.year()).ok().filter(|year| *year <= 9999) else {
        return out.extend_from_slice(NIL.as_bytes());
    };
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put_digits(&mut text[0..4], year);
    put_digits(&mut text[5..7], time.month());
    put_digits(&mut text[8..10], time.day());
    put_digits(&mut text[11..13], time.hour());
    put_digits(&mut text[14..16], time.minute());
    put_digits(&mut text[17..19], time.second());
    put_digits(&mut text[20..23], time.timestamp_subsec_millis().min(999));
    out.extend_from_slice(&text);
}

/// Fills `place` with the last digits of `number`.
fn put_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a digit is below ten");
        number /= 10;
    }
}

fn write_record_id(id: &[u8; 16], out: &mut Vec<u8>) {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(id) {
        pair[0] = HEX_DIGITS[usize::from(byte >> 4)];
        pair[1] = HEX_DIGITS[usize::from(byte & 15)];
    }
    out.extend_from_slice(&digits);
}

/// Appends what comes behind the record id: the tenant's name, cut to [`MAX_TENANT`] bytes, with controls and line
/// separators as spaces and the three characters escaped that end a value or begin an escape (RFC 5424, section 6.3.3).
fn write_tenant(tenant: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\" tenant=\"");
    for character in tenant[..tenant.floor_char_boundary(MAX_TENANT)].chars() {
        match character {
            '"' | '\\' | ']' => out.extend_from_slice(&[b'\\', character as u8]),
            '\u{2028}' | '\u{2029}' => out.push(b' '),
            _ if character.is_control() => out.push(b' '),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.extend_from_slice(b"\"] ");
}

/// 32473 is the enterprise number that RFC 5612 sets aside for examples: we have none of our own.
const STRUCTURED_DATA_BEGINS: &str = "[atp@32473 recordId=\"";

/// The most bytes of a tenant's name in structured data, before it is escaped.
const MAX_TENANT: usize = 64;

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    fn time_text(time: DateTime<Utc>) -> String {
        let mut out = Vec::new();
        write_time(time, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Guarantee: a time is what chrono writes to the millisecond, cut and not rounded; what four digits cannot say is NIL.
    #[test]
    fn times_have_milliseconds_and_four_digits_of_year() {
        let cases = [
            (1_605_917_000, 999_999_999, "2020-11-21T00:03:20.999Z"),
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (-1, 1_000_000, "1969-12-31T23:59:59.001Z"),
            (951_782_399, 0, "2000-02-28T23:59:59.000Z"),
            (951_782_400, 70_000_000, "2000-02-29T00:00:00.070Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59.000Z"),
            (253_402_300_800, 0, "-"),
            (-62_167_219_200, 0, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_201, 0, "-"),
            (1_483_228_799, 1_500_000_000, "2016-12-31T23:59:59.999Z"),
        ];
        for (seconds, nanoseconds, expected) in cases {
            assert_eq!(time_text(DateTime::from_timestamp(seconds, nanoseconds).unwrap()), expected);
        }
        assert_eq!(time_text(DateTime::<Utc>::MIN_UTC), "-");
        assert_eq!(time_text(DateTime::<Utc>::MAX_UTC), "-");
    }

    /// Guarantee: a tenant's name ends its value only where we do.
    #[test]
    fn tenants_are_escaped_and_cut() {
        let long = "ż".repeat(40);
        let cases = [
            ("contoso", "contoso"),
            (r#""] [evil@1 x="1"#, r#"\"\] [evil@1 x=\"1"#),
            (r"a\", r"a\\"),
            ("a\nb\u{9b}31m\u{2028}c\0", "a b 31m c "),
            (&long, &"ż".repeat(32)),
            (&format!("x{long}"), &format!("x{}", "ż".repeat(31))),
        ];
        for (tenant, expected) in cases {
            let mut out = Vec::new();
            write_tenant(tenant, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("\" tenant=\"{expected}\"] "));
        }
    }
}
