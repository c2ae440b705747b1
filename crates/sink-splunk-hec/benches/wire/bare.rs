//! The bare client: events written one after the other, compressed and posted.

use std::io::Write;
use std::sync::Arc;

use chrono::SecondsFormat;
use flate2::Compression;
use flate2::write::GzEncoder;
use sink::Record;
use sink_splunk_hec::{SOURCE, SOURCETYPE};
use tokio::sync::Semaphore;
use url::Url;

/// Posts all batches and waits until the receiver has them.
pub(crate) fn send(url: &Url, gzip: bool, batches: &[Arc<[Record]>]) {
    crate::runtime().block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
        let url = url.join("/services/collector/event").expect("it is a path");
        let window = Arc::new(Semaphore::new(crate::WINDOW));
        let mut posts = Vec::with_capacity(batches.len());
        for records in batches {
            let room = Arc::clone(&window).acquire_owned().await.expect("nobody closes it");
            let mut request = client.post(url.clone()).header("authorization", "Splunk token");
            if gzip {
                request = request.header("content-encoding", "gzip");
            }
            let request = request.body(body(records, gzip));
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

/// The events of some records.
pub(crate) fn plain(records: &[Record]) -> Vec<u8> {
    let payloads: usize = records.iter().map(|record| record.payload.len()).sum();
    let mut plain = Vec::with_capacity(payloads + records.len() * 256);
    for record in records {
        let millis = record.time.timestamp_millis();
        let (seconds, millis, id, tenant) =
            (millis / 1_000, millis % 1_000, u128::from_be_bytes(record.id), &record.tenant);
        let host = str::from_utf8(&record.device).expect("the names of devices are text");
        let updated = record.updated.to_rfc3339_opts(SecondsFormat::Millis, true);
        write!(
            plain,
            "{{\"time\":{seconds}.{millis:03},\"host\":\"{host}\",\"source\":\"{SOURCE}\",\"sourcetype\":\"{SOURCETYPE}\",\
             \"event\":"
        )
        .expect("writing into a vector does not fail");
        plain.extend_from_slice(&record.payload);
        write!(plain, ",\"fields\":{{\"recordId\":\"{id:032x}\",\"updated\":\"{updated}\",\"tenant\":\"{tenant}\"}}}}")
            .expect("writing into a vector does not fail");
    }
    plain
}

fn body(records: &[Record], gzip: bool) -> Vec<u8> {
    let plain = plain(records);
    if !gzip {
        return plain;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 6), Compression::new(3));
    encoder.write_all(&plain).expect("writing into a vector does not fail");
    encoder.finish().expect("writing into a vector does not fail")
}
