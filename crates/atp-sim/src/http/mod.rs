//! The listeners and what goes over them.

mod answer;
mod body;
mod connection;
mod mishap;
mod route;
mod tls;

pub(crate) use answer::{Answer, page};
pub(crate) use connection::{Face, serve};
pub(crate) use route::Call;
pub(crate) use tls::Authority;
