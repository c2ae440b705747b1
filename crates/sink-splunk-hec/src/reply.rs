//! What the collector says.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use hyper::HeaderMap;
use hyper::header::{CONNECTION, DATE, RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;

/// A whole answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// How long the other side asks us to wait.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: Bytes) -> Self {
        Self { status, retry_after: retry_after(headers), body }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, where it is the collector's own: what stands before it answers in HTML.
    pub(crate) fn said(&self) -> Option<Said> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The ids that are acknowledged, where this answers a question for them.
    pub(crate) fn acknowledged(&self) -> Option<Vec<u64>> {
        let acks: Acks = serde_json::from_slice(&self.body).ok().filter(|_| self.is_success())?;
        // Nothing but `true` is a yes.
        let yes = acks.acks.into_iter().filter(|(_, answer)| *answer == Value::Bool(true));
        Some(yes.filter_map(|(id, _)| id.parse().ok()).collect())
    }
}

/// The collector's own words.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Said {
    /// What happened, as a number.
    pub(crate) code: u16,
    /// What happened, as text.
    #[serde(default)]
    pub(crate) text: String,
    /// The event that is meant, counted from 0.
    #[serde(default, rename = "invalid-event-number")]
    pub(crate) number: Option<usize>,
    /// What to ask for the request's acknowledgement by.
    #[serde(default, rename = "ackId")]
    pub(crate) ack_id: Option<u64>,
}

#[derive(Deserialize)]
struct Acks {
    acks: HashMap<String, Value>,
}

/// Whether the connection ends with this answer (RFC 9112, section 9.6).
pub(crate) fn is_last(headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    options.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), the latter by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = DateTime::parse_from_rfc2822(text).ok()?;
    let now = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
    (then - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &'static str) -> Reply {
        Reply { status, retry_after: None, body: Bytes::from_static(body.as_bytes()) }
    }

    /// Guarantee: a record is acknowledged by `true` alone, in a whole answer to the question for it.
    #[test]
    fn nothing_but_true_acknowledges() {
        let answer = reply(200, r#"{"acks":{"0":true,"1":false,"2":"true","3":1,"4":null,"x":true,"7":true}}"#);
        let mut ids = answer.acknowledged().unwrap();
        ids.sort_unstable();
        assert_eq!(ids, [0, 7]);
        for body in ["", "<html>", r#"{"acks":[0]}"#, r#"{"acks":{"0":true"#, r#"{"text":"Success","code":0}"#] {
            assert_eq!(reply(200, body).acknowledged(), None, "{body}");
        }
        assert_eq!(reply(503, r#"{"acks":{"0":true}}"#).acknowledged(), None);
    }

    #[test]
    fn the_last_answer_of_a_connection_is_known() {
        for (value, last) in [("close", true), ("Keep-Alive, Close", true), ("keep-alive", false), ("", false)] {
            let headers = HeaderMap::from_iter([(CONNECTION, value.parse().unwrap())]);
            assert_eq!(is_last(&headers), last, "{value}");
        }
        assert!(!is_last(&HeaderMap::new()));
    }

    #[test]
    fn a_hint_is_read_in_both_forms() {
        let headers = |retry: &'static str, date: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            headers.insert(DATE, date.parse().unwrap());
            retry_after(&headers)
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(headers("17", date), Some(Duration::from_secs(17)));
        assert_eq!(headers("Sun, 06 Nov 1994 08:50:07 GMT", date), Some(Duration::from_secs(30)));
        assert_eq!(headers("soon", date), None);
        assert_eq!(headers("Sun, 06 Nov 1994 08:49:07 GMT", date), None, "it is over");
    }
}
