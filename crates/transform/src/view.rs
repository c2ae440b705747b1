//! The one view of an alert, whatever shape it came in: borrowed, read in one pass over the bytes.

use crate::lexer::{Container, Lexer, Unreadable, Value};
use crate::record_id::RecordId;
use crate::severity::Severity;
use crate::shape::{EVIDENCE, EvidenceMember, Member, RELATED_USER, Shape};
use crate::text::{SHORT, Text};
use crate::ticks;

/// An alert as all formats and filters see it. Reading it copies nothing.
pub struct View<'a> {
    shape: Shape,
    fields: Fields<'a>,
}

impl<'a> View<'a> {
    /// Reads an alert.
    ///
    /// Of a member that comes twice, the first that says something counts; a member of another type than the API's is
    /// as if it were absent; a number in quotes is a number.
    ///
    /// # Errors
    ///
    /// Only for bytes that are not one JSON object.
    pub fn read(shape: Shape, raw: &'a [u8]) -> Result<Self, Unreadable> {
        let mut fields = Fields::default();
        let mut evidence = Evidence::default();
        let mut lexer = Lexer::new(raw);
        lexer.open_object()?;
        let mut member = lexer.first_member()?;
        while let Some(name) = member {
            let value = lexer.value()?;
            match (shape.member(name), value) {
                (Some(Member::Fact(field)), Value::Scalar(text)) => fields.offer(field, text),
                (Some(Member::Evidence), Value::Open(Container::Array)) => evidence.read(&mut lexer)?,
                (Some(Member::RelatedUser), Value::Open(Container::Object)) => read_user(&mut lexer, &mut fields)?,
                (_, Value::Open(container)) => lexer.skip(container)?,
                (_, Value::Null | Value::Scalar(_)) => {}
            }
            member = lexer.next_member()?;
        }
        lexer.end()?;
        evidence.tell(&mut fields);
        for &(field, stand_in) in shape.stand_ins() {
            fields.offer(field, fields.get(stand_in));
        }
        if shape == Shape::MdeAlert {
            fields.offer(Field::DnsDomain, dns_domain(fields.get(Field::DnsName)));
        }
        Ok(Self { shape, fields })
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        Severity::read(self.text(Field::Severity))
    }

    /// When it last changed, in .NET ticks; 0 where that is missing or no time. An export row never changes: its time
    /// is that of its arrival, `LastProcessedTimeUtc`.
    pub fn updated(&self) -> i64 {
        self.time(Field::Updated).unwrap_or_default()
    }

    /// When it was raised, in .NET ticks; 0 where that is missing or no time. An export row says when what it is about
    /// happened, `AlertTime`.
    pub fn created(&self) -> i64 {
        self.time(Field::Created).unwrap_or_default()
    }

    /// The id of its record in a tenant. `partial` says that it was had without its evidence.
    ///
    /// The alert id is `id`; of an export row `FullId`, else `AlertId:AlertPart`, for the rows of one alert share the
    /// rest.
    pub fn record_id(&self, tenant_id: &str, partial: bool) -> RecordId {
        let index = if partial { RecordId::PARTIAL } else { RecordId::WHOLE };
        let alert_id = self.text(Field::AlertId);
        let full_id = self.text(Field::FullId);
        let of = |parts: &[Text<'_>]| RecordId::of_parts(tenant_id, parts, self.updated(), index);
        match self.shape {
            Shape::LegacyRow if full_id.is_some() => of(&[full_id]),
            Shape::LegacyRow => of(&[alert_id, Text::new(b":"), self.text(Field::AlertPart)]),
            Shape::MdeAlert => of(&[alert_id]),
        }
    }

    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn text(&self, field: Field) -> Text<'a> {
        self.fields.get(field)
    }

    pub(crate) fn time(&self, field: Field) -> Option<i64> {
        ticks::parse(self.text(field).short(&mut [0; SHORT]))
    }
}

/// The severity alone, read no further than to it.
pub(crate) fn severity(shape: Shape, raw: &[u8]) -> Result<Severity, Unreadable> {
    let mut lexer = Lexer::new(raw);
    lexer.open_object()?;
    let mut member = lexer.first_member()?;
    while let Some(name) = member {
        match lexer.value()? {
            Value::Scalar(text) if matches!(shape.member(name), Some(Member::Fact(Field::Severity))) => {
                if text.says_something() {
                    return Ok(Severity::read(text));
                }
            }
            Value::Open(container) => lexer.skip(container)?,
            Value::Null | Value::Scalar(_) => {}
        }
        member = lexer.next_member()?;
    }
    Ok(Severity::Unknown)
}

fn read_user<'a>(lexer: &mut Lexer<'a>, fields: &mut Fields<'a>) -> Result<(), Unreadable> {
    let mut member = lexer.first_member()?;
    while let Some(name) = member {
        match (RELATED_USER.find(name), lexer.value()?) {
            (Some(field), Value::Scalar(text)) => fields.offer(field, text),
            (_, Value::Open(container)) => lexer.skip(container)?,
            (_, Value::Null | Value::Scalar(_)) => {}
        }
        member = lexer.next_member()?;
    }
    Ok(())
}

/// What follows the first dot of a device's name, unless that is an address.
fn dns_domain(name: Text<'_>) -> Text<'_> {
    let raw = name.raw();
    match raw.iter().position(|&byte| byte == b'.') {
        Some(dot) if name.ip_address().is_none() => Text::new(&raw[dot + 1..]),
        _ => Text::default(),
    }
}

/// A fact of an alert.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    Action,
    Actor,
    AlertId,
    AlertPart,
    Category,
    CommandLine,
    Created,
    Description,
    DetectorId,
    DeviceId,
    DeviceName,
    DnsDomain,
    DnsName,
    FileHash,
    FileName,
    FilePath,
    FirstEvent,
    FullId,
    Incident,
    IpAddress,
    LastEvent,
    Link,
    Md5,
    OtherIncident,
    OtherLink,
    ProcessId,
    ProcessName,
    RemediationIsSuccess,
    Severity,
    Sha1,
    Sha256,
    Source,
    Status,
    ThreatFamily,
    ThreatName,
    Title,
    Updated,
    Url,
    UserDomain,
    UserId,
    UserName,
    WasExecuting,
}

