//! The audit log: a line of JSON for each command, on disk before the command is answered.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use tokio::net::unix::UCred;
use tokio::task::spawn_blocking;

use super::Outcome;
use super::command::Command;

/// The log of a folder, which outlives the process.
#[derive(Clone, Debug)]
pub(super) struct AuditLog(Arc<Files>);

#[derive(Debug)]
struct Files {
    path: PathBuf,
    /// Where the lines before those of `path` are.
    old: PathBuf,
    max_bytes: u64,
    /// Lines are written one after the other.
    writing: Mutex<()>,
}

#[derive(Serialize)]
struct Line<'a, C> {
    time: String,
    uid: u32,
    pid: Option<i32>,
    command: &'static str,
    arguments: &'a C,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

impl AuditLog {
    /// The log in a folder.
    pub(super) fn of(folder: &Path) -> Self {
        Self::limited(folder, MAX_BYTES)
    }

    fn limited(folder: &Path, max_bytes: u64) -> Self {
        let [path, old] = [NAME, OLD_NAME].map(|name| folder.join(name));
        Self(Arc::new(Files { path, old, max_bytes, writing: Mutex::new(()) }))
    }

    /// Notes a command that was carried out, and what came of it.
    pub(super) async fn note<C: Command>(&self, peer: UCred, command: &C, outcome: &Outcome) -> io::Result<()> {
        let line = Line {
            time: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            uid: peer.uid(),
            pid: peer.pid(),
            command: C::NAME,
            arguments: command,
            outcome,
        };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        let files = Arc::clone(&self.0);
        spawn_blocking(move || files.append(&line)).await?
    }
}

impl Files {
    /// Appends a line whole or not at all.
    fn append(&self, line: &[u8]) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.rotate()?;
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let length = file.metadata()?.len();
        if let Err(error) = file.write_all(line).and_then(|()| file.sync_data()) {
            file.set_len(length)?;
            return Err(error);
        }
        Ok(())
    }

    /// Begins anew where the log has grown long, and keeps the last one.
    fn rotate(&self) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() >= self.max_bytes => fs::rename(&self.path, &self.old),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

const NAME: &str = "control.log";
const OLD_NAME: &str = "control.log.1";
const MAX_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::command::Reload;

    /// Guarantee: a log that has grown long becomes the old one, and no more than one old one is kept.
    #[tokio::test]
    async fn the_log_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::limited(folder.path(), 100);
        let (socket, _other) = tokio::net::UnixStream::pair().unwrap();
        for code in 0..5 {
            let outcome = Outcome { code, lines: vec!["a".repeat(100)] };
            log.note(socket.peer_cred().unwrap(), &Reload { confirm: false }, &outcome).await.unwrap();
        }
        for (name, code) in [(NAME, 4), (OLD_NAME, 3)] {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.lines().count() == 1 && text.contains(&format!("\"code\":{code},")), "{text}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
