//! Where records go as events of Splunk's HTTP Event Collector, and as what.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use crate::secret::SecretSource;

/// Where records go as events of Splunk's HTTP Event Collector, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplunkHecPlan {
    /// The indexers, at least one, in the order of the file.
    pub urls: Vec<Url>,
    /// The collector's token.
    pub token: SecretSource,
    /// Whether a record is settled only once the indexers have acknowledged it.
    pub acknowledge: bool,
    /// The index of each tenant that the sink takes, by its name; empty for the token's own.
    pub indexes: BTreeMap<String, String>,
    /// The source of each tenant.
    pub sources: BTreeMap<String, String>,
    /// The source type of each tenant; empty for the token's own.
    pub sourcetypes: BTreeMap<String, String>,
    /// The host of each tenant; empty for the device of each alert.
    pub hosts: BTreeMap<String, String>,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// The most bytes of a request before compression.
    pub max_content: u64,
    /// Connections to each indexer, 1 to 64.
    pub connections: u32,
    /// A PEM file of authorities that are believed instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate with its chain, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}
