//! Certificates for tests.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

/// An authority that signs what it is asked to.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The authorities between it and a root, its own certificate first; empty for a root.
    above: Vec<Certificate>,
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), KeyPair::generate().unwrap()).unwrap();
        Self { issuer, above: Vec::new() }
    }

    /// An authority below this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        let issuer = CertifiedIssuer::signed_by(authority(name), KeyPair::generate().unwrap(), &self.issuer).unwrap();
        let mut above = vec![issuer.as_ref().clone()];
        above.extend(self.above.iter().cloned());
        Self { issuer, above }
    }

    pub(crate) fn issue(&self, subject: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut chain = vec![subject.signed_by(&key, &self.issuer).unwrap()];
        chain.extend(self.above.iter().cloned());
        Identity { chain, key }
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// Writes the authority's certificate into a file.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.pem");
        fs::write(&path, self.issuer.pem()).unwrap();
        path
    }
}

/// A certificate, what leads to its authority, and its key.
pub(crate) struct Identity {
    chain: Vec<Certificate>,
    key: KeyPair,
}

impl Identity {
    pub(crate) fn self_signed(subject: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let chain = vec![subject.self_signed(&key).unwrap()];
        Self { chain, key }
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.iter().map(|certificate| certificate.der().clone()).collect()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.serialize_der().try_into().unwrap()
    }

    pub(crate) fn pin(&self) -> [u8; 32] {
        Sha256::digest(self.chain[0].der()).into()
    }

    /// Writes the chain and the key into files.
    pub(crate) fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        fs::write(&certificate, self.chain.iter().map(Certificate::pem).collect::<String>()).unwrap();
        fs::write(&key, self.key.serialize_pem()).unwrap();
        (certificate, key)
    }
}

/// The certificate of a receiver with these names.
pub(crate) fn server(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut subject = CertificateParams::new(names).unwrap();
    subject.distinguished_name.push(DnType::CommonName, "a receiver");
    subject.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    subject
}

/// The certificate of a sender.
pub(crate) fn client() -> CertificateParams {
    let mut subject = CertificateParams::default();
    subject.distinguished_name.push(DnType::CommonName, "a sender");
    subject.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    subject
}

fn authority(name: &str) -> CertificateParams {
    let mut subject = CertificateParams::default();
    subject.distinguished_name.push(DnType::CommonName, name);
    subject.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    subject.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    subject
}
