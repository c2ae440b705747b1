//! Answers of the alert APIs.

use fault::{Fault, Reach};
use serde::Deserialize;

use crate::classify::{quote, retry_after};
use crate::feed::Api;
use crate::http::{CallError, Reply};
use crate::walk::Failure;

/// A call that brought no page.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    /// What it means for the page.
    pub(crate) failure: Failure,
    pub(crate) kind: Kind,
}

/// What a refusal means beside the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The token lacks a role, or the tenant is not served.
    Forbidden,
    /// Nothing else.
    Other,
    /// Too many calls were made.
    Throttled,
    /// The token was not taken.
    Unauthorized,
}

impl Refusal {
    fn new(fault: Fault, failure: Failure, kind: Kind) -> Self {
        Self { fault: fault.reaching(Reach::Queue), failure, kind }
    }
}

/// What an error body says. The public API nests it; the export, where it says anything, has ASP.NET's `Message`.
#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Option<Inner>,
    #[serde(default, rename = "Message")]
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Inner {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    /// A correlation id to quote to support, not a field's name.
    #[serde(default)]
    target: Option<String>,
}

/// What the body says, as one clause; empty where it says nothing that can be read.
fn said(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return String::new() };
    let error = body.error.unwrap_or_default();
    let code = error.code.map(|code| quote(&code)).unwrap_or_default();
    let message = error.message.or(body.message).map(|message| quote(&message)).unwrap_or_default();
    let text = [code, message].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    match error.target.map(|target| quote(&target)).filter(|target| !target.is_empty()) {
        Some(target) => format!("{text} (to quote to support: {target})"),
        None => text,
    }
}

/// What an answer of another status than 200 asks for.
pub(crate) fn status(api: Api, reply: &Reply) -> Refusal {
    let status = reply.status;
    let said = said(&reply.body);
    let what = if said.is_empty() {
        format!("failed to read alerts: HTTP {status}")
    } else {
        format!("failed to read alerts: HTTP {status}, {said}")
    };
    let hinted = |fault: Fault| match retry_after(reply.retry_after.as_deref(), reply.date) {
        Some(wait) => fault.after(wait),
        None => fault,
    };
    let retry = |what| hinted(Fault::retry(what));
    match status {
        300..=399 => {
            let fault = retry(what).advise("Redirects are not followed. Check the address of the API under endpoints.");
            Refusal::new(fault, Failure::Elsewhere, Kind::Other)
        }
        400 => Refusal::new(Fault::reject(what), Failure::Refused, Kind::Other),
        401 => {
            let fault = Fault::halt(what).advise(unauthorized(api));
            Refusal::new(fault, Failure::Elsewhere, Kind::Unauthorized)
        }
        403 => Refusal::new(Fault::halt(what).advise(forbidden(api)), Failure::Elsewhere, Kind::Forbidden),
        404 => {
            let advice = "The address answers, but not as this API: check the address and the region under endpoints.";
            Refusal::new(Fault::halt(what).advise(advice), Failure::Elsewhere, Kind::Other)
        }
        413 => Refusal::new(Fault::reject(what), Failure::TooLarge, Kind::Other),
        429 => {
            let advice = "The API's quota for this application in this tenant is used up; \
                          an application of its own for the forwarder keeps other tools from using it.";
            Refusal::new(retry(what).advise(advice), Failure::Elsewhere, Kind::Throttled)
        }
        200..=299 | 408 | 500.. => Refusal::new(retry(what), Failure::Page, Kind::Other),
        _ => Refusal::new(Fault::halt(what), Failure::Elsewhere, Kind::Other),
    }
}

/// What a person does about 401 with a fresh token.
fn unauthorized(api: Api) -> &'static str {
    match api {
        Api::AlertsExport => {
            "The export refuses a fresh token: set `resource` of this source to the one that the SIEM settings of the \
             portal name, and its region to the tenant's. It also says 401 to a question it cannot read."
        }
        Api::MdeAlerts { .. } => {
            "The API refuses a fresh token: `resource` of this source must be one that its host accepts, usually \
             https://api.securitycenter.microsoft.com."
        }
    }
}

