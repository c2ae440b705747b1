//! Where alerts go as lines of files.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::plan::CompressionPlan;
use crate::written::{FileMode, Form as _, KeepRotated, NonEmpty, Size, Span, Written};

/// A file, or one for each tenant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["path"]))]
pub(crate) struct SinkFile {
    /// Its path; a relative one lies beside this file, and `-` is standard output. Names in it may be templates over
    /// `tenant.name` and `tenant.labels.NAME`: then there is a file for each tenant, and folders are made from the first
    /// such name on.
    pub(crate) path: Option<Written<NonEmpty>>,
    /// The permissions of new files, in octal digits, whatever the umask. Unset it is 0640 less the umask.
    #[serde(default)]
    #[schemars(schema_with = "mode")]
    pub(crate) mode: Option<Written<FileMode>>,
    /// The group of new files and folders, by name or number. Unset it is that of the process.
    pub(crate) group: Option<Written<NonEmpty>>,
    /// When a file is set aside and a new one begun. Unset it never is.
    pub(crate) rotate: Option<SinkRotate>,
}

/// When a file is set aside and a new one begun.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = [{ "anyOf": [{ "required": ["size"] }, { "required": ["every"] }] }]))]
pub(crate) struct SinkRotate {
    /// Before it grows past this size.
    #[schemars(extend("x-minimum" = "1KiB"))]
    pub(crate) size: Option<Written<Size>>,
    /// At each whole multiple of this since 1970, in UTC, by the first alerts that follow: `1d` is at midnight.
    #[schemars(extend("x-minimum" = "1m"))]
    pub(crate) every: Option<Written<Span>>,
    /// Which rotated files stay: the last so many, or those of so long a time. Unset all do.
    #[serde(default)]
    #[schemars(schema_with = "keep")]
    pub(crate) keep: Option<Written<KeepRotated>>,
    /// How rotated files are compressed.
    #[schemars(extend("default" = "none"))]
    pub(crate) compress: Option<Compress>,
}

/// How rotated files are compressed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compress {
    /// With Zstandard.
    Zstd,
    /// With gzip.
    Gzip,
    /// Not at all.
    None,
}

impl Compress {
    pub(crate) fn plan(self) -> Option<CompressionPlan> {
        match self {
            Self::Zstd => Some(CompressionPlan::Zstd),
            Self::Gzip => Some(CompressionPlan::Gzip),
            Self::None => None,
        }
    }
}

/// Octal digits, which YAML takes for a number.
fn mode(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "format": FileMode::FORMAT, "pattern": FileMode::PATTERN },
            { "type": "integer", "minimum": 0, "maximum": 777 }
        ]
    })
}

/// A number of files, or a duration.
fn keep(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "format": KeepRotated::FORMAT, "pattern": KeepRotated::PATTERN },
            { "type": "integer", "minimum": 1 }
        ]
    })
}
