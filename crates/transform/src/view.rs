//! The one view of an alert, whatever shape it came in: borrowed, read in one pass over the bytes.

use crate::evidence::Evidence;
use crate::lexer::{Container, Lexer, Unreadable, Value};
use crate::record_id::RecordId;
use crate::severity::Severity;
use crate::shape::{Member, RELATED_USER, Shape};
use crate::text::{SHORT, Text};
use crate::ticks;

/// An alert as all formats and filters see it. Reading it copies nothing.
pub struct View<'a> {
    shape: Shape,
    raw: &'a [u8],
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
        Ok(Self { shape, raw, fields })
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
    /// rest. What has no id is named by its own bytes.
    pub fn record_id(&self, tenant_id: &str, partial: bool) -> RecordId {
        let index = if partial { RecordId::PARTIAL } else { RecordId::WHOLE };
        let alert_id = self.text(Field::AlertId);
        let full_id = self.text(Field::FullId);
        let of = |parts: &[Text<'_>]| RecordId::of_texts(tenant_id, parts, self.updated(), index);
        match self.shape {
            Shape::LegacyRow if full_id.is_some() => of(&[full_id]),
            _ if !alert_id.is_some() => RecordId::of_bytes(tenant_id, self.raw, self.updated(), index),
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
pub(crate) struct Fields<'a>([Text<'a>; Field::COUNT]);

impl Default for Fields<'_> {
    fn default() -> Self {
        Self([Text::default(); Field::COUNT])
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, field: Field) -> Text<'a> {
        self.0[field as usize]
    }

    /// Keeps the text where the field has none yet.
    pub(crate) fn offer(&mut self, field: Field, text: Text<'a>) {
        let place = &mut self.0[field as usize];
        if !place.is_some() && text.says_something() {
            *place = text;
        }
    }
}
