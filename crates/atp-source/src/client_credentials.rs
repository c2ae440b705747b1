//! Tokens by client credentials (RFC 6749, section 4.4), for Defender's APIs and for whoever else asks for some.

use std::sync::Arc;
use std::time::Duration;

use fault::Fault;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use url::form_urlencoded;

use crate::application::Secret;
use crate::classify;
use crate::http::{self, HttpClient, Reply};
use crate::token_answer;

/// An application at a token endpoint that need not be Entra's.
#[derive(Clone)]
pub struct ClientCredentials {
    /// The token endpoint: `https`, or on loopback.
    pub token_url: Url,
    /// The application's id there.
    pub client_id: String,
    /// How the application proves itself. It goes in the request's body, as Entra takes it.
    pub secret: Arc<dyn Secret>,
    /// What the token is asked for; `None` where the endpoint decides.
    pub scope: Option<String>,
}

/// A token and what is known of it.
pub struct AccessToken {
    /// The token. It cannot be printed.
    pub secret: SecretString,
    /// How long it lives, from when it was asked for.
    pub life: Duration,
}

impl ClientCredentials {
    /// Asks for a token. Nothing is remembered: each call is a request.
    ///
    /// # Errors
    /// Halt where the endpoint is neither `https` nor on loopback, where there is no secret, and where the endpoint refuses
    /// for good; Retry where that may pass. No fault holds a secret.
    pub async fn fetch(&self, http: &HttpClient) -> Result<AccessToken, Fault> {
        http::require_private(&self.token_url)?;
        let secret = read(&self.secret).await?;
        let reply = exchange(http, self.token_url.clone(), self.form(&secret)).await?;
        let (secret, life) =
            token_answer::read_text(&reply.body, reply.date).ok_or_else(classify::token::unreadable)?;
        Ok(AccessToken { secret, life })
    }

    fn form(&self, secret: &SecretString) -> String {
        let mut form = form(&self.client_id, secret);
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }
}

/// The secret, read where blocking is allowed.
pub(crate) async fn read(secret: &Arc<dyn Secret>) -> Result<SecretString, Fault> {
    let secret = Arc::clone(secret);
    let failed = |cause: String| {
        Fault::halt("failed to get a token: there is no client secret")
            .caused_by(cause)
            .advise("See that the secret is where the pipeline file says.")
    };
    match tokio::task::spawn_blocking(move || secret.read()).await {
        Ok(secret) => secret.map_err(failed),
        Err(_) => Err(failed("reading it was given up".to_owned())),
    }
}

/// The beginning of every token request.
pub(crate) fn form(client_id: &str, secret: &SecretString) -> form_urlencoded::Serializer<'static, String> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client_id)
        .append_pair("client_secret", secret.expose_secret());
    form
}

/// Sends a token request. An answer that refuses is a fault.
pub(crate) async fn exchange(http: &HttpClient, url: Url, form: String) -> Result<Reply, Fault> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let reply = http.post_form(url, form).await.map_err(|error| classify::token::interrupted(&host, error))?;
    if reply.status == 200 { Ok(reply) } else { Err(classify::token::refused(&reply)) }
}
