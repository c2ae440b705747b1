//! The alerts of a tenant as files of one page each, fetched from the simulator.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use atp_sim::{Simulator, TenantOptions};

/// Writes all alerts of a tenant into a folder, one file a page. Returns how many bytes they have.
pub(crate) fn fetch(simulator: &Simulator, tenant: &TenantOptions, page: u32, folder: &Path) -> u64 {
    let token = token(simulator, tenant);
    let mut bytes = 0;
    for number in 0..tenant.alerts.backlog.div_ceil(page) {
        let skip = number * page;
        let target = format!("/api/alerts?$expand=evidence&$top={page}&$skip={skip}");
        let body = exchange(simulator, "GET", &target, &format!("Authorization: Bearer {token}\r\n"), "");
        bytes += body.len() as u64;
        fs::write(folder.join(format!("{number:03}.json")), body).expect("the folder is writable");
    }
    bytes
}

fn token(simulator: &Simulator, tenant: &TenantOptions) -> String {
    let TenantOptions { tenant_id, client_id, client_secret, .. } = tenant;
    let (secret, scope) = (encoded(client_secret), encoded("https://api.securitycenter.microsoft.com/.default"));
    let form = format!("grant_type=client_credentials&client_id={client_id}&client_secret={secret}&scope={scope}");
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = exchange(simulator, "POST", &format!("/{tenant_id}/oauth2/v2.0/token"), headers, &form);
    let answer: serde_json::Value = serde_json::from_slice(&body).expect("Entra answers in JSON");
    answer["access_token"].as_str().expect("the secret is right").to_owned()
}

/// One call. In HTTP/1.0 the body ends with the connection.
fn exchange(simulator: &Simulator, method: &str, target: &str, headers: &str, body: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(simulator.address()).expect("the simulator listens");
    let length = body.len();
    let request = format!("{method} {target} HTTP/1.0\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("the simulator reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the simulator answers");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has headers") + 4;
    let head = String::from_utf8_lossy(&answer[..end]);
    assert!(head.starts_with("HTTP/1.0 200 ") || head.starts_with("HTTP/1.1 200 "), "{head}");
    answer.split_off(end)
}

/// A value of a form, with everything but letters and digits written as `%XX`.
fn encoded(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}
