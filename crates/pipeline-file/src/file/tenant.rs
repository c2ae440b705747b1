//! Tenants, and who we are towards them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Named, Source, defaults, shown};
use crate::written::{Endpoint, EnvName, Guid, Name, NonEmpty, Span, Written};

/// An application that Entra knows, and how it proves itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["client_id", "client_secret"]))]
pub(crate) struct Credential {
    /// The application (client) ID.
    pub(crate) client_id: Option<Written<Guid>>,
    /// The value of the application's secret, not its ID.
    pub(crate) client_secret: Option<Secret>,
}

/// One Entra directory whose alerts are read.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "required" = ["tenant_id"],
    "dependentRequired" = { "client_id": ["client_secret"], "client_secret": ["client_id"] }
))]
pub(crate) struct Tenant {
    /// The directory (tenant) ID.
    pub(crate) tenant_id: Option<Written<Guid>>,
    /// The cloud that the tenant lives in.
    #[schemars(extend("default" = "commercial"))]
    pub(crate) cloud: Option<Cloud>,
    /// The region that the tenant's data lives in: it chooses the host. `alerts_export` needs one of eu, us and uk.
    pub(crate) region: Option<Region>,
    /// The name of one of `credentials`; or `client_id` and `client_secret` stand here.
    pub(crate) credential: Option<Written<Name>>,
    /// The application (client) ID.
    pub(crate) client_id: Option<Written<Guid>>,
    /// The value of the application's secret, not its ID.
    pub(crate) client_secret: Option<Secret>,
    /// Other hosts than those of the cloud and the region.
    pub(crate) endpoints: Option<Endpoints>,
    /// This tenant's own sources, laid over the common ones by name; a name without a value removes a common one.
    #[serde(default)]
    pub(crate) sources: Named<Option<Source>>,
    /// The operator's own words for the tenant.
    #[serde(default)]
    pub(crate) labels: BTreeMap<Written<Name>, String>,
    /// Whether it is read at all.
    #[schemars(extend("default" = true))]
    pub(crate) enabled: Option<bool>,
}

/// Other hosts than those of the cloud and the region. A full URL, or one that ends in /api/alerts, means its host.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Endpoints {
    /// Where tokens come from.
    pub(crate) authority: Option<Written<Endpoint>>,
    /// Where `mde_alerts` reads.
    pub(crate) mde: Option<Written<Endpoint>>,
    /// Where `alerts_export` reads.
    pub(crate) export: Option<Written<Endpoint>>,
    /// A file of CA certificates (PEM) that are believed beside the system's.
    pub(crate) ca: Option<Written<NonEmpty>>,
}

/// A Microsoft cloud.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cloud {
    /// The worldwide cloud.
    #[default]
    Commercial,
    /// US Government Community Cloud.
    Gcc,
    /// US Government, GCC High.
    GccHigh,
    /// US Department of Defense.
    Dod,
}

/// A region of the worldwide cloud.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Region {
    /// Europe.
    Eu,
    /// United States.
    Us,
    /// United Kingdom.
    Uk,
    /// Australia.
    Au,
    /// Switzerland.
    Swa,
}

impl Region {
    /// Its key in the file, which is also its part of a host's name.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Eu => "eu",
            Self::Us => "us",
            Self::Uk => "uk",
            Self::Au => "au",
            Self::Swa => "swa",
        }
    }
}

/// A reference to a secret, or several that are tried in turn.
#[derive(Clone, Debug)]
pub(crate) enum Secret {
    One(SecretReference),
    Several(Vec<SecretReference>),
}

/// Where a secret is: exactly one of `env`, `file` and `command`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "x-secret" = true,
    "oneOf" = [{ "required": ["env"] }, { "required": ["file"] }, { "required": ["command"] }],
    "dependentRequired" = { "refresh": ["command"] }
))]
pub(crate) struct SecretReference {
    /// The environment variable that holds it.
    pub(crate) env: Option<Written<EnvName>>,
    /// The file that holds it; a relative one is looked up beside this file and then in `$CREDENTIALS_DIRECTORY`.
    pub(crate) file: Option<Written<NonEmpty>>,
    /// The program that prints it, and its arguments; no shell reads them. It has 10 seconds.
    #[schemars(length(min = 1))]
    pub(crate) command: Option<Vec<Written<NonEmpty>>>,
    /// How long what the command printed is used before it is asked again.
    #[schemars(extend("default" = shown(defaults::REFRESH), "x-minimum" = "1s"))]
    pub(crate) refresh: Option<Written<Span>>,
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reference = generator.subschema_for::<SecretReference>();
        json_schema!({
            "description": "A reference to a secret, never the secret itself; or a list of references that are tried in turn.",
            "x-secret": true,
            "anyOf": [reference, { "type": "array", "items": reference, "minItems": 1 }]
        })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reference to a secret")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
        SecretReference::deserialize(MapAccessDeserializer::new(map)).map(Secret::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Secret, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Secret::Several)
    }
}
