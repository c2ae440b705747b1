//! Quota: when the next call of an API may be made.

/// The calls that an API allows to one application in one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Calls in a minute.
    pub per_minute: u32,
    /// Calls in an hour.
    pub per_hour: u32,
    /// The share, 0 to 90 percent, that is left to the owner's other tools.
    pub reserve_percent: u8,
}

/// Plans the calls of one (application, tenant, API).
pub struct Planner {
    _quota: Quota,
}

impl Planner {
    /// A planner that has seen no call.
    pub fn new(quota: Quota) -> Self {
        Self { _quota: quota }
    }
}
