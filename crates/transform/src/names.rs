//! The names of an object's members, found by length and then by comparing.

use crate::text::Text;

/// What each known name stands for; case counts for nothing, since Microsoft's own texts disagree about it.
pub(crate) struct Names<T: 'static, const N: usize> {
    /// In order of length.
    entries: [(&'static str, T); N],
    /// Where the names of each length begin; those of length `l` end where those of `l + 1` begin.
    starts: [u8; LONGEST + 2],
}

impl<T: Copy, const N: usize> Names<T, N> {
    /// The table; a name longer than [`LONGEST`] does not compile.
    pub(crate) const fn new(mut entries: [(&'static str, T); N]) -> Self {
        let mut starts = [0; LONGEST + 2];
        let mut sorted = 0;
        let mut length = 0;
        while length <= LONGEST {
            starts[length] = sorted as u8;
            let mut at = sorted;
            while at < N {
                if entries[at].0.len() == length {
                    let found = entries[at];
                    entries[at] = entries[sorted];
                    entries[sorted] = found;
                    sorted += 1;
                }
                at += 1;
            }
            length += 1;
        }
        starts[LONGEST + 1] = sorted as u8;
        assert!(sorted == N && N <= u8::MAX as usize);
        Self { entries, starts }
    }

    /// What a name stands for; `None` for one that is not known.
    pub(crate) fn find(&self, name: Text<'_>) -> Option<T> {
        let raw = name.raw();
        if let Some(found) = self.find_plain(raw) {
            return Some(found);
        }
        if raw.contains(&b'\\') { self.find_plain(name.short(&mut [0; _])) } else { None }
    }

    fn find_plain(&self, name: &[u8]) -> Option<T> {
        let length = name.len();
        if length > LONGEST {
            return None;
        }
        let peers = &self.entries[usize::from(self.starts[length])..usize::from(self.starts[length + 1])];
        let first = name.first()? | CASE;
        peers
            .iter()
            // Most names of an alert are not known, and most of those differ in their first letter.
            .filter(|(peer, _)| peer.as_bytes()[0] | CASE == first)
            .find(|(peer, _)| peer.as_bytes() == name || peer.as_bytes().eq_ignore_ascii_case(name))
            .map(|&(_, stands_for)| stands_for)
    }
}

const LONGEST: usize = 32;

/// What tells a small letter of ASCII from a capital.
const CASE: u8 = 0x20;
