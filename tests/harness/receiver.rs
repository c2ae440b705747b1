//! Receivers as processes of their own, each on ports of its own, with a file for each way to send to it.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::message::{Message, read_messages};
use crate::ports::{free_port, is_bound_udp, listens};
use crate::process::{Finished, Running};

/// A receiver that can be stopped and started again on the same ports. It is killed when this is dropped, also when a
/// test fails.
#[derive(Debug)]
pub struct Receiver {
    ways: Vec<Way>,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    reads: fn(&[u8]) -> Option<Message>,
    running: Option<Running>,
}

/// One way to send to a receiver: a port, what is spoken there, and the file that it goes to.
#[derive(Clone, Debug)]
pub struct Way {
    /// What tests call it.
    pub name: &'static str,
    /// The scheme of its address in a pipeline file.
    pub scheme: &'static str,
    /// The keys under `syslog:` beside the address, as YAML.
    pub keys: String,
    /// Its port.
    pub port: u16,
    /// Where the receiver writes what it got.
    pub file: PathBuf,
}

impl Way {
    /// MSGID of every message.
    pub const MESSAGE_ID: &str = "defender-alert";

    /// A way on a port that nobody has.
    pub fn new(folder: &Path, name: &'static str, scheme: &'static str, keys: &str) -> Self {
        Self { name, scheme, keys: keys.to_owned(), port: free_port(), file: folder.join(format!("{name}.got")) }
    }

    /// A sink that sends CEF this way, as a line of a pipeline file; `more` are further keys of the sink.
    pub fn sink(&self, name: &str, more: &str) -> String {
        self.sink_in("cef", name, more)
    }

    /// The same in another format, as the pipeline file writes it.
    pub fn sink_in(&self, format: &str, name: &str, more: &str) -> String {
        let Self { scheme, keys, port, .. } = self;
        // A datagram takes no more (RFC 5426, section 3.2).
        let max_bytes = if *scheme == "udp" { 65_507 } else { 256 << 10 };
        let message_id = Self::MESSAGE_ID;
        format!(
            "{name}: {{ format: {format}, max_bytes: {max_bytes}, {more} syslog: {{ address: \"{scheme}://127.0.0.1:{port}\", \
             header: rfc5424, message_id: {message_id}, {keys} }} }}"
        )
    }

    fn is_open(&self) -> bool {
        if self.scheme == "udp" { is_bound_udp(self.port) } else { listens(self.port) }
    }
}

impl Receiver {
    /// A receiver that is not running yet; `log` takes its standard error.
    pub(crate) fn new(ways: Vec<Way>, program: &Path, log: PathBuf, reads: fn(&[u8]) -> Option<Message>) -> Self {
        let (arguments, environment) = (Vec::new(), Vec::new());
        Self { ways, program: program.to_owned(), arguments, environment, log, reads, running: None }
    }

    pub(crate) fn with_arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self
    }

    pub(crate) fn with_variable(mut self, name: &str, value: String) -> Self {
        self.environment.push((name.to_owned(), value));
        self
    }

    /// Our own receiver, from the program's path: it takes both framings on one port and writes each frame before it
    /// reads the next.
    pub fn of_frames(program: &Path, folder: &Path, name: &'static str, framing: &str) -> Self {
        let way = Way::new(folder, name, "tcp", &format!("framing: {framing}"));
        let (port, file) = (way.port.to_string(), way.file.display().to_string());
        let log = folder.join(format!("{name}.log"));
        Self::new(vec![way], program, log, Message::of_frame).with_arguments(&["--port", &port, "--file", &file])
    }

    /// Starts it and waits until all its ports are open.
    ///
    /// # Panics
    /// Where it ends or does not listen within 20 seconds; with what it wrote.
    pub fn start(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdout(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let running = self.running.insert(Running::start(&mut command, &self.log));
        let started = Instant::now();
        while !self.ways.iter().all(Way::is_open) {
            let in_time = !running.has_ended() && started.elapsed() < Duration::from_secs(20);
            assert!(in_time, "{} does not listen:\n{}", self.program.display(), running.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// Where it is not running.
    pub fn kill(&mut self) -> Finished {
        let finished = self.running.take().expect("it was started").kill();
        self.end_torn_lines();
        finished
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// Where it is not running or does not end within ten seconds.
    pub fn terminate(&mut self) -> Finished {
        let finished = self.running.take().expect("it was started").terminate(Duration::from_secs(10));
        self.end_torn_lines();
        finished
    }

    /// The way of that name.
    ///
    /// # Panics
    /// Where there is none.
    pub fn way(&self, name: &str) -> &Way {
        self.ways.iter().find(|way| way.name == name).unwrap_or_else(|| panic!("no way is called {name}"))
    }

    /// The only way.
    pub fn only_way(&self) -> &Way {
        &self.ways[0]
    }

    /// All ways.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// Reads what came one way, message by message; says how many lines are torn.
    pub fn read(&self, way: &Way, each: impl FnMut(Message)) -> usize {
        read_messages(&way.file, self.reads, each)
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A process that was killed leaves a line in the middle, and the next one goes on behind it.
    fn end_torn_lines(&self) {
        for way in &self.ways {
            let Ok(mut file) = File::options().read(true).append(true).open(&way.file) else { continue };
            let mut last = [b'\n'];
            if file.seek(SeekFrom::End(-1)).is_ok() {
                file.read_exact(&mut last).expect("the file is readable");
            }
            if last != [b'\n'] {
                file.write_all(b"\n").expect("the file is writable");
            }
        }
    }
}

/// Counts the lines of a file that grows.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    read: u64,
    lines: usize,
}

impl Tail {
    /// The tail of a file that need not be there yet.
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), read: 0, lines: 0 }
    }

    /// How many lines it has by now.
    ///
    /// # Panics
    /// Where the file cannot be read.
    pub fn lines(&mut self) -> usize {
        let Ok(mut file) = File::open(&self.path) else { return 0 };
        file.seek(SeekFrom::Start(self.read)).expect("a file can be sought");
        let mut bytes = Vec::new();
        self.read += file.read_to_end(&mut bytes).expect("the file is readable") as u64;
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        self.lines
    }
}
