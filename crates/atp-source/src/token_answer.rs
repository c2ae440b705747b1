//! The token endpoint's answer.

use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::ticks::{self, SECOND};

/// The life of a token whose answer does not say it.
const UNSAID_LIFE: Duration = Duration::from_secs(300);
/// No token lives longer than a day, whatever an answer says.
const LONGEST_LIFE: Duration = Duration::from_secs(86_400);

#[derive(serde::Deserialize)]
struct Answer {
    access_token: SecretText,
    #[serde(default)]
    expires_in: Option<Number>,
    #[serde(default)]
    expires_on: Option<Number>,
}

/// Reads a token as the value of an `Authorization` header, and how long it lives. `date` is the server's time.
pub(crate) fn read(body: &[u8], date: Option<i64>) -> Option<(HeaderValue, Duration)> {
    let (token, life) = read_text(body, date)?;
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    authorization.set_sensitive(true);
    Some((authorization, life))
}

/// Reads a token as it is, and how long it lives.
pub(crate) fn read_text(body: &[u8], date: Option<i64>) -> Option<(SecretString, Duration)> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let token = answer.access_token.0;
    if token.expose_secret().is_empty() {
        return None;
    }
    let until = |on: Number| date.map(|date| on.0 - (date - ticks::UNIX_EPOCH) / SECOND);
    let seconds = answer.expires_in.map(|seconds| seconds.0).or_else(|| answer.expires_on.and_then(until));
    let life = seconds.map_or(UNSAID_LIFE, |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
    Some((token, life.min(LONGEST_LIFE)))
}

struct SecretText(SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// A whole number: the v2 endpoint writes numbers, the v1 endpoint writes them as text.
#[derive(Clone, Copy)]
struct Number(i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or one as text")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        i64::try_from(value).map(Number).map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
        #[expect(clippy::cast_possible_truncation, reason = "a life in seconds; saturation is as good as any")]
        Ok(Number(value as i64))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
        value.trim().parse().map(Number).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(body: &str) -> Option<u64> {
        let date = ticks::parse_http_date("Wed, 30 Sep 2020 14:00:00 GMT");
        read(body.as_bytes(), date).map(|(_, life)| life.as_secs())
    }

    /// Guarantee: the answers of both endpoints are read, numbers as text or not, and a missing life is a short one.
    #[test]
    fn both_endpoints_are_understood() {
        let v1 = r#"{"token_type":"Bearer","expires_in":"3599","ext_expires_in":"3599","expires_on":"1601478000","not_before":"1601474100","resource":"x","access_token":"eyJ"}"#;
        assert_eq!(life(v1), Some(3_599));
        assert_eq!(
            life(r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ"}"#),
            Some(3_599)
        );
        assert_eq!(life(r#"{"expires_on":"1601478000","access_token":"eyJ"}"#), Some(3_600));
        assert_eq!(life(r#"{"access_token":"eyJ"}"#), Some(300));
        assert_eq!(life(r#"{"expires_in":-5,"access_token":"eyJ"}"#), Some(0));
        assert_eq!(life(r#"{"expires_in":1e300,"access_token":"eyJ"}"#), Some(86_400));
    }

    #[test]
    fn an_answer_without_a_token_gives_none() {
        for body in [
            "",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"a\nb"}"#,
            "<html>",
            r#"{"expires_in":"x","access_token":"a"}"#,
        ] {
            assert_eq!(life(body), None, "{body}");
        }
    }

    /// Guarantee: a header that holds a token does not print it.
    #[test]
    fn a_token_cannot_be_printed() {
        let (header, _) = read(br#"{"access_token":"eyJsecret"}"#, None).unwrap();
        assert!(!format!("{header:?}").contains("eyJ"));
    }
}
