//! The whole product against real parts: the release binary as a process, from `ATP_BIN_DIR`.

mod changes;
mod command_line;
mod completeness;
mod disk;
mod files;
mod kafka;
mod kills;
mod lateness;
mod metrics;
mod secrets;
mod splunk_hec;
mod syslog;
