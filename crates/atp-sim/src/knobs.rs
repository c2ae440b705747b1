//! Behaviour that is uncertain at the real services, or that a test wants bent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::serial;

/// Behaviour that is uncertain at the real services, or that a test wants bent. The defaults are the documented ones.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// The order of rows where the caller asks for none.
    pub order: RowOrder,
    /// What `$orderby` does.
    pub order_by: OrderBy,
    /// The most rows of one answer of the public API; documented: 10,000.
    pub row_cap: u32,
    /// What a `$top` above the cap gives.
    pub top_above_cap: TopAboveCap,
    /// The public API answers with no more than so many rows whatever `$top` says, without a word about it.
    pub silent_cap: Option<u32>,
    /// What the link to the next page looks like; it comes only without `$top`.
    pub links: Links,
    /// A link comes with `$top` too.
    pub links_with_top: bool,
    /// How many calls one application may make in one tenant.
    pub rate_limit: Option<RateLimit>,
    /// A row at `sinceTimeUtc` is in the answer.
    pub since_inclusive: bool,
    /// A row at `untilTimeUtc` is in the answer.
    pub until_inclusive: bool,
    /// Which of `ago` and `sinceTimeUtc` counts when both are given.
    pub ago_wins: bool,
    /// How the export writes its rows.
    pub export_shape: ExportShape,
    /// The export is asked in the wrong region.
    pub wrong_region: Option<WrongRegion>,
    /// Answers are compressed when the caller accepts gzip.
    pub gzip: bool,
    /// Seconds that the `Date` header is ahead of the simulated time.
    pub date_skew: i64,
    /// How long tokens live; 60 to 90 minutes by chance otherwise.
    #[serde(with = "serial::optional_seconds")]
    pub token_lifetime: Option<Duration>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            order: RowOrder::default(),
            order_by: OrderBy::default(),
            row_cap: 10_000,
            top_above_cap: TopAboveCap::default(),
            silent_cap: None,
            links: Links::default(),
            links_with_top: false,
            rate_limit: None,
            since_inclusive: true,
            until_inclusive: false,
            ago_wins: false,
            export_shape: ExportShape::default(),
            wrong_region: None,
            gzip: true,
            date_skew: 0,
            token_lifetime: None,
        }
    }
}

/// The order of rows in an answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// By creation time, newest first.
    NewestCreatedFirst,
    /// By update time, newest first.
    #[default]
    NewestFirst,
    /// By update time, oldest first.
    OldestFirst,
    /// In no order that helps.
    Shuffled,
}

/// What `$orderby` does; it is not documented for alerts, but used.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderBy {
    /// Nothing.
    Ignored,
    /// 400.
    Refused,
    /// What it says.
    #[default]
    Works,
}

/// What a `$top` above the cap gives.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TopAboveCap {
    /// As many rows as the cap.
    Clamped,
    /// 400.
    #[default]
    Refused,
}

/// What the link to the next page looks like.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    /// It points to another host.
    Foreign,
    /// The same page again.
    Looping,
    /// The names of its parameters are gone, as seen at the real service.
    Malformed,
    /// There is none.
    None,
    /// It pages by `$skip` and works.
    #[default]
    Skip,
}

/// How many calls one application may make in one tenant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Calls in a minute; documented: 100.
    pub per_minute: u32,
    /// Calls in an hour; documented: 1,500.
    pub per_hour: u32,
    /// The 429 says when to come back.
    pub retry_after: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { per_minute: 100, per_hour: 1_500, retry_after: true }
    }
}

/// How the export writes its rows.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportShape {
    /// A bare array, empty when there is nothing.
    #[default]
    Array,
    /// A bare array, but `{"value":[]}` when there is nothing.
    ArrayOrEmptyValue,
    /// One row stands alone, without an array around it.
    SingleObject,
    /// An object with `value`.
    Value,
}

/// What the export says to a tenant of another region.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrongRegion {
    /// An empty list.
    Empty,
    /// 403.
    Forbidden,
    /// 401.
    Unauthorized,
}
