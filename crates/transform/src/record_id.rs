//! The name of a record, equal on every machine and after a lost journal.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::text::{Piece, Text};

/// The first 128 bits of a SHA-256; `Display` gives 32 lower-case hex digits.
///
/// What is digested, in this order:
///
/// | bytes | of |
/// |---|---|
/// | any | the Entra tenant id in lower case |
/// | 1 | `0x00` |
/// | any | the alert id as UTF-8, its JSON escapes resolved, a lone surrogate as U+FFFD; all of an alert without one |
/// | 1 | `0x00` |
/// | 8 | the update time in .NET ticks, a big-endian signed integer; 0 where it is missing or no time |
/// | 4 | the evidence index, big-endian: [`RecordId::WHOLE`] or [`RecordId::PARTIAL`] |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId([u8; 16]);

impl RecordId {
    /// The evidence index of a record that is a whole alert.
    pub const WHOLE: u32 = 0xFFFF_FFFF;

    /// The evidence index of an alert that was had without its evidence: the whole alert, which follows under the same
    /// update time, must not look like its copy.
    pub const PARTIAL: u32 = 0xFFFF_FFFE;

    /// The id of a revision of an alert.
    pub fn of(tenant_id: &str, alert_id: &str, update_ticks: i64, evidence_index: u32) -> Self {
        Self::of_bytes(tenant_id, alert_id.as_bytes(), update_ticks, evidence_index)
    }

    /// The id of a revision under any bytes.
    pub(crate) fn of_bytes(tenant_id: &str, alert_id: &[u8], update_ticks: i64, evidence_index: u32) -> Self {
        Self::digest(tenant_id, update_ticks, evidence_index, |sha| sha.update(alert_id))
    }

    /// The id of a revision whose alert id is made of texts of the input, so that nothing is copied.
    pub(crate) fn of_texts(tenant_id: &str, alert_id: &[Text<'_>], update_ticks: i64, evidence_index: u32) -> Self {
        Self::digest(tenant_id, update_ticks, evidence_index, |sha| {
            for piece in alert_id.iter().flat_map(|part| part.decoded()) {
                match piece {
                    Piece::Run(run) => sha.update(run),
                    Piece::Char(char) => sha.update(char.encode_utf8(&mut [0; 4])),
                }
            }
        })
    }

    fn digest(tenant_id: &str, update_ticks: i64, evidence_index: u32, alert_id: impl FnOnce(&mut Sha256)) -> Self {
        let mut sha = Sha256::new();
        for chunk in tenant_id.as_bytes().chunks(64) {
            let lower = &mut [0; 64][..chunk.len()];
            lower.copy_from_slice(chunk);
            lower.make_ascii_lowercase();
            sha.update(lower);
        }
        sha.update([0]);
        alert_id(&mut sha);
        sha.update([0]);
        sha.update(update_ticks.to_be_bytes());
        sha.update(evidence_index.to_be_bytes());
        let digest = sha.finalize();
        Self(*digest.first_chunk().expect("a SHA-256 has 32 bytes"))
    }

    /// The id that these 16 bytes are, as [`RecordId::as_bytes`] gave them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Its 32 hex digits.
    pub(crate) fn hex(&self) -> [u8; 32] {
        let mut hex = [0; 32];
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        hex
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.hex()).expect("hex digits are ASCII"))
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
