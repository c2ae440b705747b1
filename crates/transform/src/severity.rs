//! How bad an alert is, in one scale for all shapes.

use crate::shape::Shape;
use crate::text::{SHORT, Text};
use crate::view;

/// How bad an alert is; the order is the obvious one, with `Unknown` below all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Absent, `UnSpecified`, or a word that no version of the API had.
    #[default]
    Unknown,
    /// `Informational`.
    Informational,
    /// `Low`.
    Low,
    /// `Medium`.
    Medium,
    /// `High`; also `Critical`, a word of Microsoft's other products, should it ever come.
    High,
}

impl Severity {
    /// Its name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    pub(crate) fn read(text: Text<'_>) -> Self {
        let mut buffer = [0; SHORT];
        let word = text.short(&mut buffer).trim_ascii();
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("high") || is("critical") {
            Self::High
        } else if is("medium") {
            Self::Medium
        } else if is("low") {
            Self::Low
        } else if is("informational") {
            Self::Informational
        } else {
            Self::Unknown
        }
    }
}

/// The severity alone, read no further than to it; `Unknown` where there is none to be read.
pub fn severity(shape: Shape, raw: &[u8]) -> Severity {
    view::severity(shape, raw).unwrap_or_default()
}
