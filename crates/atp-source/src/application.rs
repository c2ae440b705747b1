//! An application registered in Entra, and its tokens.

use std::sync::Arc;

use fault::Fault;
use secrecy::SecretString;
use url::Url;

use crate::http::HttpClient;

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

/// One application in one tenant, with its tokens.
pub struct Application {
    _http: HttpClient,
    _options: AppOptions,
}

impl Application {
    /// An application without a token yet.
    ///
    /// # Errors
    /// Halt where the authority is neither `https` nor on loopback.
    pub fn new(http: HttpClient, options: AppOptions) -> Result<Self, Fault> {
        Ok(Self { _http: http, _options: options })
    }
}
