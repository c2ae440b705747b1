//! Syslog receivers.

use std::collections::BTreeMap;

use super::Build;
use super::sinks::ForMessages;
use crate::faults::Told;
use crate::file::{Facility, Syslog, SyslogTls, defaults};
use crate::place::KeyPath;
use crate::plan::{
    AddressPlan, DestinationPlan, FramingPlan, HeaderPlan, SpreadPlan, SyslogPlan, TenantPlan, TlsPlan, TransportPlan,
};
use crate::profile::HOST;
use crate::template::Template;
use crate::tree::Content;
use crate::written::{OneOrSeveral, SyslogAddress, Written, scheme, token};

impl Build<'_> {
    /// The receivers of a sink that gets these tenants' alerts.
    pub(super) fn syslog(
        &mut self,
        syslog: Syslog,
        messages: ForMessages,
        tenants: &[&TenantPlan],
        sink: &KeyPath,
    ) -> Result<DestinationPlan, Told> {
        let path = sink.key("syslog");
        let profile = messages.profile.map(|profile| profile.settings());
        let header = syslog.header.map(HeaderPlan::from).or(profile.map(|profile| profile.header));
        // Where it was written with a fault, what belongs to it cannot be told.
        let guessed = syslog.header.is_none() && self.entry_of(&path.key("header")).is_some()
            || messages.profile.is_none() && self.entry_of(&sink.key("for")).is_some();
        let header = header.unwrap_or(HeaderPlan::Rfc5424);
        if !guessed {
            self.check_header_keys(&syslog, messages.host.is_some(), header, sink);
        }
        let hosts = self.hosts_named(messages.host.map(|host| host.0), header, tenants, &sink.key("host"));
        let receivers = self.receivers(syslog.address, &path.key("address"));
        let (transport, addresses) = receivers?;
        let framing = self.framing(
            syslog.framing.map(FramingPlan::from),
            profile.and_then(|profile| profile.framing),
            transport,
            &path.key("framing"),
        );
        let profile_bytes = profile.map(|profile| profile.max_bytes);
        let max_bytes = self.max_bytes(messages.max_bytes, profile_bytes, transport, &sink.key("max_bytes"));
        let tls = self.tls(syslog.tls, transport, &path.key("tls"));
        Ok(DestinationPlan::Syslog(Box::new(SyslogPlan {
            transport,
            addresses,
            spread: syslog.spread.map_or(SpreadPlan::Failover, SpreadPlan::from),
            reconnect: syslog.reconnect.map(|span| span.0),
            header,
            framing,
            facility: syslog.facility.map_or(defaults::FACILITY, |Facility(name)| name),
            app_name: syslog.app_name.map_or_else(|| defaults::APP_NAME.to_owned(), |name| name.0),
            message_id: syslog.message_id.map(|id| id.0),
            structured_data: syslog.structured_data.unwrap_or(true),
            timezone: syslog.timezone.map_or(chrono_tz::UTC, |zone| zone.0),
            hosts: hosts?,
            max_bytes,
            tls,
        })))
    }

    /// The addresses, and the one transport of all.
    fn receivers(
        &mut self,
        written: Option<OneOrSeveral<Written<SyslogAddress>>>,
        path: &KeyPath,
    ) -> Result<(TransportPlan, Vec<AddressPlan>), Told> {
        let written = self.required(written, path)?.0;
        let mut transports = Vec::new();
        let mut addresses = Vec::new();
        for receiver in written {
            let (transport, address) = receiver.0;
            transports.push(transport);
            addresses.push(address);
        }
        let Some(first) = transports.first().copied() else {
            return self.required(None, path);
        };
        // With items left out for their faults, positions would not be those of the file.
        let whole = matches!(self.entry_of(path).map(|node| &node.content),
            Some(Content::Sequence(items)) if items.len() == transports.len());
        for (index, _) in transports.iter().enumerate().filter(|(_, transport)| **transport != first) {
            let path = if whole { path.item(index) } else { path.clone() };
            self.tell(&path, format!("all addresses go one way, and the first is `{}://`", scheme(first)));
        }
        Ok((first, addresses))
    }

    fn framing(
        &mut self,
        written: Option<FramingPlan>,
        profile: Option<FramingPlan>,
        transport: TransportPlan,
        path: &KeyPath,
    ) -> Option<FramingPlan> {
        match (transport.needs_framing(), written) {
            (false, Some(_)) => {
                let scheme = scheme(transport);
                self.tell(
                    path,
                    format!("`{scheme}://` tells messages apart by itself; it is for `tcp://` and `tls://`"),
                );
                None
            }
            (false, None) => None,
            (true, Some(framing)) => Some(framing),
            (true, None) => profile.or(Some(match transport {
                // RFC 5425, section 4.3, asks for it.
                TransportPlan::Tls => FramingPlan::OctetCounting,
                _ => FramingPlan::Lf,
            })),
        }
    }

    /// What is written, or else the profile's; over UDP no more than receivers can be expected to take.
    fn max_bytes(
        &mut self,
        written: Option<u64>,
        profile: Option<Option<u64>>,
        transport: TransportPlan,
        path: &KeyPath,
    ) -> Option<u64> {
        if transport != TransportPlan::Udp {
            return written.or(profile.unwrap_or(Some(defaults::MAX_BYTES)));
        }
        if written.is_some_and(|bytes| bytes > LARGEST_DATAGRAM) {
            self.tell(path, format!("a datagram of UDP carries at most {LARGEST_DATAGRAM} bytes"));
        }
        written.or(Some(defaults::MAX_BYTES_UDP))
    }

    /// A key that a header has no place for would do nothing.
    fn check_header_keys(&mut self, syslog: &Syslog, host: bool, header: HeaderPlan, sink: &KeyPath) {
        use HeaderPlan::{Rfc3164, Rfc5424};
        let path = sink.key("syslog");
        let both: &[HeaderPlan] = &[Rfc3164, Rfc5424];
        for (path, there, headers) in [
            (sink.key("host"), host, both),
            (path.key("facility"), syslog.facility.is_some(), both),
            (path.key("app_name"), syslog.app_name.is_some(), both),
            (path.key("message_id"), syslog.message_id.is_some(), &[Rfc5424]),
            (path.key("structured_data"), syslog.structured_data.is_some(), &[Rfc5424]),
            (path.key("timezone"), syslog.timezone.is_some(), &[Rfc3164]),
        ] {
            if there && !headers.contains(&header) {
                let words: Vec<String> = headers.iter().map(|header| format!("`{}`", header.key())).collect();
                let (words, header) = (words.join(" and "), header.key());
                self.tell(&path, format!("the header is `{header}`, which has no place for it; it is for {words}"));
            }
        }
    }

    /// HOSTNAME for each tenant. Tenants with the same trouble share a fault.
    fn hosts_named(
        &mut self,
        written: Option<Template>,
        header: HeaderPlan,
        tenants: &[&TenantPlan],
        path: &KeyPath,
    ) -> Result<BTreeMap<String, String>, Told> {
        let mut hosts = BTreeMap::new();
        if header == HeaderPlan::None {
            return Ok(hosts);
        }
        let template = written.unwrap_or_else(|| Template::read(HOST).expect("the default is a template"));
        let mut troubles: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for tenant in tenants {
            match template.fill(tenant).and_then(|host| host_name(&host)) {
                Ok(host) => drop(hosts.insert(tenant.name.clone(), host)),
                Err(trouble) => troubles.entry(trouble).or_default().push(&tenant.name),
            }
        }
        let mut told = Ok(hosts);
        for (trouble, tenants) in troubles {
            told = Err(self.tell(path, format!("for {}: {trouble}", in_words(&tenants))));
        }
        told
    }

    fn tls(&mut self, written: Option<SyslogTls>, transport: TransportPlan, path: &KeyPath) -> TlsPlan {
        let Some(written) = written else {
            return TlsPlan::default();
        };
        if !transport.has_tls() {
            let instead = if transport == TransportPlan::Relp { "relps" } else { "tls" };
            let scheme = scheme(transport);
            self.tell(path, format!("there is no TLS on `{scheme}://`; write the address with `{instead}://`"));
        }
        if written.pin.is_some() && written.ca.is_some() {
            self.tell(
                &path.key("ca"),
                "with `pin` the certificate itself is known, and no authority is asked; take one",
            );
        }
        TlsPlan {
            ca: written.ca.map(|file| self.resolved(&file.0)),
            identity: written.cert.zip(written.key).map(|(cert, key)| (self.resolved(&cert.0), self.resolved(&key.0))),
            pins: written.pin.map_or_else(Vec::new, |pins| pins.0.into_iter().map(|pin| pin.0).collect()),
            server_name: written.server_name.map(|name| name.0),
        }
    }
}

/// HOSTNAME of RFC 5424 (section 6).
fn host_name(text: &str) -> Result<String, String> {
    const LONGEST: usize = 255;
    token(text, LONGEST).map_err(|expected| format!("it becomes no name of a host; {expected}"))
}

/// Tenants, the first few by name.
pub(super) fn in_words(tenants: &[&str]) -> String {
    const NAMED: usize = 5;
    let named: Vec<String> = tenants.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = tenants.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let noun = if tenants.len() == 1 { "tenant" } else { "tenants" };
    format!("{noun} {}{more}", named.join(", "))
}

/// What IPv4 leaves of 65,535 bytes beside its header and that of UDP.
const LARGEST_DATAGRAM: u64 = 65_507;
