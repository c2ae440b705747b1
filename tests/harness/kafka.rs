//! Apache Kafka in KRaft mode: brokers of a test's own, which it can stop, kill and start again on the same storage and
//! ports, alone on loopback or behind a network that can fail.

mod broker;
mod meant;
mod network;
mod records;

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use self::meant::Meant;
pub use self::network::{Network, NetworkFault};
pub use self::records::{KafkaRecord, Writer};

use self::broker::Broker;
use crate::parts::{part, unpacked_part};

/// A cluster whose every node is broker and controller. Its processes are killed when this is dropped, also when a test
/// fails.
#[derive(Debug)]
pub struct Kafka {
    folder: PathBuf,
    programs: Programs,
    brokers: Vec<Broker>,
    /// The topics that were made, and how many partitions each has.
    topics: HashMap<String, usize>,
    // Behind the brokers, since a namespace goes with the last process in it.
    network: Option<Network>,
}

/// What runs and asks brokers.
#[derive(Clone, Debug)]
struct Programs {
    java: PathBuf,
    jars: PathBuf,
    kcat: PathBuf,
}

impl Kafka {
    /// One broker on loopback, started, or `None` where Kafka is not installed.
    ///
    /// # Panics
    /// Where it does not start, or is missing though all parts are promised.
    pub fn start(folder: &Path) -> Option<Self> {
        Self::cluster(folder, 1)
    }

    /// So many brokers on loopback, started, or `None` where Kafka is not installed. A topic has as many replicas as
    /// there are brokers.
    ///
    /// # Panics
    /// As [`Kafka::start`].
    pub fn cluster(folder: &Path, brokers: u32) -> Option<Self> {
        Self::started(folder, brokers, None)
    }

    /// One broker behind a network, started, or `None` where Kafka is not installed.
    ///
    /// # Panics
    /// As [`Kafka::start`].
    pub fn behind(folder: &Path, network: Network) -> Option<Self> {
        Self::started(folder, 1, Some(network))
    }

    fn started(folder: &Path, count: u32, network: Option<Network>) -> Option<Self> {
        let programs = Programs { java: part("java")?, jars: unpacked_part("kafka")?, kcat: part("kcat")? };
        let host = network.as_ref().map_or(Ipv4Addr::LOCALHOST, Network::host);
        let brokers = broker::prepare(folder, host, count, &programs);
        let mut kafka = Self { folder: folder.to_owned(), programs, brokers, topics: HashMap::new(), network };
        // A cluster is up once most of its nodes are, so that none can be waited for alone.
        let Self { programs, brokers, network, .. } = &mut kafka;
        brokers.iter_mut().for_each(|broker| broker.launch(programs, network.as_ref()));
        brokers.iter_mut().for_each(Broker::wait);
        Some(kafka)
    }

    /// The brokers as a pipeline file and every client takes them: `host:port`, separated by commas.
    pub fn addresses(&self) -> String {
        self.brokers.iter().map(Broker::address).collect::<Vec<_>>().join(",")
    }

    /// How many brokers there are.
    pub fn len(&self) -> usize {
        self.brokers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.brokers.is_empty()
    }

    /// The network that the broker is behind.
    ///
    /// # Panics
    /// Where it is on loopback.
    pub fn network(&self) -> &Network {
        self.network.as_ref().expect("the broker was put behind a network")
    }

    /// `kill -9` of a broker; `which` counts from 0.
    ///
    /// # Panics
    /// Where it is not running.
    pub fn kill(&mut self, which: usize) {
        self.brokers[which].kill();
    }

    /// SIGTERM to a broker, which hands its partitions over and ends.
    ///
    /// # Panics
    /// Where it is not running or does not end.
    pub fn terminate(&mut self, which: usize) {
        self.brokers[which].terminate();
    }

    /// Starts a broker that was stopped, on the same storage and ports, and waits until it serves.
    ///
    /// # Panics
    /// Where it does not start; with what it wrote.
    pub fn restart(&mut self, which: usize) {
        let broker = &mut self.brokers[which];
        broker.launch(&self.programs, self.network.as_ref());
        broker.wait();
    }

    /// SIGSTOP to a broker: its connections stay, and nothing answers.
    ///
    /// # Panics
    /// Where it is not running.
    pub fn suspend(&self, which: usize) {
        self.brokers[which].signal("STOP");
    }

    /// How many bytes clients have sent to a broker that it has not read, as one that is stopped reads nothing.
    ///
    /// # Panics
    /// Where it is not running.
    pub fn unread(&self, which: usize) -> u64 {
        self.brokers[which].unread()
    }

    /// The connections to a broker, by their ports on our side.
    pub fn connections(&self, which: usize) -> HashSet<u16> {
        self.brokers[which].connections()
    }

    /// SIGCONT to a broker.
    ///
    /// # Panics
    /// Where it is not running.
    pub fn resume(&self, which: usize) {
        self.brokers[which].signal("CONT");
    }

    /// Makes a topic with these configs of its own, each as `name=value`.
    ///
    /// # Panics
    /// Where Kafka refuses; with its words.
    pub fn create_topic(&mut self, name: &str, partitions: usize, configs: &[&str]) {
        let mut command = self.programs.java("org.apache.kafka.tools.TopicCommand");
        command.args(["--bootstrap-server", &self.addresses(), "--create", "--topic", name]);
        command.args(["--partitions", &partitions.to_string()]);
        configs.iter().for_each(|config| {
            command.args(["--config", config]);
        });
        run(command);
        self.topics.insert(name.to_owned(), partitions);
    }

    /// Whether every partition of every topic has all its replicas in sync.
    ///
    /// # Panics
    /// Where no broker answers.
    pub fn is_in_sync(&self) -> bool {
        let mut command = self.programs.java("org.apache.kafka.tools.TopicCommand");
        command.args(["--bootstrap-server", &self.addresses(), "--describe", "--under-replicated-partitions"]);
        run(command).trim().is_empty()
    }

    fn kcat(&self) -> Command {
        let mut command = Command::new(&self.programs.kcat);
        // Its own words go to the test's output, so that a failure explains itself.
        command.args(["-q", "-b", &self.addresses()]).stdin(Stdio::null());
        command
    }
}

impl Programs {
    /// One of Kafka's own programs, small enough for several beside each other.
    fn java(&self, class: &str) -> Command {
        let mut command = Command::new(&self.java);
        command.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        // It starts in half the time so, and without where the file is not there.
        command.arg(format!("-XX:SharedArchiveFile={}", self.jars.join("classes.jsa").display()));
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        command.arg("-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info");
        command.arg("-cp").arg(self.jars.join("*")).arg(class).stdin(Stdio::null());
        command
    }
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Panics
/// Where it fails; with what it wrote.
fn run(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{said}{errors}");
    said.into_owned()
}
