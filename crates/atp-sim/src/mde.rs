//! The public API of Defender for Endpoint: `GET /api/alerts` and `GET /api/alerts/{id}`.

mod select;

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::json;
use url::form_urlencoded;

use crate::alert::{alert_id, guid, index_of, write_alert};
use crate::authorization::{Caller, Denied};
use crate::dice::mix;
use crate::http::{Answer, Call, page};
use crate::knobs::{Knobs, Links, OrderBy, TopAboveCap};
use crate::mde::select::{Selected, select};
use crate::odata::Query;
use crate::population::Poison;
use crate::record::{Delivery, RowKey, Source};
use crate::tenant::{AlertRow, Specials, Tenant};

/// What the API says to a token without the role.
pub(crate) const MISSING_ROLES: &str = "Missing application roles. API required roles: Alert.Read.All, \
Alert.ReadWrite.All, application roles: .";

/// What the API says to a token that does not count.
pub(crate) const BAD_TOKEN: &str = "Unauthorized.";

const READING_ROLES: [&str; 2] = ["Alert.Read.All", "Alert.ReadWrite.All"];

/// An error as this API writes it; `target` is a number to quote to support.
pub(crate) fn error(status: StatusCode, code: &str, message: &str, call: u64) -> Answer {
    let target = guid(mix(call, 11), mix(call, 12));
    Answer::json(status, &json!({"error": {"code": code, "message": message, "target": target}}))
}

/// 401 with the reason in the header.
pub(crate) fn denied(why: &Denied, call: u64) -> Answer {
    let authenticate = format!(
        "Bearer authorization_uri=\"https://login.windows.net/common/oauth2/authorize\", error=\"invalid_token\", \
         error_description=\"{}\"",
        why.description()
    );
    error(StatusCode::UNAUTHORIZED, "Unauthorized", BAD_TOKEN, call).header("www-authenticate", authenticate)
}

/// `GET /api/alerts`.
pub(crate) fn list_alerts(call: &Call<'_>, caller: &Caller, twice: bool) -> Answer {
    let knobs = call.world.knobs();
    if let Some(refusal) = refusal(call, caller, &knobs) {
        return refusal;
    }
    let query = match Query::parse(call.query) {
        Ok(query) => query,
        Err(message) => return error(StatusCode::BAD_REQUEST, "ODataError", &message, call.number),
    };
    if let Some(refusal) = limits(&query, &knobs, call.number) {
        return refusal;
    }
    let mut selected = select(&caller.tenant, &query, &knobs, call.now);
    if twice {
        selected.rows = selected.rows.iter().flat_map(|row| [*row, *row]).collect();
    }
    let specials = caller.tenant.specials();
    let alone = selected.rows.len() == 1;
    if selected.rows.iter().any(|row| is_poisoned(&specials, row, query.expand_evidence, alone)) {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "", call.number);
    }
    let link = link(call, &query, &knobs, &selected);
    rows(call, &caller.tenant, specials, selected.rows, &query, link)
}

/// `GET /api/alerts/{id}`.
pub(crate) fn one_alert(call: &Call<'_>, caller: &Caller, id: &str) -> Answer {
    if let Some(refusal) = refusal(call, caller, &call.world.knobs()) {
        return refusal;
    }
    let query = match Query::parse(call.query) {
        Ok(query) => query,
        Err(message) => return error(StatusCode::BAD_REQUEST, "ODataError", &message, call.number),
    };
    let Some(row) = find(&caller.tenant, id, call.now) else {
        let message = format!("Alert {id} not found");
        return error(StatusCode::NOT_FOUND, "ResourceNotFound", &message, call.number);
    };
    let specials = caller.tenant.specials();
    if is_poisoned(&specials, &row, query.expand_evidence, true) {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "", call.number);
    }
    let mut alert = Vec::new();
    write_alert(&mut alert, &caller.tenant.site, &row, query.expand_evidence, specials.get(&row.index));
    // An entity stands alone: its context comes first among its own members.
    let context = format!("{{\"@odata.context\":\"{}/api/$metadata#Alerts/$entity\",", call.world.urls.main);
    let body = [context.as_bytes(), alert.get(1..).unwrap_or_default()].concat();
    let delivery = delivery(call, &caller.tenant, &[row], query.expand_evidence);
    Answer::rows(std::iter::once(body.into()), delivery)
}

