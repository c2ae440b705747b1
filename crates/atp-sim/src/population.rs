//! Which alerts a tenant has, and when they come, change and show.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::serial;

/// The alerts of one tenant. All spans are simulated time; all shares lie between 0 and 1.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Population {
    /// Alerts that are there at the start.
    pub backlog: u32,
    /// How long before the start the first of them was created.
    #[serde(with = "serial::seconds")]
    pub backlog_span: Duration,
    /// How many of the backlog share one update time.
    pub ties: u32,
    /// How many of those share their creation time too.
    pub ties_created_together: u32,
    /// New alerts in a minute, from the start on.
    pub per_minute: f64,
    /// The longest usual time between an update and its showing.
    #[serde(with = "serial::seconds")]
    pub usual_delay: Duration,
    /// The share of alerts that are updated later.
    pub updated: f64,
    /// The most updates that one alert gets.
    pub most_updates: u8,
    /// The longest time between two updates of one alert.
    #[serde(with = "serial::seconds")]
    pub update_within: Duration,
    /// How many alerts of the backlog are updated once more after the start.
    pub live_updates: u32,
    /// How long after the start the last of them comes.
    #[serde(with = "serial::seconds")]
    pub live_updates_within: Duration,
    /// The share of new alerts that show late.
    pub late: f64,
    /// The longest time between the update time of a late alert and its showing.
    #[serde(with = "serial::seconds")]
    pub late_by: Duration,
    /// The share of new alerts whose update time lies ahead of the server's clock.
    pub from_future: f64,
    /// How far ahead at most.
    #[serde(with = "serial::seconds")]
    pub future_by: Duration,
    /// The share of new alerts whose update time is a whole minute or a whole 10 ms.
    pub on_boundary: f64,
    /// How long after the start nothing new comes into being; `None` goes on for ever.
    #[serde(with = "serial::optional_seconds")]
    pub stop_after: Option<Duration>,
    /// The share of alerts with empty strings, the text "null", unknown values or unknown members.
    pub odd: f64,
    /// The share of alerts whose texts attack the formats they will be written in.
    pub hostile: f64,
    /// Single alerts, by their number from 0, that are made to be difficult.
    pub special: BTreeMap<u32, Special>,
}

impl Population {
    /// No alerts at all, but those that are added by hand.
    pub fn empty() -> Self {
        Self { backlog: 0, per_minute: 0.0, ..Self::default() }
    }

    /// So many alerts, all there at the start, none ever changing.
    pub fn at_rest(backlog: u32) -> Self {
        Self { backlog, per_minute: 0.0, updated: 0.0, ..Self::default() }
    }
}

impl Default for Population {
    fn default() -> Self {
        Self {
            backlog: 200,
            backlog_span: Duration::from_secs(24 * 3600),
            ties: 0,
            ties_created_together: 0,
            per_minute: 6.0,
            usual_delay: Duration::from_secs(3),
            updated: 0.3,
            most_updates: 5,
            update_within: Duration::from_secs(1800),
            live_updates: 0,
            live_updates_within: Duration::from_secs(600),
            late: 0.0,
            late_by: Duration::from_secs(600),
            from_future: 0.0,
            future_by: Duration::from_secs(300),
            on_boundary: 0.0,
            stop_after: None,
            odd: 0.1,
            hostile: 0.02,
            special: BTreeMap::new(),
        }
    }
}

/// An alert that is difficult on purpose.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Special {
    /// The JSON of the alert, sent as it stands instead of one made up, but for `$ID`, `$CREATED` and `$UPDATED`,
    /// which are filled in.
    pub body: Option<String>,
    /// Answers of the public API with this alert in them fail.
    pub poison: Option<Poison>,
    /// Its description has so many bytes.
    pub description_bytes: usize,
    /// A command line of its evidence has so many bytes.
    pub evidence_bytes: usize,
    /// An unknown member of it is nested so deep.
    pub depth: usize,
    /// Its texts attack the formats they will be written in.
    pub hostile: bool,
}

/// When an answer with a poisoned alert in it is a 500.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Poison {
    /// Always: the alert cannot be had.
    Always,
    /// Whenever evidence is asked for.
    Expanded,
    /// Whenever evidence is asked for and other alerts are in the same answer.
    ExpandedInCompany,
    /// Whenever other alerts are in the same answer.
    InCompany,
}
