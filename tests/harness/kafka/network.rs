//! A network between us and a broker that loses, swallows and resets: a network namespace (ip-netns(8)) with one pair of
//! virtual cards, and rules of nft(8) inside it.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A host of its own for a broker. It goes when this is dropped.
#[derive(Debug)]
pub struct Network {
    name: String,
    host: Ipv4Addr,
}

/// Something that is wrong with a network, until this is dropped.
#[derive(Debug)]
pub struct NetworkFault<'a> {
    network: &'a Network,
}

impl Network {
    /// Makes one, or says that it may not.
    ///
    /// # Panics
    /// Where root may not either.
    pub fn make() -> Option<Self> {
        let number = std::process::id().wrapping_mul(61).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % NETWORKS;
        let network = Self { name: format!("atp-tests-{number}"), host: address(number, 2) };
        if network.set_up(number) {
            return Some(network);
        }
        let required = std::env::var_os("ATP_TESTS_REQUIRE_ROOT").is_some();
        assert!(!required, "failed to make a network namespace, though the tests run as root");
        println!("not shown: a network namespace can be made by root alone, with ip and nft");
        None
    }

    /// The address of the host behind it.
    pub fn host(&self) -> Ipv4Addr {
        self.host
    }

    /// Loses so many of a hundred packets in each direction.
    ///
    /// # Panics
    /// Where nft refuses.
    pub fn lose(&self, percent: u32) -> NetworkFault<'_> {
        self.rule(&format!("numgen random mod 100 < {percent} counter drop"))
    }

    /// Swallows every packet in both directions and says nothing.
    ///
    /// # Panics
    /// Where nft refuses.
    pub fn swallow(&self) -> NetworkFault<'_> {
        self.rule("counter drop")
    }

    /// Answers every TCP segment with a reset, to both ends.
    ///
    /// # Panics
    /// Where nft refuses.
    pub fn reset(&self) -> NetworkFault<'_> {
        // The resets themselves pass the rules as well.
        self.rule("tcp flags & rst == 0 counter reject with tcp reset")
    }

    /// A command as it runs on the host behind this network, under the same process id.
    pub(super) fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args());
        inside
    }

    fn set_up(&self, number: u32) -> bool {
        let (name, host, ours) = (&self.name, self.host, address(number, 1));
        let card = format!("atp{number}");
        // A namespace of that name was left behind by tests that were killed.
        let _ = ip(&format!("netns delete {name}"));
        ip(&format!("netns add {name}"))
            && ip(&format!("link add {card} type veth peer name broker netns {name}"))
            && ip(&format!("address add {ours}/30 dev {card}"))
            && ip(&format!("link set {card} up"))
            && ip(&format!("-n {name} address add {host}/30 dev broker"))
            && ip(&format!("-n {name} link set broker up"))
            && ip(&format!("-n {name} link set lo up"))
            && self.nft("list ruleset").is_some()
    }

    /// What the broker says to itself goes over `lo` and is spared.
    fn rule(&self, rule: &str) -> NetworkFault<'_> {
        let chain = |hook: &str, card: &str| {
            format!(" chain {hook} {{\n  type filter hook {hook} priority 0;\n  {card} \"lo\" accept\n  {rule}\n }}\n")
        };
        let table = format!("table inet fault {{\n{}{}}}\n", chain("input", "iifname"), chain("output", "oifname"));
        assert!(self.nft(&table).is_some(), "nft refuses:\n{table}");
        NetworkFault { network: self }
    }

    /// Runs commands of nft as one transaction, and returns what it says.
    fn nft(&self, commands: &str) -> Option<String> {
        let mut nft = Command::new("ip");
        nft.args(["netns", "exec", &self.name, "nft", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = nft.spawn().ok()?;
        child.stdin.take()?.write_all(commands.as_bytes()).ok()?;
        let output = child.wait_with_output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The cards go with it.
        let gone = ip(&format!("netns delete {}", self.name));
        assert!(gone || std::thread::panicking(), "the network namespace stays behind: {}", self.name);
    }
}

impl NetworkFault<'_> {
    /// How many packets it has hit.
    ///
    /// # Panics
    /// Where nft does not tell.
    pub fn packets(&self) -> u64 {
        let rules = self.network.nft("list table inet fault").expect("the rules are there");
        let counts =
            rules.split("counter packets ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        counts.sum()
    }
}

impl Drop for NetworkFault<'_> {
    fn drop(&mut self) {
        let lifted = self.network.nft("delete table inet fault").is_some();
        assert!(lifted || std::thread::panicking(), "the rules stay behind in {}", self.network.name);
    }
}

/// Runs one command of ip(8).
fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

/// An address in the range that RFC 2544, appendix C.2.2, sets aside for tests of devices: 198.18.0.0/15.
fn address(number: u32, place: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number * 4 + place)
}

static NEXT: AtomicU32 = AtomicU32::new(0);
/// How many networks of four addresses that range has.
const NETWORKS: u32 = 1 << 15;
