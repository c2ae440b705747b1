//! The one view of an alert, whatever shape it came in: borrowed, read in one pass over the bytes.

use std::ops::Range;

use crate::evidence::{Evidence, Item};
use crate::lexer::{Container, Lexer, Unreadable, Value};
use crate::record_id::RecordId;
use crate::severity::Severity;
use crate::shape::{Member, RELATED_USER, Shape};
use crate::text::{SHORT, Text};
use crate::ticks;

/// An alert as all formats and filters see it. Reading it copies nothing.
#[derive(Clone)]
pub struct View<'a> {
    shape: Shape,
    raw: &'a [u8],
    fields: Fields<'a>,
    /// A list of JSON; empty where there is none.
    techniques: &'a [u8],
    evidence_count: usize,
    piece: Option<Piece>,
}

/// The one piece of evidence that a view is of, as places in the alert's bytes.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// Its place among all, from 0.
    pub(crate) index: u32,
    /// The whole list.
    pub(crate) list: Range<usize>,
    /// The piece.
    pub(crate) item: Range<usize>,
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
        let mut view = Self::empty(shape, raw);
        let mut evidence = Evidence::default();
        view.read_parts(&mut evidence)?;
        evidence.tell(&mut view.fields);
        view.complete();
        Ok(view)
    }

    /// Reads an alert once for each piece of its evidence: each view has the alert's own facts and those of one piece.
    /// An alert without evidence has one view, which is the whole of it.
    pub(crate) fn read_each(shape: Shape, raw: &'a [u8], mut each: impl FnMut(&Self)) -> Result<(), Unreadable> {
        let mut view = Self::empty(shape, raw);
        let mut evidence = Evidence::default();
        let list = view.read_parts(&mut evidence)?;
        if evidence.count() == 0 {
            view.complete();
            each(&view);
            return Ok(());
        }
        let mut lexer = Lexer::at(raw, list.start);
        lexer.value()?;
        let mut more = lexer.first_element()?;
        let mut index = 0;
        while more {
            match lexer.value()? {
                Value::Open(Container::Object) => {
                    let start = lexer.opened();
                    let item = Item::read(&mut lexer)?;
                    let mut piece = view.clone();
                    evidence.tell_one(&item, &mut piece.fields);
                    piece.complete();
                    piece.piece = Some(Piece { index, list: list.clone(), item: start..lexer.place() });
                    each(&piece);
                    index += 1;
                }
                Value::Open(container) => lexer.skip(container)?,
                Value::Null | Value::Scalar(_) => {}
            }
            more = lexer.next_element()?;
        }
        // The last of several lists may be empty: no alert is without a record.
        if index == 0 {
            view.complete();
            each(&view);
        }
        Ok(())
    }

    fn empty(shape: Shape, raw: &'a [u8]) -> Self {
        Self { shape, raw, fields: Fields::default(), techniques: &[], evidence_count: 0, piece: None }
    }

    /// Reads the alert's own facts, and apart from them its evidence; says where the list of it is.
    fn read_parts(&mut self, evidence: &mut Evidence<'a>) -> Result<Range<usize>, Unreadable> {
        let (shape, raw) = (self.shape, self.raw);
        let mut list = 0..0;
        let mut lexer = Lexer::new(raw);
        lexer.open_object()?;
        let mut member = lexer.first_member()?;
        while let Some(name) = member {
            let value = lexer.value()?;
            match (shape.member(name), value) {
                (Some(Member::Fact(field)), Value::Scalar(text)) => self.fields.offer(field, text),
                (Some(Member::Evidence), Value::Open(Container::Array)) => {
                    let start = lexer.opened();
                    let known = evidence.count();
                    evidence.read(&mut lexer)?;
                    if evidence.count() > known {
                        list = start..lexer.place();
                    }
                }
                (Some(Member::RelatedUser), Value::Open(Container::Object)) => read_user(&mut lexer, &mut self.fields)?,
                (Some(Member::Techniques), Value::Open(Container::Array)) => {
                    self.techniques = lexer.capture(Container::Array)?;
                }
                (Some(Member::Techniques), Value::Scalar(text)) => self.fields.offer(Field::Techniques, text),
                (_, Value::Open(container)) => lexer.skip(container)?,
                (_, Value::Null | Value::Scalar(_)) => {}
            }
            member = lexer.next_member()?;
        }
        lexer.end()?;
        self.evidence_count = evidence.count();
        Ok(list)
    }

    /// Fills what says nothing from what stands in for it.
    fn complete(&mut self) {
        for &(field, stand_in) in self.shape.stand_ins() {
            self.fields.offer(field, self.fields.get(stand_in));
        }
        if self.shape != Shape::LegacyRow {
            self.fields.offer(Field::DnsDomain, dns_domain(self.fields.get(Field::DnsName)));
        }
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

    /// When what it is about last happened, in .NET ticks; 0 where that is missing or no time.
    pub fn last_activity(&self) -> i64 {
        self.time(Field::LastEvent).unwrap_or_default()
    }

    /// The alert's id, which all its revisions share.
    pub(crate) fn alert_id(&self) -> Text<'a> {
        self.text(Field::AlertId).or(self.text(Field::FullId))
    }

    /// The device that it is about: its DNS name, else its bare name, else its id.
    pub(crate) fn device(&self) -> Text<'a> {
        self.text(Field::DnsName).or(self.text(Field::DeviceName)).or(self.text(Field::DeviceId))
    }

    /// The id of its record in a tenant. `partial` says that it was had without its evidence.
    ///
    /// The alert id is `id`; of an export row `FullId`, else `AlertId:AlertPart`, for the rows of one alert share the
    /// rest. What has no id is named by its own bytes, and so is a row of a hunting query, for many may share an id.
    pub fn record_id(&self, tenant_id: &str, partial: bool) -> RecordId {
        let index = match self.evidence_index() {
            Some(index) => index,
            None if partial => RecordId::PARTIAL,
            None => RecordId::WHOLE,
        };
        let alert_id = self.text(Field::AlertId);
        let full_id = self.text(Field::FullId);
        let of = |parts: &[Text<'_>]| RecordId::of_texts(tenant_id, parts, self.updated(), index);
        match self.shape {
            Shape::LegacyRow if full_id.is_some() => of(&[full_id]),
            _ if !alert_id.is_some() => RecordId::of_bytes(tenant_id, self.raw, self.updated(), index),
            Shape::LegacyRow => of(&[alert_id, Text::new(b":"), self.text(Field::AlertPart)]),
            Shape::MdeAlert | Shape::GraphAlert | Shape::GraphIncident => of(&[alert_id]),
            Shape::HuntingRow => RecordId::of_bytes(tenant_id, self.raw, self.updated(), index),
        }
    }

    /// How many pieces of evidence the alert has.
    pub fn evidence_count(&self) -> usize {
        self.evidence_count
    }

    /// Which of them alone this is a view of.
    pub(crate) fn evidence_index(&self) -> Option<u32> {
        self.piece.as_ref().map(|piece| piece.index)
    }

    pub(crate) const fn piece(&self) -> Option<&Piece> {
        self.piece.as_ref()
    }

    /// The alert as the API sent it: one JSON object.
    pub(crate) const fn raw(&self) -> &'a [u8] {
        self.raw
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

    /// The time that a log source gives an event: when it was raised, else when it last changed.
    pub(crate) fn device_time(&self) -> Option<i64> {
        self.time(Field::Created).or_else(|| self.time(Field::Updated))
    }

    /// The techniques of MITRE ATT&CK that it names.
    pub(crate) fn techniques(&self) -> impl Iterator<Item = Text<'a>> {
        let alone = self.text(Field::Techniques);
        Elements::of(self.techniques).chain(std::iter::once(alone).filter(|text| text.is_some()))
    }
}

