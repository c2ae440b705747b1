//! A record as one line: a header, and then the pairs of the one table, in any format of this kind.

use std::io::Write as _;
use std::net::IpAddr;

use crate::budget::{Budget, HEADER_WORDS, PARTS, Plan, Size};
use crate::columns::{COLUMNS, Column, Source};
use crate::render::{Origin, Rendered};
use crate::severity::Severity;
use crate::text::{SHORT, Text};
use crate::ticks;
use crate::value::{Limit, Place, ValueWriter, Written};
use crate::view::{Field, View};

/// A format of lines.
pub(crate) trait Format {
    /// How values are sanitised and escaped.
    type Place: Place;

    fn place(&self) -> &Self::Place;

    /// Writes the header up to the first pair. Of the two words that come from the alert, each has at most so many
    /// bytes; says how many they have.
    fn write_header(
        &self,
        record: &Record<'_>,
        most: [usize; HEADER_WORDS],
        out: &mut Vec<u8>,
    ) -> [usize; HEADER_WORDS];

    /// The key under which a column stands; `None` where this format has none for it.
    fn key(&self, column: &'static Column) -> Option<Key>;

    /// What stands between two pairs.
    fn delimiter(&self) -> u8;

    fn write_time(&self, ticks: i64, out: &mut Vec<u8>);

    fn truth(&self, truth: bool) -> &'static str;

    fn severity_number(&self, severity: Severity) -> &'static str;
}

/// A key of a format.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) label: Option<&'static str>,
    /// The longest value, in characters.
    pub(crate) longest: usize,
}

/// What a line tells of.
pub(crate) struct Record<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) origin: &'a Origin<'a>,
    pub(crate) rendered: &'a Rendered<'a>,
}

/// Appends a record, whole or cut to its budget; says how many fields were cut.
pub(crate) fn write<F: Format>(format: &F, record: &Record<'_>, budget: Option<Budget>, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    let sizes = Line { format, record, plan: &Plan::WHOLE, id_is_cut: false }.write(out);
    let most = budget.map_or(usize::MAX, Budget::get);
    let Some(over) = (out.len() - start).checked_sub(most).filter(|&over| over > 0) else { return 0 };
    out.truncate(start);
    let plan = Plan::for_excess(over, &sizes);
    Line { format, record, plan: &plan, id_is_cut: false }.write(out);
    plan.cut
}

/// One line in the making.
struct Line<'a, F> {
    format: &'a F,
    record: &'a Record<'a>,
    plan: &'a Plan,
    /// `externalId` did not hold the whole alert id.
    id_is_cut: bool,
}

