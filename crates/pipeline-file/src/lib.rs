#![doc = include_str!("../README.md")]

mod build;
mod cloud;
mod conform;
mod faults;
mod file;
mod later;
mod load;
mod near;
mod pattern;
mod place;
pub mod plan;
mod profile;
mod schema;
pub mod secret;
mod template;
mod tree;
mod written;

pub use crate::faults::{Faults, FileFault};
pub use crate::load::{Environment, check, load};
pub use crate::place::Place;
pub use crate::plan::Plan;
pub use crate::profile::profiles;
pub use crate::schema::schema;
pub use crate::secret::{SecretError, SecretSource};

/// Reads a duration as the file writes it: a number and a unit, `90s`, `15m`, `24h`, `7d`.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    <written::Span as written::Form>::read(text)
}
