//! What only syslog knows: addresses, names in a header, fingerprints, zones.

use std::net::Ipv6Addr;
use std::str::FromStr as _;

use chrono_tz::Tz;

use super::Form;
use crate::near::near_miss;
use crate::plan::{AddressPlan, TransportPlan};

/// A receiver: `tls://siem.example:6514`.
pub(crate) struct SyslogAddress;

/// The name in a certificate: a host's name or an IP address.
pub(crate) struct ServerName;

/// APP-NAME of RFC 5424: 1 to 48 printable ASCII characters (section 6).
pub(crate) struct AppName;

/// MSGID of RFC 5424: 1 to 32 printable ASCII characters (section 6).
pub(crate) struct MessageId;

/// The name of a time zone in the IANA database: `Europe/Berlin`.
pub(crate) struct TimeZone;

/// The SHA-256 fingerprint of a certificate, in hex.
pub(crate) struct Fingerprint;

/// How a scheme says which transport, and the port where none is written: RFC 3164, RFC 6587, RFC 5425, and what
/// rsyslog's documentation has for RELP, which has no port of its own.
const SCHEMES: [(&str, TransportPlan, u16); 5] = [
    ("udp", TransportPlan::Udp, 514),
    ("tcp", TransportPlan::Tcp, 514),
    ("tls", TransportPlan::Tls, 6514),
    ("relp", TransportPlan::Relp, 2514),
    ("relps", TransportPlan::RelpTls, 2514),
];

/// The scheme of a transport.
pub(crate) fn scheme(transport: TransportPlan) -> &'static str {
    let found = SCHEMES.iter().find(|(_, known, _)| *known == transport);
    found.map_or("", |(scheme, ..)| scheme)
}

impl Form for SyslogAddress {
    type Value = (TransportPlan, AddressPlan);
    const FORMAT: &'static str = "syslog-address";
    const PATTERN: &'static str = "^(udp|tcp|tls|relp|relps)://[^/?#@\\s]+$";

    fn read(text: &str) -> Result<Self::Value, String> {
        const SHAPE: &str = "an address is one of `udp://`, `tcp://`, `tls://`, `relp://` and `relps://`, and a host \
                             with or without a port, such as `tls://siem.example:6514`";
        let (scheme, authority) = text.split_once("://").ok_or(SHAPE)?;
        let Some((_, transport, port)) = SCHEMES.iter().find(|(known, ..)| *known == scheme) else {
            let near = near_miss(scheme, SCHEMES.iter().map(|(known, ..)| *known));
            return Err(near.map_or_else(|| SHAPE.to_owned(), |near| format!("{SHAPE}; did you mean `{near}://`?")));
        };
        let (host, written) = host_and_port(authority).ok_or(SHAPE)?;
        Ok((*transport, AddressPlan { host, port: written.unwrap_or(*port) }))
    }
}

/// A name or an address of IPv4, or one of IPv6 in brackets; and the port where one is written.
pub(super) fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (Ipv6Addr::from_str(host).ok()?.to_string(), rest)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, rest) = authority.split_at(end);
            (Some(host).filter(|host| is_host_name(host))?.to_owned(), rest)
        }
    };
    if port.is_empty() {
        return Some((host, None));
    }
    let digits = port.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?;
    let port: u16 = digits.parse().ok()?;
    (port > 0).then_some((host, Some(port)))
}

/// The letters of a host's name, and the underline that some have; names in other letters are written as `xn--…`.
fn is_host_name(host: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=253).contains(&host.len()) && host.bytes().all(letter)
}

impl Form for ServerName {
    type Value = String;
    const FORMAT: &'static str = "server-name";
    const PATTERN: &'static str = "^[A-Za-z0-9._:-]+$";

    fn read(text: &str) -> Result<String, String> {
        if is_host_name(text) || Ipv6Addr::from_str(text).is_ok() {
            Ok(text.to_owned())
        } else {
            Err("not the name of a host, nor an IP address".to_owned())
        }
    }
}

impl Form for AppName {
    type Value = String;
    const FORMAT: &'static str = "app-name";
    const PATTERN: &'static str = "^[!-~]{1,48}$";

    fn read(text: &str) -> Result<String, String> {
        token(text, 48)
    }
}

impl Form for MessageId {
    type Value = String;
    const FORMAT: &'static str = "message-id";
    const PATTERN: &'static str = "^[!-~]{1,32}$";

    fn read(text: &str) -> Result<String, String> {
        token(text, 32)
    }
}

/// A field of a header of RFC 5424.
pub(crate) fn token(text: &str, longest: usize) -> Result<String, String> {
    if !text.is_empty() && text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected 1 to {longest} characters of printable ASCII without spaces"))
    }
}

impl Form for TimeZone {
    type Value = Tz;
    const FORMAT: &'static str = "time-zone";
    const PATTERN: &'static str = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$";

