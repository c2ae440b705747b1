//! Faults done to answers.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;

use crate::export;
use crate::faults::{CallKind, Fault};
use crate::http::answer::{Answer, PIECE, Pieces};
use crate::http::body::Fate;
use crate::mde;
use crate::token::{Aadsts, token_error};

/// Where a fault strikes.
#[derive(Clone, Copy)]
pub(crate) struct Struck<'a> {
    pub(crate) kind: CallKind,
    pub(crate) call: u64,
    pub(crate) now: i64,
    /// The base of the listener of another origin.
    pub(crate) stranger: &'a str,
}

/// The answer that stands in place of the right one, where the fault does not need that.
pub(crate) fn instead(fault: &Fault, struck: Struck<'_>) -> Option<Answer> {
    let api_error = |status: StatusCode, code: &str, message: &str| match struck.kind {
        CallKind::Export => export::error(status),
        CallKind::Token => token_error(&Aadsts::on_request(90_033), struck.now, struck.call).with_status(status),
        CallKind::Alert | CallKind::Alerts => mde::error(status, code, message, struck.call),
    };
    Some(match fault {
        Fault::Aadsts(number) if struck.kind == CallKind::Token => {
            token_error(&Aadsts::on_request(*number), struck.now, struck.call)
        }
        Fault::ServerError | Fault::Aadsts(_) => {
            api_error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "")
        }
        Fault::BadGateway => html(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
        Fault::Forbidden => api_error(StatusCode::FORBIDDEN, "Forbidden", mde::MISSING_ROLES),
        Fault::HtmlPage => html(StatusCode::OK, "Sign in to your account"),
        Fault::NoContent => Answer::new(StatusCode::NO_CONTENT, "application/json", ""),
        Fault::Redirect => {
            let to = format!("{}/api/alerts", struck.stranger);
            Answer::new(StatusCode::FOUND, "text/html", "").header("location", to)
        }
        Fault::Unauthorized => api_error(StatusCode::UNAUTHORIZED, "Unauthorized", mde::BAD_TOKEN),
        Fault::TooManyRequests { retry_after } => {
            let quota = "API calls quota exceeded! maximum allowed 100 per 00:01:00";
            api_error(StatusCode::TOO_MANY_REQUESTS, "429", quota).optional_header("retry-after", retry_after.clone())
        }
        Fault::ServiceUnavailable { retry_after } => html(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            .optional_header("retry-after", retry_after.clone()),
        Fault::GzipBomb { bytes } => gzip_bomb(*bytes),
        Fault::Oversized { bytes } => {
            let length = Some(bytes + 2);
            Answer { pieces: Box::new(blanks(*bytes)), length, ..Answer::new(StatusCode::OK, "application/json", "") }
        }
        _ => return None,
    })
}

/// The right answer, changed.
pub(crate) fn changed(fault: &Fault, mut answer: Answer) -> Answer {
    match fault {
        Fault::Truncated => {
            let whole = Bytes::from(answer.pieces.collect::<Vec<_>>().concat());
            let half = whole.slice(..whole.len() / 2);
            Answer {
                length: Some(half.len() as u64),
                pieces: Box::new(std::iter::once(half)),
                delivery: None,
                ..answer
            }
        }
        Fault::WrongContentType => {
            answer.headers.retain(|(name, _)| *name != "content-type");
            answer.header("content-type", "text/plain")
        }
        _ => answer,
    }
}

/// What happens to the body on the way.
pub(crate) fn fate(fault: Option<&Fault>) -> Fate {
    match fault {
        Some(Fault::Cut) => Fate::Cut,
        Some(Fault::Slow { piece, pause_ms }) => Fate::Slow(*piece, Duration::from_millis(*pause_ms)),
        _ => Fate::Whole,
    }
}

/// A page as gateways show it.
pub(crate) fn html(status: StatusCode, title: &str) -> Answer {
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    Answer::new(status, "text/html", page)
}

/// Compresses a body while it is sent.
pub(crate) fn gzip(pieces: Pieces) -> Pieces {
    let mut pieces = pieces.fuse();
    let mut encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    Box::new(std::iter::from_fn(move || {
        loop {
            let encoding = encoder.as_mut()?;
            let Some(piece) = pieces.next() else {
                return encoder.take()?.finish().ok().map(Bytes::from);
            };
            encoding.write_all(&piece).expect("a vector takes every byte");
            if encoding.get_ref().len() >= PIECE / 4 {
                return Some(Bytes::from(std::mem::take(encoding.get_mut())));
            }
        }
    }))
}

/// An array of nothing but white space.
fn blanks(bytes: u64) -> impl Iterator<Item = Bytes> + Send {
    let block = Bytes::from(vec![b' '; PIECE]);
    let whole = bytes / PIECE as u64;
    let rest = usize::try_from(bytes % PIECE as u64).unwrap_or_default();
    let rest = block.slice(..rest);
    let blocks = (0..whole).map(move |_| block.clone());
    std::iter::once(Bytes::from_static(b"[")).chain(blocks).chain([rest]).chain([Bytes::from_static(b"]")])
}

fn gzip_bomb(bytes: u64) -> Answer {
    let pieces = gzip(Box::new(blanks(bytes)));
    let answer = Answer::new(StatusCode::OK, "application/json", "").header("content-encoding", "gzip");
    Answer { pieces, length: None, ..answer }
}
