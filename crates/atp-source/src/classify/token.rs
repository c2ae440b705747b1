//! Answers of the token endpoint.

use std::time::Duration;

use fault::{Fault, Verdict};
use serde::Deserialize;

use crate::classify::{quote, retry_after};
use crate::http::{CallError, Reply};

/// What the token endpoint says when it refuses. Its description is never quoted: it may repeat what was sent.
#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_codes: Vec<i64>,
    #[serde(default)]
    error_description: Option<String>,
    #[serde(default)]
    trace_id: Option<String>,
    #[serde(default)]
    correlation_id: Option<String>,
}

impl Body {
    /// The AADSTS number, which is the first of the list or stands in the description.
    fn code(&self) -> Option<i64> {
        let described = || {
            let rest = self.error_description.as_deref()?.strip_prefix("AADSTS")?;
            rest.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
        };
        self.error_codes
            .iter()
            .copied()
            .find(|code| sentence(*code).is_some())
            .or_else(|| self.error_codes.first().copied().or_else(described))
    }
}

/// What an answer of the token endpoint asks for that brought no token.
pub(crate) fn refused(reply: &Reply) -> Fault {
    let status = reply.status;
    let body = serde_json::from_slice::<Body>(&reply.body).unwrap_or_default();
    let code = body.code();
    let error = body.error.as_deref().map(quote).unwrap_or_default();
    let what = what(status, &error, code, &body);
    let wait = retry_after(reply.retry_after.as_deref(), reply.date);
    let known = code.and_then(sentence);
    let transient = status == 429
        || status == 408
        || status >= 500
        || matches!(error.as_str(), "server_error" | "temporarily_unavailable");
    let (verdict, advice) = match known {
        Some((verdict, advice)) => (if transient { Verdict::Retry } else { verdict }, Some(advice)),
        // Something between answered instead of Entra.
        None if error.is_empty() || transient => (Verdict::Retry, None),
        None if code.is_none() => (Verdict::Halt, Some(UNNUMBERED)),
        None => (Verdict::Halt, Some(UNKNOWN)),
    };
    let mut fault = match verdict {
        Verdict::Retry => Fault::retry(what),
        Verdict::Halt | Verdict::Reject => Fault::halt(what),
    };
    if let Some(wait) = wait.or_else(|| code.and_then(own_wait)).filter(|_| verdict == Verdict::Retry) {
        fault = fault.after(wait);
    }
    match advice {
        Some(advice) => fault.advise(advice),
        None => fault,
    }
}

fn what(status: u16, error: &str, code: Option<i64>, body: &Body) -> String {
    let mut what = format!("failed to get a token: HTTP {status}");
    if !error.is_empty() {
        what = format!("{what}, {error}");
    }
    if let Some(code) = code {
        what = format!("{what}, AADSTS{code}");
    }
    let ids = [("trace id", &body.trace_id), ("correlation id", &body.correlation_id)];
    let ids: Vec<String> = ids
        .into_iter()
        .filter_map(|(name, id)| id.as_deref().filter(|id| is_guid(id)).map(|id| format!("{name} {id}")))
        .collect();
    if ids.is_empty() { what } else { format!("{what} ({})", ids.join(", ")) }
}

/// Only what looks like an id is repeated as one.
fn is_guid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// What a token request that never got an answer asks for.
pub(crate) fn interrupted(host: &str, error: CallError) -> Fault {
    match error {
        CallError::Broken(cause) => {
            Fault::retry(format!("failed to get a token: the answer of {host} broke off")).caused_by(cause)
        }
        CallError::Connect(cause) => {
            Fault::retry(format!("failed to get a token: no connection to {host}")).caused_by(cause)
        }
        CallError::TooLarge(limit) => {
            Fault::retry(format!("failed to get a token: the answer of {host} has more than {limit} bytes"))
        }
    }
}

/// What an answer with status 200 asks for that holds no token.
pub(crate) fn unreadable() -> Fault {
    Fault::retry("failed to get a token: the answer holds none")
        .advise("Something between may answer instead of Entra: check the authority's address and the proxy.")
}

const UNNUMBERED: &str = "See that the token endpoint knows the client_id and its secret, and what the token is for.";
const UNKNOWN: &str = "Look the AADSTS number up at https://login.microsoftonline.com/error.";

/// How long to wait where Entra gives no hint but the reason calls for it.
fn own_wait(code: i64) -> Option<Duration> {
    match code {
        50196 | 90055 => Some(Duration::from_secs(300)),
        _ => None,
    }
}

