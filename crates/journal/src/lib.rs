#![doc = include_str!("../README.md")]

mod contract;
mod embedded;
#[cfg(feature = "suite")]
pub mod suite;

pub use crate::contract::*;
pub use crate::embedded::{Clock, EmbeddedJournal, EmbeddedOptions, LARGEST_ENTRY, Tuning};
