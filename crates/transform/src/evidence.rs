//! The evidence of an alert of the public API: a list of any length, read over once with five items kept.

use crate::lexer::{Container, Lexer, Unreadable, Value};
use crate::shape::{EVIDENCE, EvidenceMember};
use crate::text::{SHORT, Text};
use crate::view::{Field, Fields};

/// The first item of evidence of each kind that an alert can show; the others are read over.
#[derive(Default)]
pub(crate) struct Evidence<'a> {
    file: Option<Item<'a>>,
    ip: Option<Item<'a>>,
    process: Option<Item<'a>>,
    url: Option<Item<'a>>,
    user: Option<Item<'a>>,
    detection_status: Text<'a>,
}

impl<'a> Evidence<'a> {
    /// Reads a list that was just entered.
    pub(crate) fn read(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Unreadable> {
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
    pub(crate) fn tell(&self, fields: &mut Fields<'a>) {
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
