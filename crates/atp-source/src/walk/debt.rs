//! What the API shows but will not give.

use serde::{Deserialize, Serialize};

/// Something that the API shows but will not give: what, why, and the server's time when it was first found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Debt {
    pub(crate) of: DebtOf,
    pub(crate) reason: Reason,
    pub(crate) since: i64,
}

/// What is owed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DebtOf {
    /// The evidence of one alert, which was seen at this update time.
    Alert { id: String, time: i64 },
    /// Whatever has its update time in this span.
    Span { from: i64, to: i64 },
}

/// Why it is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Rows equal in both times never stood still while they were paged.
    Changing,
    /// A millisecond of the export holds more rows than it shows for sure.
    Crowded,
    /// Every call for it fails.
    Fails,
    /// `$skip` is not heeded.
    SkipUnheeded,
    /// The filter is not heeded.
    Unfiltered,
}

impl Reason {
    /// The reason as a clause.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Changing => "its rows changed in every pass with `$skip`",
            Self::Crowded => "one millisecond holds more rows than an answer shows for sure",
            Self::Fails => "the API fails whenever it is asked for it",
            Self::SkipUnheeded => "the API gives the same rows whatever `$skip` says",
            Self::Unfiltered => "a full answer held no row of the span that was asked for",
        }
    }
}

impl Debt {
    /// Takes another debt up, where both are one: the same alert, or spans that touch and are owed for one reason.
    ///
    /// Spans that fail stay apart, so that each can be left alone.
    pub(crate) fn absorb(&mut self, of: &DebtOf, reason: Reason) -> bool {
        match (&mut self.of, of) {
            (DebtOf::Alert { id, time }, DebtOf::Alert { id: other, time: later }) if id == other => *time = *later,
            (one, other) if *one == *other => self.reason = reason,
            (DebtOf::Span { from, to }, &DebtOf::Span { from: first, to: last })
                if self.reason == reason && reason != Reason::Fails && *from <= last && first <= *to =>
            {
                (*from, *to) = (first.min(*from), last.max(*to));
            }
            _ => return false,
        }
        true
    }
}
