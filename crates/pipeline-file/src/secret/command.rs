//! A secret that a program prints.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::{LARGEST, SecretCommand, SecretError, checked};

/// How long a program may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// How often a program that has closed its output is looked at for its end.
const GLANCE: Duration = Duration::from_millis(5);

impl SecretCommand {
    /// The program's name: all of a command that is ever shown.
    pub(super) fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    pub(super) fn read(&self) -> Result<SecretString, SecretError> {
        self.read_within(TIME_LIMIT)
    }

    pub(super) fn read_within(&self, limit: Duration) -> Result<SecretString, SecretError> {
        let program = || self.program().to_owned();
        let mut child = self.start().map_err(|error| SecretError::Start(program(), error))?;
        let ended = finish(&mut child, limit);
        if !matches!(ended, Ok(Some(_))) {
            // It may have ended by itself meanwhile; then there is nothing to kill, and nothing to say.
            let _ = child.kill();
            let _ = child.wait();
        }
        let (status, bytes) = match ended {
            Ok(Some(end)) => end,
            Ok(None) => return Err(SecretError::TimeOver(program(), limit)),
            Err(error) => return Err(SecretError::Start(program(), error)),
        };
        self.secret(status, bytes)
    }

    /// Starts it without a terminal. What it says on standard error is not shown: it may be the secret.
    fn start(&self) -> io::Result<Child> {
        let (program, arguments) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    }

    fn secret(&self, status: ExitStatus, bytes: Vec<u8>) -> Result<SecretString, SecretError> {
        let reference = || format!("what command {} printed", self.program());
        if bytes.len() as u64 > LARGEST {
            return Err(SecretError::TooLong(reference()));
        }
        if !status.success() {
            return Err(SecretError::Failed(self.program().to_owned(), status));
        }
        let text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(reference()))?;
        checked(text.trim().to_owned(), reference)
    }
}

/// Waits for a program's output and its end; `None` when time is over first.
fn finish(child: &mut Child, limit: Duration) -> io::Result<Option<(ExitStatus, Vec<u8>)>> {
    let deadline = Instant::now() + limit;
    let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (sender, receiver) = mpsc::channel();
    // A thread of its own: a program that hands its output to a child of its own could hold a read here for ever.
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(LARGEST + 1).read_to_end(&mut bytes);
        // Nobody listens any more when time was over.
        let _ = sender.send(read.map(|_| bytes));
    });
    let Ok(read) = receiver.recv_timeout(limit) else {
        return Ok(None);
    };
    let bytes = read?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some((status, bytes)));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(GLANCE);
    }
}
