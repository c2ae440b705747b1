//! The body of a request.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sink::Batch;

use crate::envelope::Composer;

/// Events as they go on the wire.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) is_gzip: bool,
    /// Its bytes before compression, which the collector's limits count.
    pub(crate) plain_bytes: usize,
}

/// Composes the events of the records at these places.
pub(crate) fn compose(composer: &Composer, batch: &Batch, places: &[usize], gzip: bool) -> Body {
    let payloads: usize = places.iter().map(|place| batch.records[*place].payload.len()).sum();
    let mut plain = Vec::with_capacity(payloads + places.len() * composer.overhead());
    composer.write(places.iter().map(|place| &batch.records[*place]), &mut plain);
    let plain_bytes = plain.len();
    let bytes = if gzip { compressed(&plain) } else { plain.into() };
    Body { bytes, is_gzip: gzip, plain_bytes }
}

fn compressed(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 6), LEVEL);
    encoder.write_all(plain).expect("writing into a vector does not fail");
    encoder.finish().expect("writing into a vector does not fail").into()
}

/// Alerts shrink to about a tenth by it; higher levels cost more than they save.
const LEVEL: Compression = Compression::new(3);
