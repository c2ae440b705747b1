//! The admin address.

use super::Build;
use crate::file::Admin;
use crate::place::KeyPath;
use crate::plan::AdminPlan;

impl Build<'_> {
    pub(super) fn admin(&mut self, admin: Option<Admin>) -> Option<AdminPlan> {
        let listen = self.required(admin?.listen, &KeyPath::of(&["admin", "listen"])).ok()?;
        Some(AdminPlan { listen: listen.0 })
    }
}
