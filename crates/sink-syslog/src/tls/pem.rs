//! Certificates and keys out of PEM files (RFC 7468).

use std::fs;
use std::io;
use std::path::Path;

use fault::Fault;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads every certificate of a file. `setting` names the file in the pipeline file, for advice.
///
/// # Errors
/// Halts where the file cannot be read or holds no certificate.
pub(crate) fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let text = read(setting, path)?;
    let unusable = |error: Error| {
        Fault::halt(format!("failed to read certificates from {}", path.display()))
            .caused_by(what_is_wrong(&error))
            .advise(format!("Let `{setting}` name a PEM file, with lines of `-----BEGIN CERTIFICATE-----`."))
    };
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(unusable)?;
    if found.is_empty() {
        return Err(unusable(Error::NoItemsFound));
    }
    Ok(found)
}

/// Reads the first private key of a file.
///
/// # Errors
/// Halts where the file cannot be read or holds no key that is not encrypted.
pub(crate) fn key(setting: &str, path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let text = read(setting, path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        Fault::halt(format!("failed to read a private key from {}", path.display()))
            .caused_by(what_is_wrong(&error))
            .advise(format!("Let `{setting}` name a PEM file with a private key that is not encrypted."))
    })
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => format!("Put the file there, or correct `{setting}`."),
            io::ErrorKind::PermissionDenied => {
                format!("Let the user that runs this program read the file of `{setting}`.")
            }
            _ => format!("Let `{setting}` name a file that can be read."),
        };
        Fault::halt(format!("failed to read {}", path.display())).caused_by(error).advise(advice)
    })
}

/// The fault of a file in words of our own: those of the reader quote lines of the file, and that may hold a key.
fn what_is_wrong(error: &Error) -> &'static str {
    match error {
        Error::NoItemsFound => "there is none in it",
        Error::MissingSectionEnd { .. } => "it breaks off",
        Error::Base64Decode(_) => "it is not base64 inside",
        _ => "it is not PEM",
    }
}
