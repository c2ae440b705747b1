//! Where alerts go as syslog.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::defaults;
use crate::plan::{FACILITIES, FramingPlan, HeaderPlan, SpreadPlan};
use crate::written::{
    AppName, Fingerprint, MessageId, NonEmpty, OneOrSeveral, ServerName, Span, SyslogAddress, TimeZone, Written,
};

/// A syslog receiver, or several.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["address"]))]
pub(crate) struct Syslog {
    /// One receiver or a list of them, all of one transport: `udp://`, `tcp://`, `tls://`, `relp://` or `relps://`, and
    /// a host with or without a port. Ports that are not written: 514, for `tls` 6514, for `relp` and `relps` 2514.
    pub(crate) address: Option<OneOrSeveral<Written<SyslogAddress>>>,
    /// What stands before a record.
    #[schemars(extend("default" = HeaderPlan::Rfc5424.key()))]
    pub(crate) header: Option<Header>,
    /// How messages are told apart on TCP and TLS. Unset it is `octet_counting` on TLS and `lf` on TCP.
    pub(crate) framing: Option<Framing>,
    /// The facility in a header.
    #[schemars(extend("default" = defaults::FACILITY))]
    pub(crate) facility: Option<Facility>,
    /// APP-NAME of RFC 5424, TAG of RFC 3164.
    #[schemars(extend("default" = defaults::APP_NAME))]
    pub(crate) app_name: Option<Written<AppName>>,
    /// MSGID of RFC 5424. Unset there is none.
    pub(crate) message_id: Option<Written<MessageId>>,
    /// Whether record id and tenant stand in the structured data of RFC 5424.
    #[schemars(extend("default" = true))]
    pub(crate) structured_data: Option<bool>,
    /// The zone of RFC 3164's time, which says none: a name of the IANA database. Unset it is UTC.
    pub(crate) timezone: Option<Written<TimeZone>>,
    /// Which of several receivers is connected to.
    #[schemars(extend("default" = "failover"))]
    pub(crate) spread: Option<Spread>,
    /// A connection older than this is ended in good order and made anew, so that connections spread again over what
    /// stands behind an address. Unset it never is.
    #[schemars(extend("x-minimum" = "1s"))]
    pub(crate) reconnect: Option<Written<Span>>,
    /// How a receiver is known over TLS, and how we are.
    pub(crate) tls: Option<SyslogTls>,
}

/// How a receiver is known over TLS, and how we are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "cert": ["key"], "key": ["cert"] }))]
pub(crate) struct SyslogTls {
    /// A file of CA certificates (PEM) that are believed instead of the system's.
    pub(crate) ca: Option<Written<NonEmpty>>,
    /// A file of our certificate and its chain (PEM), for receivers that ask for one.
    pub(crate) cert: Option<Written<NonEmpty>>,
    /// A file of the certificate's key (PEM).
    pub(crate) key: Option<Written<NonEmpty>>,
    /// SHA-256 fingerprints of receivers' certificates, in hex: one or a list. They alone decide, and neither an
    /// authority nor a name nor a date does.
    pub(crate) pin: Option<OneOrSeveral<Written<Fingerprint>>>,
    /// The name in the certificate, where it is another than the address says.
    pub(crate) server_name: Option<Written<ServerName>>,
}

/// What stands before a record.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Header {
    /// A header of RFC 5424.
    Rfc5424,
    /// A header of RFC 3164.
    Rfc3164,
    /// Nothing.
    None,
}

impl From<Header> for HeaderPlan {
    fn from(header: Header) -> Self {
        match header {
            Header::Rfc5424 => Self::Rfc5424,
            Header::Rfc3164 => Self::Rfc3164,
            Header::None => Self::None,
        }
    }
}

/// How messages are told apart in a stream.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Framing {
    /// The length stands before each.
    OctetCounting,
    /// A line feed ends each.
    Lf,
}

impl From<Framing> for FramingPlan {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::OctetCounting => Self::OctetCounting,
            Framing::Lf => Self::Lf,
        }
    }
}

/// Which of several receivers is connected to.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Spread {
    /// The first that can be reached, in the order of the list.
    Failover,
    /// The next of the list for every connection.
    RoundRobin,
}

impl From<Spread> for SpreadPlan {
    fn from(spread: Spread) -> Self {
        match spread {
            Spread::Failover => Self::Failover,
            Spread::RoundRobin => Self::RoundRobin,
        }
    }
}

/// A facility: one of [`FACILITIES`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facility(pub(crate) &'static str);

impl JsonSchema for Facility {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Facility".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": FACILITIES })
    }
}

impl<'de> Deserialize<'de> for Facility {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = FACILITIES.iter().find(|known| **known == name);
        known.map(|known| Self(known)).ok_or_else(|| D::Error::custom("no facility has this name"))
    }
}