/// What an AADSTS number asks for. Microsoft says that numbers may change: what is not here goes by `error` alone.
fn sentence(code: i64) -> Option<(Verdict, &'static str)> {
    use Verdict::{Halt, Retry};
    Some(match code {
        7_000_215 => (
            Halt,
            "The client secret is wrong: give the secret's value, not its id, and mind characters that a shell eats.",
        ),
        7_000_222 => (Halt, "The client secret has expired: make a new one for the application in Entra."),
        7_000_112 => (Halt, "The application is disabled: an administrator of the tenant must enable it."),
        700_016 => (Halt, "The tenant has no application with this client_id: check client_id and tenant_id."),
        90_002 | 900_023 => (Halt, "Entra knows no such tenant: check tenant_id and the tenant's cloud."),
        50_001 | 500_011 => (
            Halt,
            "The tenant does not know the resource: check `resource` of this source, and whether Defender for Endpoint \
             is licensed there.",
        ),
        70_011 | 1_002_012 => {
            (Halt, "The scope is not one: `resource` of this source must be an App ID URI without /.default.")
        }
        901_002 => (Halt, "The v2 endpoint takes no resource: a proxy or gateway changes the request."),
        900_144 | 900_561 | 7_000_218 => (Halt, "The token request arrived changed: check what lies between."),
        700_024 | 700_027 | 50_012 | 50_013 | 500_133 => {
            (Halt, "The assertion was not taken: check the key and this machine's clock.")
        }
        65_001 | 650_057 => (Halt, "Nobody has consented to the application in this tenant: grant admin consent."),
        53_003 => (Halt, "Conditional Access blocks the application: exclude it or its network location."),
        50_076 | 50_079 => (Halt, "Entra asks for a second factor, which an application cannot give."),
        50_034 | 50_053 | 50_055 | 50_057 | 50_126 => (Halt, "The user cannot sign in: check the account in Entra."),
        54_005 | 70_008 | 70_043 | 50_173 | 501_481 | 700_082 => {
            (Halt, "The sign-in has expired or was revoked: sign in again.")
        }
        9_001_023 => (Halt, "tenant_id must be the tenant's own id, not a common name."),
        90_038 | 900_382 => (Halt, "The tenant lives in another cloud: set `cloud`."),
        50_196 => (Retry, "Entra sees the same request again and again; it is asked more slowly."),
        90_055 => (Retry, "Entra throttles the tenant; it is asked more slowly."),
        50_033 | 50_087 | 90_006 | 90_012 | 90_024 | 90_033 | 90_090 => {
            (Retry, "Entra has trouble of its own, which passes.")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(error: &str, code: i64) -> String {
        format!(
            r#"{{"error":"{error}","error_description":"AADSTS{code}: Secret s3cr3t~value was not liked.\r\nTrace ID: x","error_codes":[{code}],"timestamp":"2020-09-30 14:09:20Z","trace_id":"0000aaaa-11bb-cccc-dd33-eeeeee333333","correlation_id":"<script>"}}"#
        )
    }

    fn fault(status: u16, body: String, retry_after: Option<&str>) -> Fault {
        refused(&Reply {
            status,
            date: None,
            retry_after: retry_after.map(str::to_owned),
            body: body.into(),
            share: None,
        })
    }

    /// Guarantee: every error of the token endpoint that is known has its verdict and its sentence, and none of what
    /// was sent is in it.
    #[test]
    fn every_known_error_has_its_verdict() {
        use Verdict::{Halt, Retry};
        let table: &[(u16, &str, i64, Verdict, &str)] = &[
            (401, "invalid_client", 7_000_215, Halt, "client secret is wrong"),
            (401, "invalid_client", 7_000_222, Halt, "has expired"),
            (400, "unauthorized_client", 7_000_112, Halt, "disabled"),
            (400, "unauthorized_client", 700_016, Halt, "client_id"),
            (400, "invalid_request", 90_002, Halt, "no such tenant"),
            (400, "invalid_request", 900_023, Halt, "no such tenant"),
            (400, "invalid_resource", 500_011, Halt, "`resource`"),
            (400, "invalid_resource", 50_001, Halt, "`resource`"),
            (400, "invalid_scope", 70_011, Halt, "scope"),
            (400, "invalid_scope", 1_002_012, Halt, "scope"),
            (400, "invalid_request", 901_002, Halt, "v2"),
            (400, "invalid_request", 900_144, Halt, "changed"),
            (400, "invalid_request", 900_561, Halt, "changed"),
            (401, "invalid_client", 7_000_218, Halt, "changed"),
            (401, "invalid_client", 700_024, Halt, "clock"),
            (401, "invalid_client", 700_027, Halt, "clock"),
            (401, "invalid_client", 50_012, Halt, "clock"),
            (401, "invalid_client", 50_013, Halt, "clock"),
            (401, "invalid_client", 500_133, Halt, "clock"),
            (400, "invalid_grant", 65_001, Halt, "consent"),
            (400, "invalid_resource", 650_057, Halt, "consent"),
            (400, "access_denied", 53_003, Halt, "Conditional Access"),
            (400, "interaction_required", 50_076, Halt, "second factor"),
            (400, "interaction_required", 50_079, Halt, "second factor"),
            (400, "invalid_grant", 50_126, Halt, "account"),
            (400, "invalid_grant", 50_034, Halt, "account"),
            (400, "invalid_grant", 50_053, Halt, "account"),
            (400, "invalid_grant", 50_055, Halt, "account"),
            (400, "invalid_grant", 50_057, Halt, "account"),
            (400, "invalid_grant", 70_008, Halt, "sign in again"),
            (400, "invalid_grant", 700_082, Halt, "sign in again"),
            (400, "invalid_grant", 70_043, Halt, "sign in again"),
            (400, "invalid_grant", 50_173, Halt, "sign in again"),
            (400, "invalid_grant", 54_005, Halt, "sign in again"),
            (400, "invalid_grant", 501_481, Halt, "sign in again"),
            (400, "invalid_request", 9_001_023, Halt, "tenant_id"),
            (400, "invalid_request", 90_038, Halt, "cloud"),
            (400, "invalid_request", 900_382, Halt, "cloud"),
            (400, "invalid_request", 50_196, Retry, "slowly"),
            (400, "temporarily_unavailable", 50_033, Retry, "passes"),
            (400, "server_error", 50_087, Retry, "passes"),
            (400, "server_error", 90_006, Retry, "passes"),
            (400, "server_error", 90_012, Retry, "passes"),
            (400, "server_error", 90_024, Retry, "passes"),
            (400, "server_error", 90_033, Retry, "passes"),
            (400, "server_error", 90_090, Retry, "passes"),
            (429, "temporarily_unavailable", 90_055, Retry, "throttles"),
            (401, "invalid_client", 1_234_567, Halt, "Look the AADSTS number up"),
            (400, "unauthorized_client", 1_234_567, Halt, "Look the AADSTS number up"),
            (400, "server_error", 1_234_567, Retry, ""),
            (400, "temporarily_unavailable", 1_234_567, Retry, ""),
            (503, "", 1_234_567, Retry, ""),
        ];
        for &(status, error, code, verdict, advice) in table {
            let fault = fault(status, body(error, code), None);
            assert_eq!(fault.verdict(), verdict, "{fault:?}");
            assert!(
                fault.what().contains(&format!("HTTP {status}")) && fault.what().contains(&format!("AADSTS{code}"))
            );
            assert!(fault.what().contains("trace id 0000aaaa-11bb-cccc-dd33-eeeeee333333"), "{fault}");
            assert!(fault.advice().unwrap_or_default().contains(advice), "{fault:?}");
            let all = format!("{fault:?} {fault:#}");
            assert!(!all.contains("s3cr3t") && !all.contains("script"), "{all}");
        }
    }

    /// Guarantee: what did not come from Entra is asked again, and a wait that is named is kept.
    #[test]
    fn gateways_and_throttling_pass() {
        for (status, body) in [(502, "<html>"), (200, "<html>"), (407, ""), (400, "not json"), (400, "[]")] {
            assert_eq!(fault(status, body.to_owned(), None).verdict(), Verdict::Retry, "{status} {body}");
        }
        assert_eq!(fault(429, "{}".to_owned(), Some("9")).retry_after(), Some(Duration::from_secs(9)));
        assert_eq!(fault(400, body("x", 50_196), None).retry_after(), Some(Duration::from_secs(300)));
    }

    /// Guarantee: a refusal by another than Entra, which has no number, halts with advice that is not of Entra.
    #[test]
    fn refusals_without_a_number_have_advice() {
        let body = r#"{"error":"invalid_client","error_description":"CANARY"}"#;
        let fault = fault(401, body.to_owned(), None);
        assert_eq!((fault.verdict(), fault.advice()), (Verdict::Halt, Some(UNNUMBERED)));
        assert!(!format!("{fault:?} {fault:#}").contains("CANARY"));
    }

    /// Guarantee: of two numbers the one with a sentence counts.
    #[test]
    fn the_known_of_two_numbers_counts() {
        let body = r#"{"error":"invalid_grant","error_codes":[70002,70008]}"#;
        assert!(fault(400, body.to_owned(), None).advice().unwrap().contains("sign in again"));
    }
}
