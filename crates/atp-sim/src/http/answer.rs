//! An answer before it is put on the wire.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::Value;

use crate::record::Delivery;

/// Pieces of a body are about this large, so that a page of many megabytes is never in memory as a whole.
pub(crate) const PIECE: usize = 64 * 1024;

/// The pieces of a body, made when they are asked for.
pub(crate) type Pieces = Box<dyn Iterator<Item = Bytes> + Send>;

/// An answer before it is put on the wire.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) pieces: Pieces,
    /// The length of the body, where it is known before.
    pub(crate) length: Option<u64>,
    /// What is noted once the last byte is out.
    pub(crate) delivery: Option<Delivery>,
}

impl Answer {
    /// An answer with a body that is at hand.
    pub(crate) fn new(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = Some(body.len() as u64);
        let pieces = Box::new(std::iter::once(body).filter(|piece| !piece.is_empty()));
        Self { status, headers: vec![("content-type", content_type.to_owned())], pieces, length, delivery: None }
    }

    /// An answer in JSON.
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }

    /// A page of rows, written as it is read.
    pub(crate) fn rows(pieces: impl Iterator<Item = Bytes> + Send + 'static, delivery: Delivery) -> Self {
        let headers = vec![("content-type", "application/json; odata.metadata=minimal; charset=utf-8".to_owned())];
        Self { status: StatusCode::OK, headers, pieces: Box::new(pieces), length: None, delivery: Some(delivery) }
    }

    /// The same answer under another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a header where there is a value for it.
    pub(crate) fn optional_header(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }
}

/// The pieces of a page: what comes before the rows, the rows with commas between, what comes after.
pub(crate) fn page<R: Send + 'static>(
    before: String,
    rows: Vec<R>,
    after: String,
    write: impl Fn(&R, &mut Vec<u8>) + Send + 'static,
) -> impl Iterator<Item = Bytes> + Send + 'static {
    let mut before = Some(before);
    let mut after = Some(after);
    let mut rows = rows.into_iter();
    let mut first = true;
    std::iter::from_fn(move || {
        after.as_ref()?;
        let mut piece = Vec::with_capacity(PIECE + 8 * 1024);
        piece.extend(before.take().unwrap_or_default().into_bytes());
        while piece.len() < PIECE {
            let Some(row) = rows.next() else {
                piece.extend(after.take().unwrap_or_default().into_bytes());
                break;
            };
            if !std::mem::take(&mut first) {
                piece.push(b',');
            }
            write(&row, &mut piece);
        }
        Some(Bytes::from(piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rows: Vec<&'static str>) -> String {
        let write = |row: &&str, out: &mut Vec<u8>| out.extend_from_slice(row.as_bytes());
        let pieces: Vec<Bytes> = page("[".to_owned(), rows, "]".to_owned(), write).collect();
        String::from_utf8(pieces.concat()).unwrap()
    }

    /// Commas stand between the rows only, over the borders of pieces too.
    #[test]
    fn commas_are_between() {
        assert_eq!(text(vec![]), "[]");
        assert_eq!(text(vec!["1", "2", "3"]), "[1,2,3]");
        let many = text(vec!["12345678"; 20_000]);
        assert_eq!(many.len(), 20_000 * 9 + 1);
        assert!(serde_json::from_str::<Value>(&many).unwrap().as_array().unwrap().len() == 20_000);
    }
}
