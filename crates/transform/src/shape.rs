//! The shapes of the input, and what each calls the facts of an alert.

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
    /// `microsoft.graph.security.alert`, version 2 of Graph's alerts.
    GraphAlert,
    /// `microsoft.graph.security.incident`.
    GraphIncident,
    /// A row that an advanced hunting query gave. The columns of Microsoft's own tables are known; what a query names
    /// otherwise is in raw JSON alone.
    HuntingRow,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::LegacyRow, Self::MdeAlert, Self::GraphAlert, Self::GraphIncident, Self::HuntingRow];

    /// The shape that a kind of source gives; `None` where the kind is not known.
    pub fn from_source_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.source_kind() == kind)
    }

    /// The kind of source that gives it, as the pipeline file names it.
    pub const fn source_kind(self) -> &'static str {
        match self {
            Self::LegacyRow => "alerts_export",
            Self::MdeAlert => "mde_alerts",
            Self::GraphAlert => "graph_alerts",
            Self::GraphIncident => "graph_incidents",
            Self::HuntingRow => "hunting",
        }
    }

    /// The product that records name: for rows of the legacy export the name in Microsoft's own ArcSight mapping.
    pub const fn product(self) -> &'static str {
        match self {
            Self::LegacyRow => "Windows Defender ATP",
            Self::MdeAlert | Self::GraphAlert => "Microsoft Defender for Endpoint",
            Self::GraphIncident | Self::HuntingRow => "Microsoft Defender XDR",
        }
    }

    /// The version of the mapping, which records give as the version of the product.
    pub(crate) const fn mapping_version(self) -> &'static str {
        match self {
            Self::LegacyRow => "2.0",
            Self::MdeAlert | Self::GraphAlert | Self::GraphIncident | Self::HuntingRow => "1.0",
        }
    }

    /// The kind of event where nothing in the input names one.
    pub(crate) const fn event_class(self) -> &'static str {
        match self {
            Self::LegacyRow | Self::MdeAlert | Self::GraphAlert => "unknown",
            Self::GraphIncident => "incident",
            Self::HuntingRow => "hunting",
        }
    }

    /// The name of an event that has none.
    pub(crate) const fn event_name(self) -> &'static str {
        match self {
            Self::LegacyRow | Self::MdeAlert | Self::GraphAlert => "Alert",
            Self::GraphIncident => "Incident",
            Self::HuntingRow => "Hunting result",
        }
    }

    pub(crate) fn member(self, name: Text<'_>) -> Option<Member> {
        match self {
            Self::LegacyRow => LEGACY_ROW.find(name),
            Self::MdeAlert => MDE_ALERT.find(name),
            Self::GraphAlert => GRAPH_ALERT.find(name),
            Self::GraphIncident => GRAPH_INCIDENT.find(name),
            Self::HuntingRow => HUNTING_ROW.find(name),
        }
    }

    /// Which field stands in for which, where that one says nothing.
    pub(crate) const fn stand_ins(self) -> &'static [(Field, Field)] {
        match self {
            Self::LegacyRow => &[
                (Field::DetectorId, Field::Category),
                (Field::DeviceName, Field::DnsName),
                (Field::IncidentLink, Field::OtherIncident),
                (Field::Link, Field::OtherLink),
                (Field::Sha1, Field::FileHash),
            ],
            Self::MdeAlert | Self::GraphAlert => {
                &[(Field::DeviceName, Field::DnsName), (Field::ThreatName, Field::ThreatFamily)]
            }
            Self::GraphIncident => &[(Field::Link, Field::IncidentLink)],
            Self::HuntingRow => &[
                (Field::Updated, Field::Created),
                (Field::DnsName, Field::DeviceName),
                (Field::UserName, Field::UserPrincipal),
                (Field::ThreatName, Field::ThreatFamily),
            ],
        }
    }
}

/// A member of an alert: a fact, or what holds facts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Member {
    Evidence,
    Fact(Field),
    RelatedUser,
    Techniques,
}

/// The legacy export: a flat row, its list of links and both of its spellings of a rule's id.
static LEGACY_ROW: Names<Member, 40> = Names::new([
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
    ("IncidentLinkToWDATP", Member::Fact(Field::IncidentLink)),
    ("InternalIPv4List", Member::Fact(Field::DeviceAddress)),
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
    ("ThreatFamily", Member::Fact(Field::ThreatFamily)),
    ("ThreatName", Member::Fact(Field::ThreatName)),
    ("Url", Member::Fact(Field::Url)),
    ("UserDomain", Member::Fact(Field::UserDomain)),
    ("UserName", Member::Fact(Field::UserName)),
    ("WasExecutingWhileDetected", Member::Fact(Field::WasExecuting)),
]);

/// The public API: an alert with a user and a list of evidence.
static MDE_ALERT: Names<Member, 24> = Names::new([
    ("alertCreationTime", Member::Fact(Field::Created)),
    ("assignedTo", Member::Fact(Field::AssignedTo)),
    ("category", Member::Fact(Field::Category)),
    ("classification", Member::Fact(Field::Classification)),
    ("computerDnsName", Member::Fact(Field::DnsName)),
    ("description", Member::Fact(Field::Description)),
    ("detectionSource", Member::Fact(Field::Source)),
    ("detectorId", Member::Fact(Field::DetectorId)),
    ("determination", Member::Fact(Field::Determination)),
    ("evidence", Member::Evidence),
    ("firstEventTime", Member::Fact(Field::FirstEvent)),
    ("id", Member::Fact(Field::AlertId)),
    ("incidentId", Member::Fact(Field::IncidentId)),
    ("investigationId", Member::Fact(Field::InvestigationId)),
    ("lastEventTime", Member::Fact(Field::LastEvent)),
    ("lastUpdateTime", Member::Fact(Field::Updated)),
    ("machineId", Member::Fact(Field::DeviceId)),
    ("mitreTechniques", Member::Techniques),
    ("relatedUser", Member::RelatedUser),
    ("severity", Member::Fact(Field::Severity)),
    ("status", Member::Fact(Field::Status)),
    ("threatFamilyName", Member::Fact(Field::ThreatFamily)),
    ("threatName", Member::Fact(Field::ThreatName)),
    ("title", Member::Fact(Field::Title)),
]);

