#![doc = include_str!("../README.md")]

mod alert;
mod authorization;
mod clock;
mod control;
mod dice;
mod export;
mod faults;
mod http;
mod injector;
mod knobs;
mod mde;
mod odata;
mod options;
mod population;
mod record;
mod serial;
mod simulator;
mod tenant;
mod ticks;
mod token;
mod world;

pub use crate::clock::Clock;
pub use crate::control::{Control, NewAlert};
pub use crate::faults::{CallKind, Fault, FaultRule, Faults, When};
pub use crate::knobs::{ExportShape, Knobs, Links, OrderBy, RateLimit, RowOrder, TopAboveCap, WrongRegion};
pub use crate::options::{ApplicationState, Options, TenantOptions, TlsOptions};
pub use crate::population::{Poison, Population, Special};
pub use crate::record::{CallCount, FeedRecord, Record, SentRevision, ShownRevision};
pub use crate::simulator::Simulator;
