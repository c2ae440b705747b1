//! Asking an indexer without sending an event: is it healthy, does it know the token, does it acknowledge.

use std::sync::Arc;

use bytes::Bytes;
use fault::{Fault, Verdict};
use hyper::header::HeaderValue;

use crate::classify;
use crate::connection::{Call, Connection, Endpoint, Failure, What};
use crate::reply::Reply;
use crate::session::Sessions;
use crate::token::Tokens;

/// Asks all endpoints.
///
/// # Errors
/// What none of them is free of; and what only a person can mend, at whichever.
pub(crate) async fn probe(endpoints: &[Arc<Endpoint>], tokens: &Tokens, acknowledge: bool) -> Result<(), Fault> {
    let mut found = None;
    let mut one_is_fine = false;
    for endpoint in endpoints {
        match probe_one(endpoint, tokens, acknowledge).await {
            Ok(()) => one_is_fine = true,
            Err(fault) if fault.verdict() == Verdict::Halt => return Err(fault),
            Err(fault) => found = Some(fault),
        }
    }
    match found {
        Some(fault) if !one_is_fine => Err(fault),
        _ => Ok(()),
    }
}

async fn probe_one(endpoint: &Endpoint, tokens: &Tokens, acknowledge: bool) -> Result<(), Fault> {
    let mut authorization = tokens.authorization().await?;
    let mut connection = endpoint.connect().await?;
    let health = ask(endpoint, &mut connection, What::Health, &authorization, acknowledge).await?;
    classify::health(&endpoint.peer, &health)?;
    loop {
        // The collector looks at the token first, and at the lack of events after it.
        let what = if acknowledge { What::Ask } else { What::Events { gzip: false } };
        let reply = ask(endpoint, &mut connection, what, &authorization, acknowledge).await?;
        let Err(refused) = classify::probed(&endpoint.peer, &reply, acknowledge) else { return Ok(()) };
        if !refused.is_of_token || !tokens.renew(&authorization).await? {
            return Err(refused.fault);
        }
        authorization = tokens.authorization().await?;
    }
}

async fn ask(
    endpoint: &Endpoint,
    connection: &mut Connection,
    what: What,
    authorization: &HeaderValue,
    acknowledge: bool,
) -> Result<Reply, Fault> {
    let body = if what == What::Ask { Bytes::from_static(b"{\"acks\":[0]}") } else { Bytes::new() };
    let sessions = Sessions::new(acknowledge);
    let call = Call { what, body, authorization: authorization.clone(), session: Some(sessions.current()) };
    for _ in 0..2 {
        match connection.send(&endpoint.peer, endpoint.request(&call)).await {
            Ok((reply, _)) => return Ok(reply),
            Err(Failure::Unheard(fault)) => return Err(fault),
            Err(Failure::Unsent) => *connection = endpoint.connect().await?,
        }
    }
    Err(Fault::retry(format!("failed to keep a connection to {}", endpoint.peer)))
}
