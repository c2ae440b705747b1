//! The evidence of an alert: a list of any length, of which the most telling item of each kind is kept.

use crate::lexer::{Container, Lexer, Unreadable, Value};
use crate::names::Names;
use crate::text::{SHORT, Text};
use crate::view::{Field, Fields};

/// The most telling item of each kind; the others are read over and counted.
///
/// An item tells more the worse its verdict is; among those of one verdict, what was detected and ran tells more than
/// what was blocked or prevented, and that more than what says neither; among those, the first.
#[derive(Default)]
pub(crate) struct Evidence<'a> {
    kept: [Option<Item<'a>>; Kind::COUNT],
    count: usize,
}

impl<'a> Evidence<'a> {
    /// Reads a list that was just entered. Of two lists the first counts that has an item.
    pub(crate) fn read(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Unreadable> {
        if self.count > 0 {
            return lexer.skip(Container::Array);
        }
        let mut more = lexer.first_element()?;
        while more {
            match lexer.value()? {
                Value::Open(Container::Object) => self.keep(Item::read(lexer)?),
                Value::Open(container) => lexer.skip(container)?,
                Value::Null | Value::Scalar(_) => {}
            }
            more = lexer.next_element()?;
        }
        Ok(())
    }

    /// How many items there are.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    fn keep(&mut self, item: Item<'a>) {
        self.count += 1;
        let place = &mut self.kept[item.kind as usize];
        if place.as_ref().is_none_or(|kept| item.weight > kept.weight) {
            *place = Some(item);
        }
    }

    /// Tells the facts that the alert itself has no member for.
    pub(crate) fn tell(&self, fields: &mut Fields<'a>) {
        let kept = |kind: Kind| self.kept[kind as usize].as_ref();
        if let Some(file) = kept(Kind::File).or(kept(Kind::Process)) {
            file.tell_file(fields);
        }
        // Before all that only names a device: its id and its name must be of one.
        if let Some(device) = kept(Kind::Device) {
            device.tell(fields);
        }
        for item in self.kept.iter().flatten() {
            item.tell(fields);
        }
        // Whoever a process ran as is the user where no other is named.
        if let Some(process) = kept(Kind::Process) {
            process.tell_user(fields);
        }
        // Of equals the last is taken: the kinds stand in the order of how much they tell.
        if let Some(top) = self.kept.iter().flatten().rev().max_by_key(|item| item.weight) {
            top.tell_outcome(fields);
        }
        for item in self.kept.iter().flatten() {
            item.tell_outcome(fields);
        }
    }

    /// Tells the facts of one item alone, and of the device that the alert is about.
    pub(crate) fn tell_one(&self, item: &Item<'a>, fields: &mut Fields<'a>) {
        item.tell_file(fields);
        item.tell(fields);
        item.tell_user(fields);
        item.tell_outcome(fields);
        if let Some(device) = &self.kept[Kind::Device as usize]
            && !item.is_of_another_device(device)
        {
            device.tell(fields);
        }
    }
}

/// The kinds of evidence that an alert can show, the most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Process,
    Url,
    Ip,
    Registry,
    User,
    Device,
    Other,
}

impl Kind {
    const COUNT: usize = Self::Other as usize + 1;

    /// `File` of the public API, `#microsoft.graph.security.fileEvidence` of Graph.
    fn read(text: Text<'_>) -> Self {
        KINDS.find(short_name(text)).unwrap_or(Self::Other)
    }
}

