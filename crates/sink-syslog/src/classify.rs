//! What an error on the way to a receiver, or on a connection to it, asks for.

#[cfg(test)]
mod tests;
mod tls;

use std::io::{Error, ErrorKind};

use fault::{Fault, Verdict};

use self::tls::{Finding, Stage};

/// The name of a receiver was not found.
pub(crate) fn unresolved(peer: &str, error: Error) -> Fault {
    let advice = match error.kind() {
        ErrorKind::TimedOut => "The name server does not answer: look at it, or give an IP address in `address`.",
        _ => "Correct the name in `address`, or look at the name server of this machine.",
    };
    Fault::retry(format!("failed to find the IP address of {peer}")).caused_by(error).advise(advice)
}

/// A receiver could not be connected to.
pub(crate) fn unreachable(peer: &str, error: Error) -> Fault {
    let what = format!("failed to connect to {peer}");
    let fault = match error.kind() {
        // A rule of the local firewall; no waiting changes it.
        ErrorKind::PermissionDenied => Fault::halt(what),
        _ => Fault::retry(what),
    };
    let advice = advice_on_connecting(error.kind());
    fault.caused_by(error).advise(advice)
}

/// A receiver was connected to, but there was no TLS session to be had with it.
pub(crate) fn handshake(peer: &str, error: Error) -> Fault {
    let what = format!("failed to agree on TLS with {peer}");
    if let Some(error) = tls::inside(&error) {
        return from_finding(what, tls::find(error, Stage::Handshake));
    }
    let advice = match error.kind() {
        ErrorKind::TimedOut => {
            "It takes the connection but answers with no TLS: look whether this is its TLS port, and whether it hangs."
        }
        // GnuTLS, as rsyslog uses it, may hang up without an alert.
        _ => {
            "It ended the connection in the TLS handshake: look whether this is its TLS port, whether it asks for a \
             certificate of ours (`tls.cert`, `tls.key`), and into its log."
        }
    };
    Fault::retry(what).caused_by(error).advise(advice)
}

/// A connection was lost. Under TLS 1.3 this is also where the receiver's refusal of our certificate shows: our side of
/// the handshake is done before the receiver has looked at it (RFC 8446, section 4.4.2.4), so the alert comes with a
/// later read.
pub(crate) fn lost(peer: &str, error: &Error) -> Fault {
    let what = format!("failed to keep the connection to {peer}");
    if let Some(error) = tls::inside(error) {
        return from_finding(what, tls::find(error, Stage::Session));
    }
    // An error of the operating system cannot be copied; its text says all.
    Fault::retry(what).caused_by(error.to_string()).advise(advice_on_losing(error.kind()))
}

/// Whether an error says what is wrong with TLS, rather than that the connection is lost.
pub(crate) fn is_tls(error: &Error) -> bool {
    tls::inside(error).is_some()
}

fn from_finding(what: String, finding: Finding) -> Fault {
    let fault = match finding.verdict {
        Verdict::Halt => Fault::halt(what),
        Verdict::Reject | Verdict::Retry => Fault::retry(what),
    };
    fault.caused_by(finding.cause).advise(finding.advice)
}

fn advice_on_connecting(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ConnectionRefused => "Nothing listens there: start the receiver, or correct `address`.",
        ErrorKind::TimedOut => {
            "Nothing answers there: look at the firewalls on the way and whether the machine is up, or correct `address`."
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "There is no way to it: look at the routes and firewalls of this network, or correct `address`."
        }
        ErrorKind::PermissionDenied => "This machine forbids the connection: allow it in its firewall or sandbox.",
        _ => "Look at the receiver and at the network on the way to it, or correct `address`.",
    }
}

fn advice_on_losing(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UnexpectedEof => {
            "The receiver left without a TLS close_notify, as when it is killed: look into its log; what is not \
             settled goes again."
        }
        ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "The receiver answers no more: look at its machine and the network on the way; what is not settled goes \
             again."
        }
        ErrorKind::ConnectionRefused => "Nothing listens there: start the receiver, or correct `address`.",
        _ => {
            "The receiver, or a machine on the way, broke the connection: look into its log; what is not settled goes again."
        }
    }
}
