//! From the file on the disk to the checked plan.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::build::build;
use crate::conform::conform;
use crate::faults::{Faults, Report};
use crate::file::File;
use crate::plan::Plan;
use crate::schema::checked_against;
use crate::tree::Node;

/// What the file's meaning depends on beside its text.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The folder that relative paths start from, absolute: the file's own.
    pub folder: PathBuf,
    /// Where the journal lies when the file does not say: systemd's `$STATE_DIRECTORY`. Without it, `data` in `folder`.
    pub state_directory: Option<PathBuf>,
}

/// A file larger than this, in bytes, is none of ours: 10,000 tenants fit into a third of it.
const LARGEST: u64 = 16 * 1024 * 1024;

impl Environment {
    /// That of this process, for a file.
    ///
    /// # Errors
    /// The current folder cannot be told.
    pub fn of_process(file: &Path) -> io::Result<Self> {
        let file = std::path::absolute(file)?;
        let folder = file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
        Ok(Self { folder, state_directory: state_directory() })
    }
}

/// Reads the file and checks all of it.
///
/// # Errors
/// Everything that is wrong with it, at once; what cannot be read or is no YAML comes alone.
pub fn load(file: &Path) -> Result<Plan, Faults> {
    let unread = |error: io::Error| Faults::alone(file, None, format!("failed to read the file: {error}"));
    let environment = Environment::of_process(file).map_err(unread)?;
    let bytes = read(file).map_err(unread)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Faults::alone(file, None, format!("larger than {} MiB", LARGEST >> 20)));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => check(text, file, &environment),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            Err(Faults::alone(file, None, format!("not UTF-8 text, from line {line} on")))
        }
    }
}

/// Checks a text as if it were read from `file`, which is only named in the faults. It touches nothing else.
///
/// # Errors
/// As [`load`].
pub fn check(text: &str, file: &Path, environment: &Environment) -> Result<Plan, Faults> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = Node::read(text).map_err(|fault| Faults::alone(file, Some(fault.place), fault.message))?;
    let mut report = Report::default();
    let conforming = conform(&root, checked_against(), &mut report);
    let Ok(written) = serde_json::from_value::<File>(conforming) else {
        // The schema and the types are one: a test holds them together. What serde says could repeat a secret.
        return Err(Faults::alone(file, None, "failed to read what the schema allows".to_owned()));
    };
    build(written, &root, environment, &mut report).map_err(|_| report.into_faults(file))
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first folder of `$STATE_DIRECTORY`, which may list several.
fn state_directory() -> Option<PathBuf> {
    let listed = std::env::var_os("STATE_DIRECTORY")?;
    std::env::split_paths(&listed).next().filter(|folder| folder.is_absolute())
}