/// Graph's alerts, whichever product raised them: device, user, file and all else are evidence.
static GRAPH_ALERT: Names<Member, 24> = Names::new([
    ("actorDisplayName", Member::Fact(Field::Actor)),
    ("alertWebUrl", Member::Fact(Field::Link)),
    ("assignedTo", Member::Fact(Field::AssignedTo)),
    ("category", Member::Fact(Field::Category)),
    ("classification", Member::Fact(Field::Classification)),
    ("createdDateTime", Member::Fact(Field::Created)),
    ("description", Member::Fact(Field::Description)),
    ("detectionSource", Member::Fact(Field::Source)),
    ("detectorId", Member::Fact(Field::DetectorId)),
    ("determination", Member::Fact(Field::Determination)),
    ("evidence", Member::Evidence),
    ("firstActivityDateTime", Member::Fact(Field::FirstEvent)),
    ("id", Member::Fact(Field::AlertId)),
    ("incidentId", Member::Fact(Field::IncidentId)),
    ("incidentWebUrl", Member::Fact(Field::IncidentLink)),
    ("lastActivityDateTime", Member::Fact(Field::LastEvent)),
    ("lastUpdateDateTime", Member::Fact(Field::Updated)),
    ("mitreTechniques", Member::Techniques),
    ("serviceSource", Member::Fact(Field::Service)),
    ("severity", Member::Fact(Field::Severity)),
    ("status", Member::Fact(Field::Status)),
    ("threatDisplayName", Member::Fact(Field::ThreatName)),
    ("threatFamilyName", Member::Fact(Field::ThreatFamily)),
    ("title", Member::Fact(Field::Title)),
]);

/// Graph's incidents. What alerts they hold is read as alerts, not here.
static GRAPH_INCIDENT: Names<Member, 12> = Names::new([
    ("assignedTo", Member::Fact(Field::AssignedTo)),
    ("classification", Member::Fact(Field::Classification)),
    ("createdDateTime", Member::Fact(Field::Created)),
    ("description", Member::Fact(Field::Description)),
    ("determination", Member::Fact(Field::Determination)),
    ("displayName", Member::Fact(Field::Title)),
    ("id", Member::Fact(Field::AlertId)),
    ("incidentWebUrl", Member::Fact(Field::IncidentLink)),
    ("lastUpdateDateTime", Member::Fact(Field::Updated)),
    ("redirectIncidentId", Member::Fact(Field::IncidentId)),
    ("severity", Member::Fact(Field::Severity)),
    ("status", Member::Fact(Field::Status)),
]);

/// The columns of the tables of advanced hunting that say what a line has a place for.
static HUNTING_ROW: Names<Member, 36> = Names::new([
    ("AccountDomain", Member::Fact(Field::UserDomain)),
    ("AccountName", Member::Fact(Field::UserName)),
    ("AccountSid", Member::Fact(Field::UserId)),
    ("AccountUpn", Member::Fact(Field::UserPrincipal)),
    ("ActionType", Member::Fact(Field::Action)),
    ("AlertId", Member::Fact(Field::AlertId)),
    ("AttackTechniques", Member::Techniques),
    ("Category", Member::Fact(Field::Category)),
    ("Description", Member::Fact(Field::Description)),
    ("DetectionSource", Member::Fact(Field::Source)),
    ("DeviceId", Member::Fact(Field::DeviceId)),
    ("DeviceName", Member::Fact(Field::DeviceName)),
    ("EntityType", Member::Fact(Field::EvidenceKind)),
    ("FileName", Member::Fact(Field::FileName)),
    ("FolderPath", Member::Fact(Field::FilePath)),
    ("IncidentId", Member::Fact(Field::IncidentId)),
    ("InitiatingProcessFileName", Member::Fact(Field::ProcessName)),
    ("InitiatingProcessId", Member::Fact(Field::ParentProcessId)),
    ("LocalIP", Member::Fact(Field::DeviceAddress)),
    ("MD5", Member::Fact(Field::Md5)),
    ("ProcessCommandLine", Member::Fact(Field::CommandLine)),
    ("ProcessId", Member::Fact(Field::ProcessId)),
    ("RegistryKey", Member::Fact(Field::RegistryKey)),
    ("RemoteIP", Member::Fact(Field::IpAddress)),
    ("RemoteUrl", Member::Fact(Field::Url)),
    ("SHA1", Member::Fact(Field::Sha1)),
    ("SHA256", Member::Fact(Field::Sha256)),
    ("ServiceSource", Member::Fact(Field::Service)),
    ("Severity", Member::Fact(Field::Severity)),
    ("Status", Member::Fact(Field::Status)),
    ("ThreatFamily", Member::Fact(Field::ThreatFamily)),
    ("ThreatName", Member::Fact(Field::ThreatName)),
    // As Sentinel's tables call it.
    ("TimeGenerated", Member::Fact(Field::Created)),
    ("Timestamp", Member::Fact(Field::Created)),
    ("Title", Member::Fact(Field::Title)),
    ("Url", Member::Fact(Field::Url)),
]);

/// The user of an alert of the public API.
pub(crate) static RELATED_USER: Names<Field, 2> =
    Names::new([("domainName", Field::UserDomain), ("userName", Field::UserName)]);
