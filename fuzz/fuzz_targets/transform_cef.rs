//! Any text in the members of an alert that CEF shows.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| transform::fuzz::cef_encoder(bytes));
