//! Splitting and keying a page, against a bare split.
fn main() {}
