//! The one table of what goes where: each fact of an alert, its key in CEF and in LEEF, and how soon a record that is
//! too large does without it.

use crate::view::Field;

/// A fact, in the order of the line.
pub(crate) struct Column {
    pub(crate) source: Source,
    pub(crate) worth: Worth,
    /// Its key in CEF; `None` where CEF has no place for it.
    pub(crate) cef: Option<CefKey>,
    /// Its key in LEEF.
    pub(crate) leef: Option<LeefKey>,
}

/// A key of CEF's dictionary.
#[derive(Clone, Copy)]
pub(crate) struct CefKey {
    pub(crate) name: &'static str,
    /// What follows the value, for a key whose name says nothing.
    pub(crate) label: Option<&'static str>,
    /// The longest that the standard gives it, in characters.
    pub(crate) longest: usize,
    /// It came with version 1.2 of the standard.
    pub(crate) needs_version_1: bool,
}

/// A key of LEEF: one of IBM's, or one of ours.
#[derive(Clone, Copy)]
pub(crate) struct LeefKey {
    pub(crate) name: &'static str,
    /// The longest that IBM gives it, or we do, in characters.
    pub(crate) longest: usize,
}

/// What goes first where a record is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Worth {
    /// Says again what another field says, or what few ask for.
    Low,
    Fair,
    High,
    /// Whose, which and when, and what tells of the cut itself: never left out.
    Vital,
}

/// Where a value comes from.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// An address of either family, where it is one.
    Address(Field),
    /// How many fields the size budget took or shortened.
    Cut,
    /// The time of the log source, and how to read it.
    DeviceTime,
    DeviceTimeFormat,
    /// The first that says something.
    Either(Field, Field),
    EvidenceCount,
    EvidenceIndex,
    /// The alert id, at most as long as CEF's key for it.
    ExternalId,
    /// The directory and the name of the file.
    FilePath,
    /// The first address of a list of the device's.
    FirstAddress(Field),
    /// The first technique of the list alone.
    FirstTechnique,
    /// A truth.
    Flag(Field),
    /// The framework that techniques are of, where there is one.
    Framework,
    /// The device's name, where its address is known too.
    IdentityHost,
    /// A whole number.
    Integer(Field),
    /// An address of one family.
    Ipv4(Field),
    Ipv6(Field),
    /// A link to the alert, or its whole id where `externalId` cannot hold that.
    LinkOrId,
    /// Whether the remediation worked, in words.
    Outcome,
    /// That an alert was had without its evidence.
    Partial,
    RecordId,
    SeverityName,
    SeverityNumber,
    Techniques,
    Tenant,
    TenantId,
    Text(Field),
    /// A time.
    Time(Field),
    /// Text that is of no use cut: left out where it is longer.
    Whole(Field),
}

impl Source {
    /// The one field that it shows, so that nothing is begun where that says nothing.
    pub(crate) const fn field(self) -> Option<Field> {
        match self {
            Self::Address(field)
            | Self::FirstAddress(field)
            | Self::Flag(field)
            | Self::Integer(field)
            | Self::Ipv4(field)
            | Self::Ipv6(field)
            | Self::Text(field)
            | Self::Time(field)
            | Self::Whole(field) => Some(field),
            _ => None,
        }
    }
}

const fn row(worth: Worth, source: Source, cef: Option<CefKey>, leef: Option<LeefKey>) -> Column {
    Column { source, worth, cef, leef }
}

const fn cef(name: &'static str, longest: usize) -> Option<CefKey> {
    Some(CefKey { name, label: None, longest, needs_version_1: false })
}

const fn labelled(name: &'static str, label: &'static str, longest: usize) -> Option<CefKey> {
    Some(CefKey { name, label: Some(label), longest, needs_version_1: false })
}

const fn cef_1(name: &'static str, longest: usize) -> Option<CefKey> {
    Some(CefKey { name, label: None, longest, needs_version_1: true })
}

const fn leef(name: &'static str, longest: usize) -> Option<LeefKey> {
    Some(LeefKey { name, longest })
}

/// For a value whose length is its own: a number, a time, an address.
const ANY: usize = 128;