impl Field {
    const COUNT: usize = Self::WasExecuting as usize + 1;
}

/// One place for each fact; a text that says nothing is never kept.
struct Fields<'a>([Text<'a>; Field::COUNT]);

impl Default for Fields<'_> {
    fn default() -> Self {
        Self([Text::default(); Field::COUNT])
    }
}

impl<'a> Fields<'a> {
    fn get(&self, field: Field) -> Text<'a> {
        self.0[field as usize]
    }

    /// Keeps the text where the field has none yet.
    fn offer(&mut self, field: Field, text: Text<'a>) {
        let place = &mut self.0[field as usize];
        if !place.is_some() && text.says_something() {
            *place = text;
        }
    }
}

/// The first item of evidence of each kind that an alert can show; the others are read over.
#[derive(Default)]
struct Evidence<'a> {
    file: Option<Item<'a>>,
    ip: Option<Item<'a>>,
    process: Option<Item<'a>>,
    url: Option<Item<'a>>,
    user: Option<Item<'a>>,
    detection_status: Text<'a>,
}

impl<'a> Evidence<'a> {
    /// Reads a list that was just entered.
    fn read(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Unreadable> {
        let mut more = lexer.first_element()?;
        while more {
            match lexer.value()? {
                Value::Open(Container::Object) if !self.is_complete() => self.keep(Item::read(lexer)?),
                Value::Open(container) => lexer.skip(container)?,
                Value::Null | Value::Scalar(_) => {}
            }
            more = lexer.next_element()?;
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        let kinds = [&self.file, &self.ip, &self.process, &self.url, &self.user];
        kinds.iter().all(|kind| kind.is_some()) && self.detection_status.is_some()
    }

    fn keep(&mut self, item: Item<'a>) {
        self.detection_status = self.detection_status.or(item.get(EvidenceMember::DetectionStatus));
        let place = match item.get(EvidenceMember::EntityType).short(&mut [0; SHORT]) {
            kind if kind.eq_ignore_ascii_case(b"File") => &mut self.file,
            kind if kind.eq_ignore_ascii_case(b"Ip") => &mut self.ip,
            kind if kind.eq_ignore_ascii_case(b"Process") => &mut self.process,
            kind if kind.eq_ignore_ascii_case(b"Url") => &mut self.url,
            kind if kind.eq_ignore_ascii_case(b"User") => &mut self.user,
            _ => return,
        };
        place.get_or_insert(item);
    }

    /// Tells the facts that the alert itself has no member for.
    fn tell(&self, fields: &mut Fields<'a>) {
        if let Some(file) = self.file.as_ref().or(self.process.as_ref()) {
            fields.offer(Field::FileName, file.get(EvidenceMember::FileName));
            fields.offer(Field::FilePath, file.get(EvidenceMember::FilePath));
            fields.offer(Field::Sha1, file.get(EvidenceMember::Sha1));
            fields.offer(Field::Sha256, file.get(EvidenceMember::Sha256));
        }
        if let Some(process) = &self.process {
            fields.offer(Field::CommandLine, process.get(EvidenceMember::CommandLine));
            fields.offer(Field::ProcessId, process.get(EvidenceMember::ProcessId));
            fields.offer(Field::ProcessName, process.get(EvidenceMember::FileName));
        }
        if let Some(ip) = &self.ip {
            fields.offer(Field::IpAddress, ip.get(EvidenceMember::IpAddress));
        }
        if let Some(url) = &self.url {
            fields.offer(Field::Url, url.get(EvidenceMember::Url));
        }
        if let Some(user) = &self.user {
            tell_user(user, fields);
        }
        fields.offer(Field::Action, self.detection_status);
    }
}

/// Name, domain and SID must be of one user: where the alert names another than the evidence does, the alert's counts.
fn tell_user<'a>(user: &Item<'a>, fields: &mut Fields<'a>) {
    let name = user.get(EvidenceMember::AccountName).or(user.get(EvidenceMember::UserPrincipalName));
    let known = fields.get(Field::UserName);
    if known.is_some() && !known.raw().eq_ignore_ascii_case(name.raw()) {
        return;
    }
    fields.offer(Field::UserName, name);
    fields.offer(Field::UserDomain, user.get(EvidenceMember::DomainName));
    fields.offer(Field::UserId, user.get(EvidenceMember::UserSid));
}

/// One item of evidence.
struct Item<'a>([Text<'a>; EvidenceMember::COUNT]);

impl<'a> Item<'a> {
    /// Reads an item that was just entered.
    fn read(lexer: &mut Lexer<'a>) -> Result<Self, Unreadable> {
        let mut item = Self([Text::default(); EvidenceMember::COUNT]);
        let mut member = lexer.first_member()?;
        while let Some(name) = member {
            match lexer.value()? {
                Value::Scalar(text) if text.says_something() => {
                    if let Some(place) = EVIDENCE.find(name).map(|member| &mut item.0[member as usize]) {
                        *place = place.or(text);
                    }
                }
                Value::Open(container) => lexer.skip(container)?,
                Value::Null | Value::Scalar(_) => {}
            }
            member = lexer.next_member()?;
        }
        Ok(item)
    }

    fn get(&self, member: EvidenceMember) -> Text<'a> {
        self.0[member as usize]
    }
}
