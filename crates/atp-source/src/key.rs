//! What the ledger knows a revision by.

use sha2::{Digest, Sha256};

/// The evidence index of a revision that came whole.
const WHOLE: u32 = 0xFFFF_FFFF;
/// The evidence index of a revision that came without its evidence: the whole, which follows under the same update
/// time, must not look like its copy.
const PARTIAL: u32 = 0xFFFF_FFFE;

/// Digests the revisions of one tenant.
///
/// A digest is the first 16 bytes of a SHA-256 over the tenant id in lower case, `0x00`, the alert's id with its JSON
/// escapes resolved, `0x00`, the update time in ticks as a big-endian `i64`, and the evidence index as a big-endian
/// `u32`: the record id under which the revision is delivered.
#[derive(Clone)]
pub(crate) struct Keyer {
    tenant: Sha256,
}

impl Keyer {
    pub(crate) fn new(tenant_id: &str) -> Self {
        let mut tenant = Sha256::new();
        tenant.update(tenant_id.to_ascii_lowercase());
        tenant.update([0]);
        Self { tenant }
    }

    /// The digest of a revision; `id` comes in pieces.
    pub(crate) fn digest(&self, id: &[&[u8]], time: i64, partial: bool) -> [u8; 16] {
        let mut digest = self.tenant.clone();
        for piece in id {
            digest.update(piece);
        }
        let mut rest = [0; 13];
        rest[1..9].copy_from_slice(&time.to_be_bytes());
        let index = if partial { PARTIAL } else { WHOLE };
        rest[9..].copy_from_slice(&index.to_be_bytes());
        digest.update(rest);
        *digest.finalize().first_chunk().expect("a SHA-256 has 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Guarantee: the digest is the one that was computed independently, with Python's hashlib.
    #[test]
    fn the_digest_is_the_record_id() {
        let keyer = Keyer::new("AAAAAAAA-2222-3333-4444-555555555555");
        let time = 637_308_392_301_900_000;
        assert_eq!(hex(&keyer.digest(&[b"da637308392288907382_-880718168"], time, false)), WHOLE_BY_HASHLIB);
        assert_eq!(hex(&keyer.digest(&[b"da637308392288907382", b"_-880718168"], time, true)), PARTIAL_BY_HASHLIB);
    }

    const WHOLE_BY_HASHLIB: &str = "71262f0b0072bee82e51a41ea506ea21";
    const PARTIAL_BY_HASHLIB: &str = "18ff4fef01e7dd78431ca63083f618ac";
}