impl<F: Format> Line<'_, F> {
    fn write(mut self, out: &mut Vec<u8>) -> [Size; PARTS] {
        let mut sizes = [Size::default(); PARTS];
        let most = [self.plan.most[COLUMNS.len()], self.plan.most[COLUMNS.len() + 1]];
        let words = self.format.write_header(self.record, most, out);
        for (size, word) in sizes[COLUMNS.len()..].iter_mut().zip(words) {
            *size = Size { whole: word, text: word };
        }
        let first = out.len();
        for ((column, &most), size) in COLUMNS.iter().zip(&self.plan.most).zip(&mut sizes) {
            let is_absent = column.source.field().is_some_and(|field| !self.record.view.text(field).is_some());
            if most > 0
                && !is_absent
                && let Some(key) = self.format.key(column)
            {
                *size = self.write_pair(column, &key, most, first, out);
            }
        }
        sizes
    }

    /// Writes a pair and its label, or nothing: no key may stand without a value.
    fn write_pair(&mut self, column: &Column, key: &Key, most: usize, first: usize, out: &mut Vec<u8>) -> Size {
        let before = out.len();
        if before > first {
            out.push(self.format.delimiter());
        }
        out.extend_from_slice(key.name.as_bytes());
        out.push(b'=');
        let value = out.len();
        let is_text = self.write_value(column.source, Limit { characters: key.longest, bytes: most }, out);
        let text = if is_text { out.len() - value } else { 0 };
        if out.len() == value {
            out.truncate(before);
            return Size::default();
        }
        let shows_id = self.id_is_cut && matches!(column.source, Source::LinkOrId);
        if let Some(label) = key.label {
            out.push(self.format.delimiter());
            for part in [key.name, "Label=", if shows_id { "AlertId" } else { label }] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        Size { whole: out.len() - before, text }
    }

    /// Writes a value; says whether it is text that may be shortened.
    fn write_value(&mut self, source: Source, limit: Limit, out: &mut Vec<u8>) -> bool {
        let view = self.record.view;
        match source {
            Source::Either(first, second) => self.write_text(view.text(first).or(view.text(second)), limit, out),
            Source::FilePath => self.write_file_path(limit, out),
            Source::LinkOrId => {
                let field = if self.id_is_cut { Field::AlertId } else { Field::Link };
                self.write_text(view.text(field), limit, out);
            }
            Source::Outcome => match truth(view.text(Field::RemediationIsSuccess)) {
                Some(true) => out.extend_from_slice(b"success"),
                Some(false) => out.extend_from_slice(b"failure"),
                None => self.write_text(view.text(Field::Remediation), limit, out),
            },
            Source::Techniques => self.write_techniques(limit, out),
            Source::Tenant => self.write_tenant(limit, out),
            Source::TenantId => {
                self.write_word(self.record.origin.tenant_id, limit, out);
            }
            Source::Text(field) => self.write_text(view.text(field), limit, out),
            fixed => {
                self.write_fixed(fixed, limit, out);
                return false;
            }
        }
        true
    }

    /// Writes a value that no budget shortens.
    fn write_fixed(&mut self, source: Source, limit: Limit, out: &mut Vec<u8>) {
        let Record { view, origin, rendered } = *self.record;
        match source {
            Source::Address(field) => write_address(view.text(field), |_| true, out),
            Source::Cut if self.plan.cut > 0 => ticks::write_number(self.plan.cut as i64, out),
            Source::DeviceTime => write_device_time(view, out),
            Source::DeviceTimeFormat if view.device_time().is_some() => out.extend_from_slice(DEVICE_TIME_FORMAT),
            Source::EvidenceCount if view.evidence_count() > 0 => {
                ticks::write_number(view.evidence_count() as i64, out)
            }
            Source::EvidenceIndex => {
                if let Some(index) = view.evidence_index() {
                    ticks::write_number(index.into(), out);
                }
            }
            Source::ExternalId => self.id_is_cut = self.write_id(view.text(Field::AlertId), limit, out),
            Source::FirstAddress(field) => write_address(view.text(field).first_of_list(), |_| true, out),
            Source::FirstTechnique => self.write_whole(view.techniques().next().unwrap_or_default(), limit, out),
            Source::Flag(field) => {
                if let Some(truth) = truth(view.text(field)) {
                    out.extend_from_slice(self.format.truth(truth).as_bytes());
                }
            }
            Source::Framework if view.techniques().next().is_some() => out.extend_from_slice(b"MITRE ATT&CK"),
            Source::IdentityHost if view.text(Field::DeviceAddress).first_of_list().ip_address().is_some() => {
                self.write_text(view.text(Field::DnsName).or(view.text(Field::DeviceName)), limit, out);
            }
            Source::Integer(field) => write_integer(view.text(field), out),
            Source::Ipv4(field) => write_address(view.text(field), IpAddr::is_ipv4, out),
            Source::Ipv6(field) => write_address(view.text(field), IpAddr::is_ipv6, out),
            Source::Partial if origin.partial => out.extend_from_slice(self.format.truth(true).as_bytes()),
            Source::RecordId => out.extend_from_slice(&rendered.record_id.hex()),
            Source::SeverityName => out.extend_from_slice(rendered.severity.name().as_bytes()),
            Source::SeverityNumber => {
                out.extend_from_slice(self.format.severity_number(rendered.severity).as_bytes());
            }
            Source::Time(field) => {
                if let Some(ticks) = view.time(field) {
                    self.format.write_time(ticks, out);
                }
            }
            Source::Whole(field) => self.write_whole(view.text(field), limit, out),
            _ => {}
        }
    }

    fn writer<'o>(&self, limit: Limit, out: &'o mut Vec<u8>) -> ValueWriter<'_, 'o, F::Place> {
        ValueWriter::new(self.format.place(), limit, out)
    }

    fn write_text(&self, text: Text<'_>, limit: Limit, out: &mut Vec<u8>) {
        let mut writer = self.writer(limit, out);
        writer.push(text);
        writer.finish();
    }

    fn write_word(&self, word: &str, limit: Limit, out: &mut Vec<u8>) -> Written {
        let mut writer = self.writer(limit, out);
        writer.push_str(word);
        writer.finish()
    }

    fn write_whole(&self, text: Text<'_>, limit: Limit, out: &mut Vec<u8>) {
        let start = out.len();
        let mut writer = self.writer(limit, out);
        writer.push(text);
        if writer.finish() == Written::Cut {
            out.truncate(start);
        }
    }

    /// Writes the alert id and says whether it was cut.
    fn write_id(&self, text: Text<'_>, limit: Limit, out: &mut Vec<u8>) -> bool {
        let mut writer = self.writer(limit, out).without_ellipsis();
        writer.push(text);
        writer.finish() == Written::Cut
    }

    /// The API gives the directory; CEF wants the whole path, and a reader of LEEF is glad of it.
    fn write_file_path(&self, limit: Limit, out: &mut Vec<u8>) {
        let (directory, name) = (self.record.view.text(Field::FilePath), self.record.view.text(Field::FileName));
        let mut writer = self.writer(limit, out);
        writer.push(directory);
        if directory.is_some() && name.is_some() && !ends_with_component(directory.raw(), name.raw()) {
            let slashes = directory.raw().contains(&b'/') && !directory.raw().contains(&b'\\');
            if !matches!(directory.raw().last(), Some(b'/' | b'\\')) {
                writer.push_str(if slashes { "/" } else { "\\" });
            }
            writer.push(name);
        }
        writer.finish();
    }

    fn write_techniques(&self, limit: Limit, out: &mut Vec<u8>) {
        let mut writer = self.writer(limit, out);
        for (at, technique) in self.record.view.techniques().enumerate() {
            if at > 0 {
                writer.push_str(",");
            }
            writer.push(technique);
        }
        writer.finish();
    }

    fn write_tenant(&self, limit: Limit, out: &mut Vec<u8>) {
        for name in [self.record.origin.tenant_name, self.record.origin.tenant_id, "unknown"] {
            if self.write_word(name, limit, out) != Written::Nothing {
                return;
            }
        }
    }
}

