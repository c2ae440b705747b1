//! The public API: `GET /api/alerts`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use atp_sim::{
    Knobs, Links, NewAlert, Options, OrderBy, Poison, Population, RateLimit, RowOrder, Special, TopAboveCap,
};
use serde_json::Value;

use crate::client::{Client, MDE, still};

/// The members of an alert and of a piece of evidence, as documented.
const ALERT: [&str; 25] = [
    "aadTenantId",
    "alertCreationTime",
    "assignedTo",
    "category",
    "classification",
    "comments",
    "computerDnsName",
    "description",
    "detectionSource",
    "determination",
    "evidence",
    "firstEventTime",
    "id",
    "incidentId",
    "investigationId",
    "investigationState",
    "lastEventTime",
    "lastUpdateTime",
    "machineId",
    "mitreTechniques",
    "rbacGroupName",
    "relatedUser",
    "resolvedTime",
    "severity",
    "status",
];
const EVIDENCE: [&str; 26] = [
    "aadUserId",
    "accountName",
    "detectionStatus",
    "domainName",
    "entityType",
    "evidenceCreationTime",
    "fileName",
    "filePath",
    "ipAddress",
    "parentProcessCreationTime",
    "parentProcessFileName",
    "parentProcessFilePath",
    "parentProcessId",
    "processCommandLine",
    "processCreationTime",
    "processId",
    "registryHive",
    "registryKey",
    "registryValue",
    "registryValueName",
    "registryValueType",
    "sha1",
    "sha256",
    "url",
    "userPrincipalName",
    "userSid",
];

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Alerts have all documented members, evidence has all keys of all kinds, and one alert weighs about 2.6 KB.
#[tokio::test]
async fn alerts_look_like_the_real_ones() {
    let client = Client::start(still(Population::at_rest(1_000))).await;
    let reply = client.alerts("$top=1000&$expand=evidence").await;
    let rows = reply.rows();
    assert!(rows.iter().all(|row| ALERT.iter().all(|name| row.get(name).is_some())));
    let evidence: Vec<&Value> = rows.iter().flat_map(|row| row["evidence"].as_array().unwrap()).collect();
    assert!(evidence.iter().all(|one| keys(one) == BTreeSet::from(EVIDENCE)));
    let kinds: HashSet<&str> = evidence.iter().map(|one| one["entityType"].as_str().unwrap()).collect();
    for kind in ["User", "Process", "File", "Ip", "Url", "Registry", "MailBox", "NeuralImplant"] {
        assert!(kinds.contains(kind), "{kind}");
    }
    let weight = reply.text().len() / rows.len();
    assert!((2_000..3_200).contains(&weight), "{weight} bytes an alert");
    assert!(rows.iter().any(|row| row["category"] == "null"));
    assert!(rows.iter().any(|row| row["computerDnsName"] == ""));
    assert!(rows.iter().any(|row| row.get("futureMember").is_some()));
}

/// Without `$expand` evidence is an empty array, and nothing else changes.
#[tokio::test]
async fn evidence_comes_on_request_only() {
    let client = Client::start(still(Population::at_rest(100))).await;
    let mut expanded = client.alerts("$expand=evidence").await.rows();
    let bare = client.alerts("").await.rows();
    assert!(bare.iter().all(|row| row["evidence"].as_array().unwrap().is_empty()));
    expanded.iter_mut().for_each(|row| row["evidence"] = Value::Array(Vec::new()));
    assert_eq!(expanded, bare);
}

/// The same options give the same bytes, another seed others.
#[tokio::test]
async fn seed_decides_everything() {
    let page = async |seed| {
        let client = Client::start(Options { seed, ..still(Population::default()) }).await;
        client.simulator.control().advance(Duration::from_secs(600));
        let text = client.alerts("$expand=evidence").await.text();
        text.replace(&client.simulator.url(), "")
    };
    assert_eq!(page(5).await, page(5).await);
    assert_ne!(page(5).await, page(6).await);
}

/// Rows come newest first, or as the knob says, or as the caller asks.
#[tokio::test]
async fn order_of_rows() {
    let client = Client::start(still(Population::at_rest(200))).await;
    let set = |order, order_by| client.simulator.control().set_knobs(Knobs { order, order_by, ..Knobs::default() });
    let times = async |query: &str, name: &str| {
        let texts = client.alerts(query).await.column(name);
        texts.iter().map(|text| chrono::DateTime::parse_from_rfc3339(text).unwrap()).collect::<Vec<_>>()
    };
    assert!(times("", "lastUpdateTime").await.is_sorted_by(|a, b| a >= b));
    assert!(times("$orderby=alertCreationTime+asc", "alertCreationTime").await.is_sorted());
    set(RowOrder::OldestFirst, OrderBy::Ignored);
    assert!(times("$orderby=lastUpdateTime+desc", "lastUpdateTime").await.is_sorted());
    set(RowOrder::NewestCreatedFirst, OrderBy::Works);
    assert!(times("", "alertCreationTime").await.is_sorted_by(|a, b| a >= b));
    set(RowOrder::Shuffled, OrderBy::Refused);
    let shuffled = times("", "lastUpdateTime").await;
    assert!(!shuffled.is_sorted() && !shuffled.is_sorted_by(|a, b| a >= b));
    assert_eq!(client.alerts("$orderby=lastUpdateTime").await.status, 400);
}

