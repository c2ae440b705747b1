//! Where something stands in the file: its path of keys, its line and column.

use std::fmt;

/// A place in the text. Lines and columns count from 1; a column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// The keys and list positions that lead from the top of the file to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyPath(Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Key(String),
    Item(usize),
}

impl KeyPath {
    /// A path made of keys alone.
    pub(crate) fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    /// This path and one more key.
    pub(crate) fn key(&self, key: &str) -> Self {
        let mut longer = self.clone();
        longer.push(Step::Key(key.to_owned()));
        longer
    }

    /// This path and a place in a list.
    pub(crate) fn item(&self, index: usize) -> Self {
        let mut longer = self.clone();
        longer.push(Step::Item(index));
        longer
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether `pattern`, keys joined by dots, is this path; `*` stands for any one key.
    pub(crate) fn is(&self, pattern: &str) -> bool {
        let mut steps = self.0.iter();
        pattern.split('.').all(|part| match steps.next() {
            Some(Step::Key(key)) => part == "*" || part == key,
            Some(Step::Item(_)) | None => false,
        }) && steps.next().is_none()
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) => {
                    let dot = if position == 0 { "" } else { "." };
                    write!(f, "{dot}{}", shown_key(key))?;
                }
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A key as it can be shown on a terminal: control characters escaped, an endless one cut.
fn shown_key(key: &str) -> String {
    const LONGEST: usize = 60;
    let shown: String = key.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    let cut = if key.chars().nth(LONGEST).is_some() { "…" } else { "" };
    if key.is_empty() { "\"\"".to_owned() } else { format!("{shown}{cut}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pattern's star stands for exactly one key, and a list position is no key.
    #[test]
    fn patterns_match_whole_paths() {
        let path = KeyPath::of(&["sinks", "siem", "file"]);
        assert!(path.is("sinks.*.file"));
        assert!(!path.is("sinks.*"));
        assert!(!path.is("sinks.*.file.*"));
        assert!(!path.item(0).is("sinks.*.file.*"));
    }

    /// What is shown cannot steer a terminal and does not flood it.
    #[test]
    fn shown_paths_are_tame() {
        let path = KeyPath::of(&["a\u{1b}[31m", &"x".repeat(500)]).item(3);
        let shown = path.to_string();
        assert!(!shown.contains('\u{1b}'));
        assert!(shown.len() < 100, "{shown}");
        assert!(shown.ends_with("…[3]"));
    }
}
