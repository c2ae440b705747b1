//! Any text in the members of an alert that LEEF shows, with any delimiter.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| transform::fuzz::leef_encoder(bytes));
