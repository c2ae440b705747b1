//! Where records go as syslog, and in what form.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;

/// Where records go as syslog, and in what form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogPlan {
    /// How messages travel, to every address.
    pub transport: TransportPlan,
    /// The receivers, at least one, in the order of the file.
    pub addresses: Vec<AddressPlan>,
    /// Which of them is connected to.
    pub spread: SpreadPlan,
    /// A connection older than this is made anew; `None` for never.
    pub reconnect: Option<Duration>,
    /// What stands before a record.
    pub header: HeaderPlan,
    /// How messages are told apart in a stream; `None` where the transport does it, as UDP and RELP do.
    pub framing: Option<FramingPlan>,
    /// The facility: a name that [`FACILITIES`] has.
    pub facility: &'static str,
    /// APP-NAME of RFC 5424, TAG of RFC 3164: 1 to 48 printable ASCII characters.
    pub app_name: String,
    /// MSGID of RFC 5424: 1 to 32 printable ASCII characters; `None` for the NIL value.
    pub message_id: Option<String>,
    /// Record id and tenant stand in the structured data of RFC 5424.
    pub structured_data: bool,
    /// The zone of RFC 3164's time, which says none.
    pub timezone: Tz,
    /// HOSTNAME for each tenant that the sink takes, by its name: 1 to 255 printable ASCII characters. Empty without a
    /// header.
    pub hosts: BTreeMap<String, String>,
    /// The most bytes of a message, header included; `None` for no limit.
    pub max_bytes: Option<u64>,
    /// How receivers are known over TLS, and how we are; nothing where there is no TLS.
    pub tls: TlsPlan,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportPlan {
    /// RELP, `relp://`.
    Relp,
    /// RELP over TLS, `relps://`.
    RelpTls,
    /// TCP, `tcp://`.
    Tcp,
    /// TLS, `tls://`.
    Tls,
    /// UDP, `udp://`.
    Udp,
}

impl TransportPlan {
    /// Whether receivers have certificates.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::RelpTls | Self::Tls)
    }

    /// Whether it is a stream in which messages have to be told apart.
    pub fn needs_framing(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPlan {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Which of several receivers is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpreadPlan {
    /// The first that can be reached.
    Failover,
    /// One after the other.
    RoundRobin,
}

/// What stands before a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderPlan {
    /// Nothing.
    None,
    /// A header of RFC 3164.
    Rfc3164,
    /// A header of RFC 5424.
    Rfc5424,
}

impl HeaderPlan {
    /// Its word in the file.
    pub fn key(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rfc3164 => "rfc3164",
            Self::Rfc5424 => "rfc5424",
        }
    }
}

/// How messages are told apart in a stream (RFC 6587).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingPlan {
    /// A line feed ends each.
    Lf,
    /// The length stands before each.
    OctetCounting,
}

/// How receivers are known over TLS, and how we are. All paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPlan {
    /// A PEM file of authorities that are believed instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate with its chain, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// SHA-256 fingerprints of receivers' certificates; where there are some, they alone decide.
    pub pins: Vec<[u8; 32]>,
    /// The name in the certificate, where it is another than the address says.
    pub server_name: Option<String>,
}

/// The names of the facilities, in the order of their numbers (RFC 5424, table 1), in the usual spelling.
pub const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "audit",
    "alert",
    "clock_daemon",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];
