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
            .caused_by(error)
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
    // The cause is left out: it may quote a line of the file.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        Fault::halt(format!("failed to read a private key from {}", path.display()))
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
