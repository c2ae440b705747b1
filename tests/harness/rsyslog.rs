//! rsyslog as a receiver, from the system's package.

use std::fs;
use std::path::Path;

use crate::certificates::Certificates;
use crate::message::Message;
use crate::parts::part;
use crate::receiver::{Receiver, Way};

impl Receiver {
    /// rsyslog, or `None` where it is not installed. Its ways: `tcp`, `lf`, `tls12`, `tls13`, `mutual`, `relp`, `relps`,
    /// `udp`, and one for each receiver's certificate that is wrong: `expired`, `wrong_name`, `stranger`, `self_signed`.
    ///
    /// # Panics
    /// Where the folder cannot be written, or it is missing though all parts are promised.
    pub fn rsyslog(folder: &Path, certificates: &Certificates) -> Option<Self> {
        let program = part("rsyslogd")?;
        fs::create_dir_all(folder).expect("the folder of the test is writable");
        let mut ways = Vec::new();
        let mut configuration = globals(folder, certificates);
        for (name, scheme, keys, input) in inputs(certificates) {
            let way = Way::new(folder, name, scheme, &keys);
            configuration.push_str(&ruleset(&way, &input));
            ways.push(way);
        }
        let file = folder.join("rsyslog.conf");
        fs::write(&file, configuration).expect("the folder of the test is writable");
        let receiver = Self::new(ways, &program, folder.join("rsyslog.log"), Message::of_json);
        Some(receiver.with_arguments(&["-n", "-iNONE", "-f", &file.display().to_string()]))
    }
}

/// What all inputs share. `Direct`: a message is written before its input is answered, so that RELP's acknowledgement
/// means that; with the usual queue in memory a kill loses what was acknowledged. The OpenSSL driver, since the GnuTLS
/// one refuses clients of TLS 1.3 alone. Control characters stay as they came.
fn globals(folder: &Path, certificates: &Certificates) -> String {
    let folder = folder.display();
    let (ca, pem, key) = (certificates.pem("ca"), certificates.pem("server"), certificates.key("server"));
    format!(
        r#"global(workDirectory="{folder}" maxMessageSize="256k" net.enableDNS="off"
       defaultNetstreamDriverCAFile="{}" defaultNetstreamDriverCertFile="{}" defaultNetstreamDriverKeyFile="{}"
       parser.escapeControlCharactersOnReceive="off")
main_queue(queue.type="Direct")
module(load="imptcp")
module(load="imtcp" maxSessions="1000")
module(load="imrelp" tls.tlslib="openssl")
module(load="imudp")
template(name="json" type="list" option.jsonf="on") {{
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="procid" name="procid" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="sd" name="structured-data" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
"#,
        ca.display(),
        pem.display(),
        key.display(),
    )
}

/// Name, scheme, our keys, and the input.
fn inputs(certificates: &Certificates) -> Vec<(&'static str, &'static str, String, String)> {
    let ca = format!("ca: \"{}\"", certificates.pem("ca").display());
    let counted = "framing: octet_counting";
    let server = format!("{counted}, tls: {{ {ca} }}");
    let identity = identity(certificates);
    let plain = r#"imptcp" supportOctetCountedFraming="on" maxFrameSize="262144"#;
    let tls = |more: &str| {
        format!(
            r#"imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon" {more} name="tls"#
        )
    };
    let version = |only: &str| tls(&format!(r#"gnutlsPriorityString="Protocol=-ALL,{only}""#));
    let with_certificate = |name: &str| {
        let (pem, key) = (certificates.pem(name), certificates.key(name));
        tls(&format!(r#"streamDriver.certFile="{}" streamDriver.keyFile="{}""#, pem.display(), key.display()))
    };
    let mutual = r#"imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/name"
      permittedPeer=["connector"] gnutlsPriorityString="Protocol=-ALL,TLSv1.3" name="mutual"#;
    let relp = r#"imrelp" maxDataSize="256k"#;
    let relps = format!(
        r#"{relp}" tls="on" tls.authMode="name" tls.permittedPeer=["connector"]
      tls.caCert="{}" tls.myCert="{}" tls.myPrivKey="{}"#,
        certificates.pem("ca").display(),
        certificates.pem("server").display(),
        certificates.key("server").display(),
    );
    vec![
        ("tcp", "tcp", counted.to_owned(), plain.to_owned()),
        ("lf", "tcp", "framing: lf".to_owned(), plain.to_owned()),
        ("tls12", "tls", server.clone(), version("TLSv1.2")),
        ("tls13", "tls", server.clone(), version("TLSv1.3")),
        ("mutual", "tls", format!("{counted}, tls: {{ {ca}, {identity} }}"), mutual.to_owned()),
        ("relp", "relp", String::new(), relp.to_owned()),
        ("relps", "relps", format!("tls: {{ {ca}, {identity} }}"), relps),
        ("udp", "udp", String::new(), "imudp".to_owned()),
        ("expired", "tls", server.clone(), with_certificate("expired")),
        ("wrong_name", "tls", server.clone(), with_certificate("wrong_name")),
        ("stranger", "tls", server.clone(), with_certificate("stranger")),
        ("self_signed", "tls", server, with_certificate("self_signed")),
    ]
}

/// Our certificate, as keys under `tls:`.
pub(crate) fn identity(certificates: &Certificates) -> String {
    let (pem, key) = (certificates.pem("connector"), certificates.key("connector"));
    format!("cert: \"{}\", key: \"{}\"", pem.display(), key.display())
}

fn ruleset(way: &Way, input: &str) -> String {
    let Way { name, port, file, .. } = way;
    let file = file.display();
    format!(
        r#"ruleset(name="{name}") {{
  action(type="omfile" file="{file}" template="json" asyncWriting="off" flushOnTXEnd="on")
}}
input(type="{input}" address="127.0.0.1" port="{port}" ruleset="{name}")
"#
    )
}
