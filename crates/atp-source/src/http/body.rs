//! A body read under limits, unpacked as it comes.

use bytes::Bytes;
use flate2::write::GzDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;
use std::io::Write as _;

use crate::http::budget::{Budget, Share};

/// What is unpacked at a time. Deflate makes at most 1,032 bytes of one, so a bomb shows itself within some 4 MiB.
const PIECE: usize = 4 << 10;

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    Broken(reqwest::Error),
    /// It is not what its encoding says.
    Encoding(String),
    /// It passes this many bytes, packed or unpacked.
    TooLarge(usize),
}

/// Reads a body to its end. Returns it unpacked, with its share of the budget.
pub(super) async fn read(mut response: Response, budget: &Budget) -> Result<(Bytes, Share), BodyError> {
    let encoding = response.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    let mut unpacker = match encoding.as_deref() {
        None | Some(b"" | b"identity") => None,
        Some(b"gzip" | b"x-gzip") => Some(GzDecoder::new(Vec::new())),
        Some(other) => {
            let other =
                String::from_utf8_lossy(other).chars().filter(|char| !char.is_control()).take(40).collect::<String>();
            return Err(BodyError::Encoding(format!("the body has the encoding {other:?}, which was not asked for")));
        }
    };
    let mut body = Body { bytes: Vec::new(), share: budget.share(), limit: budget.largest() };
    let mut packed = 0;
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        packed += chunk.len();
        if packed > body.limit {
            return Err(BodyError::TooLarge(body.limit));
        }
        let Some(unpacker) = &mut unpacker else {
            body.append(&chunk).await?;
            continue;
        };
        for piece in chunk.chunks(PIECE) {
            unpacker.write_all(piece).map_err(|error| BodyError::Encoding(format!("the body is no gzip: {error}")))?;
            body.append(unpacker.get_ref()).await?;
            unpacker.get_mut().clear();
        }
    }
    if let Some(unpacker) = unpacker {
        let rest = unpacker.finish().map_err(|error| BodyError::Encoding(format!("the gzip body is cut: {error}")))?;
        body.append(&rest).await?;
    }
    Ok((body.bytes.into(), body.share))
}

struct Body {
    bytes: Vec<u8>,
    share: Share,
    limit: usize,
}

impl Body {
    async fn append(&mut self, more: &[u8]) -> Result<(), BodyError> {
        let length = self.bytes.len() + more.len();
        if length > self.limit {
            return Err(BodyError::TooLarge(self.limit));
        }
        if self.bytes.capacity() < length {
            let room = (length + length / 4).min(self.limit);
            self.share.cover(room).await;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}
