//! HTTPS with an authority of its own.

use atp_sim::{Options, Population, TlsOptions};

use crate::client::{Client, still};

/// Who trusts the written authority is served; who does not is not.
#[tokio::test]
async fn authority_is_written_and_needed() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let options = Options { tls: Some(TlsOptions { ca_file: ca_file.clone() }), ..still(Population::at_rest(3)) };
    let trusting = |pem: &[u8]| {
        let authority = reqwest::Certificate::from_pem(pem).unwrap();
        reqwest::Client::builder().tls_certs_only([authority]).build().unwrap()
    };
    // The file is there once the simulator has started, so a first one tells what a second client must trust.
    let first = Client::start(options.clone()).await;
    let other_authority = std::fs::read(&ca_file).unwrap();
    let url = first.simulator.url();
    assert!(url.starts_with("https://127.0.0.1:"));
    let client = Client::start_with(options, trusting(&other_authority)).await;
    assert!(client.try_get(&client.simulator.url(), "").await.is_none(), "it trusts the first authority only");
    assert!(client.try_get(&url, "").await.is_some());
    assert!(client.simulator.pipeline_file().contains("      ca: "));
}
