//! From the plan of a syslog sink to the options of the crate that does it.

use pipeline_file::plan::{AddressPlan, FramingPlan, HeaderPlan, SpreadPlan, SyslogPlan, TransportPlan};
use sink_syslog::{Address, Framing, Header, MessageOptions, Spread, SyslogOptions, TlsOptions, Transport};

/// Where records go, over what, and in what form.
pub(crate) fn options(plan: &SyslogPlan) -> SyslogOptions {
    let address = |address: &AddressPlan| Address { host: address.host.clone(), port: address.port };
    SyslogOptions {
        transport: transport(plan.transport),
        addresses: plan.addresses.iter().map(address).collect(),
        spread: match plan.spread {
            SpreadPlan::Failover => Spread::Failover,
            SpreadPlan::RoundRobin => Spread::RoundRobin,
        },
        reconnect: plan.reconnect,
        message: message(plan),
        tls: TlsOptions {
            ca: plan.tls.ca.clone(),
            identity: plan.tls.identity.clone(),
            pins: plan.tls.pins.clone(),
            server_name: plan.tls.server_name.clone(),
        },
    }
}

/// How messages travel.
pub(crate) fn transport(plan: TransportPlan) -> Transport {
    match plan {
        TransportPlan::Relp => Transport::Relp,
        TransportPlan::RelpTls => Transport::RelpTls,
        TransportPlan::Tcp => Transport::Tcp,
        TransportPlan::Tls => Transport::Tls,
        TransportPlan::Udp => Transport::Udp,
    }
}

/// How a record becomes a message.
pub(crate) fn message(plan: &SyslogPlan) -> MessageOptions {
    MessageOptions {
        header: match plan.header {
            HeaderPlan::None => Header::None,
            HeaderPlan::Rfc3164 => Header::Rfc3164,
            HeaderPlan::Rfc5424 => Header::Rfc5424,
        },
        framing: match plan.framing {
            // Where there is none, nothing reads it.
            Some(FramingPlan::Lf) | None => Framing::Lf,
            Some(FramingPlan::OctetCounting) => Framing::OctetCounting,
        },
        facility: plan.facility.parse().expect("the file takes the names of FACILITIES alone, and all are known"),
        app_name: plan.app_name.clone(),
        message_id: plan.message_id.clone(),
        structured_data: plan.structured_data,
        timezone: plan.timezone,
        hosts: plan.hosts.clone().into_iter().collect(),
        max_bytes: plan.max_bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use pipeline_file::plan::FACILITIES;
    use syslog::Facility;

    /// Guarantee: every facility that the file takes is known, and is the one of its number.
    #[test]
    fn every_facility_is_known() {
        for (number, name) in FACILITIES.iter().enumerate() {
            let facility: Facility = name.parse().expect("a name of the file");
            assert_eq!(facility as usize >> 3, number, "{name}");
        }
    }
}
