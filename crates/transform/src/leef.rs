//! LEEF, versions 1.0 and 2.0: one line for each alert, for IBM QRadar.
//!
//! LEEF has no escapes at all, so what would mean something else in a value is replaced by what looks like it.

use std::error::Error;
use std::fmt;

use crate::budget::HEADER_WORDS;
use crate::columns::Column;
use crate::line::{Format, Key, Record};
use crate::severity::Severity;
use crate::shape::Shape;
use crate::text::Stops;
use crate::ticks;
use crate::value::{Limit, Place, Shown, ValueWriter, Written};
use crate::view::Field;

/// How lines of LEEF are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeefOptions {
    /// Which version, and what stands between attributes.
    pub version: LeefVersion,
    /// Vendor; `None` for `Microsoft`.
    pub vendor: Option<String>,
    /// Product; `None` for what [`Shape::product`] says.
    pub product: Option<String>,
    /// Version of the product, which is the version of the mapping; `None` for `2.0` for rows of the legacy export and
    /// `1.0` for all else.
    pub product_version: Option<String>,
    /// A `|` in a value stays. Else it is `¦`: some readers that are not QRadar split values at a `|`.
    pub keep_pipes: bool,
}

/// A version of LEEF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeefVersion {
    /// `LEEF:1.0`: a TAB between attributes.
    #[default]
    V1,
    /// `LEEF:2.0`: its header names what stands between attributes.
    V2(LeefDelimiter),
}

/// What stands between the attributes of LEEF 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeefDelimiter(u8);

impl LeefDelimiter {
    /// `^`, IBM's own example; it passes relays that turn a TAB into something else.
    pub const CARET: Self = Self(b'^');

    /// A TAB. The header then has an empty field for it, the one way of saying so that all known readers take.
    pub const TAB: Self = Self(b'\t');

    /// Any of TAB and `` ! # $ % & ' * , ; ? @ ^ ` ~ ``.
    ///
    /// # Errors
    ///
    /// For a character that keys, numbers, times, addresses or the visible forms of characters need.
    pub const fn new(delimiter: char) -> Result<Self, UnusableDelimiter> {
        match delimiter {
            '\t' | '!' | '#' | '$' | '%' | '&' | '\'' | '*' | ',' | ';' | '?' | '@' | '^' | '`' | '~' => {
                Ok(Self(delimiter as u8))
            }
            _ => Err(UnusableDelimiter(delimiter)),
        }
    }

    /// The character.
    pub const fn get(self) -> char {
        self.0 as char
    }

    /// What stands for it in a value: the same sign in full width.
    const fn look_alike(self) -> Shown {
        match self.0 {
            b'\t' => Shown::Blank(" "),
            _ => match char::from_u32(self.0 as u32 + 0xFEE0) {
                Some(wide) => Shown::Instead(wide),
                None => Shown::Blank(" "),
            },
        }
    }
}

/// A character that cannot stand between attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableDelimiter(char);

impl fmt::Display for UnusableDelimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} cannot stand between attributes of LEEF: use a TAB or one of ! # $ % & ' * , ; ? @ ^ ` ~",
            self.0
        )
    }
}

impl Error for UnusableDelimiter {}

/// Writes lines of LEEF.
#[derive(Clone, Debug)]
pub(crate) struct Leef {
    value: LeefPlace,
    header: LeefPlace,
    version: LeefVersion,
    /// The beginning of a line for each shape.
    openings: [Vec<u8>; Shape::ALL.len()],
}

impl Leef {
    pub(crate) fn new(options: &LeefOptions) -> Self {
        let delimiter = match options.version {
            LeefVersion::V1 => LeefDelimiter::TAB,
            LeefVersion::V2(delimiter) => delimiter,
        };
        let header = LeefPlace::new(delimiter, false);
        Self {
            openings: Shape::ALL.map(|shape| opening(options, shape, &header)),
            value: LeefPlace::new(delimiter, options.keep_pipes),
            header,
            version: options.version,
        }
    }
}

