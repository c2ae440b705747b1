//! Where monitoring reads how it goes.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::written::{ListenAddress, Written};

/// Where monitoring reads how it goes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["listen"]))]
pub(crate) struct Admin {
    /// The IP address and port to listen on for `GET /metrics`: `127.0.0.1:8686`. There is neither TLS nor a password:
    /// whoever reaches it reads the names of tenants and sinks, and how much they move.
    pub(crate) listen: Option<Written<ListenAddress>>,
}
