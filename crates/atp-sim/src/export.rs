//! The legacy SIEM export: `GET /api/alerts` of another host, with rules of its own.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::json;
use url::form_urlencoded;

use crate::alert::write_detection;
use crate::authorization::{Caller, Denied};
use crate::http::{Answer, Call, page};
use crate::knobs::{ExportShape, Knobs, WrongRegion};
use crate::record::{Delivery, RowKey, Source};
use crate::tenant::DetectionRow;
use crate::ticks;

/// The span that is answered when none is asked for.
const DEFAULT_SPAN: i64 = 2 * 3_600 * ticks::PER_SECOND;

/// An error as the old ASP.NET service writes it. Only 401, 403 and 500 are documented.
pub(crate) fn error(status: StatusCode) -> Answer {
    let message = match status {
        StatusCode::UNAUTHORIZED => "Authorization has been denied for this request.",
        StatusCode::FORBIDDEN => {
            "Any of the domains is not managed by the tenant administrator or tenant state is deleted."
        }
        StatusCode::NOT_FOUND => "No HTTP resource was found that matches the request URI.",
        StatusCode::METHOD_NOT_ALLOWED => "The requested resource does not support this http method.",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests.",
        _ => "An error has occurred.",
    };
    Answer::json(status, &json!({"Message": message}))
}

/// 401: an invalid token.
pub(crate) fn denied(why: &Denied) -> Answer {
    tracing::debug!(reason = why.description(), "export denied");
    error(StatusCode::UNAUTHORIZED).header("www-authenticate", "Bearer")
}

/// `GET /api/alerts`.
pub(crate) fn detections(call: &Call<'_>, caller: &Caller, twice: bool) -> Answer {
    if call.method != Method::GET {
        return error(StatusCode::METHOD_NOT_ALLOWED);
    }
    let knobs = call.world.knobs();
    match knobs.wrong_region {
        Some(WrongRegion::Unauthorized) => return error(StatusCode::UNAUTHORIZED),
        Some(WrongRegion::Forbidden) => return error(StatusCode::FORBIDDEN),
        Some(WrongRegion::Empty) => return rows(call, caller, Vec::new(), &knobs),
        None => {}
    }
    // A malformed request is a 401 here, as documented.
    let Some(window) = Window::parse(call.query, call.now, &knobs) else { return error(StatusCode::UNAUTHORIZED) };
    let holdings = caller.tenant.holdings(call.now);
    // The newest so many, whatever the order they are sent in: the oldest of the window are dropped without a word.
    let newest = holdings.detections(window.from, window.to).rev().take(window.limit);
    let mut selected: Vec<DetectionRow> = newest.collect();
    drop(holdings);
    if twice {
        selected = selected.iter().flat_map(|row| [*row, *row]).collect();
    }
    rows(call, caller, selected, &knobs)
}

/// What is asked for.
struct Window {
    from: Bound<i64>,
    to: Bound<i64>,
    limit: usize,
}

impl Window {
    fn parse(query: &str, now: i64, knobs: &Knobs) -> Option<Self> {
        let given: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let time = |name: &str| given.get(name).map(|text| ticks::parse(text).ok_or(())).transpose().ok();
        let ago = given.get("ago").map(|text| ticks::parse_duration(text).ok_or(())).transpose().ok()?;
        let ago = ago.map(|span| now.saturating_sub(span));
        let since = time("sinceTimeUtc")?;
        let from = if knobs.ago_wins { ago.or(since) } else { since.or(ago) }.unwrap_or(now - DEFAULT_SPAN);
        let limit = given.get("limit").map(|text| text.parse::<usize>()).transpose().ok()?;
        let bound = |inclusive: bool, time| if inclusive { Bound::Included(time) } else { Bound::Excluded(time) };
        Some(Self {
            from: bound(knobs.since_inclusive, from),
            to: time("untilTimeUtc")?.map_or(Bound::Unbounded, |until| bound(knobs.until_inclusive, until)),
            limit: limit.unwrap_or(usize::MAX),
        })
    }
}

fn rows(call: &Call<'_>, caller: &Caller, rows: Vec<DetectionRow>, knobs: &Knobs) -> Answer {
    let (before, after) = match (knobs.export_shape, rows.len()) {
        (ExportShape::Value, _) | (ExportShape::ArrayOrEmptyValue, 0) => ("{\"value\":[", "]}"),
        (ExportShape::SingleObject, 1) => ("", ""),
        _ => ("[", "]"),
    };
    let tenant = Arc::clone(&caller.tenant);
    let keys = rows.iter().map(RowKey::from).collect();
    let delivery =
        Delivery { tenant: tenant.number, source: Source::Export, rows: keys, with_evidence: true, call: call.number };
    let specials = tenant.specials();
    let pieces = page(before.to_owned(), rows, after.to_owned(), move |row, out| {
        write_detection(out, &tenant.site, row, specials.get(&row.index));
    });
    Answer::rows(pieces, delivery)
}