/// What is refused before the query is looked at.
fn refusal(call: &Call<'_>, caller: &Caller, knobs: &Knobs) -> Option<Answer> {
    if call.method != Method::GET {
        return Some(error(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "The method is not allowed.",
            call.number,
        ));
    }
    if !caller.roles.iter().any(|role| READING_ROLES.contains(&role.as_str())) {
        return Some(error(StatusCode::FORBIDDEN, "Forbidden", MISSING_ROLES, call.number));
    }
    let limit = knobs.rate_limit?;
    let exceeded = caller.tenant.quota().call(call.now, limit).err()?;
    let message = format!("API calls quota exceeded! maximum allowed {} per {}", exceeded.allowed, exceeded.window);
    let retry_after = limit.retry_after.then(|| exceeded.retry_after.to_string());
    let answer = error(StatusCode::TOO_MANY_REQUESTS, "429", &message, call.number);
    Some(answer.optional_header("retry-after", retry_after))
}

fn limits(query: &Query, knobs: &Knobs, call: u64) -> Option<Answer> {
    let above = query.top.is_some_and(|top| top > knobs.row_cap as usize);
    if above && knobs.top_above_cap == TopAboveCap::Refused {
        let message = format!("The limit of '{}' for Top query has been exceeded.", knobs.row_cap);
        return Some(error(StatusCode::BAD_REQUEST, "BadRequest", &message, call));
    }
    if query.order_by.is_some() && knobs.order_by == OrderBy::Refused {
        let message = "The query specified in the URI is not valid. $orderby is not supported.";
        return Some(error(StatusCode::BAD_REQUEST, "ODataError", message, call));
    }
    None
}

fn find(tenant: &Tenant, id: &str, now: i64) -> Option<AlertRow> {
    let index = index_of(tenant.site.seed, id)?;
    let row = tenant.holdings(now).alert(index)?;
    (alert_id(tenant.site.seed, index, row.created) == id).then_some(row)
}

fn is_poisoned(specials: &Specials, row: &AlertRow, expanded: bool, alone: bool) -> bool {
    match specials.get(&row.index).and_then(|special| special.poison) {
        None => false,
        Some(Poison::Always) => true,
        Some(Poison::Expanded) => expanded,
        Some(Poison::ExpandedInCompany) => expanded && !alone,
        Some(Poison::InCompany) => !alone,
    }
}

/// The link to the next page. There is none with `$top`, even where there is more: that is how the service does it.
fn link(call: &Call<'_>, query: &Query, knobs: &Knobs, selected: &Selected) -> Option<String> {
    if !selected.more || (query.top.is_some() && !knobs.links_with_top) {
        return None;
    }
    let skip = query.skip + selected.rows.len();
    let next = |base: &str, skip: usize, named: bool| {
        let mut link = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(call.query.as_bytes()).filter(|(name, _)| name != "$skip") {
            link.append_pair(if named { &name } else { "" }, &value);
        }
        link.append_pair("$skip", &skip.to_string());
        format!("{base}/api/alerts?{}", link.finish())
    };
    match knobs.links {
        Links::None => None,
        Links::Skip => Some(next(&call.world.urls.main, skip, true)),
        Links::Malformed => Some(next(&call.world.urls.main, skip, false)),
        Links::Foreign => Some(next(&call.world.urls.stranger, skip, true)),
        Links::Looping => Some(next(&call.world.urls.main, query.skip, true)),
    }
}

fn rows(
    call: &Call<'_>,
    tenant: &Arc<Tenant>,
    specials: Specials,
    rows: Vec<AlertRow>,
    query: &Query,
    link: Option<String>,
) -> Answer {
    let expand = query.expand_evidence;
    let before = format!("{{\"@odata.context\":\"{}/api/$metadata#Alerts\",\"value\":[", call.world.urls.main);
    let after = link.map_or_else(|| "]}".to_owned(), |link| format!("],\"@odata.nextLink\":{}}}", json!(link)));
    let delivery = delivery(call, tenant, &rows, expand);
    let tenant = Arc::clone(tenant);
    let pieces = page(before, rows, after, move |row, out| {
        write_alert(out, &tenant.site, row, expand, specials.get(&row.index));
    });
    Answer::rows(pieces, delivery)
}

fn delivery(call: &Call<'_>, tenant: &Tenant, rows: &[AlertRow], with_evidence: bool) -> Delivery {
    let rows = rows.iter().map(RowKey::from).collect();
    Delivery { tenant: tenant.number, source: Source::Mde, rows, with_evidence, call: call.number }
}
