//! The one table of what goes where.

use crate::view::Field;

/// A key, in the order of the line.
pub(super) struct Column {
    pub(super) key: &'static str,
    /// What follows the value, for a key whose name says nothing.
    pub(super) label: Option<&'static str>,
    pub(super) source: Source,
}

/// Where a value comes from.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// The directory and the name of the file.
    FilePath,
    /// A truth as 1 or 0.
    Flag(Field),
    /// A whole number.
    Integer(Field),
    /// An address of one family, where it is one.
    Ipv4(Field),
    Ipv6(Field),
    /// Text, and the longest that the standard gives the key, in characters.
    Text(Field, usize),
    /// Text that is of no use cut: left out where it is longer.
    Whole(Field, usize),
    /// A time in milliseconds since 1970.
    Time(Field),
    /// The alert id, at most 40 characters.
    ExternalId,
    /// A link to the alert, or its whole id where `externalId` cannot hold that.
    LinkOrId,
    /// Whether the remediation worked, in words.
    Outcome(Field),
    /// 1 for an alert that was had without its evidence.
    Partial,
    RecordId,
    Tenant,
}

const fn plain(key: &'static str, source: Source) -> Column {
    Column { key, label: None, source }
}

const fn custom(key: &'static str, label: &'static str, source: Source) -> Column {
    Column { key, label: Some(label), source }
}

/// Whose, which and when come first and what is long comes last, since receivers cut at the end.
pub(super) const COLUMNS: &[Column] = &[
    plain("externalId", Source::ExternalId),
    plain("devicePayloadId", Source::RecordId),
    custom("flexString2", "Tenant", Source::Tenant),
    custom("deviceCustomDate1", "UpdateTime", Source::Time(Field::Updated)),
    custom("cn3", "Partial", Source::Partial),
    plain("rt", Source::Time(Field::Created)),
    plain("start", Source::Time(Field::FirstEvent)),
    plain("end", Source::Time(Field::LastEvent)),
    plain("cat", Source::Text(Field::Category, 1023)),
    plain("sourceServiceName", Source::Text(Field::Source, 1023)),
    plain("shost", Source::Text(Field::DeviceName, 1023)),
    plain("dvchost", Source::Whole(Field::DnsName, 100)),
    plain("deviceExternalId", Source::Text(Field::DeviceId, 255)),
    plain("sourceDnsDomain", Source::Text(Field::DnsDomain, 255)),
    plain("fname", Source::Text(Field::FileName, 1023)),
    plain("filePath", Source::FilePath),
    plain("fileHash", Source::Text(Field::Sha1, 255)),
    custom("cs5", "MD5", Source::Text(Field::Md5, 4000)),
    custom("cs6", "SHA256", Source::Text(Field::Sha256, 4000)),
    custom("cs1", "ThreatName", Source::Text(Field::ThreatName, 4000)),
    custom("cs4", "Actor", Source::Text(Field::Actor, 4000)),
    custom("cs2", "Incident", Source::Text(Field::Incident, 4000)),
    custom("flexString1", "LinkToWDATP", Source::LinkOrId),
    plain("src", Source::Ipv4(Field::IpAddress)),
    custom("c6a2", "Source IPv6 Address", Source::Ipv6(Field::IpAddress)),
    plain("request", Source::Text(Field::Url, 1023)),
    plain("sntdom", Source::Text(Field::UserDomain, 255)),
    plain("suser", Source::Text(Field::UserName, 1023)),
    plain("suid", Source::Text(Field::UserId, 1023)),
    plain("sproc", Source::Text(Field::ProcessName, 1023)),
    plain("spid", Source::Integer(Field::ProcessId)),
    plain("act", Source::Text(Field::Action, 63)),
    plain("outcome", Source::Outcome(Field::RemediationIsSuccess)),
    custom("cn1", "WasExecutingWhileDetected", Source::Flag(Field::WasExecuting)),
    custom("cn2", "RemediationIsSuccess", Source::Flag(Field::RemediationIsSuccess)),
    plain("reason", Source::Text(Field::Status, 1023)),
    custom("cs3", "CommandLine", Source::Text(Field::CommandLine, 4000)),
    plain("msg", Source::Text(Field::Description, 1023)),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::COLUMNS;

    /// Guarantees that each key stands once, that its name is one the standard allows, and that the README has it in
    /// this order with this label.
    #[test]
    fn the_readme_lists_the_columns() {
        let readme = include_str!("../../README.md");
        let listed: Vec<(&str, &str)> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .filter_map(|(key, rest)| Some((key, rest.split_once('|')?.0.trim())))
            .filter(|(key, _)| !key.contains('`') && !key.contains('_'))
            .collect();
        let columns: Vec<_> = COLUMNS.iter().map(|column| (column.key, column.label.unwrap_or_default())).collect();
        assert_eq!(listed[..columns.len()], columns);

        let keys: BTreeSet<_> = COLUMNS.iter().map(|column| column.key).collect();
        assert_eq!(keys.len(), COLUMNS.len());
        assert!(keys.iter().all(|key| key.chars().all(|char| char.is_ascii_alphanumeric())));
    }
}
