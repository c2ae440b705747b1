//! What `for:` sets, for each receiver, in one table. Each of it can be overridden by its own key.
//!
//! | `for` | format | header | framing on TCP and TLS | most bytes of a message |
//! |---|---|---|---|---|
//! | `arcsight` | CEF 0 | RFC 3164 | LF | 8 KiB |
//! | `qradar` | LEEF 1.0 | RFC 3164 | LF | 4 KiB |
//! | `sentinel` | CEF 0 | RFC 3164 | LF | 8 KiB |
//! | `sc4s` | CEF 0 | RFC 5424 | LF | 64 KiB |
//! | `splunk` | raw JSON in its envelope | none | LF | no limit |
//! | `elastic` | CEF 0 | RFC 5424 | LF | no limit |
//! | `generic` | CEF 0 | RFC 5424 | octet counting on TLS, LF on TCP | 8 KiB |
//!
//! Over UDP it is 2 KiB for all: RFC 5426 (section 3.2) asks receivers for no more.
//!
//! Why, and by whose word:
//!
//! - **`arcsight`**: the examples of the ArcSight CEF Implementation Standard (V27) have the BSD form, `Mmm dd hh:mm:ss
//!   host CEF:0|…`, and parsers search for `CEF:`. Some CEF inputs do not read octet counts (Graylog2/graylog2-server
//!   pull request 27336), a line feed ends a message everywhere.
//! - **`qradar`**: the IBM LEEF format guide takes the BSD header and one space, or RFC 5424 cut short after the host,
//!   which is no RFC 5424; it shows LEEF 1.0 with tabs. The longest payload that QRadar takes over TCP is 4,096 bytes
//!   unless its system settings say more.
//! - **`sentinel`**: the collector that Microsoft Learn describes ("CEF via AMA") is tried with `logger --rfc3164`
//!   there, through rsyslog or syslog-ng on the machine of the agent. rsyslog cuts at 8 KiB unless its
//!   `maxMessageSize` says more. `CEF:0` is the version that its parser knows by name.
//! - **`sc4s`**: Splunk Connect for Syslog matches `CEF:0` to the letter (`app-syslog-cef.conf`), ignores `rt` in
//!   milliseconds and takes the header's time for `_time`, so the header is the one whose time has milliseconds and a
//!   zone. Its ports 514 and 6514 read lines; octet counts have ports of their own. syslog-ng inside takes 64 KiB.
//! - **`splunk`**: an input of Splunk itself breaks a stream at line feeds (`LINE_BREAKER` in `props.conf.spec`), and
//!   JSON is read whole only where nothing stands before it. A cut JSON is none, so nothing is cut here: Splunk cuts at
//!   10,000 bytes until `TRUNCATE` says more.
//! - **`elastic`**: the processor `decode_cef` of Filebeat finds `CEF:` behind any header, and the TCP input breaks at
//!   line feeds (`framing: delimiter`) and takes 20 MiB.
//! - **`generic`**: RFC 5424; RFC 5425 asks for octet counting on TLS, and for receivers that take 8,192 octets.
//!
//! The same for all: HOSTNAME is `atp-{{ tenant.name }}`, so that a receiver tells tenants apart as it tells its log
//! sources apart. The header's time is the record's own, in UTC. Times inside CEF are milliseconds since 1970, a form
//! of all its revisions, which parsers of ISO 8601 are not (`decode_cef` drops what it cannot read). Escapes are those
//! of CEF and no more: liblognorm and `decode_cef` refuse others. What cannot be escaped, a line feed in a header or
//! a tab in LEEF, is a space.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::file::FormatName;
use crate::plan::{FramingPlan, HeaderPlan};

/// Whom a sink writes for.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// ArcSight.
    Arcsight,
    /// QRadar.
    Qradar,
    /// Microsoft Sentinel, through the Azure Monitor Agent.
    Sentinel,
    /// Splunk Connect for Syslog.
    Sc4s,
    /// An input of Splunk itself.
    Splunk,
    /// Filebeat and the Elastic Agent.
    Elastic,
    /// Any other receiver.
    Generic,
}

/// What a profile sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) format: FormatName,
    pub(crate) header: HeaderPlan,
    /// On TCP and TLS; `None` for what the transport asks for.
    pub(crate) framing: Option<FramingPlan>,
    /// Of a message; `None` for no limit.
    pub(crate) max_bytes: Option<u64>,
}

/// The words that `for` takes.
pub fn profiles() -> [&'static str; 7] {
    use Profile::{Arcsight, Elastic, Generic, Qradar, Sc4s, Sentinel, Splunk};
    [Arcsight, Qradar, Sentinel, Sc4s, Splunk, Elastic, Generic].map(Profile::key)
}

/// HOSTNAME, the same in every profile.
pub(crate) const HOST: &str = "atp-{{ tenant.name }}";

impl Profile {
    /// Its word in the file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Arcsight => "arcsight",
            Self::Qradar => "qradar",
            Self::Sentinel => "sentinel",
            Self::Sc4s => "sc4s",
            Self::Splunk => "splunk",
            Self::Elastic => "elastic",
            Self::Generic => "generic",
        }
    }

    /// The table's row.
    pub(crate) fn settings(self) -> Settings {
        use FormatName::{Cef, Json, Leef};
        use HeaderPlan::{None as NoHeader, Rfc3164, Rfc5424};
        const LF: Option<FramingPlan> = Some(FramingPlan::Lf);
        const KIB: u64 = 1 << 10;
        let row = |format, header, framing, max_bytes| Settings { format, header, framing, max_bytes };
        match self {
            Self::Arcsight => row(Cef, Rfc3164, LF, Some(8 * KIB)),
            Self::Qradar => row(Leef, Rfc3164, LF, Some(4 * KIB)),
            Self::Sentinel => row(Cef, Rfc3164, LF, Some(8 * KIB)),
            Self::Sc4s => row(Cef, Rfc5424, LF, Some(64 * KIB)),
            Self::Splunk => row(Json, NoHeader, LF, None),
            Self::Elastic => row(Cef, Rfc5424, LF, None),
            Self::Generic => row(Cef, Rfc5424, None, Some(8 * KIB)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that are told are those that the file takes.
    #[test]
    fn profiles_go_by_their_words() {
        for word in profiles() {
            let profile: Profile = serde_json::from_value(word.into()).unwrap();
            assert_eq!(profile.key(), word);
        }
        assert_eq!(serde_json::to_value(schemars::schema_for!(Profile)).unwrap()["oneOf"].as_array().unwrap().len(), 7);
    }
}
