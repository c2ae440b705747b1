#![doc = include_str!("../README.md")]

mod options;

pub use crate::options::{Address, Framing, Header, MessageOptions, Spread, SyslogOptions, TlsOptions, Transport};
