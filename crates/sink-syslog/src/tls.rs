//! TLS towards receivers (RFC 5425): whom we believe, and who we are.

#[cfg(test)]
pub(crate) mod authority;
mod pem;
#[cfg(test)]
pub(crate) mod receiver;
#[cfg(test)]
mod tests;
mod verifier;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use fault::Fault;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

pub(crate) use self::verifier::Refusal;
use self::verifier::{ByAuthority, ByPin};
use crate::options::TlsOptions;

/// Makes what opens TLS sessions, of version 1.2 or 1.3.
///
/// # Errors
/// Halts where a file cannot be read or used, and where there is no authority to believe.
pub(crate) fn connector(options: &TlsOptions) -> Result<TlsConnector, Fault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = verifier(options, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &options.identity {
        Some((certificate, key)) => {
            let chain = pem::certificates("tls.cert", certificate)?;
            let secret = pem::key("tls.key", key)?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| unusable_identity(certificate, key, error))?
        }
        None => builder.with_no_client_auth(),
    };
    // Connections are few and long: each shows its certificate anew, so that one that has expired is seen.
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Makes the name that a certificate must hold.
///
/// # Errors
/// Halts where no certificate can hold it.
pub(crate) fn server_name(name: &str) -> Result<ServerName<'static>, Fault> {
    ServerName::try_from(name.to_owned()).map_err(|error| {
        Fault::halt(format!("failed to look for {name:?} in a certificate"))
            .caused_by(error)
            .advise("Set `tls.server_name` to a DNS name or an IP address that the receiver's certificate holds.")
    })
}

fn verifier(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Fault> {
    if !options.pins.is_empty() {
        return Ok(Arc::new(ByPin::new(options.pins.clone(), provider.signature_verification_algorithms)));
    }
    let roots = match &options.ca {
        Some(path) => named_roots(path)?,
        None => system_roots()?,
    };
    let by_authority = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .expect("there are roots, and no revocation list that could be broken");
    Ok(Arc::new(ByAuthority::new(by_authority)))
}

fn named_roots(path: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates("tls.ca", path)? {
        roots.add(certificate).map_err(|error| {
            Fault::halt(format!("failed to use an authority of {}", path.display()))
                .caused_by(of_our_own(error))
                .advise("Let `tls.ca` name a PEM file that holds the certificates of authorities and nothing else.")
        })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, Fault> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let fault = Fault::halt("failed to find the system's certificate authorities")
        .advise("Install them (the package is mostly called ca-certificates), or name a file of your own in `tls.ca`.");
    Err(match found.errors.into_iter().next() {
        Some(error) => fault.caused_by(error),
        None => fault,
    })
}

fn unusable_identity(certificate: &Path, key: &Path, error: rustls::Error) -> Fault {
    let (certificate, key) = (certificate.display(), key.display());
    let fault = Fault::halt(format!("failed to use {certificate} with the key {key}"));
    let advice = match error {
        rustls::Error::InconsistentKeys(_) => {
            "Give the key of this very certificate in `tls.key`; in `tls.cert` our own certificate comes first, \
             its authorities after it."
        }
        _ => "Give a certificate in `tls.cert`, and in `tls.key` its RSA, ECDSA or Ed25519 key, as PEM files.",
    };
    fault.caused_by(of_our_own(error)).advise(advice)
}

/// The cause in words of our own, where rustls takes any certificate for a peer's.
fn of_our_own(error: rustls::Error) -> Box<dyn Error + Send + Sync> {
    match error {
        rustls::Error::InvalidCertificate(reason) => format!("it holds a broken certificate: {reason}").into(),
        rustls::Error::InconsistentKeys(_) => "the key belongs to another certificate".into(),
        error => error.into(),
    }
}
