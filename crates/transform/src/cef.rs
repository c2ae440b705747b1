//! CEF 0: one line for each alert, its keys and their order fixed in one table.

mod columns;
mod value;

use std::io::Write as _;
use std::net::IpAddr;

use crate::cef::columns::{COLUMNS, Column, Source};
use crate::cef::value::{EXTENSION, HEADER, ValueWriter, Written};
use crate::render::{Origin, Rendered};
use crate::severity::Severity;
use crate::shape::Shape;
use crate::text::{SHORT, Text};
use crate::ticks::unix_millis;
use crate::view::{Field, View};

/// Who the line says that the device is; `None` where the mapping's own word stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CefHeader {
    /// Device Vendor; `Microsoft`.
    pub vendor: Option<String>,
    /// Device Product; `Windows Defender ATP` for rows of the legacy export, as in Microsoft's ArcSight mapping, else
    /// `Microsoft Defender for Endpoint`.
    pub product: Option<String>,
    /// Device Version, which is the version of the mapping; `2.0` for rows of the legacy export, else `1.0`.
    pub version: Option<String>,
}

/// Writes lines of CEF.
#[derive(Clone, Debug)]
pub struct Cef {
    legacy_row: Vec<u8>,
    mde_alert: Vec<u8>,
}

impl Cef {
    pub(crate) fn new(CefHeader { vendor, product, version }: CefHeader) -> Self {
        let vendor = vendor.as_deref().unwrap_or("Microsoft");
        let opening = |own_product, own_version| {
            opening(vendor, product.as_deref().unwrap_or(own_product), version.as_deref().unwrap_or(own_version))
        };
        Self {
            legacy_row: opening("Windows Defender ATP", "2.0"),
            mde_alert: opening("Microsoft Defender for Endpoint", "1.0"),
        }
    }

    pub(crate) fn write(&self, view: &View<'_>, origin: &Origin<'_>, rendered: &Rendered, out: &mut Vec<u8>) {
        out.extend_from_slice(match view.shape() {
            Shape::LegacyRow => &self.legacy_row,
            Shape::MdeAlert => &self.mde_alert,
        });
        write_event_class(view, out);
        out.push(b'|');
        write_name(view, out);
        out.push(b'|');
        out.extend_from_slice(level(rendered.severity));
        out.push(b'|');
        let mut extension = Extension { view, origin, rendered, start: out.len(), id_is_cut: false };
        for column in COLUMNS {
            extension.write(column, out);
        }
    }
}

/// The pairs of one line.
struct Extension<'a> {
    view: &'a View<'a>,
    origin: &'a Origin<'a>,
    rendered: &'a Rendered,
    /// Where they begin.
    start: usize,
    /// `externalId` did not hold the whole alert id.
    id_is_cut: bool,
}

impl Extension<'_> {
    /// Writes a column's pair and its label, or nothing: no key may stand without a value.
    fn write(&mut self, column: &Column, out: &mut Vec<u8>) {
        let before = out.len();
        if before > self.start {
            out.push(b' ');
        }
        out.extend_from_slice(column.key.as_bytes());
        out.push(b'=');
        let value = out.len();
        self.write_value(column.source, out);
        if out.len() == value {
            out.truncate(before);
            return;
        }
        let label = if self.shows_id(column.source) { Some("AlertId") } else { column.label };
        if let Some(label) = label {
            for part in [" ", column.key, "Label=", label] {
                out.extend_from_slice(part.as_bytes());
            }
        }
    }

    fn write_value(&mut self, source: Source, out: &mut Vec<u8>) {
        match source {
            Source::ExternalId => self.id_is_cut = write_id(self.view.text(Field::AlertId), out),
            Source::FilePath => write_file_path(self.view, out),
            Source::Flag(field) => write_flag(self.view.text(field), b"1", b"0", out),
            Source::Integer(field) => write_integer(self.view.text(field), out),
            Source::Ipv4(field) => write_address(self.view.text(field), IpAddr::is_ipv4, out),
            Source::Ipv6(field) => write_address(self.view.text(field), IpAddr::is_ipv6, out),
            Source::LinkOrId => {
                let field = if self.id_is_cut { Field::AlertId } else { Field::Link };
                write_text(self.view.text(field), 1023, out);
            }
            Source::Outcome(field) => write_flag(self.view.text(field), b"success", b"failure", out),
            Source::Partial if self.origin.partial => out.push(b'1'),
            Source::Partial => {}
            Source::RecordId => out.extend_from_slice(&self.rendered.record_id.hex()),
            Source::Tenant => write_tenant(self.origin, out),
            Source::Text(field, limit) => write_text(self.view.text(field), limit, out),
            Source::Time(field) => write_time(self.view.time(field), out),
            Source::Whole(field, limit) => write_whole(self.view.text(field), limit, out),
        }
    }

    fn shows_id(&self, source: Source) -> bool {
        self.id_is_cut && matches!(source, Source::LinkOrId)
    }
}