/// Whose, which and when come first and what is long comes last, since receivers cut at the end.
pub(crate) static COLUMNS: [Column; 73] = [
    row(Worth::Vital, Source::ExternalId, cef("externalId", 40), None),
    row(Worth::Vital, Source::Text(Field::AlertId), None, leef("alertId", 255)),
    row(Worth::Vital, Source::RecordId, cef("devicePayloadId", ANY), leef("recordId", ANY)),
    row(Worth::Vital, Source::Tenant, labelled("flexString2", "Tenant", 1023), leef("tenant", 1023)),
    row(Worth::Vital, Source::TenantId, None, leef("tenantId", 255)),
    row(
        Worth::Vital,
        Source::Time(Field::Updated),
        labelled("deviceCustomDate1", "UpdateTime", ANY),
        leef("updateTime", ANY),
    ),
    row(Worth::Vital, Source::Partial, labelled("cn3", "Partial", ANY), leef("partial", ANY)),
    row(Worth::Vital, Source::Cut, labelled("cfp1", "FieldsCut", ANY), leef("fieldsCut", ANY)),
    row(Worth::Vital, Source::SeverityNumber, None, leef("sev", ANY)),
    row(Worth::Vital, Source::DeviceTime, None, leef("devTime", ANY)),
    row(Worth::Vital, Source::DeviceTimeFormat, None, leef("devTimeFormat", ANY)),
    row(Worth::Vital, Source::Time(Field::Created), cef("rt", ANY), None),
    row(Worth::Vital, Source::EvidenceIndex, labelled("cn2", "EvidenceIndex", ANY), leef("evidenceIndex", ANY)),
    row(Worth::Fair, Source::EvidenceCount, labelled("cn1", "EvidenceCount", ANY), leef("evidenceCount", ANY)),
    row(Worth::Fair, Source::Time(Field::FirstEvent), cef("start", ANY), leef("firstEventTime", ANY)),
    row(Worth::Fair, Source::Time(Field::LastEvent), cef("end", ANY), leef("lastEventTime", ANY)),
    row(Worth::High, Source::Text(Field::Category), cef("cat", 1023), leef("cat", 1023)),
    row(Worth::High, Source::Text(Field::Title), None, leef("alertTitle", 512)),
    row(Worth::Low, Source::SeverityName, None, leef("severityName", ANY)),
    row(Worth::Fair, Source::Text(Field::Status), cef("reason", 1023), leef("status", 255)),
    row(Worth::Low, Source::Text(Field::Category), None, leef("category", 1023)),
    row(Worth::Fair, Source::Either(Field::Service, Field::Source), cef("sourceServiceName", 1023), None),
    row(Worth::Fair, Source::Text(Field::Source), None, leef("detectionSource", 255)),
    row(Worth::Low, Source::Text(Field::Service), None, leef("serviceSource", 255)),
    row(Worth::High, Source::Text(Field::DeviceName), cef("shost", 1023), None),
    row(Worth::Low, Source::Whole(Field::DnsName), cef("dvchost", 100), None),
    row(Worth::High, Source::Either(Field::DnsName, Field::DeviceName), None, leef("resource", 1023)),
    row(Worth::Low, Source::Text(Field::DnsName), None, leef("computerDnsName", 1023)),
    row(Worth::Fair, Source::FirstAddress(Field::DeviceAddress), None, leef("identSrc", ANY)),
    row(Worth::Low, Source::IdentityHost, None, leef("identHostName", 255)),
    row(Worth::High, Source::Text(Field::DeviceId), cef("deviceExternalId", 255), leef("machineId", 255)),
    row(Worth::Low, Source::Text(Field::DnsDomain), cef("sourceDnsDomain", 255), None),
    row(Worth::High, Source::Text(Field::FileName), cef("fname", 1023), leef("fileName", 1023)),
    row(Worth::Fair, Source::FilePath, cef("filePath", 1023), leef("filePath", 1023)),
    row(Worth::High, Source::Text(Field::Sha1), cef("fileHash", 255), leef("sha1", 255)),
    row(Worth::Fair, Source::Text(Field::Md5), labelled("cs5", "MD5", 4000), leef("md5", 255)),
    row(Worth::High, Source::Text(Field::Sha256), labelled("cs6", "SHA256", 4000), leef("sha256", 255)),
    row(Worth::High, Source::Text(Field::ThreatName), labelled("cs1", "ThreatName", 4000), leef("threatName", 1023)),
    row(Worth::Low, Source::Text(Field::ThreatFamily), None, leef("threatFamily", 1023)),
    row(Worth::Fair, Source::Text(Field::Actor), labelled("cs4", "Actor", 4000), leef("actor", 1023)),
    row(Worth::Low, Source::Whole(Field::Actor), cef_1("threatActor", 40), None),
    row(Worth::Low, Source::Framework, cef_1("frameworkName", 256), None),
    row(Worth::Fair, Source::FirstTechnique, cef_1("threatAttackID", 32), None),
    row(Worth::Fair, Source::Techniques, None, leef("mitreTechniques", 1023)),
    row(Worth::High, Source::Either(Field::IncidentLink, Field::IncidentId), labelled("cs2", "Incident", 4000), None),
    row(Worth::High, Source::Text(Field::IncidentId), None, leef("incidentId", 255)),
    row(Worth::Low, Source::Text(Field::IncidentLink), None, leef("incidentUrl", 1023)),
    row(Worth::Low, Source::Text(Field::InvestigationId), None, leef("investigationId", 255)),
    row(Worth::Fair, Source::LinkOrId, labelled("flexString1", "LinkToWDATP", 1023), None),
    row(Worth::Fair, Source::Text(Field::Link), None, leef("alertUrl", 1023)),
    row(Worth::High, Source::Ipv4(Field::IpAddress), cef("src", ANY), None),
    row(Worth::High, Source::Ipv6(Field::IpAddress), labelled("c6a2", "Source IPv6 Address", ANY), None),
    row(Worth::High, Source::Address(Field::IpAddress), None, leef("src", ANY)),
    row(Worth::High, Source::Text(Field::Url), cef("request", 1023), leef("url", 1023)),
    row(Worth::Fair, Source::Text(Field::UserDomain), cef("sntdom", 255), leef("domain", 255)),
    row(Worth::High, Source::Text(Field::UserName), cef("suser", 1023), leef("usrName", 255)),
    row(Worth::Fair, Source::Text(Field::UserId), cef("suid", 1023), None),
    row(Worth::Fair, Source::Text(Field::UserPrincipal), None, leef("accountName", 255)),
    row(Worth::Fair, Source::Text(Field::ProcessName), cef("sproc", 1023), None),
    row(Worth::Fair, Source::Integer(Field::ProcessId), cef("spid", ANY), leef("processId", ANY)),
    row(Worth::Low, Source::Integer(Field::ParentProcessId), None, leef("parentProcessId", ANY)),
    row(Worth::Fair, Source::Text(Field::RegistryKey), None, leef("registryKey", 1023)),
    row(Worth::Fair, Source::Text(Field::Action), cef("act", 63), leef("action", 255)),
    row(Worth::Fair, Source::Outcome, cef("outcome", 63), leef("outcome", 255)),
    row(Worth::Fair, Source::Text(Field::Verdict), None, leef("verdict", 255)),
    row(Worth::Low, Source::Text(Field::EvidenceKind), None, leef("evidenceKind", 255)),
    row(
        Worth::Low,
        Source::Flag(Field::WasExecuting),
        labelled("cn1", "WasExecutingWhileDetected", ANY),
        leef("wasExecutingWhileDetected", ANY),
    ),
    row(Worth::Low, Source::Flag(Field::RemediationIsSuccess), labelled("cn2", "RemediationIsSuccess", ANY), None),
    row(Worth::Low, Source::Text(Field::Classification), None, leef("classification", 255)),
    row(Worth::Low, Source::Text(Field::Determination), None, leef("determination", 255)),
    row(Worth::Low, Source::Text(Field::AssignedTo), None, leef("assignedTo", 255)),
    row(
        Worth::High,
        Source::Text(Field::CommandLine),
        labelled("cs3", "CommandLine", 4000),
        leef("processCommandLine", 4000),
    ),
    row(Worth::Fair, Source::Text(Field::Description), cef("msg", 1023), leef("description", 4000)),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Guarantees that no key of CEF stands twice with one meaning, that its name is one the standard allows, and that
    /// the README has it in this order with this label.
    #[test]
    fn the_readme_lists_the_keys_of_cef() {
        let keys: Vec<_> = COLUMNS.iter().filter_map(|column| column.cef).collect();
        let columns: Vec<_> = keys.iter().map(|key| (key.name, key.label.unwrap_or_default())).collect();
        assert_eq!(listed("### Keys of CEF"), columns);
        assert_eq!(columns.iter().collect::<BTreeSet<_>>().len(), columns.len());
        assert!(keys.iter().all(|key| key.name.chars().all(|char| char.is_ascii_alphanumeric())));
    }

    /// Guarantees that no key of LEEF stands twice, and that the README has it in this order.
    #[test]
    fn the_readme_lists_the_keys_of_leef() {
        let keys: Vec<_> = COLUMNS.iter().filter_map(|column| column.leef).map(|key| key.name).collect();
        let listed: Vec<_> = listed("### Keys of LEEF").into_iter().map(|(key, _)| key).collect();
        assert_eq!(listed, keys);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert!(keys.iter().all(|key| key.chars().all(|char| char.is_ascii_alphanumeric())));
    }

    /// The first two cells of each row of the table under a heading.
    fn listed(heading: &str) -> Vec<(&'static str, &'static str)> {
        let readme = include_str!("../README.md");
        let (_, section) = readme.split_once(heading).expect("the README has the heading");
        let table = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        table
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
            .map(|(key, rest)| (key, rest.split_once('|').map_or("", |(cell, _)| cell.trim())))
            .collect()
    }
}
