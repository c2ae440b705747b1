//! Values that are written as text in a form of their own: durations, sizes, rates, ids, addresses.

mod address;
mod amount;
mod format;
mod kafka;
mod local_file;
mod name;
mod several;
mod syslog;

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};

pub(crate) use self::address::{CollectorUrl, Endpoint, ListenAddress, is_loopback};
pub(crate) use self::amount::{Begin, Bytes, PerSecond, Percentage, Size, Span, Unit};
pub(crate) use self::format::Delimiter;
pub(crate) use self::kafka::{Broker, KafkaName, SettingText, TokenUrl};
pub(crate) use self::local_file::{FileMode, KeepRotated};
pub(crate) use self::name::{EnvName, Guid, Name, NonEmpty};
pub(crate) use self::several::OneOrSeveral;
pub(crate) use self::syslog::{AppName, Fingerprint, MessageId, ServerName, SyslogAddress, TimeZone, scheme, token};
use crate::template::TemplateText;

/// A form in which a value is written.
pub(crate) trait Form {
    /// What it means.
    type Value;
    /// Its `format` in the schema, by which the check against the schema finds it.
    const FORMAT: &'static str;
    /// A regular expression for editors.
    const PATTERN: &'static str;

    /// Reads it. The error is a sentence that does not repeat what was written, for it may be a secret gone astray;
    /// numbers may be repeated.
    fn read(text: &str) -> Result<Self::Value, String>;
}

/// A value in the form `F`.
pub(crate) struct Written<F: Form>(pub(crate) F::Value, PhantomData<F>);

impl<F: Form> Written<F> {
    pub(crate) fn new(value: F::Value) -> Self {
        Self(value, PhantomData)
    }
}

impl<F: Form<Value: Clone>> Clone for Written<F> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl<F: Form<Value: fmt::Debug>> fmt::Debug for Written<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<F: Form<Value: PartialEq>> PartialEq for Written<F> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<F: Form<Value: Eq>> Eq for Written<F> {}

impl<F: Form<Value: Ord>> PartialOrd for Written<F> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<F: Form<Value: Ord>> Ord for Written<F> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<'de, F: Form> Deserialize<'de> for Written<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        F::read(&text).map(Self::new).map_err(D::Error::custom)
    }
}

impl<F: Form> JsonSchema for Written<F> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        F::FORMAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": F::FORMAT, "pattern": F::PATTERN })
    }
}

/// What is wrong with a text that the schema gives a form, if anything is; `least` and `most` are the schema's bounds.
pub(crate) fn wrong_form(format: &str, text: &str, least: Option<&str>, most: Option<&str>) -> Option<String> {
    match format {
        Span::FORMAT => amount::out_of_bounds::<Span>(text, least, most),
        Size::FORMAT => amount::out_of_bounds::<Size>(text, least, most),
        Bytes::FORMAT => amount::out_of_bounds::<Bytes>(text, least, most),
        AppName::FORMAT => AppName::read(text).err(),
        Begin::FORMAT => Begin::read(text).err(),
        Broker::FORMAT => Broker::read(text).err(),
        CollectorUrl::FORMAT => CollectorUrl::read(text).err(),
        Delimiter::FORMAT => Delimiter::read(text).err(),
        EnvName::FORMAT => EnvName::read(text).err(),
        Endpoint::FORMAT => Endpoint::read(text).err(),
        FileMode::FORMAT => FileMode::read(text).err(),
        Fingerprint::FORMAT => Fingerprint::read(text).err(),
        Guid::FORMAT => Guid::read(text).err(),
        KafkaName::FORMAT => KafkaName::read(text).err(),
        KeepRotated::FORMAT => KeepRotated::read(text).err(),
        ListenAddress::FORMAT => ListenAddress::read(text).err(),
        MessageId::FORMAT => MessageId::read(text).err(),
        Name::FORMAT => Name::read(text).err(),
        NonEmpty::FORMAT => NonEmpty::read(text).err(),
        Percentage::FORMAT => Percentage::read(text).err(),
        PerSecond::FORMAT => PerSecond::read(text).err(),
        ServerName::FORMAT => ServerName::read(text).err(),
        SettingText::FORMAT => SettingText::read(text).err(),
        SyslogAddress::FORMAT => SyslogAddress::read(text).err(),
        TemplateText::FORMAT => TemplateText::read(text).err(),
        TimeZone::FORMAT => TimeZone::read(text).err(),
        TokenUrl::FORMAT => TokenUrl::read(text).err(),
        _ => None,
    }
}