/// A filter leaves what it says, whichever fields it names.
#[tokio::test]
async fn filters() {
    let client = Client::start(still(Population::at_rest(300))).await;
    let all = client.alerts("").await.rows();
    let middle = all[150]["lastUpdateTime"].as_str().unwrap();
    let id = all[7]["id"].as_str().unwrap();
    let count = async |filter: &str| {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        client.alerts(&format!("$filter={filter}")).await.rows().len()
    };
    let of = |name: &str, value: &str| all.iter().filter(|row| row[name] == value).count();
    assert_eq!(count(&format!("lastUpdateTime ge {middle}")).await, 151);
    assert_eq!(count(&format!("lastUpdateTime lt {middle}")).await, 149);
    assert_eq!(count("severity eq 'High'").await, of("severity", "High"));
    assert_eq!(
        count("not (category eq 'Malware' or category eq 'null')").await,
        300 - of("category", "Malware") - of("category", "null")
    );
    assert_eq!(count(&format!("id eq '{id}'")).await, 1);
    assert_eq!(count("incidentId eq 924565 and status ne 'New'").await, 0);
    assert!(count("lastUpdateTime eq null").await == 0);
}

/// What the API refuses, with its code and the members of its body.
#[tokio::test]
async fn refusals() {
    let client = Client::start(still(Population::at_rest(3))).await;
    let table = [
        ("$top=10001", 400, "BadRequest"),
        ("$filter=title+eq+'x'", 400, "ODataError"),
        ("$filter=lastUpdateTime+ge+2020-01-01T00:00:00+00:00", 400, "ODataError"),
        ("$skip=1e%2b06", 400, "ODataError"),
        ("$expand=machine", 400, "ODataError"),
    ];
    for (query, status, code) in table {
        let reply = client.alerts(query).await;
        let body = reply.json();
        assert_eq!((reply.status, &body["error"]["code"]), (status, &code.into()), "{query}");
        assert_eq!(keys(&body["error"]), BTreeSet::from(["code", "message", "target"]), "{query}");
    }
    let token = client.token(MDE).await;
    let missing = client.get(&format!("{}/api/alerts/not_exist", client.simulator.mde_url()), &token).await;
    assert_eq!((missing.status, &missing.json()["error"]["code"]), (404, &"ResourceNotFound".into()));
    let path = client.get(&format!("{}/api/alert", client.simulator.mde_url()), &token).await;
    assert_eq!((path.status, &path.json()["error"]["code"]), (404, &"NotFound".into()));
    client.simulator.control().set_knobs(Knobs { top_above_cap: TopAboveCap::Clamped, ..Knobs::default() });
    assert_eq!(client.alerts("$top=10001").await.status, 200);
}

/// A single alert is the same alone as in the list, and the record counts both.
#[tokio::test]
async fn single_alerts() {
    let client = Client::start(still(Population::at_rest(20))).await;
    let token = client.token(MDE).await;
    for row in client.alerts("$expand=evidence").await.rows() {
        let url = format!("{}/api/v1.0/alerts/{}", client.simulator.mde_url(), row["id"].as_str().unwrap());
        let mut alone = client.get(&format!("{url}?$expand=evidence"), &token).await.json();
        assert!(alone.as_object_mut().unwrap().remove("@odata.context").is_some());
        assert_eq!(alone, row);
    }
    assert!(client.feed("mde_alerts").sent.iter().all(|sent| sent.times == 2 && sent.with_evidence == 2));
}

