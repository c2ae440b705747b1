//! Any bytes as the options of a syslog sink and a record.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sink_syslog::fuzz::syslog_header(bytes));
