//! An alert's severity as a level of syslog, and with the facility as PRI.

use sink::Severity;
use syslog::Facility;

/// PRI under one facility (RFC 5424, section 6.2.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Priority {
    facility: u8,
}

impl Priority {
    pub(super) fn new(facility: Facility) -> Self {
        Self { facility: facility as u8 }
    }

    /// Appends `<PRI>`.
    pub(super) fn write(self, severity: Severity, out: &mut Vec<u8>) {
        let number = self.facility | level(severity) as u8;
        let digits = [b'0' + number / 100, b'0' + number / 10 % 10, b'0' + number % 10];
        let leading_zeros = digits.iter().take(2).take_while(|digit| **digit == b'0').count();
        out.push(b'<');
        out.extend_from_slice(&digits[leading_zeros..]);
        out.push(b'>');
    }
}

/// The level that a syslog receiver filters by.
///
/// Emergency and alert stay free: receivers write the first to every terminal and page people for the second, and both
/// speak of the sender's own host. Debug stays free too, since many receivers drop it. Between these the four severities
/// keep their order. A word that is not known yet counts as notice, like Low, so that a filter that drops `info` does
/// not drop what might be worse.
fn level(severity: Severity) -> syslog::Severity {
    match severity {
        Severity::High => syslog::Severity::LOG_CRIT,
        Severity::Medium => syslog::Severity::LOG_WARNING,
        Severity::Low | Severity::Unknown => syslog::Severity::LOG_NOTICE,
        Severity::Informational => syslog::Severity::LOG_INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: PRI is eight times the facility and the level, without leading zeros.
    #[test]
    fn priorities_are_facility_and_level() {
        let cases = [
            (Facility::LOG_KERN, Severity::High, "<2>"),
            (Facility::LOG_USER, Severity::Informational, "<14>"),
            (Facility::LOG_LOCAL4, Severity::High, "<162>"),
            (Facility::LOG_LOCAL4, Severity::Medium, "<164>"),
            (Facility::LOG_LOCAL4, Severity::Low, "<165>"),
            (Facility::LOG_LOCAL4, Severity::Unknown, "<165>"),
            (Facility::LOG_LOCAL4, Severity::Informational, "<166>"),
            (Facility::LOG_ALERT, Severity::Medium, "<116>"),
            (Facility::LOG_LPR, Severity::Medium, "<52>"),
            (Facility::LOG_LOCAL7, Severity::Informational, "<190>"),
        ];
        for (facility, severity, expected) in cases {
            let mut out = Vec::new();
            Priority::new(facility).write(severity, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{facility:?} {severity:?}");
        }
    }
}
