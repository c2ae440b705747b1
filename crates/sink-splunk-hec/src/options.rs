//! What a sink of the HTTP Event Collector is told.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

/// Where records go, as whom, and as what.
#[derive(Clone)]
pub struct HecOptions {
    /// The indexers, or what stands before them, at least one: `https://splunk.example:8088`. A path up to
    /// `/services/collector` is kept, what follows it is ours to choose.
    pub urls: Vec<Url>,
    /// Where the token comes from.
    pub token: Arc<dyn Token>,
    /// What the payloads of records are.
    pub payload: Payload,
    /// The index; where there is none, the token's own is taken.
    pub index: ByTenant,
    /// The source; see [`SOURCE`].
    pub source: ByTenant,
    /// The source type; see [`SOURCETYPE`].
    pub sourcetype: ByTenant,
    /// The host; where there is none, it is the device of the record, and where that is not known the collector's own.
    pub host: ByTenant,
    /// Whether a record is settled only once the indexers say that it is on their disks, and when to ask them.
    pub acknowledge: Option<Acknowledgement>,
    /// How indexers are known over TLS, and how we are.
    pub tls: TlsOptions,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// The most bytes of a request before compression; one record alone may exceed it. Splunk Cloud takes 1,000,000.
    pub max_content: usize,
    /// Connections to each of `urls`, each with one request under way.
    pub connections: usize,
}

impl HecOptions {
    /// Options with the defaults for everything that has one.
    pub fn new(urls: Vec<Url>, token: Arc<dyn Token>, payload: Payload, acknowledge: Option<Acknowledgement>) -> Self {
        Self {
            urls,
            token,
            payload,
            index: ByTenant::default(),
            source: ByTenant::all(SOURCE),
            sourcetype: ByTenant::all(SOURCETYPE),
            host: ByTenant::default(),
            acknowledge,
            tls: TlsOptions::default(),
            gzip: true,
            max_content: 900_000,
            connections: 2,
        }
    }
}

/// What the payloads of all records of a sink are. Whoever renders them knows, and so nobody looks at each again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// One whole JSON object in UTF-8, as its renderer is shown to write: it goes as it is, to the byte. One that breaks off
    /// all the same is refused alone, since the collector names it; one that closed more than it opened would have its
    /// neighbour named.
    JsonObject,
    /// Text, such as a line of CEF: it goes as a JSON string.
    Text,
}

/// The source type that Splunk's own add-on gives the alerts of Defender for Endpoint (Splunkbase 6207).
pub const SOURCETYPE: &str = "ms:defender:atp:alerts";
/// The source that Splunk's own add-on gives the alerts of Defender for Endpoint (Splunkbase 6207).
pub const SOURCE: &str = "ms_defender_atp_alerts";

/// Where a token of the collector comes from. It is read again when it was refused, so that a rotated one is found.
pub trait Token: Send + Sync {
    /// The token's value. May block; it is called off the runtime's own threads.
    ///
    /// # Errors
    /// Why it cannot be had, as "failed to …", without the token.
    fn read(&self) -> Result<SecretString, String>;
}

impl<F: Fn() -> Result<SecretString, String> + Send + Sync> Token for F {
    fn read(&self) -> Result<SecretString, String> {
        self()
    }
}

/// A word of the envelope: one for all tenants, or one for some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByTenant {
    /// For every tenant that is not named.
    pub otherwise: Option<String>,
    /// By the tenant's name in the pipeline file.
    pub named: HashMap<String, String>,
}

impl ByTenant {
    /// The same for all tenants.
    pub fn all(word: &str) -> Self {
        Self { otherwise: Some(word.to_owned()), named: HashMap::new() }
    }

    pub(crate) fn of(&self, tenant: &str) -> Option<&str> {
        self.named.get(tenant).or(self.otherwise.as_ref()).map(String::as_str)
    }

    /// Whether all tenants have the same.
    pub(crate) fn is_one(&self) -> bool {
        let words: BTreeSet<Option<&str>> = self.named.values().map(|word| Some(word.as_str())).collect();
        words.iter().all(|word| *word == self.otherwise.as_deref()) || (words.len() == 1 && self.otherwise.is_none())
    }
}

/// When indexers are asked for acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// How long after a request they are first asked; the wait doubles up to ten times this.
    pub ask_after: Duration,
    /// What has no acknowledgement by then is sent again.
    pub give_up_after: Duration,
}

impl Default for Acknowledgement {
    fn default() -> Self {
        Self { ask_after: Duration::from_secs(1), give_up_after: Duration::from_secs(300) }
    }
}

/// How indexers are known over TLS, and how we are.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// A PEM file of authorities that are believed instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate with its chain, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: whether one index holds for all tenants is seen, for that decides what a refused index means.
    #[test]
    fn one_word_for_all_is_told_from_several() {
        let words = |otherwise: Option<&str>, named: &[(&str, &str)]| ByTenant {
            otherwise: otherwise.map(str::to_owned),
            named: named.iter().map(|(tenant, word)| ((*tenant).to_owned(), (*word).to_owned())).collect(),
        };
        assert!(words(None, &[]).is_one());
        assert!(words(Some("main"), &[]).is_one());
        assert!(words(Some("main"), &[("a", "main")]).is_one());
        assert!(words(None, &[("a", "main"), ("b", "main")]).is_one());
        assert!(!words(Some("main"), &[("a", "other")]).is_one());
        assert!(!words(None, &[("a", "main"), ("b", "other")]).is_one());
    }
}
