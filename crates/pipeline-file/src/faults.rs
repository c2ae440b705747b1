//! Everything that is wrong with a file, told at once.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::place::{KeyPath, Place};

/// Everything that is wrong with a file, in the order of its lines. It is never empty.
///
/// Its text has one line for each fault, `FILE:LINE:COLUMN: PATH: what is wrong`, and a count at the end. No text of
/// a value is ever repeated in it, so that a secret in the wrong place stays where it is.
#[derive(Clone, Debug)]
pub struct Faults {
    file: PathBuf,
    list: Vec<FileFault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// The keys that lead to it, `sinks.siem.file.path`; empty where it is the file as a whole.
    pub path: String,
    /// Where it stands; `None` where the file could not be read.
    pub place: Option<Place>,
    /// What is wrong, and the near miss where there is one.
    pub message: String,
}

impl Faults {
    pub(crate) fn new(file: &Path, mut list: Vec<FileFault>) -> Self {
        list.sort_by(|a, b| (a.place, &a.path).cmp(&(b.place, &b.path)));
        list.dedup();
        Self { file: file.to_owned(), list }
    }

    /// The one fault of a file that could not be taken apart.
    pub(crate) fn alone(file: &Path, place: Option<Place>, message: String) -> Self {
        Self::new(file, vec![FileFault { path: String::new(), place, message }])
    }

    /// The file, as it was named.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The faults, in the order of their lines.
    pub fn iter(&self) -> std::slice::Iter<'_, FileFault> {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a FileFault;
    type IntoIter = std::slice::Iter<'a, FileFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for fault in &self.list {
            writeln!(f, "{file}{fault}")?;
        }
        let count = self.list.len();
        write!(f, "{count} fault{} in {file}", if count == 1 { "" } else { "s" })
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Faults {}

/// Proof that a fault has been told: a part of the plan that cannot be built is given up with this in hand, so that
/// nothing is ever left out of a plan in silence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told(());

/// Faults as they are found.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<FileFault>);

impl Report {
    pub(crate) fn tell(&mut self, path: &KeyPath, place: Place, message: impl Into<String>) -> Told {
        self.0.push(FileFault { path: path.to_string(), place: Some(place), message: message.into() });
        Told(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Proof that some fault was told, if one was.
    pub(crate) fn told(&self) -> Option<Told> {
        if self.is_empty() { None } else { Some(Told(())) }
    }

    pub(crate) fn into_faults(self, file: &Path) -> Faults {
        Faults::new(file, self.0)
    }
}