/// The header up to the class of the event.
fn opening(vendor: &str, product: &str, version: &str) -> Vec<u8> {
    let mut out = b"CEF:0|".to_vec();
    for (word, limit) in [(vendor, 63), (product, 63), (version, 31)] {
        let mut writer = ValueWriter::new(&HEADER, limit, &mut out);
        writer.push_str(word);
        writer.finish();
        out.push(b'|');
    }
    out
}

/// The rule that fired; where the API names none, what kind of alert it is.
fn write_event_class(view: &View<'_>, out: &mut Vec<u8>) {
    let mut writer = ValueWriter::new(&HEADER, 1023, out);
    let detector = view.text(Field::DetectorId);
    if detector.is_some() {
        writer.push(detector);
    } else {
        let (source, category) = (view.text(Field::Source), view.text(Field::Category));
        writer.push(source);
        if source.is_some() && category.is_some() {
            writer.push_str(":");
        }
        writer.push(category);
    }
    if writer.finish() == Written::Nothing {
        out.extend_from_slice(b"unknown");
    }
}

fn write_name(view: &View<'_>, out: &mut Vec<u8>) {
    let mut writer = ValueWriter::new(&HEADER, 512, out);
    writer.push(view.text(Field::Title).or(view.text(Field::Category)));
    if writer.finish() == Written::Nothing {
        out.extend_from_slice(b"Alert");
    }
}

/// The standard's bands: 0 to 3 low, 4 to 6 medium, 7 and 8 high.
const fn level(severity: Severity) -> &'static [u8] {
    match severity {
        Severity::Unknown => b"Unknown",
        Severity::Informational => b"1",
        Severity::Low => b"3",
        Severity::Medium => b"5",
        Severity::High => b"8",
    }
}

fn write_text(text: Text<'_>, limit: usize, out: &mut Vec<u8>) {
    let mut writer = ValueWriter::new(&EXTENSION, limit, out);
    writer.push(text);
    writer.finish();
}

fn write_whole(text: Text<'_>, limit: usize, out: &mut Vec<u8>) {
    let start = out.len();
    let mut writer = ValueWriter::new(&EXTENSION, limit, out);
    writer.push(text);
    if writer.finish() == Written::Cut {
        out.truncate(start);
    }
}

/// Writes the alert id and says whether it was cut.
fn write_id(text: Text<'_>, out: &mut Vec<u8>) -> bool {
    let mut writer = ValueWriter::new(&EXTENSION, 40, out).without_ellipsis();
    writer.push(text);
    writer.finish() == Written::Cut
}

/// The API gives the directory, the standard wants the whole path.
fn write_file_path(view: &View<'_>, out: &mut Vec<u8>) {
    let (directory, name) = (view.text(Field::FilePath), view.text(Field::FileName));
    let mut writer = ValueWriter::new(&EXTENSION, 1023, out);
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

/// Whether a path is this name or ends with a separator and this name, case aside, both as JSON spells them.
fn ends_with_component(path: &[u8], name: &[u8]) -> bool {
    let Some(before) = path.len().checked_sub(name.len()) else { return false };
    path[before..].eq_ignore_ascii_case(name) && matches!(path[..before].last(), None | Some(b'/' | b'\\'))
}

fn write_flag(text: Text<'_>, yes: &[u8], no: &[u8], out: &mut Vec<u8>) {
    let mut buffer = [0; SHORT];
    let word = text.short(&mut buffer).trim_ascii();
    if word == b"1" || word.eq_ignore_ascii_case(b"true") {
        out.extend_from_slice(yes);
    } else if word == b"0" || word.eq_ignore_ascii_case(b"false") {
        out.extend_from_slice(no);
    }
}

fn write_integer(text: Text<'_>, out: &mut Vec<u8>) {
    let mut buffer = [0; SHORT];
    let word = text.short(&mut buffer).trim_ascii();
    if let Some(number) = str::from_utf8(word).ok().and_then(|word| word.parse::<i32>().ok()) {
        write!(out, "{number}").expect("a vector takes every byte");
    }
}

/// Receivers drop an address that is none, and some the whole line.
fn write_address(text: Text<'_>, family: impl Fn(&IpAddr) -> bool, out: &mut Vec<u8>) {
    if let Some(address) = text.ip_address().filter(family) {
        write!(out, "{address}").expect("a vector takes every byte");
    }
}

fn write_time(ticks: Option<i64>, out: &mut Vec<u8>) {
    if let Some(ticks) = ticks {
        write!(out, "{}", unix_millis(ticks)).expect("a vector takes every byte");
    }
}

fn write_tenant(origin: &Origin<'_>, out: &mut Vec<u8>) {
    for name in [origin.tenant_name, origin.tenant_id, "unknown"] {
        let mut writer = ValueWriter::new(&EXTENSION, 1023, out);
        writer.push_str(name);
        if writer.finish() != Written::Nothing {
            return;
        }
    }
}
