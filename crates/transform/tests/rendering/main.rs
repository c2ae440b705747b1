//! What a record says, whatever an alert says.

mod budget;
mod cef;
mod escaping;
mod evidence;
mod golden;
mod json;
mod leef;
mod parsers;
mod reading;
#[path = "../samples/mod.rs"]
mod samples;
mod support;
