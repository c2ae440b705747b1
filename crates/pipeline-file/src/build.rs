//! The checked plan, made from what the file says. It finds the faults that no schema can: names that lead nowhere,
//! settings that contradict each other, tenants without a host.
//!
//! What cannot be built is given up with [`Told`] in hand, the proof that its fault was told: nothing is left out of a
//! plan in silence.

mod admin;
mod format;
mod journal;
mod kafka;
mod local_file;
mod sasl;
mod secret;
mod sinks;
mod sources;
mod splunk_hec;
mod syslog;
mod tenants;

use std::path::PathBuf;

use crate::Environment;
use crate::faults::{Report, Told};
use crate::file::File;
use crate::near::near_miss;
use crate::place::KeyPath;
use crate::plan::Plan;
use crate::tree::Node;

/// Makes the plan. It is `Err` exactly when `report` has a fault, from here or from before.
pub(crate) fn build(file: File, root: &Node, environment: &Environment, report: &mut Report) -> Result<Plan, Told> {
    let mut build = Build { root, environment, report };
    let tenants = build.tenants(&file);
    let journal = build.journal(file.journal.unwrap_or_default(), &tenants);
    let sinks = build.sinks(file.sinks, &tenants);
    let admin = build.admin(file.admin);
    match build.report.told() {
        Some(told) => Err(told),
        None => Ok(Plan { tenants, journal, sinks, admin }),
    }
}

/// What every part of the building needs.
struct Build<'a> {
    /// What was written: for places, and for names whose values had to be left out.
    root: &'a Node,
    environment: &'a Environment,
    report: &'a mut Report,
}

impl Build<'_> {
    /// Tells a fault where the path leads.
    fn tell(&mut self, path: &KeyPath, message: impl Into<String>) -> Told {
        let place = self.root.place_of(path);
        self.report.tell(path, place, message)
    }

    /// A value that the schema requires. Where it is missing, that was told.
    fn required<T>(&mut self, value: Option<T>, path: &KeyPath) -> Result<T, Told> {
        match (value, self.report.told()) {
            (Some(value), _) => Ok(value),
            (None, Some(told)) => Err(told),
            (None, None) => Err(self.tell(path, "is missing")),
        }
    }

    /// The names under a key at the top of the file, those with faults among them.
    fn names(&self, section: &str) -> Vec<&str> {
        self.root
            .get(section)
            .map_or_else(Vec::new, |section| section.entries().iter().map(|entry| entry.key.as_str()).collect())
    }

    /// "did you mean", where something is near.
    fn hint(&self, section: &str, written: &str) -> String {
        let names = self.names(section);
        near_miss(written, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
    }

    /// A path of the file, absolute.
    fn resolved(&self, path: &str) -> PathBuf {
        self.environment.folder.join(path)
    }
}
