//! Any bytes as the answers of a RELP server.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sink_syslog::fuzz::relp_answer(bytes));