/// With `$top` there is never a link; without it one comes at the cap, and following it gives every row once.
#[tokio::test]
async fn links() {
    let mut options = still(Population::at_rest(250));
    options.knobs.row_cap = 100;
    let client = Client::start(options).await;
    assert!(client.alerts("$top=100").await.json().get("@odata.nextLink").is_none());
    let token = client.token(MDE).await;
    let mut next = Some(format!("{}/api/alerts?$expand=evidence", client.simulator.mde_url()));
    let mut ids = Vec::new();
    while let Some(url) = next {
        let page = client.get(&url, &token).await;
        ids.extend(page.column("id"));
        next = page.json()["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (250, 250));

    let link = async |links| {
        client.simulator.control().set_knobs(Knobs { links, row_cap: 100, ..Knobs::default() });
        client.alerts("$expand=evidence").await.json()["@odata.nextLink"].as_str().map(str::to_owned)
    };
    assert_eq!(link(Links::None).await, None);
    assert!(link(Links::Malformed).await.unwrap().contains("/api/alerts?=evidence&%24skip=100"));
    assert!(link(Links::Foreign).await.unwrap().starts_with(&client.simulator.stranger_url()));
    assert!(link(Links::Looping).await.unwrap().ends_with("skip=0"));
}

/// Bulk updates: many alerts share one update time, some their creation time, and `$skip` tells them apart.
#[tokio::test]
async fn ties() {
    let alerts = Population { ties: 120, ties_created_together: 30, ..Population::at_rest(300) };
    let client = Client::start(still(alerts)).await;
    let mut by_time: BTreeMap<String, usize> = BTreeMap::new();
    for time in client.alerts("").await.column("lastUpdateTime") {
        *by_time.entry(time).or_default() += 1;
    }
    let (time, count) = by_time.iter().max_by_key(|(_, count)| **count).unwrap();
    assert_eq!(*count, 120);
    let filter = format!("$filter=lastUpdateTime+ge+{time}+and+lastUpdateTime+le+{time}");
    let first = client.alerts(&format!("{filter}&$top=70")).await.column("id");
    let rest = client.alerts(&format!("{filter}&$top=70&$skip=70")).await.column("id");
    assert_eq!((first.len(), rest.len()), (70, 50));
    assert!(first.iter().all(|id| !rest.contains(id)));
}

/// An API that silently gives fewer rows than asked for.
#[tokio::test]
async fn silent_cap() {
    let mut options = still(Population::at_rest(50));
    options.knobs.silent_cap = Some(20);
    let client = Client::start(options).await;
    let reply = client.alerts("$top=40").await;
    assert_eq!(reply.rows().len(), 20);
    assert!(reply.json().get("@odata.nextLink").is_none());
}

/// The quota has the body that was captured from the real service, and says when to come back.
#[tokio::test]
async fn quota() {
    let mut options = still(Population::at_rest(1));
    options.knobs.rate_limit = Some(RateLimit { per_minute: 2, ..RateLimit::default() });
    let client = Client::start(options).await;
    assert_eq!((client.alerts("").await.status, client.alerts("").await.status), (200, 200));
    let refused = client.alerts("").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "429");
    assert_eq!(error["message"], "API calls quota exceeded! maximum allowed 2 per 00:01:00");
    client.simulator.control().advance(Duration::from_secs(60));
    assert_eq!(client.alerts("").await.status, 200);
}

/// A poisoned alert spoils every page it is on, until it is asked for alone or without its evidence.
#[tokio::test]
async fn poison() {
    let client = Client::start(still(Population::at_rest(5))).await;
    let token = client.token(MDE).await;
    let id = client.alerts("").await.column("id")[0].clone();
    let alone = format!("{}/api/alerts/{id}?$expand=evidence", client.simulator.mde_url());
    let table = [
        (Poison::Always, [500, 500, 500]),
        (Poison::Expanded, [500, 200, 500]),
        (Poison::ExpandedInCompany, [500, 200, 200]),
        (Poison::InCompany, [500, 500, 200]),
    ];
    for (poison, [expanded, bare, single]) in table {
        let special = Special { poison: Some(poison), ..Special::default() };
        assert!(client.simulator.control().set_special("contoso", &id, special));
        assert_eq!(client.alerts("$expand=evidence").await.status, expanded, "{poison:?}");
        assert_eq!(client.alerts("").await.status, bare, "{poison:?}");
        assert_eq!(client.get(&alone, &token).await.status, single, "{poison:?}");
        assert_eq!(client.alerts("$top=1&$skip=1&$expand=evidence").await.status, 200, "{poison:?}");
    }
}

/// Alerts as no serialiser would write them: lone surrogates, deep nesting, long strings, a body of the test's own.
#[tokio::test]
async fn special_alerts() {
    let client = Client::start(still(Population::empty())).await;
    let control = client.simulator.control();
    let add = |special: Special| {
        let alert = NewAlert { special, ..NewAlert::at(control.now()) };
        control.add_alert("contoso", &alert).unwrap()
    };
    let own = r#"{"id":"$ID","id2":"$ID","lastUpdateTime":"$UPDATED","alertCreationTime":"$CREATED"}"#;
    let ids = [
        add(Special { depth: 10_000, ..Special::default() }),
        add(Special { description_bytes: 1 << 20, ..Special::default() }),
        add(Special { evidence_bytes: 1 << 20, ..Special::default() }),
        add(Special { body: Some(own.to_owned()), ..Special::default() }),
    ];
    let text = client.alerts("$expand=evidence").await.text();
    assert!(ids.iter().all(|id| text.contains(&format!("\"id\":\"{id}\""))));
    assert!(text.contains(&"[".repeat(10_000)));
    assert!(text.contains(&"A".repeat(1 << 20)) && text.contains(&"B".repeat(1 << 20)));
    assert!(text.contains(&format!("\"id2\":\"{}\",\"lastUpdateTime\":\"2026-03-02T08:00:00Z\"", ids[3])));
}

/// Hostile texts are in the page as they are, whatever a parser makes of them.
#[tokio::test]
async fn hostile_texts() {
    let mut options = still(Population::at_rest(100));
    options.tenants[0].alerts.hostile = 1.0;
    let client = Client::start(options).await;
    let text = client.alerts("").await.text();
    for attack in [r"\r\nCEF:0|Evil", r"\ud83d high", r"\u001b[31m", r"\u202e", "\u{1f600}", r"LEEF:2.0"] {
        assert!(text.contains(attack), "{attack}");
    }
}
