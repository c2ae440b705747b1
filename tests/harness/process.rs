//! The program as a process: started, killed, waited for, its standard error kept.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A program of this repository, from `ATP_BIN_DIR`.
///
/// # Panics
/// Where `ATP_BIN_DIR` is not set or the program is not there.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("ATP_BIN_DIR").map(PathBuf::from);
    let folder = folder.expect("ATP_BIN_DIR names the folder of the built programs; ./tests/run sets it");
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built; run `cargo build --release`", path.display());
    path
}

/// A process that is running. It is killed when this is dropped, also when a test fails.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard error.
    pub log: String,
}

impl Running {
    /// Starts a command with its standard error in `log` and nothing on standard input.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the folder of the test is writable");
        command.stdin(Stdio::null()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
        Self { child, log: log.to_owned() }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// Where the process cannot be killed.
    pub fn kill(mut self) -> Finished {
        self.child.kill().expect("a child can be killed");
        self.reap()
    }

    /// SIGTERM, then waits for the end.
    ///
    /// # Panics
    /// Where it does not end within `within`.
    pub fn terminate(self, within: Duration) -> Finished {
        self.signal("TERM");
        self.finish(within)
    }

    /// Sends it a signal, by its name without `SIG`.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("`kill` is there");
        assert!(sent.success(), "the process was gone before SIG{name}");
    }

    /// Whether it has ended by itself.
    ///
    /// # Panics
    /// Where the operating system does not say.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    /// Where it does not within `within`.
    pub fn finish(mut self, within: Duration) -> Finished {
        let started = Instant::now();
        while !self.has_ended() {
            assert!(started.elapsed() < within, "the program did not end within {within:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.reap()
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn reap(mut self) -> Finished {
        let status = self.child.wait().expect("a child can be waited for");
        Finished { status, log: self.log() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended by itself, or the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// The exit code; `None` where a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Says that it ended well.
    ///
    /// # Panics
    /// Where it did not; with what it wrote.
    pub fn assert_done(&self) {
        assert!(self.status.success(), "{}:\n{}", self.status, self.log);
    }
}
