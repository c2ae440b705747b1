//! One call of the API, from the question to the answer.

use std::time::Duration;

use fault::{Fault, Reach};

use crate::application::Token;
use crate::classify::api::{self, Kind, Refusal};
use crate::feed::Feed;
use crate::http::{Reply, Share};
use crate::page;
use crate::query;
use crate::walk::{Answer, Ask, Failure, Unanswerable};

/// After this long a token that lacks a role is asked for anew: roles granted meanwhile come only with a new one.
const ROLES_STALE: Duration = Duration::from_secs(900);
/// Bodies above this size are split off the runtime's own threads.
const LARGE_BODY: usize = 256 << 10;

impl Feed {
    /// Asks, and tells the walk where that failed.
    pub(super) async fn call(&mut self, ask: &Ask) -> Result<(Answer, Option<Share>), Fault> {
        self.counts.calls += 1;
        match self.attempt(ask).await {
            Ok(answered) => Ok(answered),
            Err(refusal) => match self.walk.failed(ask, refusal.failure) {
                Ok(rows) => {
                    self.set_free = rows;
                    Err(refusal.fault)
                }
                Err(Unanswerable) => Err(unanswerable(&refusal.fault)),
            },
        }
    }

    async fn attempt(&self, ask: &Ask) -> Result<(Answer, Option<Share>), Refusal> {
        let token = self.token().await?;
        match self.ask(ask, &token).await {
            Err(refused) if refused.kind == Kind::Unauthorized => {
                // It may have been revoked. A fresh one that is not taken either is for a person to look at.
                self.discard(&token).await;
                let fresh = self.token().await?;
                self.ask(ask, &fresh).await
            }
            Err(refused) if refused.kind == Kind::Forbidden && token.age() >= ROLES_STALE => {
                self.discard(&token).await;
                Err(refused)
            }
            other => other,
        }
    }

    async fn token(&self) -> Result<Token, Refusal> {
        let token = self.app.token(&self.options.resource, self.options.token_endpoint).await;
        token.map_err(|fault| Refusal {
            fault: fault.reaching(Reach::Queue),
            failure: Failure::Elsewhere,
            kind: Kind::Other,
        })
    }

    async fn discard(&self, token: &Token) {
        self.app.discard(&self.options.resource, self.options.token_endpoint, token).await;
    }

    async fn ask(&self, ask: &Ask, token: &Token) -> Result<(Answer, Option<Share>), Refusal> {
        self.options.planner.admit().await;
        let url = query::url(self.options.api, &self.options.base, ask);
        let host = url.host_str().unwrap_or_default().to_owned();
        let reply = self.app.http().get(url, token.authorization()).await;
        let reply = reply.map_err(|error| api::interrupted(&host, error))?;
        let gone = reply.status == 404 && matches!(ask, Ask::Alert { .. });
        if reply.status != 200 && !gone {
            let refusal = api::status(self.options.api, &reply);
            if let Some(wait) = refusal.fault.retry_after().filter(|_| refusal.kind == Kind::Throttled) {
                self.options.planner.close_for(wait);
            }
            return Err(refusal);
        }
        let server_time = reply.date.ok_or_else(api::undated)?;
        if gone {
            return Ok((Answer { server_time, ..Answer::default() }, None));
        }
        self.split(ask, reply, server_time).await
    }

    async fn split(&self, ask: &Ask, reply: Reply, server_time: i64) -> Result<(Answer, Option<Share>), Refusal> {
        let partial = matches!(ask, Ask::Window(ask) if !ask.expand) && self.options.api.has_evidence();
        let (api, body, share) = (self.options.api, reply.body, reply.share);
        let page = if body.len() > LARGE_BODY {
            let keyer = self.keyer.clone();
            let split = move || page::split(api, &keyer, &body, partial);
            tokio::task::spawn_blocking(split).await.map_err(api::nonsense)?
        } else {
            page::split(api, &self.keyer, &body, partial)
        };
        let page = page.map_err(api::nonsense)?;
        Ok((Answer { rows: page.rows, server_time, more: page.more }, share))
    }
}

/// The API refuses a question that cannot be made smaller: a person must look.
fn unanswerable(fault: &Fault) -> Fault {
    Fault::halt(format!("{fault:#}"))
        .advise("The API refuses even the smallest question. Check the address and page_size of this source.")
        .reaching(Reach::Queue)
}
