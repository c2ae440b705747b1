//! Misbehaviour on request, and the record that stays right through it.

use std::io::Read;

use atp_sim::{CallKind, Fault, Faults, Population};

use crate::client::{Client, MDE, Reply, still};

/// One call of the public API with this fault, and what the record has of it.
async fn struck(fault: Fault, alerts: u32) -> (Client, Option<Reply>, usize) {
    let mut options = still(Population::at_rest(alerts));
    options.faults = Faults::script(CallKind::Alerts, vec![Some(fault)]);
    let client = Client::start(options).await;
    let token = client.token(MDE).await;
    let reply = client.try_get(&format!("{}/api/alerts?$expand=evidence", client.simulator.mde_url()), &token).await;
    let sent = client.feed("mde_alerts").sent.len();
    (client, reply, sent)
}

/// An answer that was cut in the middle counts nothing, whatever its length; the same call again counts all.
#[tokio::test]
async fn cut_answers_count_nothing() {
    for alerts in [1, 10, 300] {
        let (client, reply, sent) = struck(Fault::Cut, alerts).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.body.is_none(), sent), (200, true, 0));
        assert_eq!(client.alerts("").await.rows().len(), alerts as usize);
        let feed = client.feed("mde_alerts");
        assert_eq!((feed.sent.len(), feed.rows_sent, feed.answers_sent), (alerts as usize, u64::from(alerts), 1));
        assert!(feed.sent.iter().all(|sent| sent.times == 1 && sent.with_evidence == 0));
    }
}

/// A connection that ends without an answer.
#[tokio::test]
async fn reset() {
    let (_client, reply, sent) = struck(Fault::Reset, 10).await;
    assert!(reply.is_none());
    assert_eq!(sent, 0);
}

/// JSON that stops in the middle under a length that says it is whole.
#[tokio::test]
async fn truncated() {
    let (_client, reply, sent) = struck(Fault::Truncated, 10).await;
    let reply = reply.unwrap();
    assert_eq!(reply.header("content-length"), Some(reply.text().len().to_string().as_str()));
    assert!(serde_json::from_str::<serde_json::Value>(&reply.text()).is_err());
    assert_eq!(sent, 0);
}

/// Answers that are no pages at all.
#[tokio::test]
async fn answers_of_others() {
    let table = [
        (Fault::BadGateway, 502, "text/html"),
        (Fault::HtmlPage, 200, "text/html"),
        (Fault::NoContent, 204, "application/json"),
        (Fault::ServerError, 500, "application/json; charset=utf-8"),
        (Fault::Forbidden, 403, "application/json; charset=utf-8"),
        (Fault::Unauthorized, 401, "application/json; charset=utf-8"),
        (Fault::ServiceUnavailable { retry_after: None }, 503, "text/html"),
    ];
    for (fault, status, content_type) in table {
        let (_client, reply, sent) = struck(fault, 10).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.header("content-type"), sent), (status, Some(content_type), 0));
    }
}

/// `Retry-After` is what was asked for, word for word, or absent.
#[tokio::test]
async fn retry_after_is_free() {
    for header in [Some("7"), Some("0.5"), Some("-1"), Some("Mon, 02 Mar 2026 08:00:30 GMT"), None] {
        let fault = Fault::TooManyRequests { retry_after: header.map(str::to_owned) };
        let reply = struck(fault, 1).await.1.unwrap();
        assert_eq!((reply.status, reply.header("retry-after")), (429, header));
        assert_eq!(reply.json()["error"]["code"], "429");
    }
}

/// Rows that come twice are counted twice.
#[tokio::test]
async fn duplicate_rows() {
    let (client, reply, sent) = struck(Fault::DuplicateRows, 10).await;
    assert_eq!((reply.unwrap().rows().len(), sent), (20, 10));
    assert!(client.feed("mde_alerts").sent.iter().all(|sent| sent.times == 2));
}