/// What is between the last dot and the word `Evidence`.
fn short_name(kind: Text<'_>) -> Text<'_> {
    let raw = kind.raw();
    let name = raw.iter().rposition(|&byte| byte == b'.').map_or(raw, |dot| &raw[dot + 1..]);
    let stem = name.len().saturating_sub(b"Evidence".len());
    Text::new(if stem > 0 && name[stem..].eq_ignore_ascii_case(b"Evidence") { &name[..stem] } else { name })
}

static KINDS: Names<Kind, 11> = Names::new([
    ("Device", Kind::Device),
    ("File", Kind::File),
    ("Ip", Kind::Ip),
    ("MailBox", Kind::User),
    ("Machine", Kind::Device),
    ("Process", Kind::Process),
    ("Registry", Kind::Registry),
    ("RegistryKey", Kind::Registry),
    ("RegistryValue", Kind::Registry),
    ("Url", Kind::Url),
    ("User", Kind::User),
]);

/// One item of evidence.
pub(crate) struct Item<'a> {
    members: [Text<'a>; Member::COUNT],
    kind: Kind,
    weight: u8,
}

impl<'a> Item<'a> {
    /// Reads an item that was just entered.
    pub(crate) fn read(lexer: &mut Lexer<'a>) -> Result<Self, Unreadable> {
        let mut item = Self { members: [Text::default(); Member::COUNT], kind: Kind::Other, weight: 0 };
        let mut name = lexer.first_member()?;
        while let Some(known) = name {
            let place = ITEM.find(known);
            match (place, lexer.value()?) {
                (Some(Place::Member(member)), Value::Scalar(text)) => item.offer(member, text),
                (Some(Place::Inner(names)), Value::Open(Container::Object)) => item.read_inner(names, lexer)?,
                (_, Value::Open(container)) => lexer.skip(container)?,
                (_, Value::Null | Value::Scalar(_)) => {}
            }
            name = lexer.next_member()?;
        }
        item.kind = Kind::read(item.get(Member::Kind));
        item.weight = item.weigh();
        Ok(item)
    }

    fn read_inner(&mut self, names: Inner, lexer: &mut Lexer<'a>) -> Result<(), Unreadable> {
        let mut name = lexer.first_member()?;
        while let Some(known) = name {
            match (names.find(known), lexer.value()?) {
                (Some(member), Value::Scalar(text)) => self.offer(member, text),
                (_, Value::Open(container)) => lexer.skip(container)?,
                (_, Value::Null | Value::Scalar(_)) => {}
            }
            name = lexer.next_member()?;
        }
        Ok(())
    }

    fn offer(&mut self, member: Member, text: Text<'a>) {
        let place = &mut self.members[member as usize];
        if !place.is_some() && text.says_something() {
            *place = text;
        }
    }

    fn get(&self, member: Member) -> Text<'a> {
        self.members[member as usize]
    }

    /// How much it tells, by verdict and then by what was done.
    fn weigh(&self) -> u8 {
        let word = |member: Member, words: [&[u8]; 3]| {
            let mut buffer = [0; SHORT];
            let said = self.get(member).short(&mut buffer);
            words.iter().position(|word| said.eq_ignore_ascii_case(word))
        };
        let verdict = match word(Member::Verdict, [b"malicious", b"suspicious", b"noThreatsFound"]) {
            Some(0) => 3,
            Some(1) => 2,
            None => 1,
            Some(_) => 0,
        };
        let detection = match word(Member::DetectionStatus, [b"detected", b"blocked", b"prevented"]) {
            Some(place) => 3 - place as u8,
            None => 0,
        };
        verdict * 4 + detection
    }

    fn is_of_another_device(&self, device: &Self) -> bool {
        let (own, known) = (self.get(Member::DeviceId), device.get(Member::DeviceId));
        own.is_some() && known.is_some() && !own.raw().eq_ignore_ascii_case(known.raw())
    }

    fn tell(&self, fields: &mut Fields<'a>) {
        match self.kind {
            Kind::Process => self.tell_process(fields),
            Kind::Url => fields.offer(Field::Url, self.get(Member::Url)),
            Kind::Ip => fields.offer(Field::IpAddress, self.get(Member::IpAddress)),
            Kind::Registry => fields.offer(Field::RegistryKey, self.get(Member::RegistryKey)),
            Kind::User => self.tell_user(fields),
            Kind::Device => self.tell_device(fields),
            Kind::File | Kind::Other => {}
        }
        fields.offer(Field::DeviceId, self.get(Member::DeviceId));
    }

    fn tell_file(&self, fields: &mut Fields<'a>) {
        if matches!(self.kind, Kind::File | Kind::Process) {
            for (field, member) in [
                (Field::FileName, Member::FileName),
                (Field::FilePath, Member::FilePath),
                (Field::Md5, Member::Md5),
                (Field::Sha1, Member::Sha1),
                (Field::Sha256, Member::Sha256),
            ] {
                fields.offer(field, self.get(member));
            }
        }
    }

    fn tell_process(&self, fields: &mut Fields<'a>) {
        for (field, member) in [
            (Field::CommandLine, Member::CommandLine),
            (Field::ParentProcessId, Member::ParentProcessId),
            (Field::ProcessId, Member::ProcessId),
            (Field::ProcessName, Member::FileName),
        ] {
            fields.offer(field, self.get(member));
        }
    }

    /// Name, domain and SID must be of one user: where the alert names another than the evidence does, the alert's
    /// counts.
    fn tell_user(&self, fields: &mut Fields<'a>) {
        if !matches!(self.kind, Kind::Process | Kind::User) {
            return;
        }
        let name = self.get(Member::AccountName).or(self.get(Member::UserPrincipal));
        let known = fields.get(Field::UserName);
        if known.is_some() && !known.raw().eq_ignore_ascii_case(name.raw()) {
            return;
        }
        fields.offer(Field::UserName, name);
        fields.offer(Field::UserDomain, self.get(Member::DomainName));
        fields.offer(Field::UserId, self.get(Member::UserSid));
        fields.offer(Field::UserPrincipal, self.get(Member::UserPrincipal));
    }

    fn tell_device(&self, fields: &mut Fields<'a>) {
        fields.offer(Field::DnsName, self.get(Member::DnsName).or(self.get(Member::HostName)));
        fields.offer(Field::DnsDomain, self.get(Member::DnsDomain));
        fields.offer(Field::DeviceAddress, self.get(Member::LastIpAddress));
    }

    fn tell_outcome(&self, fields: &mut Fields<'a>) {
        fields.offer(Field::Action, self.get(Member::DetectionStatus));
        fields.offer(Field::EvidenceKind, short_name(self.get(Member::Kind)));
        fields.offer(Field::Remediation, self.get(Member::RemediationStatus));
        fields.offer(Field::Verdict, self.get(Member::Verdict));
    }
}

