//! Which call it is, whose it is, and what goes wrong with it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use crate::authorization::{Caller, authorize};
use crate::control;
use crate::export;
use crate::faults::{CallKind, Fault};
use crate::http::answer::Answer;
use crate::http::body::AnswerBody;
use crate::http::connection::{Connection, Face};
use crate::http::mishap::{self, Struck};
use crate::mde;
use crate::ticks;
use crate::token::{self, TokenCall, Version};
use crate::world::World;

/// Calls of the APIs are small; an alert that a test brings along may be large.
const LARGEST_REQUEST: usize = 64 * 1024 * 1024;

/// One call, as the handlers see it.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) method: &'a Method,
    pub(crate) query: &'a str,
    pub(crate) now: i64,
    pub(crate) number: u64,
}

/// Answers one request; an error ends the connection without an answer.
pub(crate) async fn answer(
    connection: Arc<Connection>,
    face: Face,
    request: Request<Incoming>,
) -> io::Result<Response<AnswerBody>> {
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let world = Arc::clone(&connection.world);
    let now = world.clock.now();
    let (answer, fault) = dispatch(&world, face, &head, &body, now);
    if fault == Some(Fault::Reset) {
        return Err(io::Error::other("the connection was reset on request"));
    }
    Ok(on_the_wire(&world, connection, answer, fault.as_ref(), &head.headers, now))
}

fn dispatch(world: &Arc<World>, face: Face, head: &Parts, body: &[u8], now: i64) -> (Answer, Option<Fault>) {
    let path = head.uri.path();
    let query = head.uri.query().unwrap_or_default();
    if let Some(rest) = path.strip_prefix("/_sim/") {
        return (control::answer(world, &head.method, rest, body), None);
    }
    if face == Face::Stranger {
        return (note_stranger(world, &head.headers), None);
    }
    let number = world.next_call();
    let call = Call { world, method: &head.method, query, now, number };
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match (face, segments.as_slice()) {
        (Face::Main, [tenant, "oauth2", "token"]) => entra(&call, head, body, tenant, Version::V1),
        (Face::Main, [tenant, "oauth2", "v2.0", "token"]) => entra(&call, head, body, tenant, Version::V2),
        (Face::Main, ["api", "alerts"] | ["api", "v1.0", "alerts"]) => api(&call, CallKind::Alerts, head, ""),
        (Face::Main, ["api", "alerts", id] | ["api", "v1.0", "alerts", id]) => api(&call, CallKind::Alert, head, id),
        (Face::Export, ["api", "alerts"]) => api(&call, CallKind::Export, head, ""),
        (Face::Export, _) => (export::error(StatusCode::NOT_FOUND), None),
        _ => (mde::error(StatusCode::NOT_FOUND, "NotFound", "The resource was not found.", number), None),
    }
}

fn entra(call: &Call<'_>, head: &Parts, body: &[u8], tenant: &str, version: Version) -> (Answer, Option<Fault>) {
    let name = call.world.tenant_of_segment(tenant).map(|tenant| tenant.options.name.clone());
    let (method, headers) = (&head.method, &head.headers);
    let token_call = TokenCall { tenant, version, method, headers, body, now: call.now, number: call.number };
    struck(call, CallKind::Token, name.as_deref(), |_| token::token(call.world, &token_call))
}

fn api(call: &Call<'_>, kind: CallKind, head: &Parts, id: &str) -> (Answer, Option<Fault>) {
    let caller = authorize(call.world, &head.headers, kind, call.now);
    let name = caller.as_ref().ok().map(|caller| caller.tenant.options.name.clone());
    let answered = struck(call, kind, name.as_deref(), |fault| {
        let caller = match &caller {
            Ok(caller) => caller,
            Err(why) if kind == CallKind::Export => return export::denied(why),
            Err(why) => return mde::denied(why, call.number),
        };
        let twice = fault == Some(&Fault::DuplicateRows);
        match kind {
            CallKind::Alert => mde::one_alert(call, caller, id),
            CallKind::Export => export::detections(call, caller, twice),
            CallKind::Alerts | CallKind::Token => mde::list_alerts(call, caller, twice),
        }
    });
    if let (Some(Fault::Revoked), Ok(Caller { token_number, .. })) = (&answered.1, &caller) {
        call.world.revoke(token_number.clone());
    }
    answered
}

/// Lets the fault rules have their way with a call, and counts it.
fn struck(
    call: &Call<'_>,
    kind: CallKind,
    tenant: Option<&str>,
    right: impl FnOnce(Option<&Fault>) -> Answer,
) -> (Answer, Option<Fault>) {
    let fault = call.world.strike(kind, tenant);
    let effective = if fault == Some(Fault::Revoked) { Some(Fault::Unauthorized) } else { fault.clone() };
    let struck = Struck { kind, call: call.number, now: call.now, stranger: &call.world.urls.stranger };
    let instead = effective.as_ref().and_then(|fault| mishap::instead(fault, struck));
    let answer = match (instead, &effective) {
        (Some(answer), _) => answer,
        (None, Some(fault)) => mishap::changed(fault, right(Some(fault))),
        (None, None) => right(None),
    };
    let mut ledger = call.world.ledger();
    let count = ledger.calls.entry(kind).or_default();
    count.made += 1;
    count.struck += u64::from(fault.is_some());
    count.refused += u64::from(fault.is_none() && answer.status.is_client_error());
    drop(ledger);
    (answer, fault)
}

fn note_stranger(world: &World, headers: &HeaderMap) -> Answer {
    let mut ledger = world.ledger();
    ledger.stranger_calls += 1;
    ledger.stranger_tokens += u64::from(headers.contains_key(AUTHORIZATION));
    Answer::new(StatusCode::OK, "application/json", r#"{"value":[]}"#)
}

fn on_the_wire(
    world: &World,
    connection: Arc<Connection>,
    mut answer: Answer,
    fault: Option<&Fault>,
    headers: &HeaderMap,
    now: i64,
) -> Response<AnswerBody> {
    let knobs = world.knobs();
    let encoded = answer.headers.iter().any(|(name, _)| *name == "content-encoding");
    if knobs.gzip && answer.delivery.is_some() && !encoded && accepts_gzip(headers) {
        answer = answer.header("content-encoding", "gzip");
        answer.pieces = mishap::gzip(answer.pieces);
        answer.length = None;
    }
    let date = ticks::to_utc(now + knobs.date_skew * ticks::PER_SECOND);
    answer = answer.header("date", date.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let fate = mishap::fate(fault);
    let body = AnswerBody::new(answer.pieces, answer.length, fate, connection, answer.delivery);
    response.body(body).expect("header values are printable")
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|weight| weight == "q=0")
    })
}

/// Reads a request's body, up to the limit.
async fn read(mut body: Incoming) -> io::Result<Bytes> {
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(io::Error::other)?;
        if let Ok(data) = frame.into_data() {
            whole.extend_from_slice(&data);
        }
        if whole.len() > LARGEST_REQUEST {
            return Err(io::Error::other("the request is too large"));
        }
    }
    Ok(Bytes::from(whole))
}
