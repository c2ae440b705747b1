//! An application registered in Entra, and its tokens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fault::{Fault, Verdict};
use reqwest::header::HeaderValue;
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use crate::classify;
use crate::client_credentials;
use crate::http::{self, HttpClient};
use crate::token_answer;

/// A token is renewed this long before it expires; one that lives shortly, a quarter of its life before.
const RENEW_AHEAD: Duration = Duration::from_secs(300);

/// Where a client secret comes from. Read again for each token, so that a rotated secret is seen.
pub trait Secret: Send + Sync {
    /// The secret's value. May block; it is called off the runtime's own threads.
    ///
    /// # Errors
    /// Why it cannot be had, as "failed to …", without the secret.
    fn read(&self) -> Result<SecretString, String>;
}

/// Which token endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenEndpoint {
    /// `/oauth2/token`, with `resource`.
    V1,
    /// `/oauth2/v2.0/token`, with `scope`.
    V2,
}

/// What [`Application::new`] needs.
#[derive(Clone)]
pub struct AppOptions {
    /// The Entra tenant id.
    pub tenant_id: String,
    /// The application's id in it.
    pub client_id: String,
    /// Where tokens come from, without a path: `https://login.microsoftonline.com`.
    pub authority: Url,
    /// How the application proves itself.
    pub secret: Arc<dyn Secret>,
}

/// One application in one tenant, with its tokens: one for each resource and endpoint, fetched once for all who wait.
pub struct Application {
    http: HttpClient,
    options: AppOptions,
    slots: Mutex<HashMap<(String, TokenEndpoint), Arc<Slot>>>,
}

/// A token as it is sent. It cannot be printed.
#[derive(Clone)]
pub(crate) struct Token(Arc<Issued>);

struct Issued {
    authorization: HeaderValue,
    at: Instant,
    renew_at: Instant,
}

/// The place of one token.
#[derive(Default)]
struct Slot {
    /// How many requests have ended, for those who wait to know that theirs was made meanwhile.
    requests: AtomicU64,
    held: tokio::sync::Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// What the last request came to, where that was no token.
    refusal: Option<Refusal>,
}

/// A fault to be told to all who waited for it.
struct Refusal {
    what: String,
    verdict: Verdict,
    advice: Option<String>,
    retry_after: Option<Duration>,
}

impl Application {
    /// An application without a token yet.
    ///
    /// # Errors
    /// Halt where the authority is neither `https` nor on loopback.
    pub fn new(http: HttpClient, options: AppOptions) -> Result<Self, Fault> {
        http::require_private(&options.authority)?;
        Ok(Self { http, options, slots: Mutex::new(HashMap::new()) })
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }

    /// The token for a resource, from memory or fresh.
    pub(crate) async fn token(&self, resource: &str, endpoint: TokenEndpoint) -> Result<Token, Fault> {
        let slot = self.slot(resource, endpoint);
        let requests = slot.requests.load(Ordering::Acquire);
        let mut held = slot.held.lock().await;
        if let Some(token) = held.token.as_ref().filter(|token| Instant::now() < token.0.renew_at) {
            return Ok(token.clone());
        }
        if slot.requests.load(Ordering::Acquire) != requests
            && let Some(refusal) = &held.refusal
        {
            return Err(refusal.fault());
        }
        let answer = self.request(resource, endpoint).await;
        slot.requests.fetch_add(1, Ordering::AcqRel);
        match answer {
            Ok(token) => {
                *held = Held { token: Some(token.clone()), refusal: None };
                Ok(token)
            }
            Err(fault) => {
                *held = Held { token: None, refusal: Some(Refusal::of(&fault)) };
                Err(fault)
            }
        }
    }

    /// Throws a token away, unless another has taken its place.
    pub(crate) async fn discard(&self, resource: &str, endpoint: TokenEndpoint, token: &Token) {
        let slot = self.slot(resource, endpoint);
        let mut held = slot.held.lock().await;
        if held.token.as_ref().is_some_and(|held| Arc::ptr_eq(&held.0, &token.0)) {
            held.token = None;
        }
    }

    fn slot(&self, resource: &str, endpoint: TokenEndpoint) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((resource.to_owned(), endpoint)).or_default())
    }

    async fn request(&self, resource: &str, endpoint: TokenEndpoint) -> Result<Token, Fault> {
        let secret = client_credentials::read(&self.options.secret).await?;
        let url = self.url(endpoint)?;
        let form = self.form(resource, endpoint, &secret);
        let at = Instant::now();
        let reply = client_credentials::exchange(&self.http, url, form).await?;
        let (authorization, life) =
            token_answer::read(&reply.body, reply.date).ok_or_else(classify::token::unreadable)?;
        let renew_at = at + life.saturating_sub(RENEW_AHEAD.min(life / 4));
        tracing::debug!(tenant_id = %self.options.tenant_id, resource, seconds = life.as_secs(), "got a token");
        Ok(Token(Arc::new(Issued { authorization, at, renew_at })))
    }

    fn url(&self, endpoint: TokenEndpoint) -> Result<Url, Fault> {
        let mut url = self.options.authority.clone();
        let path: &[&str] = match endpoint {
            TokenEndpoint::V1 => &["oauth2", "token"],
            TokenEndpoint::V2 => &["oauth2", "v2.0", "token"],
        };
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().push(&self.options.tenant_id).extend(path),
            Err(()) => return Err(Fault::halt("failed to get a token: the authority is no address")),
        };
        Ok(url)
    }

    fn form(&self, resource: &str, endpoint: TokenEndpoint, secret: &SecretString) -> String {
        let mut form = client_credentials::form(&self.options.client_id, secret);
        match endpoint {
            TokenEndpoint::V1 => form.append_pair("resource", resource),
            TokenEndpoint::V2 => form.append_pair("scope", &format!("{resource}/.default")),
        };
        form.finish()
    }
}

impl Token {
    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> HeaderValue {
        self.0.authorization.clone()
    }

    /// How long ago it was asked for.
    pub(crate) fn age(&self) -> Duration {
        self.0.at.elapsed()
    }
}

impl Refusal {
    fn of(fault: &Fault) -> Self {
        Self {
            what: format!("{fault:#}"),
            verdict: fault.verdict(),
            advice: fault.advice().map(str::to_owned),
            retry_after: fault.retry_after(),
        }
    }

    fn fault(&self) -> Fault {
        let what = self.what.clone();
        let mut fault = match self.verdict {
            Verdict::Halt => Fault::halt(what),
            Verdict::Reject => Fault::reject(what),
            Verdict::Retry => Fault::retry(what),
        };
        if let Some(advice) = &self.advice {
            fault = fault.advise(advice.clone());
        }
        match self.retry_after {
            Some(wait) => fault.after(wait),
            None => fault,
        }
    }
}
