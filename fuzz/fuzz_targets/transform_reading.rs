//! Any bytes as an alert of every shape.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| transform::fuzz::reading(bytes));
