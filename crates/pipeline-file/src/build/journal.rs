//! The journal.

use std::time::Duration;

use super::Build;
use crate::file::{Journal, defaults, shown};
use crate::place::KeyPath;
use crate::plan::{JournalPlan, TenantPlan};

impl Build<'_> {
    pub(super) fn journal(&mut self, journal: Journal, tenants: &[TenantPlan]) -> JournalPlan {
        let embedded = journal.embedded.unwrap_or_default();
        let path = match (embedded.path, &self.environment.state_directory) {
            (Some(path), _) => self.resolved(&path.0),
            (None, Some(folder)) => folder.clone(),
            (None, None) => self.resolved(defaults::JOURNAL_FOLDER),
        };
        let plan = JournalPlan {
            path,
            max_size: embedded.max_size.map_or(defaults::MAX_SIZE, |size| size.0),
            keep: embedded.keep.map_or(defaults::KEEP, |span| span.0),
            remember: embedded.remember.map_or(defaults::REMEMBER, |span| span.0),
        };
        self.check_memory(&plan, tenants);
        plan
    }

    /// What is forgotten while it can still be read again would be forwarded twice.
    fn check_memory(&mut self, plan: &JournalPlan, tenants: &[TenantPlan]) {
        let path = KeyPath::of(&["journal", "embedded", "remember"]);
        let sources = tenants.iter().flat_map(|tenant| &tenant.sources);
        let look_back = sources.map(|source| source.look_back).max().unwrap_or(Duration::ZERO);
        for (longer, name) in [(plan.keep, "keep"), (look_back, "look_back")] {
            if plan.remember < longer {
                self.tell(&path, format!("must be at least as long as `{name}`, which is `{}`", shown(longer)));
            }
        }
    }
}
