//! What a syslog sink is told.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use syslog::Facility;

/// Where records go, over what, and in what form.
#[derive(Clone, Debug)]
pub struct SyslogOptions {
    /// How messages travel: one for all addresses.
    pub transport: Transport,
    /// The receivers, at least one.
    pub addresses: Vec<Address>,
    /// Which of them is connected to.
    pub spread: Spread,
    /// A connection older than this is ended in good order and made anew; `None` for never.
    pub reconnect: Option<Duration>,
    /// How a record becomes a message.
    pub message: MessageOptions,
    /// How receivers are known over TLS and RELP over TLS; nothing elsewhere.
    pub tls: TlsOptions,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// RELP: every message is acknowledged.
    Relp,
    /// RELP over TLS.
    RelpTls,
    /// TCP.
    Tcp,
    /// TLS over TCP (RFC 5425).
    Tls,
    /// UDP (RFC 5426).
    Udp,
}

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Which of several receivers is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// The first that can be reached, in the order of the list.
    Failover,
    /// The next of the list for every new connection; over UDP for every batch.
    RoundRobin,
}

/// How a record becomes a message.
#[derive(Clone, Debug)]
pub struct MessageOptions {
    /// The header.
    pub header: Header,
    /// How messages are told apart on TCP and TLS.
    pub framing: Framing,
    /// The facility of PRI.
    pub facility: Facility,
    /// APP-NAME of RFC 5424, TAG of RFC 3164.
    pub app_name: String,
    /// MSGID of RFC 5424; `None` for the NIL value.
    pub message_id: Option<String>,
    /// Whether our structured data (record id, tenant) goes into an RFC 5424 header.
    pub structured_data: bool,
    /// The zone of RFC 3164's time, which says none.
    pub timezone: Tz,
    /// HOSTNAME for each tenant, by its name in the pipeline file; a tenant that is not in it gets the NIL value.
    pub hosts: HashMap<String, String>,
    /// The most bytes of a message, header included, framing not; what is longer is cut. `None` for no limit.
    pub max_bytes: Option<usize>,
}

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// None: the payload alone.
    None,
    /// RFC 3164.
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
}

/// How messages are told apart in a stream (RFC 6587).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A line feed ends each; those inside become spaces.
    Lf,
    /// The length stands before each.
    OctetCounting,
}

/// How receivers are known over TLS, and how we are.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// A PEM file of authorities that are believed instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate with its chain, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// SHA-256 fingerprints of receivers' certificates. Where there are some, they decide, and neither authority nor
    /// name nor date does (RFC 5425, section 4.2.2).
    pub pins: Vec<[u8; 32]>,
    /// The name in the certificate, where it is another than the address says.
    pub server_name: Option<String>,
}