/// What a person does about 403.
fn forbidden(api: Api) -> &'static str {
    match api {
        Api::AlertsExport => {
            "Switch on SIEM integration in the Defender portal and use the application it made; the tenant may also \
             have been deleted, or hold a domain that its administrator does not manage."
        }
        Api::MdeAlerts { .. } => {
            "Give the application the role Alert.Read.All of WindowsDefenderATP and grant admin consent in the tenant."
        }
    }
}

/// What an answer that never came whole asks for.
pub(crate) fn interrupted(host: &str, error: CallError) -> Refusal {
    match error {
        CallError::Broken(cause) => {
            let fault = Fault::retry(format!("failed to read an answer of {host} to its end")).caused_by(cause);
            Refusal::new(fault, Failure::Page, Kind::Other)
        }
        CallError::Connect(cause) => {
            let fault = Fault::retry(format!("failed to connect to {host}")).caused_by(cause);
            Refusal::new(fault, Failure::Elsewhere, Kind::Other)
        }
        CallError::TooLarge(limit) => {
            let fault = Fault::reject(format!("failed to read an answer of {host}: it has more than {limit} bytes"));
            Refusal::new(fault, Failure::TooLarge, Kind::Other)
        }
    }
}

/// What a whole answer asks for that is no page.
pub(crate) fn nonsense(cause: impl std::error::Error + Send + Sync + 'static) -> Refusal {
    let fault = Fault::retry("failed to read alerts: the answer is no list of alerts").caused_by(cause);
    Refusal::new(fault, Failure::Page, Kind::Other)
}