impl Format for Leef {
    type Place = LeefPlace;

    fn place(&self) -> &LeefPlace {
        &self.value
    }

    fn write_header(
        &self,
        record: &Record<'_>,
        most: [usize; HEADER_WORDS],
        out: &mut Vec<u8>,
    ) -> [usize; HEADER_WORDS] {
        out.extend_from_slice(&self.openings[record.view.shape() as usize]);
        let start = out.len();
        self.write_event_id(record, Limit { characters: 255, bytes: most[0] }, out);
        let event_id = out.len() - start;
        out.push(b'|');
        match self.version {
            LeefVersion::V1 => {}
            LeefVersion::V2(LeefDelimiter::TAB) => out.push(b'|'),
            LeefVersion::V2(LeefDelimiter(byte)) => out.extend_from_slice(&[byte, b'|']),
        }
        [event_id, 0]
    }

    fn key(&self, column: &'static Column) -> Option<Key> {
        column.leef.map(|key| Key { name: key.name, label: None, longest: key.longest })
    }

    fn delimiter(&self) -> u8 {
        self.value.delimiter.0
    }

    fn write_time(&self, ticks: i64, out: &mut Vec<u8>) {
        ticks::write(ticks, out);
    }

    fn truth(&self, truth: bool) -> &'static str {
        if truth { "true" } else { "false" }
    }

    /// IBM's scale begins at 1.
    fn severity_number(&self, severity: Severity) -> &'static str {
        match severity {
            Severity::Unknown | Severity::Informational => "1",
            Severity::Low => "3",
            Severity::Medium => "5",
            Severity::High => "8",
        }
    }
}

impl Leef {
    /// The rule that fired; where the API names none, the category: QRadar sorts events by it, so it must be of few.
    fn write_event_id(&self, record: &Record<'_>, limit: Limit, out: &mut Vec<u8>) {
        let view = record.view;
        let mut writer = ValueWriter::new(&self.header, limit, out);
        writer.push(view.text(Field::DetectorId).or(view.text(Field::Category)));
        if writer.finish() == Written::Nothing {
            out.extend_from_slice(view.shape().event_class().as_bytes());
        }
    }
}

/// A value or a field of the header. LEEF escapes nothing: its own characters are replaced.
#[derive(Clone, Debug)]
pub(crate) struct LeefPlace {
    stops: Stops,
    delimiter: LeefDelimiter,
    keep_pipes: bool,
}

impl LeefPlace {
    fn new(delimiter: LeefDelimiter, keep_pipes: bool) -> Self {
        Self { stops: Stops::controls_and(&[b'|', delimiter.0]), delimiter, keep_pipes }
    }
}

impl Place for LeefPlace {
    fn stops(&self) -> &Stops {
        &self.stops
    }

    fn show(&self, char: char) -> Option<Shown> {
        match char {
            _ if char == self.delimiter.get() => Some(self.delimiter.look_alike()),
            '|' if !self.keep_pipes => Some(Shown::Instead('¦')),
            '\n' | '\r' => Some(Shown::Blank(" ")),
            _ => None,
        }
    }
}

/// The header up to the id of the event.
fn opening(options: &LeefOptions, shape: Shape, place: &LeefPlace) -> Vec<u8> {
    let mut out = match options.version {
        LeefVersion::V1 => b"LEEF:1.0|".to_vec(),
        LeefVersion::V2(_) => b"LEEF:2.0|".to_vec(),
    };
    let vendor = options.vendor.as_deref().unwrap_or("Microsoft");
    let product = options.product.as_deref().unwrap_or(shape.product());
    let version = options.product_version.as_deref().unwrap_or(shape.mapping_version());
    for (word, longest) in [(vendor, 63), (product, 63), (version, 31)] {
        let mut writer = ValueWriter::new(place, Limit::characters(longest), &mut out);
        writer.push_str(word);
        writer.finish();
        out.push(b'|');
    }
    out
}
