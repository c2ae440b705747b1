//! What can be written in the file. The schema is generated from these types, and the doc comments are its
//! descriptions. Every key is optional here though the schema may require it: a value with a fault is taken out before
//! these are made, so that all that stands beside it is still checked.

mod admin;
mod format;
mod kafka;
mod local_file;
mod sasl;
mod sink;
mod source;
mod splunk_hec;
mod syslog;
mod tenant;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::admin::Admin;
pub(crate) use self::format::{CefKeys, Envelope, Format, FormatKeys, FormatName, LeefKeys};
pub(crate) use self::kafka::{Kafka, KafkaProfile, KafkaTls, SettingValue};
pub(crate) use self::local_file::{Compress, SinkFile, SinkRotate};
pub(crate) use self::sasl::{Login, OauthBearer, Sasl};
pub(crate) use self::sink::{Only, Per, Severity, Sink, TenantChoice};
pub(crate) use self::source::{AlertsExport, MdeAlerts, Quota, Source, TokenVersion};
pub(crate) use self::splunk_hec::{Plaintext, SplunkHec};
pub(crate) use self::syslog::{Facility, Syslog, SyslogTls};
pub(crate) use self::tenant::{Cloud, Credential, Endpoints, Region, Secret, SecretReference, Tenant};
use crate::written::{Name, NonEmpty, Size, Span, Unit as _, Written};

/// Things by the name that the operator gave them.
pub(crate) type Named<T> = BTreeMap<Written<Name>, T>;

/// What is taken where the file says nothing.
pub(crate) mod defaults {
    use std::time::Duration;

    pub(crate) const LOOK_BACK: Duration = Duration::from_secs(15 * 60);
    pub(crate) const PAGE_SIZE: u32 = 1_000;
    /// The calls that the API of Defender for Endpoint allows in a minute and in an hour, as Microsoft documents them.
    pub(crate) const PER_HOUR: u32 = 1_500;
    pub(crate) const PER_MINUTE: u32 = 100;
    pub(crate) const POLL_EVERY: Duration = Duration::from_secs(60);
    pub(crate) const RESERVE_PERCENT: u8 = 20;
    pub(crate) const START: Duration = Duration::from_secs(24 * 3_600);

    pub(crate) const JOURNAL_FOLDER: &str = "data";
    pub(crate) const KEEP: Duration = Duration::from_secs(72 * 3_600);
    pub(crate) const MAX_SIZE: u64 = 4 << 30;
    pub(crate) const REMEMBER: Duration = Duration::from_secs(30 * 86_400);

    pub(crate) const APP_NAME: &str = "atp-forwarder";
    pub(crate) const FACILITY: &str = "local4";
    /// What receivers of RFC 5425 should take (section 4.3.1), and rsyslog takes unless told otherwise.
    pub(crate) const MAX_BYTES: u64 = 8_192;
    /// What receivers of syslog over UDP should take (RFC 5426, section 3.2).
    pub(crate) const MAX_BYTES_UDP: u64 = 2_048;

    /// Enough to see what is wrong with them.
    pub(crate) const MAX_DEAD_LETTERS: u32 = 10_000;

    pub(crate) const HEC_CONNECTIONS: u32 = 2;
    /// Under the 1,000,000 that Splunk Cloud promises to take.
    pub(crate) const HEC_MAX_CONTENT: u64 = 900_000;
    /// What Splunk's own add-on gives the alerts of Defender for Endpoint (Splunkbase 6207).
    pub(crate) const HEC_SOURCE: &str = "ms_defender_atp_alerts";
    pub(crate) const HEC_SOURCETYPE: &str = "ms:defender:atp:alerts";

    /// Longer than brokers take to elect a leader or to start anew, so that an outage of that kind copies nothing.
    pub(crate) const KAFKA_GIVE_UP_AFTER: Duration = Duration::from_secs(120);
    pub(crate) const KAFKA_MARKS_TOPIC: &str = "atp-forwarder-marks";
    /// What CEF and LEEF keep to: with key and headers it is a message that topics take unless told otherwise, those of
    /// Event Hubs among them (1,046,528 bytes).
    pub(crate) const KAFKA_MAX_BYTES: u64 = 960 << 10;

    pub(crate) const REFRESH: Duration = Duration::from_secs(3_600);
}

/// The version of the file that this program reads.
pub(crate) const VERSION: u32 = 1;

/// From which Defender tenants alerts are read, and into which sinks they are forwarded.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Pipeline file of atp-forwarder", extend("required" = ["tenants", "sinks"]))]
pub(crate) struct File {
    /// The version of this file's form.
    #[serde(rename = "version")]
    #[schemars(range(min = VERSION, max = VERSION), extend("default" = VERSION))]
    pub(crate) _version: Option<u32>,
    /// Applications that several tenants share, by name.
    #[serde(default)]
    pub(crate) credentials: Named<Credential>,
    /// What holds for all that say nothing else.
    pub(crate) defaults: Option<Defaults>,
    /// The tenants whose alerts are read, by name.
    #[serde(default)]
    pub(crate) tenants: Named<Tenant>,
    /// How every tenant is read, by name; a tenant's own `sources` come on top.
    #[serde(default)]
    pub(crate) sources: Named<Source>,
    /// Where alerts wait until every sink has them.
    pub(crate) journal: Option<Journal>,
    /// Where alerts go, by name.
    #[serde(default)]
    pub(crate) sinks: Named<Sink>,
    /// Where monitoring reads how it goes. Unset nothing is listened to.
    pub(crate) admin: Option<Admin>,
}

/// What holds for all that say nothing else.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    /// What holds for every tenant that says nothing else.
    pub(crate) tenant: Option<TenantDefaults>,
}

/// What holds for every tenant that says nothing else.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantDefaults {
    /// The name of one of `credentials`.
    pub(crate) credential: Option<Written<Name>>,
}

/// Where alerts wait until every sink has them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journal {
    /// A journal in a folder of this machine.
    pub(crate) embedded: Option<EmbeddedJournal>,
}

/// A journal in a folder of this machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbeddedJournal {
    /// Its folder; a relative one lies beside this file. Unset it is `$STATE_DIRECTORY`, or else `data` beside this file.
    pub(crate) path: Option<Written<NonEmpty>>,
    /// How large it may grow on disk, everything in it counted. Settled alerts go first; when all that is left still
    /// waits for a sink, reading waits too.
    #[schemars(extend("default" = Size::show(&defaults::MAX_SIZE), "x-minimum" = "1MiB"))]
    pub(crate) max_size: Option<Written<Size>>,
    /// How long settled alerts stay, to be sent again or looked at.
    #[schemars(extend("default" = shown(defaults::KEEP)))]
    pub(crate) keep: Option<Written<Span>>,
    /// How long it is remembered that an alert was seen, so that it is not forwarded twice. At least as long as `keep`
    /// and as any look-back.
    #[schemars(extend("default" = shown(defaults::REMEMBER), "x-minimum" = "2d"))]
    pub(crate) remember: Option<Written<Span>>,
}

/// A duration as it is written.
pub(crate) fn shown(span: Duration) -> String {
    Span::show(&span)
}