/// What an answer without a time asks for.
pub(crate) fn undated() -> Refusal {
    let fault = Fault::retry("failed to read alerts: the answer has no Date header")
        .advise("All times come from the server. Find what takes the header away, a proxy perhaps.");
    Refusal::new(fault, Failure::Elsewhere, Kind::Other)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use fault::Verdict;

    use super::*;

    const MDE: Api = Api::MdeAlerts { expand_evidence: true };
    const EXPORT: Api = Api::AlertsExport;

    fn reply(status: u16, body: &'static str, retry_after: Option<&str>) -> Reply {
        let date = crate::ticks::parse_http_date("Mon, 20 Jul 2020 10:53:50 GMT");
        Reply {
            status,
            date,
            retry_after: retry_after.map(str::to_owned),
            body: Bytes::from_static(body.as_bytes()),
            share: None,
        }
    }

    /// Guarantee: every answer that these APIs are documented or known to give has its verdict and its sentence.
    #[test]
    fn every_known_answer_has_its_verdict() {
        use Failure::{Elsewhere, Page, Refused, TooLarge};
        use Verdict::{Halt, Reject, Retry};
        let denied = r#"{"Message":"Authorization has been denied for this request."}"#;
        let roles = r#"{"error":{"code":"Forbidden","message":"Missing application roles. API required roles: Alert.Read.All.","target":"43f4cb08-0000-1111-2222-65ae2c5f3a00"}}"#;
        let quota = r#"{"error":{"code":"429","message":"API calls quota exceeded! maximum allowed 100 per 00:01:00","target":"x"}}"#;
        let table: &[(Api, u16, &str, Verdict, Failure, &str, &str)] = &[
            (
                EXPORT,
                401,
                denied,
                Halt,
                Elsewhere,
                "HTTP 401, Authorization has been denied for this request.",
                "SIEM settings",
            ),
            (EXPORT, 403, "", Halt, Elsewhere, "failed to read alerts: HTTP 403", "SIEM integration"),
            (EXPORT, 500, "", Retry, Page, "failed to read alerts: HTTP 500", ""),
            (EXPORT, 404, "<html>", Halt, Elsewhere, "HTTP 404", "endpoints"),
            (EXPORT, 400, "{}", Reject, Refused, "HTTP 400", ""),
            (
                MDE,
                400,
                r#"{"error":{"code":"BadRequest","message":"Bad"}}"#,
                Reject,
                Refused,
                "HTTP 400, BadRequest: Bad",
                "",
            ),
            (
                MDE,
                400,
                r#"{"error":{"code":"ODataError","message":"The query"}}"#,
                Reject,
                Refused,
                "ODataError: The query",
                "",
            ),
            (
                MDE,
                400,
                r#"{"error":{"code":"InvalidInput","message":""}}"#,
                Reject,
                Refused,
                "HTTP 400, InvalidInput",
                "",
            ),
            (
                MDE,
                401,
                r#"{"error":{"code":"Unauthorized","message":"no"}}"#,
                Halt,
                Elsewhere,
                "Unauthorized: no",
                "`resource`",
            ),
            (MDE, 401, "", Halt, Elsewhere, "HTTP 401", "`resource`"),
            (
                MDE,
                403,
                roles,
                Halt,
                Elsewhere,
                "Missing application roles. API required roles: Alert.Read.All. (to quote to support: 43f4cb08-",
                "Alert.Read.All of WindowsDefenderATP",
            ),
            (MDE, 403, r#"{"error":{"code":"DisabledFeature"}}"#, Halt, Elsewhere, "DisabledFeature", "consent"),
            (
                MDE,
                403,
                r#"{"error":{"code":"DisallowedOperation"}}"#,
                Halt,
                Elsewhere,
                "DisallowedOperation",
                "consent",
            ),
            (
                MDE,
                404,
                r#"{"error":{"code":"NotFound","message":"path"}}"#,
                Halt,
                Elsewhere,
                "NotFound: path",
                "endpoints",
            ),
            (
                MDE,
                429,
                quota,
                Retry,
                Elsewhere,
                "HTTP 429, 429: API calls quota exceeded! maximum allowed 100 per 00:01:00",
                "quota",
            ),
            (MDE, 429, r#"{"error":{"code":"TooManyRequests"}}"#, Retry, Elsewhere, "TooManyRequests", "quota"),
            (MDE, 500, r#"{"error":{"code":"InternalServerError"}}"#, Retry, Page, "InternalServerError", ""),
            (MDE, 502, "<html><h1>Bad Gateway</h1></html>", Retry, Page, "failed to read alerts: HTTP 502", ""),
            (MDE, 503, "", Retry, Page, "HTTP 503", ""),
            (MDE, 504, "", Retry, Page, "HTTP 504", ""),
            (MDE, 204, "", Retry, Page, "HTTP 204", ""),
            (MDE, 206, "", Retry, Page, "HTTP 206", ""),
            (MDE, 301, "", Retry, Elsewhere, "HTTP 301", "Redirects are not followed"),
            (MDE, 307, "", Retry, Elsewhere, "HTTP 307", "Redirects are not followed"),
            (MDE, 408, "", Retry, Page, "HTTP 408", ""),
            (MDE, 413, "", Reject, TooLarge, "HTTP 413", ""),
            (MDE, 418, "", Halt, Elsewhere, "HTTP 418", ""),
        ];
        for &(api, code, body, verdict, failure, what, advice) in table {
            let refusal = status(api, &reply(code, body, None));
            assert_eq!((refusal.fault.verdict(), refusal.failure), (verdict, failure), "{code} {body}");
            assert_eq!(refusal.fault.reach(), Reach::Queue);
            assert!(refusal.fault.what().contains(what), "{}", refusal.fault);
            assert!(refusal.fault.advice().unwrap_or_default().contains(advice), "{:?}", refusal.fault);
        }
    }

    #[test]
    fn a_wait_that_the_api_names_is_kept() {
        let refusal = status(MDE, &reply(429, "", Some("17")));
        assert_eq!(refusal.fault.retry_after(), Some(Duration::from_secs(17)));
        assert_eq!(refusal.kind, Kind::Throttled);
        assert_eq!(status(MDE, &reply(429, "", None)).fault.retry_after(), None);
    }

    /// Guarantee: what the other side writes neither breaks nor floods a line.
    #[test]
    fn hostile_error_texts_are_tamed() {
        let body = format!(r#"{{"error":{{"code":"x\r\nFAKE","message":"{}\u001b[2J\u202e"}}}}"#, "A".repeat(5_000));
        let reply = Reply { status: 500, date: None, retry_after: None, body: body.into(), share: None };
        let fault = status(MDE, &reply).fault;
        assert!(fault.what().len() < 700, "{}", fault.what().len());
        assert!(!fault.what().contains(['\r', '\n', '\u{1b}', '\u{202e}']));
    }
}