/// A revoked token stays revoked; a new one is good.
#[tokio::test]
async fn revoked_tokens_stay_revoked() {
    let mut options = still(Population::at_rest(1));
    options.faults = Faults::script(CallKind::Alerts, vec![None, Some(Fault::Revoked)]);
    let client = Client::start(options).await;
    let url = format!("{}/api/alerts", client.simulator.mde_url());
    let token = client.token(MDE).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.get(&url, &token).await.status);
    }
    assert_eq!(statuses, [200, 401, 401]);
    assert_eq!(client.get(&url, &client.token(MDE).await).await.status, 200);
}

/// A redirect leads to another origin, which notes who comes, and whether with a token.
#[tokio::test]
async fn redirects_lead_to_the_stranger() {
    let (client, reply, _) = struck(Fault::Redirect, 1).await;
    let reply = reply.unwrap();
    let location = reply.header("location").unwrap();
    assert_eq!((reply.status, location.starts_with(&client.simulator.stranger_url())), (302, true));
    client.get(location, "secret").await;
    let record = client.simulator.record();
    assert_eq!((record.stranger_calls, record.stranger_tokens), (1, 1));
}

/// A bomb is small on the wire and as large as was asked for behind it.
#[tokio::test]
async fn gzip_bomb() {
    let (_client, reply, _) = struck(Fault::GzipBomb { bytes: 8 << 20 }, 1).await;
    let reply = reply.unwrap();
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let body = reply.body.unwrap();
    assert!(body.len() < 100_000, "{}", body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked.len(), (8 << 20) + 2);
}

/// An answer as large as was asked for, and valid.
#[tokio::test]
async fn oversized() {
    let (_client, reply, _) = struck(Fault::Oversized { bytes: 1_000_000 }, 1).await;
    let text = reply.unwrap().text();
    assert_eq!(text.len(), 1_000_002);
    assert!(serde_json::from_str::<Vec<u8>>(&text).unwrap().is_empty());
}

/// A slow body is whole in the end, and counts.
#[tokio::test]
async fn slow_bodies_arrive() {
    let (_client, reply, sent) = struck(Fault::Slow { piece: 2_000, pause_ms: 1 }, 10).await;
    assert_eq!((reply.unwrap().rows().len(), sent), (10, 10));
}

/// The right rows under a wrong content type.
#[tokio::test]
async fn wrong_content_type() {
    let (_client, reply, sent) = struck(Fault::WrongContentType, 10).await;
    let reply = reply.unwrap();
    assert_eq!((reply.header("content-type"), reply.rows().len(), sent), (Some("text/plain"), 10, 10));
}

/// gzip comes to who accepts it, and holds the same page.
#[tokio::test]
async fn compresses_on_request() {
    let client = Client::start(still(Population::at_rest(500))).await;
    let (url, token) = (format!("{}/api/alerts?$expand=evidence", client.simulator.mde_url()), client.token(MDE).await);
    let plain = client.get(&url, &token).await.text();
    let packed = client.get_with(&url, &token, "accept-encoding", "br, gzip;q=0.8").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(packed.body.as_deref().unwrap()).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert!(packed.body.unwrap().len() * 3 < plain.len());
    let refused = client.get_with(&url, &token, "accept-encoding", "gzip;q=0").await;
    assert_eq!(refused.header("content-encoding"), None);
}

/// One call in seven goes wrong, tokens not counted, and the record says how many.
#[tokio::test]
async fn one_call_in_seven() {
    let mut options = still(Population::at_rest(3));
    options.faults = Faults::every_nth(7, vec![Fault::too_many_requests(1), Fault::BadGateway, Fault::Cut]);
    let client = Client::start(options).await;
    let mut answers = Vec::new();
    for _ in 0..21 {
        let reply = client.alerts("").await;
        answers.push((reply.status, reply.body.is_some()));
    }
    let bad: Vec<_> = answers.iter().filter(|answer| **answer != (200, true)).copied().collect();
    assert_eq!(bad, [(429, true), (502, true), (200, false)]);
    let count = client.simulator.record().calls[&CallKind::Alerts];
    assert_eq!((count.made, count.struck, count.refused), (21, 3, 0));
}
