//! Where alerts go as events of Splunk's HTTP Event Collector.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{Secret, defaults};
use crate::template::TemplateText;
use crate::written::{Bytes, CollectorUrl, Form as _, NonEmpty, OneOrSeveral, Written};

/// An HTTP Event Collector of Splunk, or several.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["url", "token", "acknowledge"]))]
pub(crate) struct SplunkHec {
    /// The indexers, one or a list: `https://splunk.example:8088`. Several share the work and stand in for each other.
    pub(crate) url: Option<OneOrSeveral<Written<CollectorUrl>>>,
    /// The collector's token. It is read again when it is refused.
    pub(crate) token: Option<Secret>,
    /// Whether an alert counts as delivered only once the indexers say that it is on their disks (`true`), or as soon as
    /// the collector has taken it (`false`). It must be what the token has in Splunk (`useACK`).
    pub(crate) acknowledge: Option<bool>,
    /// The index, a template over `tenant.name` and `tenant.labels.NAME`. Unset it is the token's own.
    pub(crate) index: Option<Written<TemplateText>>,
    /// The source, a template as well.
    #[schemars(extend("default" = defaults::HEC_SOURCE))]
    pub(crate) source: Option<Written<TemplateText>>,
    /// The source type, a template as well. Unset it is `ms:defender:atp:alerts` for JSON, and the token's own for CEF
    /// and LEEF.
    pub(crate) sourcetype: Option<Written<TemplateText>>,
    /// Whether requests are compressed.
    #[schemars(extend("default" = true))]
    pub(crate) gzip: Option<bool>,
    /// The most bytes of a request before compression: a number, or a size. Splunk Cloud takes 1,000,000.
    #[serde(default)]
    #[schemars(schema_with = "content")]
    pub(crate) max_content: Option<Written<Bytes>>,
    /// Connections to each indexer, each with one request under way.
    #[schemars(range(min = 1, max = 64), extend("default" = defaults::HEC_CONNECTIONS))]
    pub(crate) connections: Option<u32>,
    /// How an indexer is known over TLS, and how we are.
    pub(crate) tls: Option<SplunkHecTls>,
}

/// How an indexer is known over TLS, and how we are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "cert": ["key"], "key": ["cert"] }))]
pub(crate) struct SplunkHecTls {
    /// A file of CA certificates (PEM) that are believed instead of the system's.
    pub(crate) ca: Option<Written<NonEmpty>>,
    /// A file of our certificate and its chain (PEM), for indexers that ask for one.
    pub(crate) cert: Option<Written<NonEmpty>>,
    /// A file of the certificate's key (PEM).
    pub(crate) key: Option<Written<NonEmpty>>,
}

/// The one word that lets alerts and a token go over plain http.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Plaintext {
    Accept,
}

impl JsonSchema for Plaintext {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Plaintext".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["accept"] })
    }
}

/// A number of bytes, with or without a unit; enough for an alert and what stands around it.
fn content(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "format": Bytes::FORMAT, "pattern": Bytes::PATTERN, "x-minimum": "64KiB" },
            { "type": "integer", "minimum": 65_536 }
        ],
        "default": defaults::HEC_MAX_CONTENT
    })
}
