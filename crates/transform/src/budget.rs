//! Making a record fit: what it does without, in which order, and what is shortened.

use crate::columns::{COLUMNS, Worth};

/// The most bytes of a record of CEF or LEEF, without what a sink puts around it.
///
/// A record that is larger first does without whole fields of low worth, then its long values are shortened, then
/// further fields go. Who, which and when stay, and the record says how many fields it lost or has shortened. Raw JSON
/// knows no budget, for it keeps every byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(usize);

impl Budget {
    /// The smallest that is held, 1,024 bytes: less is taken for this much. The operator's own words, vendor, product,
    /// version and tenant name, are assumed to have less than 400 bytes together.
    pub const SMALLEST: usize = 1024;

    /// So many bytes of UTF-8.
    pub const fn bytes(bytes: usize) -> Self {
        Self(if bytes < Self::SMALLEST { Self::SMALLEST } else { bytes })
    }

    /// How many bytes.
    pub const fn get(self) -> usize {
        self.0
    }
}

/// A place for each column, and then for each word of the header that may be shortened.
pub(crate) const PARTS: usize = COLUMNS.len() + HEADER_WORDS;
pub(crate) const HEADER_WORDS: usize = 2;

/// How large a part of a record was when nothing was cut.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    /// All of it: delimiter, key, value, label.
    pub(crate) whole: usize,
    /// Of a value that may be shortened; else 0.
    pub(crate) text: usize,
}

/// The most bytes that each value may have; 0 leaves its field out.
pub(crate) struct Plan {
    pub(crate) most: [usize; PARTS],
    /// How many fields are left out or shortened.
    pub(crate) cut: usize,
}

impl Plan {
    /// Everything whole.
    pub(crate) const WHOLE: Self = Self { most: [usize::MAX; PARTS], cut: 0 };

    /// The plan for a record that is `over` bytes too large.
    pub(crate) fn for_excess(over: usize, sizes: &[Size; PARTS]) -> Self {
        let mut plan = Planning { sizes: *sizes, most: [usize::MAX; PARTS], over: over + TELLING };
        plan.leave_out(Worth::Low);
        for length in [2048, 1024, 512, 256] {
            plan.shorten(length, Worth::High);
        }
        plan.leave_out(Worth::Fair);
        plan.shorten(64, Worth::High);
        plan.leave_out(Worth::High);
        plan.shorten(96, Worth::Vital);
        Self { cut: plan.most.iter().filter(|&&most| most < usize::MAX).count(), most: plan.most }
    }
}

/// A plan in the making.
struct Planning {
    sizes: [Size; PARTS],
    most: [usize; PARTS],
    /// Bytes that are still too many.
    over: usize,
}

impl Planning {
    /// Leaves out whole fields, the last of the line first.
    fn leave_out(&mut self, worth: Worth) {
        for at in (0..COLUMNS.len()).rev().filter(|&at| COLUMNS[at].worth == worth) {
            if self.over == 0 {
                return;
            }
            if self.sizes[at].whole > 0 {
                self.over = self.over.saturating_sub(self.sizes[at].whole);
                self.sizes[at] = Size::default();
                self.most[at] = 0;
            }
        }
    }

    /// Shortens values to no less than so many bytes, the last of the line first.
    fn shorten(&mut self, length: usize, worth: Worth) {
        for at in (0..PARTS).rev().filter(|&at| worth_of(at) <= worth) {
            let size = &mut self.sizes[at];
            if self.over == 0 {
                return;
            }
            if size.text > length {
                let shorter = size.text.saturating_sub(self.over).max(length);
                self.over = self.over.saturating_sub(size.text - shorter);
                size.whole -= size.text - shorter;
                size.text = shorter;
                self.most[at] = shorter;
            }
        }
    }
}

/// The words of the header cannot be left out, but shortened.
fn worth_of(part: usize) -> Worth {
    COLUMNS.get(part).map_or(Worth::High, |column| column.worth)
}

/// Bytes for the field that tells of the cut.
const TELLING: usize = 40;
