//! Tokens for OAUTHBEARER, fetched ahead of time: librdkafka asks on a thread of its own, and wants one at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atp_source::{AccessToken, ClientCredentials, HttpClient};
use chrono::{DateTime, Utc};
use fault::{BackOff, Fault};
use secrecy::SecretString;
use sink_kafka::{Token, TokenSupplier};
use tokio::task::AbortHandle;

/// The token of one application, and the task that renews it, which ends with this.
pub(crate) struct Tokens {
    principal: String,
    shelf: Arc<Shelf>,
    task: AbortHandle,
}

impl Tokens {
    /// Begins to fetch. It must be called within a tokio runtime.
    pub(crate) fn fetch(http: HttpClient, credentials: ClientCredentials) -> Self {
        let principal = credentials.client_id.clone();
        let shelf = Arc::new(Shelf::default());
        let task = tokio::spawn(renew(http, credentials, Arc::clone(&shelf))).abort_handle();
        Self { principal, shelf, task }
    }
}

impl TokenSupplier for Tokens {
    /// It waits for the first token, without which nothing can be done, but less than a producer waits for a broker.
    fn token(&self) -> Result<Token, String> {
        let held = self.shelf.first(FIRST_WITHIN);
        let (secret, expires_at) = held.good(Utc::now())?;
        Ok(Token { secret, principal: self.principal.clone(), expires_at })
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Fetches a token, and another before the last expires, for ever.
async fn renew(http: HttpClient, credentials: ClientCredentials, shelf: Arc<Shelf>) {
    let mut waits = BACK_OFF.waits();
    loop {
        let asked_at = Utc::now();
        let wait = match credentials.fetch(&http).await {
            Ok(token) => {
                waits.reset();
                let wait = renew_after(token.life);
                tracing::debug!(host = credentials.token_url.host_str(), "got a token for Kafka");
                shelf.put(token, asked_at);
                wait
            }
            Err(fault) => {
                let wait = waits.next(&fault);
                let error = format!("{fault:#}");
                tracing::warn!(error, wait_s = wait.as_secs(), "no token for Kafka");
                shelf.refuse(&fault);
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// librdkafka asks for another token once four fifths of a life are over: then the next is there.
fn renew_after(life: Duration) -> Duration {
    (life / 4 * 3).max(BETWEEN_TOKENS)
}

/// Where the token lies between who fetches it and who takes it.
#[derive(Default)]
struct Shelf {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    token: Option<(SecretString, DateTime<Utc>)>,
    /// What the last request came to, where that was no token.
    refusal: Option<String>,
}

impl Shelf {
    fn put(&self, token: AccessToken, asked_at: DateTime<Utc>) {
        *self.lock() = Held { token: Some((token.secret, asked_at + token.life)), refusal: None };
        self.changed.notify_all();
    }

    /// The last token stays, which may be good for a while.
    fn refuse(&self, fault: &Fault) {
        // It becomes the cause of the sink's own fault, which has no place for a sentence of its own.
        let advice = fault.advice().map_or_else(String::new, |advice| format!(" ({})", advice.trim_end_matches('.')));
        self.lock().refusal = Some(format!("{fault:#}{advice}"));
        self.changed.notify_all();
    }

    /// What is held once the first request has ended, or this time is over.
    fn first(&self, within: Duration) -> MutexGuard<'_, Held> {
        let awaited = |held: &mut Held| held.token.is_none() && held.refusal.is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), within, awaited);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The token and when it expires, if it has not, or why there is none.
    fn good(&self, now: DateTime<Utc>) -> Result<(SecretString, DateTime<Utc>), String> {
        match &self.token {
            Some((secret, expires_at)) if *expires_at > now => Ok((secret.clone(), *expires_at)),
            _ => Err(self.refusal.clone().unwrap_or_else(|| "the token endpoint has not answered yet".to_owned())),
        }
    }
}

const BACK_OFF: BackOff = BackOff::new(Duration::from_secs(1), Duration::from_secs(60));
/// However short lives are, an endpoint is not asked more often.
const BETWEEN_TOKENS: Duration = Duration::from_secs(1);
/// Less than a producer waits for a broker's answer.
const FIRST_WITHIN: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use atp_sim::{CallKind, Faults, Options, Simulator, TenantOptions};
    use secrecy::ExposeSecret;

    use super::*;

    fn held(expires_in: i64, refusal: Option<&str>) -> Held {
        let expires_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(expires_in);
        Held { token: Some(("t".into(), expires_at)), refusal: refusal.map(str::to_owned) }
    }

    /// Guarantee: a token is handed out until it expires, even where the endpoint refuses the next; then the reason is.
    #[test]
    fn a_token_is_good_until_it_expires() {
        let now = DateTime::UNIX_EPOCH;
        assert!(held(1, Some("no")).good(now).is_ok());
        assert_eq!(held(0, Some("no")).good(now).err().as_deref(), Some("no"));
        assert!(Held::default().good(now).is_err());
    }

    /// Guarantee: the next token is there before librdkafka asks for it, whatever the life, and no life makes a loop of
    /// requests.
    #[test]
    fn the_next_token_comes_in_time() {
        for seconds in [10, 300, 3_600, 86_400] {
            let life = Duration::from_secs(seconds);
            assert!(renew_after(life) < life / 5 * 4);
        }
        assert!(renew_after(Duration::ZERO) >= Duration::from_secs(1));
    }

    fn from(simulator: &Simulator, secret: &'static str) -> Tokens {
        struct Fixed(&'static str);
        impl atp_source::Secret for Fixed {
            fn read(&self) -> Result<SecretString, String> {
                Ok(self.0.into())
            }
        }
        let tenant = &simulator.options().tenants[0];
        let token_url = format!("{}/{}/oauth2/v2.0/token", simulator.authority_url(), tenant.tenant_id);
        let credentials = ClientCredentials {
            token_url: token_url.parse().expect("the simulator has an address"),
            client_id: tenant.client_id.clone(),
            secret: Arc::new(Fixed(secret)),
            scope: Some("https://api.securitycenter.microsoft.com/.default".to_owned()),
        };
        Tokens::fetch(HttpClient::new(Default::default()).expect("there is nothing to read"), credentials)
    }

    async fn simulator() -> Simulator {
        let tenant = TenantOptions { client_secret: "right".to_owned(), ..TenantOptions::named("contoso") };
        let options = Options { tenants: vec![tenant], faults: Faults::none(), ..Options::default() };
        Simulator::start(options).await.expect("loopback has ports")
    }

    async fn token(tokens: Tokens) -> Result<Token, String> {
        tokio::task::spawn_blocking(move || tokens.token()).await.expect("asking does not panic")
    }

    /// Guarantee: whoever asks before the first token has come gets it, by one request.
    #[tokio::test]
    async fn the_first_token_is_waited_for() {
        let simulator = simulator().await;
        let tokens = Arc::new(from(&simulator, "right"));
        for _ in 0..3 {
            let asking = Arc::clone(&tokens);
            let asked = tokio::task::spawn_blocking(move || asking.token());
            let token = asked.await.expect("asking does not panic").expect("the simulator gives a token");
            assert_eq!(token.secret.expose_secret().split('.').count(), 3);
            assert!(token.expires_at > Utc::now());
            assert_eq!(token.principal, simulator.options().tenants[0].client_id);
        }
        assert_eq!(simulator.record().calls[&CallKind::Token].made, 1);
    }

    /// Guarantee: a refusal is told as soon as it comes, with what a person can do and without the secret.
    #[tokio::test]
    async fn a_refusal_is_told() {
        let told = token(from(&simulator().await, "CANARY")).await.err().expect("it is refused");
        assert!(told.contains("AADSTS7000215") && told.contains("client secret is wrong"), "{told}");
        assert!(!told.contains("CANARY"), "{told}");
    }
}
