//! The checked plan: what the file means, ready to be built. It knows no runtime.

mod format;
mod kafka;
mod local_file;
mod splunk_hec;
mod syslog;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use self::format::{CefPlan, CefVersionPlan, EnvelopePlan, FormatPlan, LeefPlan, LeefVersionPlan};
pub use self::kafka::{
    KafkaCompressionPlan, KafkaKeyPlan, KafkaPlan, KafkaProfilePlan, KafkaSaslPlan, KafkaTlsPlan, LoginPlan,
    OauthBearerPlan, TopicsPlan, TransactionsPlan,
};
pub use self::local_file::{CompressionPlan, FilePlan, KeepPlan, PathsPlan, RotatePlan};
pub use self::splunk_hec::SplunkHecPlan;
pub use self::syslog::{
    AddressPlan, FACILITIES, FramingPlan, HeaderPlan, SpreadPlan, SyslogPlan, TlsPlan, TransportPlan,
};
use crate::secret::SecretSource;

/// The whole checked plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The tenants, in the order of their names; those that are not enabled too, since their alerts may still wait.
    pub tenants: Vec<TenantPlan>,
    /// The journal.
    pub journal: JournalPlan,
    /// The sinks that are enabled, in the order of their names.
    pub sinks: Vec<SinkPlan>,
    /// What is listened to for monitoring; `None` for nothing.
    pub admin: Option<AdminPlan>,
}

/// What is listened to for monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminPlan {
    /// The address, loopback or not; its port is not 0.
    pub listen: SocketAddr,
}

/// One tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantPlan {
    /// Its name in the file: only a label.
    pub name: String,
    /// It is read. The alerts of one that is not are still delivered.
    pub enabled: bool,
    /// The Entra tenant id, lower case.
    pub tenant_id: String,
    /// Who we are towards Entra.
    pub client_id: String,
    /// How we prove it.
    pub client_secret: SecretSource,
    /// Where tokens come from: `https://login.microsoftonline.com` or its counterpart in another cloud, without a path.
    pub authority: Url,
    /// A CA file (PEM) for `endpoints`, beside the system's.
    pub ca: Option<PathBuf>,
    /// The operator's own words for it.
    pub labels: BTreeMap<String, String>,
    /// How it is read, in the order of their names.
    pub sources: Vec<SourcePlan>,
}

/// One source of one tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcePlan {
    /// Its name in the file.
    pub name: String,
    /// What is read.
    pub kind: SourceKind,
    /// The API's base: `https://api.security.microsoft.com`, without a path.
    pub base: Url,
    /// The resource (v1) or the scope without `/.default` (v2) that a token is asked for.
    pub resource: String,
    /// Which token endpoint is asked.
    pub token_endpoint: TokenEndpoint,
    /// How often a poll asks for what is new.
    pub poll_every: Duration,
    /// How far below the floor the look-back pass asks.
    pub look_back: Duration,
    /// How far back the first reading goes.
    pub start: Duration,
    /// Rows asked for in one call.
    pub page_size: u32,
    /// Ask for evidence (`mde_alerts`).
    pub expand_evidence: bool,
    /// The calls that the API allows, and what is left to the owner's other tools.
    pub quota: QuotaPlan,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// The legacy SIEM export: `alerts_export`.
    AlertsExport,
    /// The public API of Defender for Endpoint: `mde_alerts`.
    MdeAlerts,
}

impl SourceKind {
    /// Its key in the file.
    pub fn key(self) -> &'static str {
        match self {
            Self::AlertsExport => "alerts_export",
            Self::MdeAlerts => "mde_alerts",
        }
    }
}

/// Which token endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEndpoint {
    /// `/oauth2/token`, with `resource`.
    V1,
    /// `/oauth2/v2.0/token`, with `scope`.
    V2,
}

/// The calls that an API allows to one application in one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaPlan {
    /// Calls in a minute.
    pub per_minute: u32,
    /// Calls in an hour.
    pub per_hour: u32,
    /// The share, 0 to 90 percent, that is left to the owner's other tools.
    pub reserve_percent: u8,
}

/// The embedded journal.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalPlan {
    /// Its folder, absolute.
    pub path: PathBuf,
    /// Database, write-ahead log and ballast together.
    pub max_size: u64,
    /// How long settled entries stay.
    pub keep: Duration,
    /// How long the ledger remembers a revision.
    pub remember: Duration,
}

/// One sink and its lane.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkPlan {
    /// Its name in the file.
    pub name: String,
    /// The name it had before.
    pub was: Option<String>,
    /// Where it begins when it is new.
    pub from: Start,
    /// How an alert is written.
    pub format: FormatPlan,
    /// For what a record is made.
    pub per: PerPlan,
    /// The most bytes of a record in a file, its line break not counted, or in Kafka, its key and headers not counted; at
    /// least 1,024. `None` for no limit, and for destinations that limit what they make of a record.
    pub max_bytes: Option<u64>,
    /// What it gets.
    pub only: OnlyPlan,
    /// Records in a second, at most.
    pub max_rate: Option<u32>,
    /// How many alerts may be refused before a person must look at them, at least 1.
    pub max_dead_letters: u64,
    /// Where records go.
    pub destination: DestinationPlan,
}

/// Where a new lane begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With everything that the journal still holds.
    Journal,
    /// With what comes from now on.
    Now,
    /// With what came at most this long ago.
    Since(Duration),
}

/// For what a record is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerPlan {
    /// One for an alert.
    Alert,
    /// One for each piece of an alert's evidence, and one for an alert without any.
    Evidence,
}

/// What a sink gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnlyPlan {
    /// Tenants, one of which must match; empty for all.
    pub tenants: Vec<TenantPattern>,
    /// The least severity, one of `informational`, `low`, `medium`, `high`. Unknown severities always pass.
    pub min_severity: Option<MinSeverity>,
}

impl OnlyPlan {
    /// Whether a tenant's alerts go to this sink.
    pub fn takes_tenant(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.tenants.is_empty() || self.tenants.iter().any(|pattern| pattern.matches(name, labels))
    }
}

/// Which tenants a sink gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantPattern {
    /// All of these labels.
    Labels(BTreeMap<String, String>),
    /// A name, in which `*` stands for any run of characters.
    Name(String),
}

/// The least severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MinSeverity {
    /// `informational`.
    Informational,
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationPlan {
    /// Files.
    File(Box<FilePlan>),
    /// Kafka.
    Kafka(Box<KafkaPlan>),
    /// Splunk's HTTP Event Collector.
    SplunkHec(Box<SplunkHecPlan>),
    /// Standard output.
    StandardOutput,
    /// Syslog.
    Syslog(Box<SyslogPlan>),
}
