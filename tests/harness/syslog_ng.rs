//! syslog-ng as a receiver, from a package unpacked beside the system's, for it and rsyslog exclude each other there.

use std::fs;
use std::path::Path;

use crate::certificates::Certificates;
use crate::message::Message;
use crate::parts::unpacked_part;
use crate::receiver::{Receiver, Way};
use crate::rsyslog::identity;

impl Receiver {
    /// syslog-ng, or `None` where it is not unpacked. Its ways: `tcp`, `lf`, `tls12`, `tls13`, `mutual`, `udp`.
    ///
    /// # Panics
    /// Where the folder cannot be written, or it is missing though all parts are promised.
    pub fn syslog_ng(folder: &Path, certificates: &Certificates) -> Option<Self> {
        let root = unpacked_part("syslog-ng")?;
        fs::create_dir_all(folder).expect("the folder of the test is writable");
        let mut ways = Vec::new();
        let mut configuration = GLOBALS.to_owned();
        for (name, scheme, keys, source) in sources(certificates) {
            let way = Way::new(folder, name, scheme, &keys);
            configuration.push_str(&log_path(&way, &source));
            ways.push(way);
        }
        let file = |name: &str| folder.join(name).display().to_string();
        fs::write(file("syslog-ng.conf"), configuration).expect("the folder of the test is writable");
        let libraries = root.join("usr/lib");
        let modules = format!("--module-path={}", libraries.join("syslog-ng/3.38").display());
        let receiver =
            Self::new(ways, &root.join("usr/sbin/syslog-ng"), folder.join("syslog-ng.log"), Message::of_json);
        let receiver = receiver.with_variable("LD_LIBRARY_PATH", library_path(&root));
        let (conf, persist, pid, control) =
            (file("syslog-ng.conf"), file("syslog-ng.persist"), file("syslog-ng.pid"), file("syslog-ng.ctl"));
        Some(receiver.with_arguments(&[
            "--foreground",
            "--stderr",
            "--no-caps",
            &modules,
            "-f",
            &conf,
            "-R",
            &persist,
            "-p",
            &pid,
            "-c",
            &control,
        ]))
    }
}

fn library_path(root: &Path) -> String {
    let folders = [
        "usr/lib/syslog-ng",
        "usr/lib/x86_64-linux-gnu",
        "usr/lib/aarch64-linux-gnu",
        "lib/x86_64-linux-gnu",
        "lib/aarch64-linux-gnu",
    ];
    folders.map(|folder| root.join(folder).display().to_string()).join(":")
}

/// Name, scheme, our keys, and the driver of the source.
fn sources(certificates: &Certificates) -> Vec<(&'static str, &'static str, String, String)> {
    let ca = format!("ca: \"{}\"", certificates.pem("ca").display());
    let counted = "framing: octet_counting";
    let server = format!("{counted}, tls: {{ {ca} }}");
    let tls = |verify: &str, without: &str| {
        format!(
            r#"syslog(transport("tls") tls(cert-file("{}") key-file("{}") ca-file("{}") peer-verify({verify})
    ssl-options(no-sslv2, no-sslv3, no-tlsv1, no-tlsv11, {without}))"#,
            certificates.pem("server").display(),
            certificates.key("server").display(),
            certificates.pem("ca").display(),
        )
    };
    vec![
        ("tcp", "tcp", counted.to_owned(), r#"syslog(transport("tcp")"#.to_owned()),
        ("lf", "tcp", "framing: lf".to_owned(), r#"network(transport("tcp") flags(syslog-protocol)"#.to_owned()),
        ("tls12", "tls", server.clone(), tls("optional-untrusted", "no-tlsv13")),
        ("tls13", "tls", server, tls("optional-untrusted", "no-tlsv12")),
        (
            "mutual",
            "tls",
            format!("{counted}, tls: {{ {ca}, {} }}", identity(certificates)),
            tls("required-trusted", "no-tlsv12"),
        ),
        ("udp", "udp", String::new(), r#"syslog(transport("udp")"#.to_owned()),
    ]
}

/// Flow control: without it what does not fit into memory is dropped.
fn log_path(way: &Way, source: &str) -> String {
    let Way { name, port, file, .. } = way;
    let file = file.display();
    let template = "$(format-json --scope none pri=$PRI time=$S_ISODATE host=$HOST app=$PROGRAM procid=$PID \
                    msgid=$MSGID sd=$SDATA message=$MSG)\\n";
    format!(
        r#"log {{
  source {{ {source} ip("127.0.0.1") port({port})); }};
  destination {{ file("{file}" template("{template}")); }};
  flags(flow-control);
}}; # {name}
"#
    )
}

const GLOBALS: &str = "@version: 3.38
options {
  keep-hostname(yes); use-dns(no); dns-cache(no); chain-hostnames(no); stats-freq(0); frac-digits(3);
  log-msg-size(262144); log-fifo-size(100000);
};
";
