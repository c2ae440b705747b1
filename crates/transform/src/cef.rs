//! CEF, versions 0 and 1: one line for each alert.

use crate::budget::HEADER_WORDS;
use crate::columns::Column;
use crate::line::{Format, Key, Record};
use crate::severity::Severity;
use crate::shape::Shape;
use crate::text::Stops;
use crate::ticks::{self, unix_millis};
use crate::value::{Limit, Place, Shown, ValueWriter, Written};
use crate::view::Field;

/// Who the line says that the device is; `None` where the mapping's own word stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CefHeader {
    /// Device Vendor; `Microsoft`.
    pub vendor: Option<String>,
    /// Device Product; `Windows Defender ATP` for rows of the legacy export, as in Microsoft's ArcSight mapping, else
    /// what [`Shape::product`] says.
    pub product: Option<String>,
    /// Device Version, which is the version of the mapping; `2.0` for rows of the legacy export, else `1.0`.
    pub version: Option<String>,
}

/// Which version of the standard the line says it keeps to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CefVersion {
    /// `CEF:0`, which every receiver knows.
    #[default]
    V0,
    /// `CEF:1`, which adds the technique and the actor under keys of their own (`threatAttackID`, `threatActor`). Some
    /// receivers look for the text `CEF:0` alone.
    V1,
}

/// Writes lines of CEF.
#[derive(Clone, Debug)]
pub(crate) struct Cef {
    version: CefVersion,
    /// The beginning of a line for each shape.
    openings: [Vec<u8>; Shape::ALL.len()],
}

impl Cef {
    pub(crate) fn new(version: CefVersion, header: &CefHeader) -> Self {
        Self { version, openings: Shape::ALL.map(|shape| opening(version, header, shape)) }
    }
}

impl Format for Cef {
    type Place = Extension;

    fn place(&self) -> &Extension {
        &Extension
    }

    fn write_header(
        &self,
        record: &Record<'_>,
        most: [usize; HEADER_WORDS],
        out: &mut Vec<u8>,
    ) -> [usize; HEADER_WORDS] {
        out.extend_from_slice(&self.openings[record.view.shape() as usize]);
        let start = out.len();
        write_event_class(record, Limit { characters: 1023, bytes: most[0] }, out);
        let class = out.len() - start;
        out.push(b'|');
        let start = out.len();
        write_name(record, Limit { characters: 512, bytes: most[1] }, out);
        let name = out.len() - start;
        out.push(b'|');
        out.extend_from_slice(self.severity_number(record.rendered.severity).as_bytes());
        out.push(b'|');
        [class, name]
    }

    fn key(&self, column: &'static Column) -> Option<Key> {
        let key = column.cef.as_ref().filter(|key| !key.needs_version_1 || self.version == CefVersion::V1)?;
        Some(Key { name: key.name, label: key.label, longest: key.longest })
    }

    fn delimiter(&self) -> u8 {
        b' '
    }

    fn write_time(&self, ticks: i64, out: &mut Vec<u8>) {
        ticks::write_number(unix_millis(ticks), out);
    }

    fn truth(&self, truth: bool) -> &'static str {
        if truth { "1" } else { "0" }
    }

    /// The standard's bands: 0 to 3 low, 4 to 6 medium, 7 and 8 high.
    fn severity_number(&self, severity: Severity) -> &'static str {
        match severity {
            Severity::Unknown => "Unknown",
            Severity::Informational => "1",
            Severity::Low => "3",
            Severity::Medium => "5",
            Severity::High => "8",
        }
    }
}

/// A field of the header: `\` and `|` take a backslash, a line break is a space.
struct Header;

static HEADER_STOPS: Stops = Stops::controls_and(b"|");

impl Place for Header {
    fn stops(&self) -> &Stops {
        &HEADER_STOPS
    }

    fn show(&self, char: char) -> Option<Shown> {
        match char {
            '\\' => Some(Shown::Escaped("\\\\")),
            '|' => Some(Shown::Escaped("\\|")),
            '\n' | '\r' => Some(Shown::Blank(" ")),
            _ => None,
        }
    }
}

/// A value of the extension: `\` and `=` take a backslash, a line break is `\n` or `\r`.
pub(crate) struct Extension;

static EXTENSION_STOPS: Stops = Stops::controls_and(b"=");

impl Place for Extension {
    fn stops(&self) -> &Stops {
        &EXTENSION_STOPS
    }

    fn show(&self, char: char) -> Option<Shown> {
        match char {
            '\\' => Some(Shown::Escaped("\\\\")),
            '=' => Some(Shown::Escaped("\\=")),
            '\n' => Some(Shown::Blank("\\n")),
            '\r' => Some(Shown::Blank("\\r")),
            _ => None,
        }
    }
}

/// The header up to the class of the event.
fn opening(version: CefVersion, header: &CefHeader, shape: Shape) -> Vec<u8> {
    let mut out = match version {
        CefVersion::V0 => b"CEF:0|".to_vec(),
        CefVersion::V1 => b"CEF:1|".to_vec(),
    };
    let vendor = header.vendor.as_deref().unwrap_or("Microsoft");
    let product = header.product.as_deref().unwrap_or(shape.product());
    let version = header.version.as_deref().unwrap_or(shape.mapping_version());
    for (word, longest) in [(vendor, 63), (product, 63), (version, 31)] {
        let mut writer = ValueWriter::new(&Header, Limit::characters(longest), &mut out);
        writer.push_str(word);
        writer.finish();
        out.push(b'|');
    }
    out
}

/// The rule that fired; where the API names none, what kind of alert it is.
fn write_event_class(record: &Record<'_>, limit: Limit, out: &mut Vec<u8>) {
    let view = record.view;
    let mut writer = ValueWriter::new(&Header, limit, out);
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
        out.extend_from_slice(view.shape().event_class().as_bytes());
    }
}

fn write_name(record: &Record<'_>, limit: Limit, out: &mut Vec<u8>) {
    let view = record.view;
    let mut writer = ValueWriter::new(&Header, limit, out);
    writer.push(view.text(Field::Title).or(view.text(Field::Category)));
    if writer.finish() == Written::Nothing {
        out.extend_from_slice(view.shape().event_name().as_bytes());
    }
}
