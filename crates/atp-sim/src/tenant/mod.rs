//! One simulated tenant.

mod holdings;
mod quota;
mod schedule;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use holdings::{AlertRow, DetectionRow, Holdings};
pub(crate) use quota::Quota;

use crate::alert::Site;
use crate::dice;
use crate::options::TenantOptions;
use crate::population::{Population, Special};
use crate::tenant::schedule::Schedule;

/// The difficult alerts of a tenant, by index.
pub(crate) type Specials = Arc<BTreeMap<u32, Special>>;

/// One simulated tenant.
pub(crate) struct Tenant {
    /// Its place among the tenants.
    pub(crate) number: usize,
    pub(crate) options: TenantOptions,
    pub(crate) site: Site,
    holdings: Mutex<Holdings>,
    specials: Mutex<Specials>,
    quota: Mutex<Quota>,
}

impl Tenant {
    pub(crate) fn new(seed: u64, number: usize, start: i64, options: &TenantOptions) -> Self {
        let mut options = options.clone();
        options.tenant_id.make_ascii_lowercase();
        let alerts = std::mem::replace(&mut options.alerts, Population::empty());
        let seed = dice::tenant_seed(seed, &options.tenant_id);
        let site = Site {
            seed,
            tenant_id: options.tenant_id.clone(),
            domain: format!("{}.example", options.name),
            windows_domain: options.name.to_uppercase(),
            odd: alerts.odd,
            hostile: alerts.hostile,
        };
        let specials = Mutex::new(Arc::new(alerts.special.clone()));
        let holdings = Mutex::new(Holdings::new(seed, start, Schedule::new(seed, start, alerts)));
        Self { number, options, site, holdings, specials, quota: Mutex::default() }
    }

    /// What its APIs show at `now`.
    pub(crate) fn holdings(&self, now: i64) -> MutexGuard<'_, Holdings> {
        let mut holdings = self.holdings.lock().unwrap_or_else(PoisonError::into_inner);
        holdings.advance(now);
        holdings
    }

    pub(crate) fn specials(&self) -> Specials {
        Arc::clone(&self.specials.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_special(&self, index: u32, special: Special) {
        let mut specials = self.specials.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut specials).insert(index, special);
    }

    pub(crate) fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
