//! The names of rotated files: `alerts.cef` becomes `alerts.cef.20260131T000000.000Z`, the time of its rotation in UTC,
//! and with an extension where it is compressed. They sort by their time, and no other file has such a name.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::disk::folder_of;
use crate::options::Compression;

/// A file that was rotated away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rotated {
    /// When, in milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) state: State,
    pub(crate) path: PathBuf,
}

/// How far it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Plain,
    Compressed,
    /// What a kill left of a compression; the file itself is still there.
    Unfinished,
}

/// The files that a file was rotated to, the oldest first.
pub(crate) fn rotated(path: &Path) -> io::Result<Vec<Rotated>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        found.extend(read(path, &entry.file_name()).map(|(at, state)| Rotated { at, state, path: entry.path() }));
    }
    found.sort_unstable();
    Ok(found)
}

/// The name that a file is rotated to now. It sorts behind all that are there, even where the clock was set back.
pub(crate) fn next_name(path: &Path, now: SystemTime) -> io::Result<PathBuf> {
    let last = rotated(path)?.last().map_or(i64::MIN, |last| last.at);
    let at = DateTime::<Utc>::from(now).timestamp_millis().max(last.saturating_add(1));
    let at = DateTime::from_timestamp_millis(at).unwrap_or(DateTime::<Utc>::MAX_UTC);
    Ok(with_ending(path, &at.format(FORMAT).to_string()))
}

/// Where a rotated file is compressed to.
pub(crate) fn compressed(rotated: &Path, how: Compression) -> PathBuf {
    with_ending(rotated, how.extension())
}

/// Where it is compressed to while that is under way.
pub(crate) fn unfinished(compressed: &Path) -> PathBuf {
    with_ending(compressed, UNFINISHED)
}

/// Whether a file has the name of one that was rotated from another.
pub(crate) fn is_taken_for_rotated(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.match_indices('.').any(|(dot, _)| parse(&name[dot + 1..]).is_some())
}

/// When the file of this name was rotated from `path`; `None` for any other file.
fn read(path: &Path, name: &OsStr) -> Option<(i64, State)> {
    parse(name.to_str()?.strip_prefix(path.file_name()?.to_str()?)?.strip_prefix('.')?)
}

fn parse(ending: &str) -> Option<(i64, State)> {
    let (ending, unfinished) = match ending.strip_suffix(&format!(".{UNFINISHED}")) {
        Some(rest) => (rest, true),
        None => (ending, false),
    };
    let extensions = [Compression::Gzip, Compression::Zstd].map(|how| format!(".{}", how.extension()));
    let plain = extensions.iter().find_map(|extension| ending.strip_suffix(extension.as_str()));
    let state = match (plain, unfinished) {
        (Some(_), true) => State::Unfinished,
        (Some(_), false) => State::Compressed,
        (None, false) => State::Plain,
        (None, true) => return None,
    };
    let time = plain.unwrap_or(ending);
    let at = NaiveDateTime::parse_from_str(time, FORMAT).ok().filter(|_| time.len() == LENGTH)?;
    Some((at.and_utc().timestamp_millis(), state))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

const FORMAT: &str = "%Y%m%dT%H%M%S%.3fZ";
const LENGTH: usize = "20260131T000000.000Z".len();
const UNFINISHED: &str = "part";

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const AT: Duration = Duration::from_millis(1_769_817_600_123);

    /// Guarantee: a rotated file is known by its name, in every state of its compression.
    #[test]
    fn rotated_files_are_known_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.cef");
        let plain = next_name(&path, UNIX_EPOCH + AT).unwrap();
        assert_eq!(plain.file_name().unwrap(), "alerts.cef.20260131T000000.123Z");
        let zst = compressed(&plain, Compression::Zstd);
        let gz = compressed(&plain, Compression::Gzip);
        for (file, state) in [
            (plain, State::Plain),
            (unfinished(&zst), State::Unfinished),
            (zst, State::Compressed),
            (gz, State::Compressed),
        ] {
            fs::write(&file, "").unwrap();
            let found = rotated(&path).unwrap();
            assert_eq!(found, [Rotated { at: 1_769_817_600_123, state, path: file.clone() }]);
            assert!(is_taken_for_rotated(&file));
            fs::remove_file(file).unwrap();
        }
    }

    /// Guarantee: no file that is not a rotated one of this very file is taken for one, whatever its name is near to.
    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        for name in [
            "alerts",
            "alerts.1",
            "alerts.20260131",
            "alerts.20260131T000000.000Z.bak",
            "alerts.20260131T000000.000Z.part",
            "alerts.20260131T000000.000Z.20260131T000000.000Z",
            "alerts.20260231T000000.000Z",
            "alerts.2026-01-31T000000.000Z",
            "alerts.cef.20260131T000000.000Z",
            "alerts20260131T000000.000Z",
            "other.20260131T000000.000Z",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(rotated(&path).unwrap(), []);
    }

    /// Guarantee: two rotations in one millisecond, or by a clock that was set back, have names in their order.
    #[test]
    fn names_are_never_used_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        let mut names = Vec::new();
        for now in [AT, AT, AT - Duration::from_secs(3_600)] {
            let name = next_name(&path, UNIX_EPOCH + now).unwrap();
            // What is compressed meanwhile has been there all the same.
            fs::write(compressed(&name, Compression::Gzip), "").unwrap();
            names.push(name);
        }
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
    }
}
