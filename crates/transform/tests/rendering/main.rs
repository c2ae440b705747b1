//! What a record says, whatever an alert says.

mod cef;
mod escaping;
#[path = "../fixture/mod.rs"]
mod fixture;
mod golden;
mod json;
mod reading;
mod support;
