//! The collector's answers.

use std::collections::BTreeMap;
use std::io;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderValue, SET_COOKIE,
};
use hyper::{HeaderMap, Request, Response};
use serde::Deserialize;

use super::indexer::{self, Event, Invalid};
use super::{Called, Shared, State, Trick, cut};

/// Answers a request, or cuts the connection.
pub(super) async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Page>, io::Error> {
    let (head, body) = request.into_parts();
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let most = shared.state().manner.max_content;
    if announced.is_some_and(|length: usize| length > most) {
        // Splunk does not wait for the rest.
        return Ok(too_large());
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let body = if head.headers.contains_key(CONTENT_ENCODING) { unpacked(&body)? } else { body };
    let mut state = shared.state();
    let client = Client::of(&head.headers);
    let mut response = match head.uri.path().trim_end_matches("/1.0") {
        "/services/collector/health" => state.health(),
        "/services/collector" | "/services/collector/event" => state.take(&client, &body)?,
        "/services/collector/ack" => state.acknowledge(&client, &body)?,
        _ => page(404, "<html><title>404 Not Found</title></html>"),
    };
    if state.manner.keeps_no_connection {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// What a request says of its sender.
struct Client {
    token: Option<String>,
    channel: Option<String>,
    /// The indexer that its cookie names.
    indexer: Option<usize>,
}

impl Client {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let cookie = text(COOKIE.as_str()).and_then(|cookie| {
            let value = cookie.split("; ").find_map(|pair| pair.strip_prefix("lb="))?.to_owned();
            value.split('.').next()?.parse().ok()
        });
        Self {
            token: text(AUTHORIZATION.as_str()).and_then(|value| Some(value.strip_prefix("Splunk ")?.to_owned())),
            channel: text("x-splunk-request-channel"),
            indexer: cookie,
        }
    }
}

impl State {
    fn health(&mut self) -> Response<Page> {
        match self.trick(Called::Health) {
            Some(Trick::AnswerHealth(status, body)) => page(status, &body),
            _ => said(200, "HEC is healthy", 17),
        }
    }

    fn take(&mut self, client: &Client, body: &[u8]) -> Result<Response<Page>, io::Error> {
        self.requests += 1;
        let trick = self.trick(Called::Events);
        if let Some(refusal) = self.refusal(client) {
            return Ok(refusal);
        }
        match trick {
            Some(Trick::CutBefore) => return Err(cut()),
            Some(Trick::Answer { status, body, header }) => return Ok(answer(status, &body, header)),
            _ if body.len() > self.manner.max_content => return Ok(too_large()),
            _ => {}
        }
        let (place, cookie) = self.indexer(client);
        let (mut events, mut invalid) = indexer::read(body, self.requests, &self.manner);
        let mut status = 400;
        // An event that is invalid before this one is named first.
        if let Some(Trick::TakeUpTo { status: asked, code, number }) = trick
            && number < events.len()
        {
            events.truncate(number);
            (status, invalid) = (asked, Some(Invalid { code, text: "as asked", number }));
        }
        match invalid {
            Some(invalid) => {
                // Those before it have no acknowledgement; nor is it known that they were taken where an index is refused.
                let is_known = !self.manner.acknowledge && invalid.code != 7;
                self.unheard += usize::from(!is_known && !events.is_empty());
                self.indexers[place].take(events);
                Ok(refused(status, invalid))
            }
            None => self.take_all(client, trick.as_ref(), (place, cookie), events),
        }
    }

    /// Takes a request whole, and says so as the trick has it.
    fn take_all(
        &mut self,
        client: &Client,
        trick: Option<&Trick>,
        (mut place, mut cookie): (usize, Option<String>),
        events: Vec<Event>,
    ) -> Result<Response<Page>, io::Error> {
        if trick == Some(&Trick::ChangeCookie) {
            place = (place + 1) % self.indexers.len();
            cookie = Some(self.cookie(place));
        }
        self.indexers[place].take(events);
        let id = self.id(client, trick, place).map(|id| format!(",\"ackId\":{id}")).unwrap_or_default();
        let success = format!("{{\"text\":\"Success\",\"code\":0{id}}}");
        self.unheard += match trick {
            Some(Trick::CutAfter | Trick::CutInside) => 1,
            // The one before it as well.
            Some(Trick::RepeatId) => 2,
            Some(Trick::TakeAndAnswer(_, body)) if !body.contains("\"code\":2") => 1,
            _ => 0,
        };
        let mut response = match trick {
            Some(Trick::CutAfter) => return Err(cut()),
            Some(Trick::CutInside) => torn(&success),
            Some(Trick::TakeAndAnswer(status, body)) => page(*status, &body.replace(",\"ackId\":0", &id)),
            _ => page(200, &success),
        };
        set_cookie(&mut response, cookie);
        Ok(response)
    }

    /// The id by which the last request can be asked for at the indexer that took it.
    fn id(&mut self, client: &Client, trick: Option<&Trick>, place: usize) -> Option<u64> {
        let channel = client.channel.as_ref().filter(|_| self.manner.acknowledge)?;
        let repeat = trick == Some(&Trick::RepeatId);
        let id = self.indexers[place].id(channel, self.requests, self.manner.acknowledge_after, repeat);
        if trick == Some(&Trick::ChangeCookie) {
            // The same id may wait at another indexer in the channel of this name.
            let others = self.indexers.iter().enumerate().filter(|(other, _)| *other != place);
            self.unheard += 2 * usize::from(others.into_iter().any(|(_, other)| other.knows(channel, id)));
        }
        Some(id)
    }

    fn acknowledge(&mut self, client: &Client, body: &[u8]) -> Result<Response<Page>, io::Error> {
        #[derive(Deserialize)]
        struct Question {
            acks: Vec<u64>,
        }
        if let Some(refusal) = self.refusal(client) {
            return Ok(refusal);
        }
        let (Some(channel), true) = (&client.channel, self.manner.acknowledge) else {
            return Ok(said(400, "ACK is disabled", 14));
        };
        let Ok(Question { acks }) = serde_json::from_slice(body) else {
            return Ok(said(400, "Invalid data format", 6));
        };
        let (place, cookie) = self.indexer(client);
        // A trick is kept for a question that something hangs on.
        let is_real = acks != [0] || self.indexers[place].knows(channel, 0);
        let trick = if is_real { self.trick(Called::Acks) } else { None };
        let indexer = &mut self.indexers[place];
        match &trick {
            Some(Trick::AnswerAcks(status, body)) => return Ok(page(*status, body)),
            Some(Trick::CrossAcks) => {
                let others = indexer.ids_elsewhere(channel).into_iter().filter(|id| !acks.contains(id));
                return Ok(page(200, &acks_body(others.map(|id| (id, true)).collect())));
            }
            Some(Trick::ForgetChannel) => {
                indexer.forget_channel(channel);
                return Ok(said(400, "Invalid data channel", 11));
            }
            _ => {}
        }
        let answers: BTreeMap<u64, bool> =
            acks.into_iter().map(|id| (id, indexer.is_acknowledged(channel, id))).collect();
        if matches!(trick, Some(Trick::LoseAcks | Trick::GarbleAcks)) {
            self.unheard += answers.values().filter(|answer| **answer).count();
        }
        let mut response = match trick {
            Some(Trick::LoseAcks) => return Err(cut()),
            Some(Trick::GarbleAcks) => page(200, "{\"acks\":{\"0\":tr"),
            _ => page(200, &acks_body(answers)),
        };
        set_cookie(&mut response, cookie);
        Ok(response)
    }

    /// Why the sender is not let in.
    fn refusal(&self, client: &Client) -> Option<Response<Page>> {
        match &client.token {
            None => Some(said(401, "Token is required", 2)),
            Some(token) if !self.manner.tokens.contains(token) => Some(said(403, "Invalid token", 4)),
            Some(_) if self.manner.acknowledge && client.channel.is_none() => {
                Some(said(400, "Data channel is missing", 10))
            }
            Some(_) => None,
        }
    }

    /// The indexer that answers a client, with the cookie to keep it there, where it needs one.
    fn indexer(&mut self, client: &Client) -> (usize, Option<String>) {
        if self.indexers.len() == 1 {
            return (0, None);
        }
        match client.indexer.filter(|place| *place < self.indexers.len()) {
            Some(place) => (place, self.manner.renew_cookies.then(|| self.cookie(place))),
            None => {
                let place = self.cookies % self.indexers.len();
                (place, Some(self.cookie(place)))
            }
        }
    }

    fn cookie(&mut self, place: usize) -> String {
        self.cookies += 1;
        format!("lb={place}.{}; Path=/", self.cookies)
    }
}

fn set_cookie(response: &mut Response<Page>, cookie: Option<String>) {
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie.parse().expect("digits and punctuation fit into a header"));
    }
}

