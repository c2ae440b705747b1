//! Where alerts go.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{Format, Kafka, Plaintext, SinkFile, SplunkHec, Syslog, defaults};
use crate::profile::{HOST, Profile};
use crate::template::TemplateText;
use crate::written::{Begin, Bytes, Form as _, Name, NonEmpty, PerSecond, Written};

/// One destination of alerts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [
        { "required": ["file"] },
        { "required": ["kafka"] },
        { "required": ["splunk_hec"] },
        { "required": ["syslog"] }
    ],
    "allOf" = [{ "anyOf": [{ "required": ["for"] }, { "required": ["format"] }] }]
))]
pub(crate) struct Sink {
    /// Whom it writes for: sets what that receiver wants for format, header, framing and size, each of which its own
    /// key overrides.
    #[serde(rename = "for")]
    pub(crate) profile: Option<Profile>,
    /// How an alert is written. Unset it is what `for` sets.
    pub(crate) format: Option<Format>,
    /// Which alerts it gets.
    pub(crate) only: Option<Only>,
    /// Which revisions of an alert go out.
    #[serde(rename = "updates")]
    #[schemars(extend("default" = "every"))]
    pub(crate) _updates: Option<Updates>,
    /// For what a record is made.
    #[schemars(extend("default" = "alert"))]
    pub(crate) per: Option<Per>,
    /// How many records a second it gets at most.
    pub(crate) max_rate: Option<Written<PerSecond>>,
    /// How many alerts may be refused and set aside as dead letters before the sink waits for a person.
    #[schemars(range(min = 1), extend("default" = defaults::MAX_DEAD_LETTERS))]
    pub(crate) max_dead_letters: Option<u32>,
    /// Where it begins when it is new: with what comes from now on, with all that the journal still holds, or with
    /// what came at most so long ago.
    #[schemars(extend("default" = "now"))]
    pub(crate) from: Option<Written<Begin>>,
    /// The name that it had before, so that it goes on where it stood.
    pub(crate) was: Option<Written<Name>>,
    /// Whether it gets anything at all.
    #[schemars(extend("default" = true))]
    pub(crate) enabled: Option<bool>,
    /// The host that a header or an event names, a template over `tenant.name` and `tenant.labels.NAME`. Unset,
    /// `splunk_hec` takes the device of each alert.
    #[schemars(extend("default" = HOST))]
    pub(crate) host: Option<Written<TemplateText>>,
    /// The most bytes of a syslog message, its header included, or of a record in a file or in Kafka: a number, or a
    /// size. CEF and LEEF do without fields and shorten values to keep to it; other messages are cut. Unset it is what
    /// `for` sets for syslog, or else 8192, and over UDP 2048; for Kafka it is 960KiB; for a file there is no limit.
    #[serde(default)]
    #[schemars(schema_with = "bytes")]
    pub(crate) max_bytes: Option<Written<Bytes>>,
    /// Into a file.
    pub(crate) file: Option<SinkFile>,
    /// To a Kafka cluster.
    pub(crate) kafka: Option<Kafka>,
    /// Lets `splunk_hec` send alerts and its token to another machine over plain http, where everybody on the way can
    /// read them.
    pub(crate) plaintext: Option<Plaintext>,
    /// To Splunk's HTTP Event Collector.
    pub(crate) splunk_hec: Option<SplunkHec>,
    /// To syslog receivers.
    pub(crate) syslog: Option<Syslog>,
}

/// A number of bytes, with or without a unit. At least what receivers of RFC 5424 must take (section 6.1).
fn bytes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "format": Bytes::FORMAT, "pattern": Bytes::PATTERN, "x-minimum": "480" },
            { "type": "integer", "minimum": 480 }
        ]
    })
}

/// Which revisions of an alert go out.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Updates {
    /// Every revision that the API showed.
    Every,
}

/// For what a record is made.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Per {
    /// One for an alert, with the most telling piece of its evidence.
    Alert,
    /// One for each piece of evidence; an alert without any gives one.
    Evidence,
}

/// Which alerts a sink gets: those that meet every condition.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Only {
    /// From these tenants: names, names with `*` for any letters, or labels that a tenant must have.
    #[schemars(length(min = 1))]
    pub(crate) tenants: Option<Vec<TenantChoice>>,
    /// From this severity on. An alert of unknown severity always passes.
    pub(crate) min_severity: Option<Severity>,
}

/// Tenants, by name or by labels.
#[derive(Debug)]
pub(crate) enum TenantChoice {
    Name(String),
    Labels(BTreeMap<Written<Name>, String>),
}

/// Tenants by their labels.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["labels"]))]
struct LabelChoice {
    /// The labels, all of which a tenant must have.
    #[serde(default)]
    #[schemars(extend("minProperties" = 1))]
    labels: BTreeMap<Written<Name>, String>,
}

/// How severe an alert is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Informational.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}

impl JsonSchema for TenantChoice {
    fn schema_name() -> Cow<'static, str> {
        "TenantChoice".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Tenants by name, in which `*` stands for any letters, or by labels.",
            "anyOf": [generator.subschema_for::<Written<NonEmpty>>(), generator.subschema_for::<LabelChoice>()]
        })
    }
}

impl<'de> Deserialize<'de> for TenantChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TenantChoiceVisitor)
    }
}

struct TenantChoiceVisitor;

impl<'de> Visitor<'de> for TenantChoiceVisitor {
    type Value = TenantChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tenant's name or labels")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<TenantChoice, E> {
        Ok(TenantChoice::Name(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TenantChoice, A::Error> {
        let choice = LabelChoice::deserialize(MapAccessDeserializer::new(map))?;
        Ok(TenantChoice::Labels(choice.labels))
    }
}