/// A member of an item of evidence, in any of its kinds.
#[derive(Clone, Copy, Debug)]
enum Member {
    AccountName,
    CommandLine,
    DetectionStatus,
    DeviceId,
    DnsDomain,
    DnsName,
    DomainName,
    FileName,
    FilePath,
    HostName,
    IpAddress,
    Kind,
    LastIpAddress,
    Md5,
    ParentProcessId,
    ProcessId,
    RegistryKey,
    RemediationStatus,
    Sha1,
    Sha256,
    Url,
    UserPrincipal,
    UserSid,
    Verdict,
}

impl Member {
    const COUNT: usize = Self::Verdict as usize + 1;
}

/// What a name in an item stands for: a member, or an object that holds members.
#[derive(Clone, Copy)]
enum Place {
    Inner(Inner),
    Member(Member),
}

#[derive(Clone, Copy)]
enum Inner {
    Account,
    File,
}

impl Inner {
    fn find(self, name: Text<'_>) -> Option<Member> {
        match self {
            Self::Account => ACCOUNT.find(name),
            Self::File => FILE_DETAILS.find(name),
        }
    }
}

/// An item of the public API has every member of every kind, those of other kinds being null; one of Graph has those of
/// its kind, the file and the account as objects of their own.
static ITEM: Names<Place, 30> = Names::new([
    ("@odata.type", Place::Member(Member::Kind)),
    ("accountName", Place::Member(Member::AccountName)),
    ("detectionStatus", Place::Member(Member::DetectionStatus)),
    ("deviceDnsName", Place::Member(Member::DnsName)),
    ("dnsDomain", Place::Member(Member::DnsDomain)),
    ("domainName", Place::Member(Member::DomainName)),
    ("entityType", Place::Member(Member::Kind)),
    ("fileDetails", Place::Inner(Inner::File)),
    ("fileName", Place::Member(Member::FileName)),
    ("filePath", Place::Member(Member::FilePath)),
    ("hostName", Place::Member(Member::HostName)),
    ("imageFile", Place::Inner(Inner::File)),
    ("ipAddress", Place::Member(Member::IpAddress)),
    ("lastIpAddress", Place::Member(Member::LastIpAddress)),
    ("md5", Place::Member(Member::Md5)),
    ("mdeDeviceId", Place::Member(Member::DeviceId)),
    ("parentProcessId", Place::Member(Member::ParentProcessId)),
    ("primaryAddress", Place::Member(Member::UserPrincipal)),
    ("processCommandLine", Place::Member(Member::CommandLine)),
    ("processId", Place::Member(Member::ProcessId)),
    ("registryKey", Place::Member(Member::RegistryKey)),
    ("remediationStatus", Place::Member(Member::RemediationStatus)),
    ("sha1", Place::Member(Member::Sha1)),
    ("sha256", Place::Member(Member::Sha256)),
    ("upn", Place::Member(Member::UserPrincipal)),
    ("url", Place::Member(Member::Url)),
    ("userAccount", Place::Inner(Inner::Account)),
    ("userPrincipalName", Place::Member(Member::UserPrincipal)),
    ("userSid", Place::Member(Member::UserSid)),
    ("verdict", Place::Member(Member::Verdict)),
]);

/// `fileDetails` of Graph.
static FILE_DETAILS: Names<Member, 5> = Names::new([
    ("fileName", Member::FileName),
    ("filePath", Member::FilePath),
    ("md5", Member::Md5),
    ("sha1", Member::Sha1),
    ("sha256", Member::Sha256),
]);

/// `userAccount` of Graph.
static ACCOUNT: Names<Member, 4> = Names::new([
    ("accountName", Member::AccountName),
    ("domainName", Member::DomainName),
    ("userPrincipalName", Member::UserPrincipal),
    ("userSid", Member::UserSid),
]);
