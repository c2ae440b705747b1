//! Alerts as the APIs write them: made on the fly from the seed and an alert's number, never stored.

mod detection;
mod evidence;
mod identity;
mod json;
mod mde;
mod traits;
mod vocabulary;

pub(crate) use detection::{full_id, initial_parts, write_detection};
pub(crate) use identity::{alert_id, guid, index_of};
pub(crate) use json::{Json, Text};
pub(crate) use mde::{event_times, write_alert};
pub(crate) use traits::Traits;

use crate::ticks;

/// What all alerts of one tenant share.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) seed: u64,
    pub(crate) tenant_id: String,
    /// The DNS domain of its devices.
    pub(crate) domain: String,
    /// Its old-style Windows domain.
    pub(crate) windows_domain: String,
    /// The share of odd and of hostile alerts.
    pub(crate) odd: f64,
    pub(crate) hostile: f64,
}

/// Appends an alert that was given as it stands; `$ID`, `$CREATED` and `$UPDATED` in it are filled in.
fn write_given(out: &mut Vec<u8>, body: &str, id: &str, created: i64, updated: i64) {
    let filled =
        body.replace("$ID", id).replace("$CREATED", &ticks::text(created)).replace("$UPDATED", &ticks::text(updated));
    out.extend_from_slice(filled.as_bytes());
}
