#![doc = include_str!("../README.md")]

mod contract;

pub use crate::contract::*;
