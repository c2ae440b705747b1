//! A port that swallows everything: no answer, no reset, as behind a dead switch.

use std::io::Write;
use std::process::{Command, Stdio};

/// A firewall rule that drops every packet to and from a TCP port of loopback, until this is dropped.
#[derive(Debug)]
pub struct BlackHole {
    table: String,
}

impl BlackHole {
    /// Sets the rule, or says that it may not.
    ///
    /// # Panics
    /// Where root may not either.
    pub fn dig(port: u16) -> Option<Self> {
        let table = format!("atp_tests_{port}");
        let rules = format!(
            "table inet {table} {{\n chain both {{\n  type filter hook input priority 0;\n  tcp dport {port} drop\n  \
             tcp sport {port} drop\n }}\n}}\n"
        );
        if nft(&rules) {
            return Some(Self { table });
        }
        let required = std::env::var_os("ATP_TESTS_REQUIRE_ROOT").is_some();
        assert!(!required, "failed to set a firewall rule, though the tests run as root");
        println!("not shown: a firewall rule can be set by root alone, with nft");
        None
    }
}

impl Drop for BlackHole {
    fn drop(&mut self) {
        let filled = nft(&format!("delete table inet {}\n", self.table));
        assert!(filled || std::thread::panicking(), "the firewall rule stays behind: {}", self.table);
    }
}

/// Runs commands of nft(8) as one transaction.
fn nft(commands: &str) -> bool {
    let started = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = started else { return false };
    let written = child.stdin.take().is_some_and(|mut input| input.write_all(commands.as_bytes()).is_ok());
    child.wait().is_ok_and(|status| status.success()) && written
}
