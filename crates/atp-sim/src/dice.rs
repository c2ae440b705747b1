//! Chance, all of it from the seed: the same question always has the same answer.

use fastrand::Rng;

/// What is being decided. Each topic has its own stream, so that a new one changes none of the others.
#[derive(Clone, Copy)]
pub(crate) enum Topic {
    Events,
    Evidence,
    Fault,
    Identity,
    Mix,
    Revision,
    Schedule,
    Token,
    Traits,
}

/// The dice for one thing (an alert's index, a call's number) and one topic.
pub(crate) fn dice(seed: u64, thing: u64, topic: Topic) -> Rng {
    Rng::with_seed(mix(mix(seed, topic as u64 + 1), thing))
}

/// Two numbers made into one that depends on every bit of both (the finaliser of SplitMix64).
pub(crate) fn mix(left: u64, right: u64) -> u64 {
    let mut z = left.rotate_left(25) ^ right.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A seed for one tenant, which does not change when other tenants come and go.
pub(crate) fn tenant_seed(seed: u64, tenant_id: &str) -> u64 {
    tenant_id.bytes().fold(mix(seed, 0), |folded, byte| mix(folded, u64::from(byte)))
}

/// True in `share` of all cases.
pub(crate) fn chance(rng: &mut Rng, share: f64) -> bool {
    rng.f64() < share
}
