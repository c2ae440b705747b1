//! TLS towards indexers: whom we believe, and who we are.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use fault::Fault;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::options::TlsOptions;

/// Makes what opens TLS sessions, of version 1.2 or 1.3.
///
/// # Errors
/// Halts where a file cannot be read or used, and where there is no authority to believe.
pub(crate) fn connector(options: &TlsOptions) -> Result<TlsConnector, Fault> {
    let roots = match &options.ca {
        Some(path) => named_roots(path)?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let mut config = match &options.identity {
        Some((certificate, key)) => {
            let chain = certificates("tls.cert", certificate)?;
            builder.with_client_auth_cert(chain, private_key(key)?).map_err(|error| {
                Fault::halt(format!("failed to use {} with the key {}", certificate.display(), key.display()))
                    .caused_by(error)
                    .advise("Give our certificate with its chain in `tls.cert`, and its very key in `tls.key`.")
            })?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// There was no TLS session to be had, or it was lost.
pub(crate) fn handshake(peer: &str, error: io::Error) -> Fault {
    let what = format!("failed to agree on TLS with {peer}");
    let (halts, advice) = match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => (
            true,
            "Give the authority of the indexer's certificate in `tls.ca`, and in `url` a name that the certificate \
             holds. Splunk's own default certificate is believed by nobody: replace it.",
        ),
        Some(rustls::Error::AlertReceived(alert)) if is_about_us(*alert) => {
            (true, "The indexer asks for a certificate of ours that it believes: give one in `tls.cert` and `tls.key`.")
        }
        _ => (false, "Look whether this is a port with TLS, and into the indexer's log (splunkd.log)."),
    };
    let fault = if halts { Fault::halt(what) } else { Fault::retry(what) };
    fault.caused_by(error).advise(advice)
}

/// Alerts by which a server refuses a client's certificate, or the lack of one (RFC 8446, section 6.2).
pub(crate) fn is_about_us(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
    )
}

fn named_roots(path: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls.ca", path)? {
        roots.add(certificate).map_err(|error| {
            Fault::halt(format!("failed to use an authority of {}", path.display()))
                .caused_by(error)
                .advise("Let `tls.ca` name a PEM file that holds the certificates of authorities and nothing else.")
        })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Fault::halt("failed to find the system's certificate authorities").advise(
            "Install them (the package is mostly called ca-certificates), or name a file of your own in `tls.ca`.",
        ));
    }
    Ok(roots)
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let text = read(setting, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let cause = match found {
        Ok(certificates) if !certificates.is_empty() => return Ok(certificates),
        Ok(_) => what_is_wrong(&PemError::NoItemsFound),
        Err(error) => what_is_wrong(&error),
    };
    Err(Fault::halt(format!("failed to read certificates from {}", path.display()))
        .caused_by(cause)
        .advise(format!("Let `{setting}` name a PEM file, with lines of `-----BEGIN CERTIFICATE-----`.")))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let text = read("tls.key", path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        Fault::halt(format!("failed to read a private key from {}", path.display()))
            .caused_by(what_is_wrong(&error))
            .advise("Let `tls.key` name a PEM file with a private key that is not encrypted.")
    })
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| {
        Fault::halt(format!("failed to read {}", path.display()))
            .caused_by(error)
            .advise(format!("Let `{setting}` name a file that the user of this program can read."))
    })
}

/// The fault of a file in words of our own: those of the reader quote lines of the file, and that may hold a key.
fn what_is_wrong(error: &PemError) -> &'static str {
    match error {
        PemError::NoItemsFound => "there is none in it",
        PemError::MissingSectionEnd { .. } => "it breaks off",
        PemError::Base64Decode(_) => "it is not base64 inside",
        _ => "it is not PEM",
    }
}