/// Whether a path is this name or ends with a separator and this name, case aside, both as JSON spells them.
fn ends_with_component(path: &[u8], name: &[u8]) -> bool {
    let Some(before) = path.len().checked_sub(name.len()) else { return false };
    path[before..].eq_ignore_ascii_case(name) && matches!(path[..before].last(), None | Some(b'/' | b'\\'))
}

fn truth(text: Text<'_>) -> Option<bool> {
    let mut buffer = [0; SHORT];
    let word = text.short(&mut buffer).trim_ascii();
    if word == b"1" || word.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if word == b"0" || word.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

fn write_integer(text: Text<'_>, out: &mut Vec<u8>) {
    let mut buffer = [0; SHORT];
    let word = text.short(&mut buffer).trim_ascii();
    if let Some(number) = str::from_utf8(word).ok().and_then(|word| word.parse::<i32>().ok()) {
        ticks::write_number(number.into(), out);
    }
}

/// Receivers drop an address that is none, and some the whole line.
fn write_address(text: Text<'_>, family: impl Fn(&IpAddr) -> bool, out: &mut Vec<u8>) {
    if let Some(address) = text.ip_address().filter(family) {
        write!(out, "{address}").expect("a vector takes every byte");
    }
}

fn write_device_time(view: &View<'_>, out: &mut Vec<u8>) {
    if let Some(ticks) = view.device_time() {
        ticks::write_english(ticks, out);
    }
}

/// How Java's SimpleDateFormat reads [`crate::ticks::write_english`]: one of the forms of IBM's guide.
const DEVICE_TIME_FORMAT: &[u8] = b"MMM dd yyyy HH:mm:ss.SSS zzz";
