//! Questions of the walk as addresses.

use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::feed::Api;
use crate::ticks::{self, MILLISECOND};
use crate::walk::{Ask, WindowAsk};

/// The address that asks a question.
pub(crate) fn url(api: Api, base: &Url, ask: &Ask) -> Url {
    match (ask, api) {
        (Ask::Alert { id }, _) => alert(base, id),
        // A window in which nothing can lie: only the server's time is wanted.
        (Ask::Clock, Api::MdeAlerts { .. }) => {
            let filter = format!("lastUpdateTime ge {}", ticks::format(FAR));
            list(base, &[("$filter", &filter), ("$top", "1")])
        }
        (Ask::Clock, Api::AlertsExport) => list(base, &[("ago", "PT1S"), ("limit", "1")]),
        (Ask::Window(ask), Api::MdeAlerts { .. }) => mde_window(base, ask),
        (Ask::Window(ask), Api::AlertsExport) => export_window(base, ask),
    }
}

/// 2999-12-31: no alert is updated that late.
const FAR: i64 = 946_391_904_000_000_000;

fn mde_window(base: &Url, ask: &WindowAsk) -> Url {
    let bounds = [
        Some(("lastUpdateTime ge", ask.from)),
        ask.to.map(|to| ("lastUpdateTime lt", to)),
        ask.created_from.map(|from| ("alertCreationTime ge", from)),
        ask.created_to.map(|to| ("alertCreationTime lt", to)),
    ];
    let clauses: Vec<String> =
        bounds.into_iter().flatten().map(|(bound, time)| format!("{bound} {}", ticks::format(time))).collect();
    let (filter, top, skip) = (clauses.join(" and "), ask.top.unwrap_or(1).to_string(), ask.skip.to_string());
    let mut pairs = vec![("$filter", filter.as_str()), ("$top", &top)];
    if ask.skip > 0 {
        pairs.push(("$skip", &skip));
    }
    if ask.expand {
        pairs.push(("$expand", "evidence"));
    }
    list(base, &pairs)
}

/// Whether the export's bounds belong to its window is not known: it is asked from a millisecond earlier.
fn export_window(base: &Url, ask: &WindowAsk) -> Url {
    let since = ticks::format(ask.from - MILLISECOND);
    let until = ask.to.map(ticks::format);
    let limit = ask.top.map(|top| top.to_string());
    let mut pairs = vec![("sinceTimeUtc", since.as_str())];
    pairs.extend(until.as_deref().map(|until| ("untilTimeUtc", until)));
    pairs.extend(limit.as_deref().map(|limit| ("limit", limit)));
    list(base, &pairs)
}

fn alert(base: &Url, id: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["api", "alerts", id]);
    }
    url.set_query(Some("$expand=evidence"));
    url
}

/// The query is written once, by us: every value is encoded, a blank as `%20`, and `$` in names stands as documented.
fn list(base: &Url, pairs: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["api", "alerts"]);
    }
    let encode = |value: &str| byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20");
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    url.set_query(Some(&query.join("&")));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    const MDE: Api = Api::MdeAlerts { expand_evidence: true };
    /// 2020-07-20T10:53:50.190Z.
    const TIME: i64 = 637_308_392_301_900_000;

    fn ask() -> WindowAsk {
        WindowAsk {
            from: TIME,
            to: None,
            created_from: None,
            created_to: None,
            skip: 0,
            top: Some(1_000),
            expand: true,
        }
    }

    fn asked(api: Api, base: &str, ask: WindowAsk) -> String {
        url(api, &Url::parse(base).unwrap(), &Ask::Window(ask)).to_string()
    }

    #[test]
    fn the_public_api_is_asked_as_documented() {
        assert_eq!(
            asked(MDE, "https://api.security.microsoft.com", ask()),
            "https://api.security.microsoft.com/api/alerts?$filter=lastUpdateTime%20ge%202020-07-20T10%3A53%3A50.190Z\
             &$top=1000&$expand=evidence"
        );
        let crowded = WindowAsk {
            to: Some(TIME + MILLISECOND),
            created_from: Some(TIME - MILLISECOND),
            created_to: Some(TIME),
            skip: 2_000_000,
            expand: false,
            ..ask()
        };
        let url = asked(MDE, "https://x.example/base/", crowded);
        assert_eq!(
            url,
            "https://x.example/base/api/alerts?$filter=lastUpdateTime%20ge%202020-07-20T10%3A53%3A50.190Z%20and%20\
             lastUpdateTime%20lt%202020-07-20T10%3A53%3A50.191Z%20and%20\
             alertCreationTime%20ge%202020-07-20T10%3A53%3A50.189Z%20and%20\
             alertCreationTime%20lt%202020-07-20T10%3A53%3A50.190Z&$top=1000&$skip=2000000"
        );
    }

    #[test]
    fn the_export_is_asked_from_a_millisecond_earlier() {
        let window = WindowAsk { to: Some(TIME + MILLISECOND), top: None, ..ask() };
        assert_eq!(
            asked(Api::AlertsExport, "https://e.example", window),
            "https://e.example/api/alerts?sinceTimeUtc=2020-07-20T10%3A53%3A50.189Z\
             &untilTimeUtc=2020-07-20T10%3A53%3A50.191Z"
        );
    }

    /// Guarantee: an id cannot change what is asked or where.
    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        let base = Url::parse("https://x.example").unwrap();
        for id in ["da1_1", "../../evil", "a?b#c", "a/b", "%2e%2e", "\u{FFFD}"] {
            let url = url(MDE, &base, &Ask::Alert { id: id.to_owned() });
            assert_eq!(url.origin(), base.origin());
            assert!(url.path().starts_with("/api/alerts/"), "{url}");
            assert_eq!(url.path_segments().unwrap().count(), 3, "{url}");
            assert_eq!(url.query(), Some("$expand=evidence"));
        }
    }
}