    fn read(text: &str) -> Result<Tz, String> {
        Tz::from_str(text).map_err(|_| {
            let near = near_miss(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("not a zone of the IANA database, such as `Europe/Berlin`{hint}")
        })
    }
}

impl Form for Fingerprint {
    type Value = [u8; 32];
    const FORMAT: &'static str = "fingerprint";
    const PATTERN: &'static str = "^(sha-?256:)?[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$";

    fn read(text: &str) -> Result<[u8; 32], String> {
        let lower = text.to_ascii_lowercase();
        let prefixes = ["sha256:", "sha-256:"];
        let digits = prefixes.iter().find_map(|prefix| lower.strip_prefix(prefix)).unwrap_or(&lower);
        let wrong = "not the SHA-256 fingerprint of a certificate: 64 hex digits, with or without colons";
        let digits = match digits.contains(':') {
            true if digits.split(':').all(|pair| pair.len() == 2) => digits.replace(':', ""),
            true => return Err(wrong.to_owned()),
            false => digits.to_owned(),
        };
        let mut bytes = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let hint = if digits.len() == 40 { "; one of 40 digits is made by SHA-1" } else { "" };
            return Err(format!("{wrong}{hint}"));
        }
        for (byte, start) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[start..start + 2], 16).map_err(|_| wrong.to_owned())?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each scheme has its transport and its port, and hosts are names or addresses.
    #[test]
    fn addresses() {
        let read = |text| {
            SyslogAddress::read(text)
                .map(|(transport, address)| format!("{}, {}, {}", scheme(transport), address.host, address.port))
        };
        for (text, meaning) in [
            ("udp://siem.example", "udp, siem.example, 514"),
            ("tcp://10.0.0.1", "tcp, 10.0.0.1, 514"),
            ("tls://siem.example", "tls, siem.example, 6514"),
            ("relp://siem-1", "relp, siem-1, 2514"),
            ("relps://siem_1:20514", "relps, siem_1, 20514"),
            ("tls://[2001:DB8::1]:99", "tls, 2001:db8::1, 99"),
            ("tls://[::1]", "tls, ::1, 6514"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(meaning), "{text}");
        }
        for wrong in [
            "siem.example:514",
            "tls://",
            "tls://:514",
            "tls://siem:0",
            "tls://siem:65536",
            "tls://siem:+1",
            "tls://siem:",
            "tls://::1:514",
            "tls://[siem]:514",
            "tls://[::1]514",
            "tls://CANARY@siem",
            "tls://siem/CANARY",
            "tls://si em",
            "tls://sïem",
            "http://siem",
        ] {
            let sentence = read(wrong).unwrap_err();
            assert!(sentence.starts_with("an address is one of") && !sentence.contains("CANARY"), "{sentence}");
        }
        assert!(read("tsl://siem").unwrap_err().ends_with("; did you mean `tls://`?"));
    }

    /// Fingerprints are read in the ways that tools print them; other digests are refused.
    #[test]
    fn fingerprints() {
        let plain = "00ff".repeat(16);
        let pairs: Vec<String> = ["00", "FF"].iter().cycle().take(32).map(|pair| (*pair).to_owned()).collect();
        for text in [plain.clone(), pairs.join(":"), format!("SHA256:{plain}"), format!("sha-256:{}", pairs.join(":"))]
        {
            let bytes = Fingerprint::read(&text).unwrap();
            assert_eq!((bytes[0], bytes[1], bytes[31]), (0, 255, 255), "{text}");
        }
        for wrong in ["", "sha256:", &plain[1..], &format!("{plain}0"), &plain.replace('f', "g"), &"0:".repeat(64)] {
            assert!(Fingerprint::read(wrong).unwrap_err().ends_with("colons"), "{wrong}");
        }
        assert!(Fingerprint::read(&"ab".repeat(20)).unwrap_err().ends_with("SHA-1"));
    }

    /// Names in a header keep to the letters and lengths of RFC 5424; zones are those of the IANA database.
    #[test]
    fn names_and_zones() {
        assert!(AppName::read(&"a".repeat(48)).is_ok());
        assert!(MessageId::read("alert").is_ok());
        assert!(MessageId::read(&"a".repeat(33)).is_err());
        for wrong in ["", "a b", "ä", "a\t", &"a".repeat(49)] {
            assert!(AppName::read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(TimeZone::read("Europe/Berlin"), Ok(Tz::Europe__Berlin));
        assert!(TimeZone::read("Europe/Berln").unwrap_err().ends_with("; did you mean `Europe/Berlin`?"));
        assert!(TimeZone::read("CET+1").is_err());
        assert!(ServerName::read("siem.example").is_ok());
        assert!(ServerName::read("2001:db8::1").is_ok());
        assert!(ServerName::read("tls://siem").is_err());
    }
}
