//! The one HTTP client of all tenants.

mod body;
mod budget;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fault::Fault;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use url::{Host, Url};

use crate::http::body::BodyError;
use crate::http::budget::Budget;
pub(crate) use crate::http::budget::Share;
use crate::ticks;

/// Kept open for each host.
const IDLE_CONNECTIONS: usize = 16;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two pieces of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// For a whole answer: one of the largest size over a line of some 2 Mbit/s.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(240);

/// What [`HttpClient::new`] needs.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// CA certificates (PEM) that are trusted beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// How we name ourselves.
    pub user_agent: String,
    /// Bytes that answers of all feeds may hold at once. One answer may hold three quarters of it.
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
    client: reqwest::Client,
    /// For loopback, which no proxy can reach for us.
    direct: reqwest::Client,
    budget: Arc<Budget>,
}

impl HttpClient {
    /// A client that trusts the system's certificates and `ca_files`.
    ///
    /// # Errors
    /// Halt where a CA file cannot be read or holds no certificate.
    pub fn new(options: HttpOptions) -> Result<Self, Fault> {
        let HttpOptions { ca_files, user_agent, answer_budget } = options;
        let set_up = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| Fault::halt("failed to set up the HTTP client").caused_by(error))
        };
        Ok(Self {
            client: set_up(Self::builder(&ca_files, &user_agent)?)?,
            direct: set_up(Self::builder(&ca_files, &user_agent)?.no_proxy())?,
            budget: Arc::new(Budget::new(answer_budget)),
        })
    }

    fn builder(ca_files: &[PathBuf], user_agent: &str) -> Result<reqwest::ClientBuilder, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let mut builder = reqwest::Client::builder()
            .user_agent(user_agent)
            .default_headers(headers)
            // A token goes to no origin but the one it was asked for.
            .redirect(redirect::Policy::none())
            .referer(false)
            // Thousands of tenants share a few hosts: their idle connections must not add up.
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(TOTAL_TIMEOUT);
        for file in ca_files {
            builder = builder.tls_certs_merge(certificates(file)?);
        }
        Ok(builder)
    }

    fn client(&self, url: &Url) -> &reqwest::Client {
        if is_loopback(url) { &self.direct } else { &self.client }
    }

    /// Gets an answer with a token.
    pub(crate) async fn get(&self, url: Url, authorization: HeaderValue) -> Result<Reply, CallError> {
        let request = self.client(&url).get(url).header(reqwest::header::AUTHORIZATION, authorization);
        self.send(request).await
    }

    /// Posts a form.
    pub(crate) async fn post_form(&self, url: Url, form: String) -> Result<Reply, CallError> {
        const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = self.client(&url).post(url).header(reqwest::header::CONTENT_TYPE, FORM).body(form);
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply, CallError> {
        let response = request.send().await.map_err(CallError::of)?;
        let status = response.status().as_u16();
        let header =
            |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let date = header(DATE).and_then(|date| ticks::parse_http_date(&date));
        let retry_after = header(RETRY_AFTER);
        let (body, share) = body::read(response, &self.budget).await.map_err(|error| match error {
            BodyError::Broken(error) => CallError::of(error),
            BodyError::Encoding(what) => CallError::Broken(what.into()),
            BodyError::TooLarge(limit) => CallError::TooLarge(limit),
        })?;
        Ok(Reply { status, date, retry_after, body, share: Some(share) })
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The server's time.
    pub(crate) date: Option<i64>,
    pub(crate) retry_after: Option<String>,
    /// Unpacked.
    pub(crate) body: Bytes,
    /// What the body holds of the budget.
    pub(crate) share: Option<Share>,
}

/// Why there was no whole answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// It broke off, came in an encoding that is not one, or took too long.
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// No connection came about.
    Connect(reqwest::Error),
    /// It has more bytes than this.
    TooLarge(usize),
}

impl CallError {
    fn of(error: reqwest::Error) -> Self {
        // The address says nothing that the caller does not know, and its query fills a line.
        let error = error.without_url();
        if error.is_connect() { Self::Connect(error) } else { Self::Broken(error.into()) }
    }
}

fn certificates(file: &Path) -> Result<Vec<reqwest::Certificate>, Fault> {
    let failed = || Fault::halt(format!("failed to read certificates from {}", file.display()));
    let pem = std::fs::read(file).map_err(|error| failed().caused_by(error))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| failed().caused_by(error))?;
    if certificates.is_empty() {
        return Err(failed().advise("The file must hold at least one certificate in PEM form."));
    }
    Ok(certificates)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Refuses an address to which no token or secret may go: it must be `https`, or on loopback.
pub(crate) fn require_private(url: &Url) -> Result<(), Fault> {
    let is_private = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
    if is_private && url.host().is_some() {
        return Ok(());
    }
    let host = url.host_str().unwrap_or("a place without a host");
    Err(Fault::halt(format!("failed to use {}://{host}: secrets would travel in the clear", url.scheme()))
        .advise("Give an https:// address; http:// is only for loopback."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: no secret leaves in the clear, whatever the address looks like.
    #[test]
    fn only_https_and_loopback_are_private() {
        let private = |url: &str| require_private(&Url::parse(url).unwrap()).is_ok();
        for url in ["https://api.security.microsoft.com", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"]
        {
            assert!(private(url), "{url}");
        }
        for url in [
            "http://api.security.microsoft.com",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "ftp://localhost",
            "file:///etc/passwd",
            "http://10.0.0.1",
            "http://169.254.169.254",
        ] {
            assert!(!private(url), "{url}");
        }
    }

    #[test]
    fn a_ca_file_that_is_none_is_named() {
        let options = HttpOptions { ca_files: vec!["/nonexistent/ca.pem".into()], ..HttpOptions::default() };
        let fault = HttpClient::new(options).err().unwrap();
        assert!(fault.to_string().contains("/nonexistent/ca.pem"));
    }
}
