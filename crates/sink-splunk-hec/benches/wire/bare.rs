//! The bare client: bodies put together, compressed and posted.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::Semaphore;
use url::Url;

/// Posts all batches and waits until the receiver has them.
pub(crate) fn send(url: &Url, gzip: bool, batches: &[Vec<Vec<u8>>]) {
    crate::runtime().block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
        let url = url.join("/services/collector/event").expect("it is a path");
        let window = Arc::new(Semaphore::new(crate::WINDOW));
        let mut posts = Vec::with_capacity(batches.len());
        for events in batches {
            let room = Arc::clone(&window).acquire_owned().await.expect("nobody closes it");
            let mut request = client.post(url.clone()).header("authorization", "Splunk token");
            if gzip {
                request = request.header("content-encoding", "gzip");
            }
            let request = request.body(body(events, gzip));
            posts.push(tokio::spawn(async move {
                let answer = request.send().await.expect("the receiver is there");
                assert!(answer.status().is_success());
                answer.bytes().await.expect("the receiver is there");
                drop(room);
            }));
        }
        for post in posts {
            post.await.expect("a post does not panic");
        }
    });
}

fn body(events: &[Vec<u8>], gzip: bool) -> Vec<u8> {
    let plain = events.concat();
    if !gzip {
        return plain;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 6), Compression::new(3));
    encoder.write_all(&plain).expect("writing into a vector does not fail");
    encoder.finish().expect("writing into a vector does not fail")
}
