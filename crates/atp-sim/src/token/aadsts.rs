//! Entra's errors: a name to act upon, a number to understand it by.

use hyper::StatusCode;
use serde_json::json;

use crate::alert::guid;
use crate::dice::mix;
use crate::http::Answer;
use crate::ticks;

/// One error of the token endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Aadsts {
    number: u32,
    text: String,
}

impl Aadsts {
    pub(crate) fn new(number: u32, text: &str) -> Self {
        Self { number, text: text.to_owned() }
    }

    /// An error on request, of which only the number is known.
    pub(crate) fn on_request(number: u32) -> Self {
        Self::new(number, "The simulator was asked to answer so.")
    }

    /// The `error` that goes with the number.
    fn error(&self) -> &'static str {
        match self.number {
            7_000_215 | 7_000_222 | 7_000_218 | 700_024 | 700_027 | 50_012 | 50_013 | 500_133 => "invalid_client",
            700_016 | 7_000_112 => "unauthorized_client",
            500_011 | 50_001 | 650_057 => "invalid_resource",
            70_011 | 1_002_012 => "invalid_scope",
            70_003 => "unsupported_grant_type",
            53_003 => "access_denied",
            50_076 | 50_079 => "interaction_required",
            65_001 | 50_126 | 50_034 | 50_053 | 50_055 | 50_057 | 70_008 | 700_082 | 70_043 | 50_173 | 54_005
            | 501_481 => "invalid_grant",
            50_033 | 50_087 | 90_006 | 90_012 | 90_024 | 90_033 | 90_090 | 90_055 => "temporarily_unavailable",
            _ => "invalid_request",
        }
    }

    fn status(&self) -> StatusCode {
        match (self.number, self.error()) {
            (_, "invalid_client") => StatusCode::UNAUTHORIZED,
            (90_055, _) => StatusCode::TOO_MANY_REQUESTS,
            (_, "temporarily_unavailable") => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// The answer of the token endpoint to a call that failed.
pub(crate) fn token_error(error: &Aadsts, now: i64, call: u64) -> Answer {
    let (trace, correlation) = (guid(mix(call, 1), mix(call, 2)), guid(mix(call, 3), mix(call, 4)));
    let timestamp = ticks::to_utc(now).format("%Y-%m-%d %H:%M:%SZ").to_string();
    let number = error.number;
    let description = format!(
        "AADSTS{number}: {}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {timestamp}",
        error.text
    );
    let body = json!({
        "error": error.error(),
        "error_description": description,
        "error_codes": [number],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
    });
    Answer::json(error.status(), &body)
}