/// The texts of a list of JSON that was read before.
struct Elements<'a> {
    lexer: Lexer<'a>,
    more: bool,
}

impl<'a> Elements<'a> {
    fn of(list: &'a [u8]) -> Self {
        let mut lexer = Lexer::new(list);
        let more = lexer.value().is_ok() && lexer.first_element().unwrap_or_default();
        Self { lexer, more }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Text<'a>;

    fn next(&mut self) -> Option<Text<'a>> {
        while self.more {
            let text = match self.lexer.value().ok()? {
                Value::Scalar(text) => text,
                Value::Open(container) => {
                    self.lexer.skip(container).ok()?;
                    Text::default()
                }
                Value::Null => Text::default(),
            };
            self.more = self.lexer.next_element().unwrap_or_default();
            if text.says_something() {
                return Some(text);
            }
        }
        None
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
    AssignedTo,
    Category,
    Classification,
    CommandLine,
    Created,
    Description,
    DetectorId,
    Determination,
    /// Of the device itself: one, or a list written as one text.
    DeviceAddress,
    DeviceId,
    DeviceName,
    DnsDomain,
    DnsName,
    /// Of the most telling piece of evidence.
    EvidenceKind,
    FileHash,
    FileName,
    FilePath,
    FirstEvent,
    FullId,
    IncidentId,
    IncidentLink,
    InvestigationId,
    IpAddress,
    LastEvent,
    Link,
    Md5,
    OtherIncident,
    OtherLink,
    ParentProcessId,
    ProcessId,
    ProcessName,
    RegistryKey,
    Remediation,
    RemediationIsSuccess,
    /// The product that raised the alert; `Source` is what of it detected.
    Service,
    Severity,
    Sha1,
    Sha256,
    Source,
    Status,
    /// Techniques that are written as one text.
    Techniques,
    ThreatFamily,
    ThreatName,
    Title,
    Updated,
    Url,
    UserDomain,
    UserId,
    UserName,
    UserPrincipal,
    Verdict,
    WasExecuting,
}

impl Field {
    const COUNT: usize = Self::WasExecuting as usize + 1;
}

/// One place for each fact; a text that says nothing is never kept.
#[derive(Clone)]
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
