//! What only Kafka knows: brokers, names, values of settings; and where tokens for it come from.

use url::Url;

use super::Form;
use super::address::{check_parts, is_loopback};
use super::syslog::host_and_port;

/// A broker: `kafka.example:9092`. The port may be missing.
pub(crate) struct Broker;

/// The name of a topic, of a client or of its transactions: 1 to 249 of `a-z A-Z 0-9 . _ -`, as Kafka has it for topics
/// (`org.apache.kafka.common.internals.Topic`).
pub(crate) struct KafkaName;

/// The value of a setting of librdkafka.
pub(crate) struct SettingText;

/// A token endpoint.
pub(crate) struct TokenUrl;

impl Form for Broker {
    type Value = (String, Option<u16>);
    const FORMAT: &'static str = "broker";
    const PATTERN: &'static str = "^[^/?#@,\\s]+$";

    fn read(text: &str) -> Result<Self::Value, String> {
        host_and_port(text).ok_or_else(|| {
            "a broker is a host with or without a port, such as `kafka.example:9092`; several are a list".to_owned()
        })
    }
}

impl Form for KafkaName {
    type Value = String;
    const FORMAT: &'static str = "kafka-name";
    const PATTERN: &'static str = "^[A-Za-z0-9._-]{1,249}$";

    fn read(text: &str) -> Result<String, String> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=249).contains(&text.len()) && text.bytes().all(letter) && text != "." && text != ".." {
            Ok(text.to_owned())
        } else {
            Err("expected 1 to 249 letters, digits, `.`, `_` and `-`".to_owned())
        }
    }
}

impl Form for SettingText {
    type Value = String;
    const FORMAT: &'static str = "setting";
    const PATTERN: &'static str = "^[^\\u0000-\\u001f]*$";

    fn read(text: &str) -> Result<String, String> {
        if text.chars().any(char::is_control) {
            Err("a setting has no control characters".to_owned())
        } else {
            Ok(text.to_owned())
        }
    }
}

impl Form for TokenUrl {
    type Value = Url;
    const FORMAT: &'static str = "token-url";
    const PATTERN: &'static str = "^https?://[^/@?#]+(/.*)?$";

    fn read(text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|_| "not a URL; it looks like https://login.example/oauth2/token")?;
        check_parts(&url)?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_loopback(&url) => Ok(url),
            _ => Err("secrets go to a token endpoint; write https://".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker has a host, and a port where one is written.
    #[test]
    fn brokers_are_read() {
        for (text, host, port) in [
            ("kafka.example", "kafka.example", None),
            ("kafka.example:9092", "kafka.example", Some(9092)),
            ("10.0.0.1:2", "10.0.0.1", Some(2)),
            ("[::1]:9092", "::1", Some(9092)),
        ] {
            assert_eq!(Broker::read(text), Ok((host.to_owned(), port)), "{text}");
        }
        for wrong in ["", "kafka:0", "kafka:x", "kafka:", "a,b", "SASL_SSL://kafka:9092", "CANARY@kafka"] {
            assert!(!Broker::read(wrong).unwrap_err().contains("CANARY"), "{wrong}");
        }
    }

    /// Names are those that Kafka takes for topics.
    #[test]
    fn names_are_those_of_topics() {
        for good in ["a", "atp.alerts_1-x", "...", &"a".repeat(249)] {
            assert_eq!(KafkaName::read(good).as_deref(), Ok(good));
        }
        for wrong in ["", ".", "..", "a b", "a/b", "ä", "a\n", &"a".repeat(250)] {
            assert!(KafkaName::read(wrong).is_err(), "{wrong:?}");
        }
    }

    /// A secret goes to a token endpoint over TLS or within this machine, and none stands in its URL.
    #[test]
    fn token_endpoints_are_private() {
        for good in ["https://login.example/oauth2/token", "http://127.0.0.1:8080/token", "https://[::1]"] {
            assert!(TokenUrl::read(good).is_ok(), "{good}");
        }
        for wrong in [
            "login.example",
            "http://login.example/token",
            "ftp://localhost/token",
            "https://a:CANARY@login.example/token",
            "https://login.example/token?secret=CANARY",
            "",
        ] {
            let message = TokenUrl::read(wrong).unwrap_err();
            assert!(!message.contains("CANARY"), "{message}");
        }
    }
}
