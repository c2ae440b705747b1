//! What is written into the topic of marks, under which keys.

use chrono::Utc;

/// Whoever writes under a transactional id. Of two, the one that began later is the rightful one, and the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner([u8; 16]);

impl Owner {
    /// One that begins now, after the last one, whatever its clock said, and unlike any other.
    pub(super) fn after(last: Option<Self>) -> Self {
        let now = Utc::now().timestamp_millis().unsigned_abs();
        let since = last.map_or(now, |last| now.max(last.since() + 1));
        Self((u128::from(since) << 64 | u128::from(fastrand::u64(..))).to_be_bytes())
    }

    /// When it began, in milliseconds since 1970.
    fn since(self) -> u64 {
        (u128::from_be_bytes(self.0) >> 64) as u64
    }

    /// The one that a name is of.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        name.first_chunk().map(|bytes| Self(*bytes))
    }

    /// A name for something of its own.
    pub(super) fn name(self, number: u64) -> Name {
        let mut name = [0; 24];
        let (owner, numbered) = name.split_at_mut(16);
        owner.copy_from_slice(&self.0);
        numbered.copy_from_slice(&number.to_be_bytes());
        name
    }
}

/// Names a transaction, or one beginning of an owner.
pub(super) type Name = [u8; 24];

/// The keys of one transactional id.
#[derive(Clone, Debug)]
pub(super) struct Keys(String);

impl Keys {
    pub(super) fn new(transactional_id: &str) -> Self {
        Self(transactional_id.to_owned())
    }

    /// The key under which an owner says that it has begun.
    pub(super) fn owner(&self) -> Vec<u8> {
        format!("{}/owner", self.0).into_bytes()
    }

    /// The key under which every transaction writes its name.
    pub(super) fn last(&self) -> Vec<u8> {
        format!("{}/last", self.0).into_bytes()
    }

    /// The key for a mark of the lane's.
    pub(super) fn mark(&self, key: &[u8]) -> Vec<u8> {
        [self.0.as_bytes(), MARK, key].concat()
    }

    /// The lane's own key of a mark.
    pub(super) fn lane_key<'a>(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        key.strip_prefix(self.0.as_bytes())?.strip_prefix(MARK)
    }
}

const MARK: &[u8] = b"/mark/";

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: one lane's marks are not taken for another's whose id begins alike.
    #[test]
    fn marks_are_found_by_their_own_id_alone() {
        let keys = Keys::new("atp-a");
        assert_eq!(keys.lane_key(&keys.mark(b"queue 1")), Some(&b"queue 1"[..]));
        assert_eq!(keys.lane_key(&Keys::new("atp-ab").mark(b"queue 1")), None);
        assert_eq!(keys.lane_key(&keys.owner()), None);
        assert_eq!(Keys::new("atp").lane_key(&keys.mark(b"queue 1")), None);
    }

    /// Guarantee: a name says whose it is, and of two owners the later one is the greater.
    #[test]
    fn a_name_says_whose_it_is() {
        let first = Owner::after(None);
        let second = Owner::after(Some(first));
        assert_eq!(Owner::of(&first.name(7)), Some(first));
        assert!(second > first);
        assert_ne!(first.name(1), first.name(2));
    }
}
