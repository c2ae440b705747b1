//! Secrets: references in the file, values only when they are asked for.

mod command;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

/// Where a secret comes from. It holds references only; a value passes through [`SecretSource::read`] alone and is
/// never kept here. What `Debug` shows names the reference, and of a command its program only, for its arguments may
/// be worth keeping to oneself.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file.
    File(SecretFile),
    /// What a program prints.
    Command(SecretCommand),
    /// Each is tried in turn until one gives a secret.
    FirstOf(Vec<SecretSource>),
}

/// A secret in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// Its path as written.
    pub path: PathBuf,
    /// The folder that a relative path is looked up in first; `$CREDENTIALS_DIRECTORY` is second.
    pub folder: PathBuf,
}

/// A secret that a program prints.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretCommand {
    /// The program and its arguments; no shell stands between. Never empty.
    pub argv: Vec<String>,
    /// The folder it runs in.
    pub folder: PathBuf,
    /// How long its answer may be used before it is asked again.
    pub refresh: Duration,
}

/// Why a secret cannot be had. It names the reference and never a value.
#[derive(Debug)]
pub enum SecretError {
    /// The environment variable is not set.
    NotSet(String),
    /// It is there, but empty.
    Empty(String),
    /// It is there, but no UTF-8 text.
    NotText(String),
    /// The file cannot be read.
    File(PathBuf, io::Error),
    /// The program cannot be run.
    Start(String, io::Error),
    /// The program ended with a failure: its name, and how it ended.
    Failed(String, std::process::ExitStatus),
    /// The program did not end within the time it has.
    TimeOver(String, Duration),
    /// The program printed more than a secret can be.
    TooLong(String),
    /// None of several sources gave one; the reason of each.
    NoneOf(Vec<SecretError>),
}

/// A secret larger than this, in bytes, is a mistake: `/dev/zero`, a log.
const LARGEST: u64 = 64 * 1024;

impl SecretSource {
    /// Reads the secret now. A file's trailing line breaks and a command's surrounding white space are no part of it.
    ///
    /// A command is waited for, at most 10 seconds: call this where blocking is allowed.
    ///
    /// # Errors
    /// The reference cannot be followed, or gives nothing.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::Env(name) => read_env(name),
            Self::File(file) => file.read(),
            Self::Command(command) => command.read(),
            Self::FirstOf(sources) => first_of(sources),
        }
    }

    /// How long a value may be used before it is read again; `None` where reading costs nothing.
    pub fn refresh(&self) -> Option<Duration> {
        match self {
            Self::Env(_) | Self::File(_) => None,
            Self::Command(command) => Some(command.refresh),
            Self::FirstOf(sources) => sources.iter().filter_map(Self::refresh).min(),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(file) => write!(f, "file {}", file.path.display()),
            Self::Command(command) => write!(f, "{command:?}"),
            Self::FirstOf(sources) => f.debug_list().entries(sources).finish(),
        }
    }
}

impl fmt::Debug for SecretCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command {}", self.program())
    }
}

fn read_env(name: &str) -> Result<SecretString, SecretError> {
    let reference = || format!("environment variable {name}");
    match std::env::var(name) {
        Ok(value) => checked(value, reference),
        Err(std::env::VarError::NotPresent) => Err(SecretError::NotSet(name.to_owned())),
        Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::NotText(reference())),
    }
}

impl SecretFile {
    fn read(&self) -> Result<SecretString, SecretError> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        read_file(&self.found(credentials.as_deref()))
    }

    /// The file itself; where there is none at all, the path in the first folder, for the error to name.
    fn found(&self, credentials: Option<&Path>) -> PathBuf {
        let first = self.folder.join(&self.path);
        match credentials.map(|folder| folder.join(&self.path)) {
            Some(second) if !first.exists() && second.exists() => second,
            _ => first,
        }
    }
}

fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    use io::Read as _;
    let reference = || format!("file {}", path.display());
    let failed = |error| SecretError::File(path.to_owned(), error);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(SecretError::TooLong(reference()));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(reference()))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    checked(text, reference)
}

/// The first secret that can be had.
fn first_of(sources: &[SecretSource]) -> Result<SecretString, SecretError> {
    let mut failures = Vec::new();
    for source in sources {
        match source.read() {
            Ok(secret) => return Ok(secret),
            Err(error) => failures.push(error),
        }
    }
    Err(SecretError::NoneOf(failures))
}

/// A secret that is not empty.
fn checked(text: String, reference: impl Fn() -> String) -> Result<SecretString, SecretError> {
    if text.is_empty() { Err(SecretError::Empty(reference())) } else { Ok(SecretString::from(text)) }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSet(name) => write!(f, "environment variable {name} is not set"),
            Self::Empty(reference) => write!(f, "{reference} is empty"),
            Self::NotText(reference) => write!(f, "{reference} is not UTF-8 text"),
            Self::File(path, _) => write!(f, "failed to read file {}", path.display()),
            Self::Start(program, _) => write!(f, "failed to run command {program}"),
            Self::Failed(program, status) => write!(f, "command {program} failed: {status}"),
            Self::TimeOver(program, limit) => write!(f, "command {program} did not end within {}s", limit.as_secs()),
            Self::TooLong(reference) => write!(f, "{reference} is too long for a secret"),
            Self::NoneOf(failures) => {
                write!(f, "none of {} sources gave a secret", failures.len())?;
                failures.iter().try_for_each(|failure| write!(f, "; {}", WithCause(failure)))
            }
        }
    }
}

/// One failure of several: the list has no single cause, so each carries its own in its text.
struct WithCause<'a>(&'a SecretError);

impl fmt::Display for WithCause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match std::error::Error::source(self.0) {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SecretError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, error) | Self::Start(_, error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
