//! One node of a cluster as a process.

use std::collections::HashSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Network, Programs, run};
use crate::ports::free_port;
use crate::process::Running;

/// A broker that is also a controller.
#[derive(Debug)]
pub(super) struct Broker {
    address: String,
    port: u16,
    folder: PathBuf,
    starts: u32,
    running: Option<Running>,
}

/// Formats the storage of so many brokers of one cluster, each in a folder of its own.
pub(super) fn prepare(folder: &Path, host: Ipv4Addr, count: u32, programs: &Programs) -> Vec<Broker> {
    let nodes: Vec<Node> =
        (1..=count).map(|id| Node { id, host, port: free_port(), controller_port: free_port() }).collect();
    let voters = nodes.iter().map(|node| format!("{}@{host}:{}", node.id, node.controller_port)).collect::<Vec<_>>();
    let prepare = |node: &Node| {
        let folder = folder.join(format!("kafka.{}", node.id));
        fs::create_dir_all(&folder).expect("the folder of the test is writable");
        let properties = node.properties(&folder, &voters.join(","), count);
        fs::write(folder.join(PROPERTIES), properties).expect("the folder of the test is writable");
        let mut format = programs.java("kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER_ID, "-c"]).arg(folder.join(PROPERTIES));
        run(format);
        Broker { address: format!("{host}:{}", node.port), port: node.port, folder, starts: 0, running: None }
    };
    nodes.iter().map(prepare).collect()
}

impl Broker {
    /// Where clients find it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Starts the process.
    pub(super) fn launch(&mut self, programs: &Programs, network: Option<&Network>) {
        self.starts += 1;
        let mut server = programs.java("kafka.Kafka");
        server.arg(self.folder.join(PROPERTIES));
        if let Some(network) = network {
            server = network.inside(&server);
        }
        server.stdout(Stdio::null());
        let log = self.folder.join(format!("log.{}", self.starts));
        self.running = Some(Running::start(&mut server, &log));
    }

    /// Waits until it serves. On a machine that others load as well a start takes its time.
    pub(super) fn wait(&mut self) {
        let running = self.running.as_mut().expect("it was launched");
        let started = Instant::now();
        while !running.log().contains("Kafka Server started") {
            let in_time = !running.has_ended() && started.elapsed() < Duration::from_secs(240);
            assert!(in_time, "the broker at {} does not serve:\n{}", self.address, running.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(super) fn kill(&mut self) {
        let finished = self.running.take().expect("the broker was running").kill();
        assert_eq!(finished.signal(), Some(9), "the broker had ended before it was killed:\n{}", finished.log);
    }

    pub(super) fn terminate(&mut self) {
        self.running.take().expect("the broker was running").terminate(Duration::from_secs(120));
    }

    /// How many bytes have come over connections to it and were not read.
    pub(super) fn unread(&self) -> u64 {
        // It may live in a network namespace.
        let id = self.running.as_ref().expect("the broker was running").id();
        sockets(&id.to_string()).filter(|socket| socket.port == self.port).map(|socket| socket.unread).sum()
    }

    /// The ends of connections to it that are on our side.
    pub(super) fn connections(&self) -> HashSet<u16> {
        sockets("self").filter(|socket| socket.peer_port == self.port).map(|socket| socket.port).collect()
    }

    pub(super) fn signal(&self, name: &str) {
        self.running.as_ref().expect("the broker was running").signal(name);
    }
}

/// One end of a connection.
struct Socket {
    port: u16,
    peer_port: u16,
    /// Bytes that have come and were not read.
    unread: u64,
}

impl Socket {
    /// Reads a line of proc(5): behind its number the two ends, the state, and the bytes in the queues out and in, all
    /// as hex.
    fn read(line: &str) -> Option<Self> {
        let mut columns = line.split_whitespace().skip(1);
        let mut port = || u16::from_str_radix(columns.next()?.split_once(':')?.1, 16).ok();
        let (port, peer_port) = (port()?, port()?);
        let is_open = columns.next()? == ESTABLISHED;
        let (_, unread) = columns.next()?.split_once(':')?;
        let unread = u64::from_str_radix(unread, 16).ok()?;
        is_open.then_some(Self { port, peer_port, unread })
    }
}

/// Where a process lives, every end of a connection; Java's are of both families.
fn sockets(process: &str) -> impl Iterator<Item = Socket> {
    let table = |name: &str| fs::read_to_string(format!("/proc/{process}/net/{name}")).unwrap_or_default();
    let tables = table("tcp") + &table("tcp6");
    tables.lines().filter_map(Socket::read).collect::<Vec<_>>().into_iter()
}

/// Who a node is, in its cluster and to its clients.
struct Node {
    id: u32,
    host: Ipv4Addr,
    port: u16,
    controller_port: u16,
}

impl Node {
    /// `server.properties`, as far as Kafka's defaults do not suit one small machine. Brokers take the time of its last
    /// record for the time when an idempotent producer was last heard of, and by default forget it after a day: here
    /// after as long as can be set, since simulated alerts are up to a day old.
    fn properties(&self, folder: &Path, voters: &str, nodes: u32) -> String {
        let Self { id, host, port, controller_port } = self;
        // With three, two must have a record before it is acknowledged, so that one may die.
        let in_sync = nodes.div_ceil(2);
        let storage = folder.join("storage");
        format!(
            "process.roles=broker,controller
node.id={id}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.quorum.voters={voters}
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.dirs={}
producer.id.expiration.ms=2147483647
auto.create.topics.enable=false
default.replication.factor={nodes}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={nodes}
offsets.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
transaction.state.log.replication.factor={nodes}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor={nodes}
share.coordinator.state.topic.min.isr={in_sync}
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
",
            storage.display()
        )
    }
}

const ESTABLISHED: &str = "01";
const PROPERTIES: &str = "server.properties";
/// Any 16 bytes in base64 do.
const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAQ";
