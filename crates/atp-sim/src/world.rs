//! Everything that one simulator holds.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::clock::RunningClock;
use crate::faults::{CallKind, Fault, Faults};
use crate::injector::Injector;
use crate::knobs::Knobs;
use crate::options::Options;
use crate::record::{Ledger, Record};
use crate::tenant::Tenant;
use crate::ticks;

/// Everything that one simulator holds.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) clock: RunningClock,
    pub(crate) tenants: Vec<Arc<Tenant>>,
    pub(crate) signing_key: [u8; 32],
    pub(crate) urls: Urls,
    ledger: Mutex<Ledger>,
    record_file: Option<PathBuf>,
    knobs: Mutex<Knobs>,
    injector: Mutex<Injector>,
    revoked: Mutex<HashSet<String>>,
    calls: AtomicU64,
}

/// Where the listeners are reached, without a slash at the end.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    pub(crate) main: String,
    pub(crate) export: String,
    pub(crate) stranger: String,
}

impl World {
    pub(crate) fn new(options: &Options, urls: Urls) -> io::Result<Self> {
        let start = ticks::from_utc(options.clock.start);
        let tenants = options.tenants.iter().enumerate();
        let tenants: Vec<_> =
            tenants.map(|(number, tenant)| Arc::new(Tenant::new(options.seed, number, start, tenant))).collect();
        let distinct: HashSet<_> = tenants.iter().map(|tenant| tenant.options.tenant_id.clone()).collect();
        if distinct.len() != tenants.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "two tenants have the same tenant id"));
        }
        let signing_key = Sha256::digest(options.seed.to_be_bytes()).into();
        Ok(Self {
            seed: options.seed,
            clock: RunningClock::new(&options.clock),
            ledger: Mutex::new(Ledger::new(tenants.len())),
            tenants,
            signing_key,
            urls,
            record_file: options.record_file.clone(),
            knobs: Mutex::new(options.knobs.clone()),
            injector: Mutex::new(Injector::new(options.seed, &options.faults)),
            revoked: Mutex::default(),
            calls: AtomicU64::new(0),
        })
    }

    /// The tenant that an authority's path names, by id or by domain.
    pub(crate) fn tenant_of_segment(&self, segment: &str) -> Option<Arc<Tenant>> {
        let named = |tenant: &&Arc<Tenant>| {
            let domain = format!("{}.onmicrosoft.example", tenant.options.name);
            tenant.options.tenant_id.eq_ignore_ascii_case(segment) || domain.eq_ignore_ascii_case(segment)
        };
        self.tenants.iter().find(named).cloned()
    }

    pub(crate) fn tenant_of_name(&self, name: &str) -> Option<Arc<Tenant>> {
        self.tenants.iter().find(|tenant| tenant.options.name == name).cloned()
    }

    pub(crate) fn knobs(&self) -> Knobs {
        lock(&self.knobs).clone()
    }

    pub(crate) fn change_knobs(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut lock(&self.knobs));
    }

    /// Other faults from now on; the rules count their calls from here.
    pub(crate) fn set_faults(&self, faults: &Faults) {
        *lock(&self.injector) = Injector::new(self.seed, faults);
    }

    /// What goes wrong with this call, if anything.
    pub(crate) fn strike(&self, kind: CallKind, tenant: Option<&str>) -> Option<Fault> {
        lock(&self.injector).strike(kind, tenant)
    }

    pub(crate) fn revoke(&self, token_number: String) {
        lock(&self.revoked).insert(token_number);
    }

    pub(crate) fn is_revoked(&self, token_number: &str) -> bool {
        lock(&self.revoked).contains(token_number)
    }

    /// The number of the next call, from 1.
    pub(crate) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What was sent up to now, and what is shown now.
    pub(crate) fn record(&self) -> Record {
        self.ledger().record(&self.tenants, self.clock.now())
    }

    /// The record as JSON, also written where the options say, if they do.
    pub(crate) fn write_record(&self) -> io::Result<String> {
        let json = self.record().to_json();
        if let Some(path) = &self.record_file {
            std::fs::write(path, &json)?;
        }
        Ok(json)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
