#![doc = include_str!("../README.md")]

mod cef;
mod evidence;
mod json;
mod lexer;
mod names;
mod record_id;
mod render;
mod severity;
mod shape;
mod text;
mod ticks;
mod view;

pub use crate::cef::{Cef, CefHeader};
pub use crate::json::{Envelope, Json};
pub use crate::lexer::Unreadable;
pub use crate::record_id::RecordId;
pub use crate::render::{Origin, Rendered, Renderer};
pub use crate::severity::{Severity, severity};
pub use crate::shape::Shape;
pub use crate::ticks::{ticks, unix_millis};
pub use crate::view::View;
