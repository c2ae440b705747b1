//! The shapes of the input: which member of each is which fact of an alert.

use crate::names::Names;
use crate::text::Text;
use crate::view::Field;

/// How an API writes an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A row of the legacy SIEM export, as of 2017 and as of 2020.
    LegacyRow,
    /// An alert of the public API of Defender for Endpoint.
    MdeAlert,
}

impl Shape {
    /// The shape that a kind of source gives; `None` where the kind is not known.
    pub fn from_source_kind(kind: &str) -> Option<Self> {
        match kind {
            "alerts_export" => Some(Self::LegacyRow),
            "mde_alerts" => Some(Self::MdeAlert),
            _ => None,
        }
    }

    /// The kind of source that gives it, as the pipeline file names it.
    pub const fn source_kind(self) -> &'static str {
        match self {
            Self::LegacyRow => "alerts_export",
            Self::MdeAlert => "mde_alerts",
        }
    }

    pub(crate) fn member(self, name: Text<'_>) -> Option<Member> {
        match self {
            Self::LegacyRow => LEGACY_ROW.find(name),
            Self::MdeAlert => MDE_ALERT.find(name),
        }
    }

    /// Which field stands in for which, where that one says nothing.
    pub(crate) const fn stand_ins(self) -> &'static [(Field, Field)] {
        match self {
            Self::LegacyRow => &[
                (Field::DetectorId, Field::Category),
                (Field::DeviceName, Field::DnsName),
                (Field::Incident, Field::OtherIncident),
                (Field::Link, Field::OtherLink),
                (Field::Sha1, Field::FileHash),
            ],
            Self::MdeAlert => &[(Field::DeviceName, Field::DnsName), (Field::ThreatName, Field::ThreatFamily)],
        }
    }
}

/// A member of an alert: a fact, or what holds facts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Member {
    Evidence,
    Fact(Field),
    RelatedUser,
}

/// A member of an item of evidence, in any of its kinds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EvidenceMember {
    AccountName,
    CommandLine,
    DetectionStatus,
    DomainName,
    EntityType,
    FileName,
    FilePath,
    IpAddress,
    ProcessId,
    Sha1,
    Sha256,
    Url,
    UserPrincipalName,
    UserSid,
}

impl EvidenceMember {
    pub(crate) const COUNT: usize = Self::UserSid as usize + 1;
}

/// The legacy export: a flat row, its list of links and both of its spellings of a rule's id.
static LEGACY_ROW: Names<Member, 38> = Names::new([
    ("Actor", Member::Fact(Field::Actor)),
    ("AlertId", Member::Fact(Field::AlertId)),
    ("AlertPart", Member::Fact(Field::AlertPart)),
    ("AlertTime", Member::Fact(Field::Created)),
    ("AlertTitle", Member::Fact(Field::Title)),
    ("Category", Member::Fact(Field::Category)),
    ("CommandLine", Member::Fact(Field::CommandLine)),
    ("ComputerDnsName", Member::Fact(Field::DnsName)),
    ("Description", Member::Fact(Field::Description)),
    ("DeviceID", Member::Fact(Field::DeviceId)),
    ("FileHash", Member::Fact(Field::FileHash)),
    ("FileName", Member::Fact(Field::FileName)),
    ("FilePath", Member::Fact(Field::FilePath)),
    ("FullId", Member::Fact(Field::FullId)),
    ("IncidentLinkToMTP", Member::Fact(Field::OtherIncident)),
    ("IncidentLinkToWDATP", Member::Fact(Field::Incident)),
    ("IoaDefinitionId", Member::Fact(Field::DetectorId)),
    // As the answers of 2017 spell it.
    ("IoaDefinitiondId", Member::Fact(Field::DetectorId)),
    ("IpAddress", Member::Fact(Field::IpAddress)),
    ("LastProcessedTimeUtc", Member::Fact(Field::Updated)),
    // As the description of the API's parameters spells it.
    ("LastProccesedTimeUtc", Member::Fact(Field::Updated)),
    ("LinkToMTP", Member::Fact(Field::OtherLink)),
    ("LinkToWDATP", Member::Fact(Field::Link)),
    ("LogOnUsers", Member::Fact(Field::UserId)),
    ("MachineDomain", Member::Fact(Field::DnsDomain)),
    ("MachineName", Member::Fact(Field::DeviceName)),
    ("Md5", Member::Fact(Field::Md5)),
    ("RemediationAction", Member::Fact(Field::Action)),
    ("RemediationIsSuccess", Member::Fact(Field::RemediationIsSuccess)),
    ("Severity", Member::Fact(Field::Severity)),
    ("Sha1", Member::Fact(Field::Sha1)),
    ("Sha256", Member::Fact(Field::Sha256)),
    ("Source", Member::Fact(Field::Source)),
    ("ThreatName", Member::Fact(Field::ThreatName)),
    ("Url", Member::Fact(Field::Url)),
    ("UserDomain", Member::Fact(Field::UserDomain)),
    ("UserName", Member::Fact(Field::UserName)),
    ("WasExecutingWhileDetected", Member::Fact(Field::WasExecuting)),
]);

/// The public API: an alert with a user and a list of evidence.
static MDE_ALERT: Names<Member, 19> = Names::new([
    ("alertCreationTime", Member::Fact(Field::Created)),
    ("category", Member::Fact(Field::Category)),
    ("computerDnsName", Member::Fact(Field::DnsName)),
    ("description", Member::Fact(Field::Description)),
    ("detectionSource", Member::Fact(Field::Source)),
    ("detectorId", Member::Fact(Field::DetectorId)),
    ("evidence", Member::Evidence),
    ("firstEventTime", Member::Fact(Field::FirstEvent)),
    ("id", Member::Fact(Field::AlertId)),
    ("incidentId", Member::Fact(Field::Incident)),
    ("lastEventTime", Member::Fact(Field::LastEvent)),
    ("lastUpdateTime", Member::Fact(Field::Updated)),
    ("machineId", Member::Fact(Field::DeviceId)),
    ("relatedUser", Member::RelatedUser),
    ("severity", Member::Fact(Field::Severity)),
    ("status", Member::Fact(Field::Status)),
    ("threatFamilyName", Member::Fact(Field::ThreatFamily)),
    ("threatName", Member::Fact(Field::ThreatName)),
    ("title", Member::Fact(Field::Title)),
]);

/// The user of an alert of the public API.
pub(crate) static RELATED_USER: Names<Field, 2> =
    Names::new([("domainName", Field::UserDomain), ("userName", Field::UserName)]);

/// An item of evidence of the public API: every kind has every member, those of other kinds being null.
pub(crate) static EVIDENCE: Names<EvidenceMember, 14> = Names::new([
    ("accountName", EvidenceMember::AccountName),
    ("detectionStatus", EvidenceMember::DetectionStatus),
    ("domainName", EvidenceMember::DomainName),
    ("entityType", EvidenceMember::EntityType),
    ("fileName", EvidenceMember::FileName),
    ("filePath", EvidenceMember::FilePath),
    ("ipAddress", EvidenceMember::IpAddress),
    ("processCommandLine", EvidenceMember::CommandLine),
    ("processId", EvidenceMember::ProcessId),
    ("sha1", EvidenceMember::Sha1),
    ("sha256", EvidenceMember::Sha256),
    ("url", EvidenceMember::Url),
    ("userPrincipalName", EvidenceMember::UserPrincipalName),
    ("userSid", EvidenceMember::UserSid),
]);
