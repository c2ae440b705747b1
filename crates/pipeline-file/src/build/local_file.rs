//! Files.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::Build;
use super::syslog::in_words;
use crate::faults::Told;
use crate::file::{Compress, Named, Sink, SinkFile, SinkRotate};
use crate::place::KeyPath;
use crate::plan::{DestinationPlan, FilePlan, KeepPlan, PathsPlan, RotatePlan, SinkPlan, TenantPlan};
use crate::template::Template;

impl Build<'_> {
    /// The files of a sink that gets these tenants' alerts.
    pub(super) fn file(
        &mut self,
        file: SinkFile,
        tenants: &[&TenantPlan],
        path: &KeyPath,
    ) -> Result<DestinationPlan, Told> {
        let written = self.required(file.path, &path.key("path"))?.0;
        if written == STANDARD_OUTPUT {
            let others =
                [("mode", file.mode.is_some()), ("group", file.group.is_some()), ("rotate", file.rotate.is_some())];
            for (key, _) in others.into_iter().filter(|(_, there)| *there) {
                self.tell(&path.key(key), "standard output has no use for it; it is for a file");
            }
            return Ok(DestinationPlan::StandardOutput);
        }
        let paths = self.paths(&written, tenants, &path.key("path"))?;
        Ok(DestinationPlan::File(Box::new(FilePlan {
            paths,
            mode: file.mode.map(|mode| mode.0),
            group: file.group.map(|group| group.0),
            rotate: file.rotate.map(rotate),
        })))
    }

    fn paths(&mut self, written: &str, tenants: &[&TenantPlan], path: &KeyPath) -> Result<PathsPlan, Told> {
        if !is_template(written) {
            return Ok(PathsPlan::One(self.resolved(written)));
        }
        let names: Vec<&str> = written.split('/').collect();
        let fixed = names.iter().position(|name| is_template(name)).unwrap_or_default();
        let folder = match &names[..fixed] {
            [] => self.environment.folder.clone(),
            [""] => PathBuf::from("/"),
            fixed => self.resolved(&fixed.join("/")),
        };
        let mut templates = Vec::with_capacity(names.len() - fixed);
        for name in &names[fixed..] {
            templates.push(Template::read(name).map_err(|message| self.tell(path, message))?);
        }
        let files = self.files_named(&templates, tenants, path)?;
        Ok(PathsPlan::ByTenant { folder, files })
    }

    /// The path for each tenant. Tenants with the same trouble share a fault.
    fn files_named(
        &mut self,
        names: &[Template],
        tenants: &[&TenantPlan],
        path: &KeyPath,
    ) -> Result<BTreeMap<String, PathBuf>, Told> {
        let mut files = BTreeMap::new();
        let mut troubles: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for tenant in tenants {
            let filled = names.iter().map(|name| name.fill(tenant).and_then(file_name));
            match filled.collect::<Result<PathBuf, String>>() {
                Ok(file) => drop(files.insert(tenant.name.clone(), file)),
                Err(trouble) => troubles.entry(trouble).or_default().push(&tenant.name),
            }
        }
        let mut told = Ok(files);
        for (trouble, tenants) in troubles {
            told = Err(self.tell(path, format!("for {}: {trouble}", in_words(&tenants))));
        }
        told
    }

    /// Two sinks that write one file would write into each other's lines.
    pub(super) fn check_files(&mut self, sinks: &Named<Sink>) {
        let mut writers: HashMap<PathBuf, &str> = HashMap::new();
        for (name, sink) in sinks.iter().filter(|(_, sink)| sink.enabled.unwrap_or(true)) {
            let path = sink.file.as_ref().and_then(|file| file.path.as_ref());
            let Some(path) = path.filter(|path| path.0 != STANDARD_OUTPUT && !is_template(&path.0)) else {
                continue;
            };
            if let Some(other) = writers.insert(self.resolved(&path.0), &name.0) {
                self.tell(&path_of(&name.0), format!("sink `{other}` writes this file"));
            }
        }
    }

    /// The same, where names are filled in for tenants.
    pub(super) fn check_tenants_files(&mut self, plans: &[SinkPlan]) {
        let mut writers: HashMap<PathBuf, (&str, bool)> = HashMap::new();
        for plan in plans {
            let DestinationPlan::File(file) = &plan.destination else { continue };
            let by_tenant = matches!(file.paths, PathsPlan::ByTenant { .. });
            for path in file.files() {
                let before = writers.insert(path.clone(), (&plan.name, by_tenant));
                if let Some((other, _)) = before.filter(|(other, also)| *other != plan.name && (by_tenant || *also)) {
                    self.tell(&path_of(&plan.name), format!("sink `{other}` writes `{}` as well", path.display()));
                    break;
                }
            }
        }
    }
}

fn path_of(sink: &str) -> KeyPath {
    KeyPath::of(&["sinks", sink, "file", "path"])
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// A name of a file or folder. What it is made of are the operator's words for tenants, none of which may lead anywhere
/// else than into the folder.
fn file_name(text: String) -> Result<String, String> {
    if text.is_empty() {
        return Err("a name in it becomes empty".to_owned());
    }
    if text == "." || text == ".." || text.contains('/') {
        return Err("a name in it would lead elsewhere".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("a name in it gets a control character".to_owned());
    }
    if text.len() > LONGEST {
        return Err(format!("a name in it gets more than {LONGEST} bytes"));
    }
    Ok(text)
}

fn rotate(written: SinkRotate) -> RotatePlan {
    RotatePlan {
        size: written.size.map(|size| size.0),
        every: written.every.map(|every| every.0),
        keep: written.keep.map_or(KeepPlan::All, |keep| keep.0),
        compress: written.compress.and_then(Compress::plan),
    }
}

/// The path that means no file but standard output.
const STANDARD_OUTPUT: &str = "-";

/// Linux takes 255 bytes, and a rotated file's name is longer by its time and extension.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    /// No word of the operator's leads out of the folder, or to a file that cannot be made.
    #[test]
    fn names_lead_nowhere_else() {
        assert_eq!(file_name("contoso..cef".to_owned()).as_deref(), Ok("contoso..cef"));
        assert!(file_name("x".repeat(LONGEST)).is_ok());
        for wrong in ["", ".", "..", "/etc/passwd", "a/b", "../x", "a\0b", "a\nb", &"x".repeat(LONGEST + 1)] {
            assert!(file_name(wrong.to_owned()).is_err(), "{wrong:?}");
        }
    }
}
