//! The sink and a collector in small that misbehaves on request.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod bad_days;
mod choices;
mod codes;
mod lane;
