//! How an alert is written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::written::{Delimiter, NonEmpty, Written};

/// How an alert is written: the name of a format, or the format with its keys.
#[derive(Debug)]
pub(crate) enum Format {
    Named(FormatName),
    Detailed(FormatKeys),
}

/// A format.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormatName {
    /// ArcSight Common Event Format.
    Cef,
    /// What the API sent.
    Json,
    /// IBM's Log Event Extended Format.
    Leef,
}

/// A format with its keys: exactly one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["cef"] }, { "required": ["json"] }, { "required": ["leef"] }]))]
pub(crate) struct FormatKeys {
    /// ArcSight Common Event Format.
    pub(crate) cef: Option<CefKeys>,
    /// What the API sent.
    pub(crate) json: Option<JsonKeys>,
    /// IBM's Log Event Extended Format.
    pub(crate) leef: Option<LeefKeys>,
}

/// Which CEF, and who its header names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CefKeys {
    /// The version of CEF: 0, which every receiver knows, or 1, which has keys for technique and actor.
    #[schemars(range(max = 1), extend("default" = 0))]
    pub(crate) version: Option<u8>,
    /// Device Vendor, where the mapping's own shall not stand.
    pub(crate) vendor: Option<Written<NonEmpty>>,
    /// Device Product, where the mapping's own shall not stand.
    pub(crate) product: Option<Written<NonEmpty>>,
    /// Device Version, where the mapping's own shall not stand.
    pub(crate) product_version: Option<Written<NonEmpty>>,
}

/// Which LEEF, and who its header names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeefKeys {
    /// The version of LEEF: 1 for LEEF 1.0, or 2 for LEEF 2.0.
    #[schemars(range(min = 1, max = 2), extend("default" = 1))]
    pub(crate) version: Option<u8>,
    /// What stands between the attributes of LEEF 2.0: `tab`, or one of ``! # $ % & ' * , ; ? @ ^ ` ~``. Unset it is
    /// `^`; LEEF 1.0 always has a tab.
    pub(crate) delimiter: Option<Written<Delimiter>>,
    /// Vendor, where the mapping's own shall not stand.
    pub(crate) vendor: Option<Written<NonEmpty>>,
    /// Product, where the mapping's own shall not stand.
    pub(crate) product: Option<Written<NonEmpty>>,
    /// Version of the product, where the mapping's own shall not stand.
    pub(crate) product_version: Option<Written<NonEmpty>>,
    /// Whether a `|` in a value stays. QRadar reads it; readers that split values there do not.
    #[schemars(extend("default" = false))]
    pub(crate) keep_pipes: Option<bool>,
}

/// What the API sent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonKeys {
    /// The shape of the JSON.
    #[serde(rename = "schema")]
    #[schemars(extend("default" = "raw"))]
    pub(crate) _schema: Option<JsonShape>,
    /// What stands around it.
    #[schemars(extend("default" = "wrap"))]
    pub(crate) envelope: Option<Envelope>,
}

/// A shape of JSON.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JsonShape {
    /// As the API sent it.
    Raw,
}

/// What stands around JSON.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Envelope {
    /// Nothing.
    None,
    /// Tenant, record id and update time.
    Wrap,
}

impl JsonSchema for Format {
    fn schema_name() -> Cow<'static, str> {
        "Format".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How an alert is written: the name of a format, or the format with its keys.",
            "anyOf": [generator.subschema_for::<FormatName>(), generator.subschema_for::<FormatKeys>()]
        })
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FormatVisitor)
    }
}

struct FormatVisitor;

impl<'de> Visitor<'de> for FormatVisitor {
    type Value = Format;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a format")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Format, E> {
        FormatName::deserialize(StrDeserializer::new(name)).map(Format::Named)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Format, A::Error> {
        FormatKeys::deserialize(MapAccessDeserializer::new(map)).map(Format::Detailed)
    }
}
