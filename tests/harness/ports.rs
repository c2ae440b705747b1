//! Ports on loopback for receivers, which have to be known before the receiver starts and stay the same over a restart.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nobody has, for TCP and UDP. It lies below those that the system hands out for outgoing connections
/// (`ip_local_port_range` of ip(7), from 32768), so that nobody takes it while a receiver restarts.
///
/// # Panics
/// Where all of them are taken.
pub fn free_port() -> u16 {
    for _ in 0..LAST - FIRST {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // Two test processes at once begin apart.
        let start = (std::process::id() as u16).wrapping_mul(97);
        let port = FIRST + start.wrapping_add(step) % (LAST - FIRST);
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
    panic!("no port between {FIRST} and {LAST} is free");
}

/// Whether somebody listens on a TCP port of loopback, asked of the system and not by a connection that a receiver
/// would have to take for a sender.
pub(crate) fn listens(port: u16) -> bool {
    is_bound("tcp", port, LISTEN)
}

/// Whether somebody has bound a UDP port of loopback.
pub(crate) fn is_bound_udp(port: u16) -> bool {
    is_bound("udp", port, UNCONNECTED)
}

/// The table of proc(5): local address and port in the second column, as hex, and the state in the fourth.
fn is_bound(table: &str, port: u16, state: &str) -> bool {
    let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    let end = format!(":{port:04X}");
    text.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        columns.next().is_some_and(|local| local.ends_with(&end)) && columns.nth(1) == Some(state)
    })
}

static NEXT: AtomicU16 = AtomicU16::new(0);
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;
const LISTEN: &str = "0A";
const UNCONNECTED: &str = "07";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_seen_while_it_is_there() {
        let port = free_port();
        assert!(!listens(port));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(listens(port));
        drop(listener);
        assert!(!listens(port));
    }
}
