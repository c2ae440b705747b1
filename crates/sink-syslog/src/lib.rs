#![doc = include_str!("../README.md")]

mod message;
mod options;
mod relp_frame;

pub use crate::options::{Address, Framing, Header, MessageOptions, Spread, SyslogOptions, TlsOptions, Transport};
