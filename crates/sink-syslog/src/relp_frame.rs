//! The frames of RELP, the Reliable Event Logging Protocol, as its specification (`doc/relp.md` of librelp) has them:
//! `TXNR SP COMMAND SP DATALEN [SP DATA] LF`.

mod answer;

pub(crate) use answer::{Answer, AnswerReader, Kind};

/// The transaction number after `transaction`; 0 before the first. The last is followed by 1 again.
pub(crate) fn next_transaction(transaction: u32) -> u32 {
    if transaction >= LAST_TRANSACTION { 1 } else { transaction + 1 }
}

/// Appends a frame.
///
/// `command` is of letters, at most 32; `transaction` is 1 to 999,999,999.
pub(crate) fn write(out: &mut Vec<u8>, transaction: u32, command: &str, data: &[u8]) {
    write_head(out, transaction, command, data.len());
    out.extend_from_slice(data);
    out.push(b'\n');
}

/// Appends what stands before `length` bytes of data; the data and a line feed belong behind it.
pub(crate) fn write_head(out: &mut Vec<u8>, transaction: u32, command: &str, length: usize) {
    assert!((1..=LAST_TRANSACTION).contains(&transaction), "{transaction} is no transaction number");
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(transaction).as_bytes());
    out.push(b' ');
    out.extend_from_slice(command.as_bytes());
    out.push(b' ');
    out.extend_from_slice(digits.format(length).as_bytes());
    if length > 0 {
        out.push(b' ');
    }
}

/// Appends the `open` frame with what we offer: version 0 of the protocol, which librelp speaks, our name, and the one
/// command that we send.
pub(crate) fn write_open(out: &mut Vec<u8>, transaction: u32) {
    let offers =
        concat!("relp_version=0\nrelp_software=atp-forwarder,", env!("CARGO_PKG_VERSION"), "\ncommands=syslog");
    write(out, transaction, "open", offers.as_bytes());
}

/// Whether the offers of an answer to `open` say that the server takes the command `syslog`.
pub(crate) fn takes_syslog(offers: &[(String, String)]) -> bool {
    offers.iter().any(|(name, value)| name == "commands" && value.split(',').any(|command| command.trim() == "syslog"))
}

/// Nine digits are the most that a transaction number has.
const LAST_TRANSACTION: u32 = 999_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: numbers begin at 1 and go round without 0.
    #[test]
    fn transactions_go_round_without_zero() {
        assert_eq!(next_transaction(0), 1);
        assert_eq!(next_transaction(1), 2);
        assert_eq!(next_transaction(999_999_998), 999_999_999);
        assert_eq!(next_transaction(999_999_999), 1);
    }

    /// Guarantee: frames are as the specification's own examples have them.
    #[test]
    fn frames_have_number_command_length_and_data() {
        let mut out = Vec::new();
        write(&mut out, 1, "syslog", "zażółć".as_bytes());
        write(&mut out, 999_999_999, "close", b"");
        assert_eq!(String::from_utf8(out).unwrap(), "1 syslog 10 zażółć\n999999999 close 0\n");
    }

    /// Guarantee: the offers that we open with are version, software and `syslog`, under their right length.
    #[test]
    fn open_carries_our_offers() {
        let mut out = Vec::new();
        write_open(&mut out, 1);
        let offers =
            concat!("relp_version=0\nrelp_software=atp-forwarder,", env!("CARGO_PKG_VERSION"), "\ncommands=syslog");
        assert_eq!(String::from_utf8(out).unwrap(), format!("1 open {} {offers}\n", offers.len()));
    }

    /// Guarantee: only the command `syslog` itself, under `commands`, counts as the server's taking it.
    #[test]
    fn offers_of_syslog_are_recognised() {
        let offer = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert!(takes_syslog(&offer("commands", "syslog")));
        assert!(takes_syslog(&offer("commands", "eventlog, syslog")));
        assert!(!takes_syslog(&offer("commands", "syslogs,xsyslog")));
        assert!(!takes_syslog(&offer("relp_software", "syslog")));
        assert!(!takes_syslog(&[]));
    }
}
