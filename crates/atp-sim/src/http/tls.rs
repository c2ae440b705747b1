//! A certificate authority for one run, and a server certificate from it.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

/// A certificate authority for one run, and what listeners need of it.
pub(crate) struct Authority {
    /// The authority's certificate, for the client to trust.
    pub(crate) certificate_pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

impl Authority {
    /// Makes an authority and a certificate for loopback and these addresses.
    pub(crate) fn make(addresses: &[SocketAddr]) -> io::Result<Self> {
        make(addresses).map_err(|error| io::Error::other(format!("failed to make certificates: {error}")))
    }
}

fn make(addresses: &[SocketAddr]) -> Result<Authority, Box<dyn Error + Send + Sync>> {
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name.push(DnType::CommonName, "atp-sim authority of one run");
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    issuer.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = CertifiedIssuer::self_signed(issuer, KeyPair::generate()?)?;

    let mut server = CertificateParams::new(vec!["localhost".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "atp-sim");
    let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    let mut names: Vec<IpAddr> = loopback.into_iter().chain(addresses.iter().map(SocketAddr::ip)).collect();
    names.sort_unstable();
    names.dedup();
    server.subject_alt_names.extend(names.into_iter().map(SanType::IpAddress));
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &issuer)?;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(Authority { certificate_pem: issuer.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
}
