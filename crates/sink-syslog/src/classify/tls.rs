//! What a TLS error asks for.

use std::error::Error;
use std::io;

use chrono::DateTime;
use fault::Verdict;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, OtherError};

use crate::tls::Refusal;

/// The most names of a certificate in one sentence, and the most characters of each.
const NAMES: usize = 8;
const NAME_CHARS: usize = 100;

/// What a TLS error comes to.
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) cause: String,
    pub(super) advice: String,
}

/// When it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Handshake,
    Session,
}

/// The TLS error inside one of input and output.
pub(super) fn inside(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Judges a TLS error: certificates and versions do not mend themselves, a garbled session may.
pub(super) fn find(error: &rustls::Error, stage: Stage) -> Finding {
    match error {
        rustls::Error::InvalidCertificate(reason) => of_certificate(reason),
        rustls::Error::AlertReceived(alert) => of_alert(*alert, error),
        rustls::Error::PeerIncompatible(_) => {
            halt(error, "Let the receiver offer TLS 1.2 or 1.3 with a cipher suite of today.")
        }
        rustls::Error::InvalidMessage(_) if stage == Stage::Handshake => {
            halt(error, "It does not speak TLS there: give its TLS port in `address`, or a scheme without TLS.")
        }
        _ => retry(error, "Look into the receiver's log, and for a machine on the way that changes the data."),
    }
}

/// The receiver's certificate is not believed.
fn of_certificate(reason: &CertificateError) -> Finding {
    let (cause, advice) = match reason {
        CertificateError::ExpiredContext { not_after, .. } => (
            format!("its certificate, or one above it, ended on {}", date(*not_after)),
            "Have the receiver's certificate renewed, or set the clock of this machine.".to_owned(),
        ),
        CertificateError::NotValidYetContext { not_before, .. } => (
            format!("its certificate, or one above it, begins on {}", date(*not_before)),
            "Set the clock of this machine, or wait for that day.".to_owned(),
        ),
        CertificateError::NotValidForNameContext { expected, presented } => of_name(expected, presented),
        CertificateError::UnknownIssuer => (
            "its certificate is signed by an unknown authority".to_owned(),
            "Put the certificate of that authority into the file of `tls.ca`, and let the receiver send its whole chain."
                .to_owned(),
        ),
        // Of an authority on the certificate, or of the certificate's key on the handshake.
        CertificateError::BadSignature => (
            "its certificate or its handshake bears a wrong signature".to_owned(),
            "Give the receiver the key that belongs to its certificate; if it has that, someone else answers in its place."
                .to_owned(),
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            reason.to_string(),
            "Have the receiver's certificate issued for servers (extended key usage serverAuth), or pin it in `tls.pin`."
                .to_owned(),
        ),
        CertificateError::Other(OtherError(error)) => of_refusal(error.as_ref()),
        _ => (
            format!("its certificate cannot be used: {reason}"),
            "Have the receiver's certificate issued anew, or pin it in `tls.pin`.".to_owned(),
        ),
    };
    Finding { verdict: Verdict::Halt, cause, advice }
}

fn of_name(expected: &ServerName<'_>, presented: &[String]) -> (String, String) {
    let expected = expected.to_str();
    let cause = format!("its certificate does not hold the name {expected}");
    if presented.is_empty() {
        let advice = "The certificate holds no subject alternative name, which alone counts (RFC 9525): have it issued \
                      with one, or pin it in `tls.pin`.";
        return (cause, advice.to_owned());
    }
    let names = names(presented);
    (cause, format!("The certificate is for {names}: give a name that it holds in `address` or in `tls.server_name`."))
}

fn of_refusal(error: &(dyn Error + Send + Sync + 'static)) -> (String, String) {
    let advice = match error.downcast_ref::<Refusal>() {
        Some(Refusal::NotPinned(seen)) => format!(
            "It shows the certificate {seen}: compare that with the receiver's own, and if it is the right one put it \
             into `tls.pin`."
        ),
        Some(Refusal::SelfSigned(seen)) => format!(
            "It shows the certificate {seen}: compare that with the receiver's own and put it into `tls.pin`, or have \
             one issued by an authority of `tls.ca`."
        ),
        None => "Have the receiver's certificate issued anew, or pin it in `tls.pin`.".to_owned(),
    };
    (error.to_string(), advice)
}

/// The receiver says what is wrong, in the words of RFC 8446, section 6.2.
fn of_alert(alert: AlertDescription, error: &rustls::Error) -> Finding {
    use AlertDescription as Alert;
    let advice = match alert {
        Alert::CertificateRequired | Alert::NoCertificate => {
            "The receiver asks for a certificate of ours: give one in `tls.cert` and `tls.key`."
        }
        // What servers without TLS 1.3 say, where a certificate is missing.
        Alert::HandshakeFailure => {
            "Most often the receiver asks for a certificate of ours: give one in `tls.cert` and `tls.key`; else it has \
             no cipher suite in common with us."
        }
        Alert::UnknownCA => {
            "The receiver does not know the authority of our certificate: make that known to it, and put the whole \
             chain into the file of `tls.cert`."
        }
        Alert::CertificateExpired => "Our certificate has expired: renew the file of `tls.cert`.",
        Alert::CertificateRevoked => "Our certificate is revoked: have a new one issued for `tls.cert` and `tls.key`.",
        Alert::BadCertificate | Alert::CertificateUnknown | Alert::UnsupportedCertificate | Alert::DecryptError => {
            "The receiver does not take our certificate: look into its log for why, and give one that it takes in \
             `tls.cert` and `tls.key`."
        }
        Alert::AccessDenied => {
            "The receiver knows our certificate but does not let it in: permit its name there, or give another in \
             `tls.cert` and `tls.key`."
        }
        Alert::ProtocolVersion | Alert::InsufficientSecurity => {
            "Let the receiver offer TLS 1.2 or 1.3 with a cipher suite of today."
        }
        Alert::UnrecognisedName => {
            "The receiver has no certificate for the name it was asked for: give one that it has in `tls.server_name`."
        }
        _ => return retry(error, "Look into the receiver's log for what it did not like."),
    };
    halt(error, advice)
}

fn halt(error: &rustls::Error, advice: &str) -> Finding {
    Finding { verdict: Verdict::Halt, cause: error.to_string(), advice: advice.to_owned() }
}

fn retry(error: &rustls::Error, advice: &str) -> Finding {
    Finding { verdict: Verdict::Retry, cause: error.to_string(), advice: advice.to_owned() }
}

/// The names of a certificate, out of their debug forms `DnsName("siem.example")` and `IpAddress(192.0.2.1)`. They are
/// foreign text: what would break a line is escaped.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        let short: String = inner.trim_matches('"').chars().take(NAME_CHARS).collect();
        short.escape_debug().to_string()
    };
    let mut names: Vec<String> = presented.iter().take(NAMES).map(plain).collect();
    if presented.len() > NAMES {
        names.push(format!("{} more", presented.len() - NAMES));
    }
    names.join(", ")
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match DateTime::from_timestamp(seconds, 0) {
        Some(date) => date.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => format!("{seconds} seconds after 1970"),
    }
}
