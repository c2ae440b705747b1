#![doc = include_str!("../README.md")]

mod budget;
mod cef;
mod columns;
mod evidence;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod json;
mod leef;
mod lexer;
mod line;
mod names;
mod record_id;
mod render;
mod severity;
mod shape;
mod text;
mod ticks;
mod value;
mod view;

pub use crate::budget::Budget;
pub use crate::cef::{CefHeader, CefVersion};
pub use crate::json::Envelope;
pub use crate::leef::{LeefDelimiter, LeefOptions, LeefVersion, UnusableDelimiter};
pub use crate::lexer::Unreadable;
pub use crate::record_id::RecordId;
pub use crate::render::{Origin, Rendered, Renderer, Word};
pub use crate::severity::{Severity, severity};
pub use crate::shape::Shape;
pub use crate::ticks::{ticks, unix_millis};
pub use crate::view::View;
