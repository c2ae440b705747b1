//! Certificates for receivers and for us: sound ones, and one for each way to be wrong.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore};
use sha2::{Digest, Sha256};

/// A folder of PEM files, each `NAME.pem` with its `NAME.key`.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them all:
    ///
    /// | name | what it is |
    /// |---|---|
    /// | `ca` | the authority of all but the last three |
    /// | `server` | a receiver's, for `localhost` and 127.0.0.1 |
    /// | `connector` | ours |
    /// | `expired` | a receiver's, of the year 2020 |
    /// | `wrong_name` | a receiver's, for `elsewhere.example` |
    /// | `other_ca` | another authority |
    /// | `stranger` | a receiver's, by that authority |
    /// | `self_signed` | a receiver's, by nobody |
    ///
    /// # Panics
    /// Where the folder cannot be written.
    pub fn make(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the folder of the test is writable");
        let certificates = Self { folder: folder.to_owned() };
        let ca = certificates.authority("ca");
        let other = certificates.authority("other_ca");
        certificates.signed("server", &leaf(LOCAL), &ca);
        certificates.signed("connector", &leaf(&["connector"]), &ca);
        certificates.signed("wrong_name", &leaf(&["elsewhere.example"]), &ca);
        certificates.signed("stranger", &leaf(LOCAL), &other);
        let mut expired = leaf(LOCAL);
        (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 12, 31));
        certificates.signed("expired", &expired, &ca);
        let key = KeyPair::generate().expect("a key can be made");
        let self_signed = leaf(LOCAL).self_signed(&key).expect("the parameters are sound");
        certificates.write("self_signed", &self_signed.pem(), &key);
        fs::write(certificates.fingerprint_file("self_signed"), hex(&Sha256::digest(self_signed.der())))
            .expect("the folder of the test is writable");
        certificates
    }

    /// A certificate's file.
    pub fn pem(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    /// The file of its key.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    /// The SHA-256 fingerprint of `self_signed`, as hex.
    ///
    /// # Panics
    /// Where the folder is gone.
    pub fn fingerprint(&self) -> String {
        fs::read_to_string(self.fingerprint_file("self_signed")).expect("it was written with the certificate")
    }

    /// Puts a sound certificate in the place of another, as a receiver's owner would.
    ///
    /// # Panics
    /// Where the folder cannot be written.
    pub fn renew(&self, name: &str) {
        fs::copy(self.pem("server"), self.pem(name)).expect("the folder of the test is writable");
        fs::copy(self.key("server"), self.key(name)).expect("the folder of the test is writable");
    }

    /// The version of TLS that a client who speaks both gets on a port of loopback, or `None` where the handshake fails:
    /// rsyslog listens a moment before it can.
    ///
    /// # Panics
    /// Where nobody listens.
    pub fn version_spoken(&self, port: u16) -> Option<&'static str> {
        let mut roots = RootCertStore::empty();
        let authorities = CertificateDer::pem_file_iter(self.pem("ca")).expect("the authority is there");
        roots.add_parsable_certificates(authorities.map(|der| der.expect("the authority is sound")));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.expect("the provider knows both versions").with_root_certificates(roots);
        let config = Arc::new(config.with_no_client_auth());
        let name = ServerName::try_from("localhost").expect("a name");
        let mut client = ClientConnection::new(config, name).expect("the settings are sound");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("somebody listens");
        while client.is_handshaking() {
            client.complete_io(&mut stream).ok()?;
        }
        match client.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Some("1.2"),
            Some(ProtocolVersion::TLSv1_3) => Some("1.3"),
            other => panic!("a version that nobody offered: {other:?}"),
        }
    }

    fn authority(&self, name: &str) -> Issuer<'static, KeyPair> {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("the parameters are sound");
        self.write(name, &certificate.pem(), &key);
        Issuer::new(params, key)
    }

    fn signed(&self, name: &str, params: &CertificateParams, by: &Issuer<'_, KeyPair>) {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, by).expect("the parameters are sound");
        self.write(name, &certificate.pem(), &key);
    }

    fn write(&self, name: &str, pem: &str, key: &KeyPair) {
        fs::write(self.pem(name), pem).expect("the folder of the test is writable");
        fs::write(self.key(name), key.serialize_pem()).expect("the folder of the test is writable");
    }

    fn fingerprint_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.sha256"))
    }
}

/// A certificate that both a server and a client may use; named after the first of its names.
fn leaf(names: &[&str]) -> CertificateParams {
    let mut params = named(names[0], names);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn named(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the names are sound");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const LOCAL: &[&str] = &["localhost", "127.0.0.1"];
