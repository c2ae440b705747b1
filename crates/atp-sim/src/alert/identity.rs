//! Ids as Defender mints them: `da{ticks}_{i32}`, or `da<guid>_1` for the newer ones.
//!
//! The index of an alert is folded into its id, so that an id leads back to its alert without a table of ids.

use crate::dice::{self, Topic, mix};
use crate::ticks;

/// The id of an alert.
pub(crate) fn alert_id(seed: u64, index: u32, created: i64) -> String {
    let mut rng = dice::dice(seed, u64::from(index), Topic::Identity);
    let folded = fold(seed, index);
    if rng.u8(..) < 64 {
        return format!("da{}_1", guid((u64::from(folded) << 32) | u64::from(rng.u32(..)), rng.u64(..)));
    }
    // Near the creation time, but not equal to it.
    let minted = created + rng.i64(-400..900) * ticks::PER_MILLISECOND + rng.i64(0..10_000);
    format!("da{minted}_{}", folded.cast_signed())
}

/// The index folded into an id, where it looks like one of ours. The caller compares the whole id.
pub(crate) fn index_of(seed: u64, id: &str) -> Option<u32> {
    let (body, tail) = id.strip_prefix("da")?.rsplit_once('_')?;
    let folded = if body.contains('-') {
        u32::from_str_radix(body.get(..8)?, 16).ok()?
    } else {
        tail.parse::<i32>().ok()?.cast_unsigned()
    };
    Some(unfold(seed, folded))
}

/// A GUID of 128 bits as they are.
pub(crate) fn guid(high: u64, low: u64) -> String {
    let bits = (u128::from(high) << 64) | u128::from(low);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

const FACTOR: u32 = 0x9e37_79b1;
/// The inverse of `FACTOR` modulo 2^32.
const INVERSE: u32 = inverse(FACTOR);

fn fold(seed: u64, index: u32) -> u32 {
    (index ^ key(seed)).wrapping_mul(FACTOR)
}

fn unfold(seed: u64, folded: u32) -> u32 {
    folded.wrapping_mul(INVERSE) ^ key(seed)
}

#[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
fn key(seed: u64) -> u32 {
    mix(seed, 3) as u32
}

/// Newton's iteration doubles the right bits each time; every odd number is its own inverse in three bits.
const fn inverse(odd: u32) -> u32 {
    let mut inverse = odd;
    let mut bits = 3;
    while bits < 32 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse)));
        bits *= 2;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Every id leads back to its alert, and no two are equal, though all have one creation time.
    #[test]
    fn ids_are_unique_and_lead_back() {
        let created = 637_370_718_981_685_665;
        let ids: HashSet<String> = (0..10_000).map(|index| alert_id(3, index, created)).collect();
        assert_eq!(ids.len(), 10_000);
        assert!((0..10_000).all(|index| index_of(3, &alert_id(3, index, created)) == Some(index)));
    }

    /// Both shapes of id occur, and the ticks in the one are within a second of the creation.
    #[test]
    fn ids_look_like_the_real_ones() {
        let created = 637_370_718_981_685_665;
        let (with_guid, with_ticks): (Vec<String>, Vec<String>) =
            (0..400).map(|index| alert_id(3, index, created)).partition(|id| id.len() == 40);
        assert!(with_guid.len() > 50 && with_guid.iter().all(|id| id.ends_with("_1")));
        for id in with_ticks {
            let minted: i64 = id["da".len()..].split_once('_').unwrap().0.parse().unwrap();
            assert!((minted - created).abs() < ticks::PER_SECOND);
        }
    }

    /// What is no id of ours is no index, and nothing panics over it.
    #[test]
    fn foreign_ids_are_none() {
        for id in ["", "da", "da_", "da1_x", "daä-ö_1", "not_exist"] {
            assert_eq!(index_of(3, id), None, "{id}");
        }
    }
}