fn acks_body(answers: BTreeMap<u64, bool>) -> String {
    let answers: Vec<String> = answers.into_iter().map(|(id, answer)| format!("\"{id}\":{answer}")).collect();
    format!("{{\"acks\":{{{}}}}}", answers.join(","))
}

fn unpacked(body: &[u8]) -> Result<Bytes, io::Error> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(body).read_to_end(&mut plain)?;
    Ok(plain.into())
}

fn said(status: u16, text: &str, code: u16) -> Response<Page> {
    page(status, &format!("{{\"text\":\"{text}\",\"code\":{code}}}"))
}

fn refused(status: u16, invalid: Invalid) -> Response<Page> {
    let Invalid { code, text, number } = invalid;
    page(status, &format!("{{\"text\":\"{text}\",\"code\":{code},\"invalid-event-number\":{number}}}"))
}

fn too_large() -> Response<Page> {
    page(413, "<!doctype html><html><head><title>413 Content-Length too large</title></head></html>")
}

fn answer(status: u16, body: &str, header: Option<(&'static str, String)>) -> Response<Page> {
    let mut response = page(status, body);
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, value.parse().expect("a test gives a header that is one"));
    }
    response
}

fn page(status: u16, body: &str) -> Response<Page> {
    let mut response = Response::new(Page { bytes: Some(Bytes::copy_from_slice(body.as_bytes())), is_torn: false });
    *response.status_mut() = status.try_into().expect("a test gives a status that is one");
    let kind = if body.starts_with('{') { "application/json; charset=UTF-8" } else { "text/html; charset=UTF-8" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn torn(body: &str) -> Response<Page> {
    Response::new(Page { bytes: Some(Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2])), is_torn: true })
}

/// The body of an answer, which may break off.
pub(super) struct Page {
    bytes: Option<Bytes>,
    is_torn: bool,
}

impl Body for Page {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match self.bytes.take() {
            Some(bytes) => Some(Ok(Frame::data(bytes))),
            None if self.is_torn => Some(Err(cut())),
            None => None,
        })
    }
}
