//! What a simulator is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::alert::guid;
use crate::clock::Clock;
use crate::dice;
use crate::faults::Faults;
use crate::knobs::Knobs;
use crate::population::Population;

/// What a simulator is started with. The same options give the same data at the same simulated time.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where all chance comes from.
    pub seed: u64,
    /// The tenants, each with alerts of its own.
    pub tenants: Vec<TenantOptions>,
    /// The simulated time.
    pub clock: Clock,
    /// Where Entra and the public API listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where the legacy export listens; port 0 takes any free one.
    pub export_listen: SocketAddr,
    /// Serve HTTPS; plain HTTP otherwise.
    pub tls: Option<TlsOptions>,
    /// Where the services' behaviour is not known for certain, or is to be bent.
    pub knobs: Knobs,
    /// What goes wrong.
    pub faults: Faults,
    /// Where the record is written when it is asked for over HTTP, and at the end.
    pub record_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            seed: 1,
            tenants: vec![TenantOptions::named("contoso")],
            clock: Clock::default(),
            listen: loopback,
            export_listen: loopback,
            tls: None,
            knobs: Knobs::default(),
            faults: Faults::default(),
            record_file: None,
        }
    }
}

/// HTTPS with a certificate authority made at the start.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsOptions {
    /// Where the authority's certificate is written (PEM), for the client to trust.
    pub ca_file: PathBuf,
}

/// One Entra tenant with its application and its alerts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantOptions {
    /// A label; `NAME.onmicrosoft.example` also addresses the tenant.
    pub name: String,
    /// The directory's id.
    pub tenant_id: String,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: String,
    /// The state of that application.
    pub application: ApplicationState,
    /// The alerts.
    pub alerts: Population,
}

impl TenantOptions {
    /// A tenant whose ids and secret follow from its name, with the usual alerts.
    pub fn named(name: &str) -> Self {
        let of_name = |what: u64| dice::tenant_seed(what, name);
        Self {
            name: name.to_owned(),
            tenant_id: guid(of_name(1), of_name(2)),
            client_id: guid(of_name(3), of_name(4)),
            client_secret: format!("{:x}~.+/=_-{:x}", of_name(5), of_name(6)),
            application: ApplicationState::default(),
            alerts: Population::default(),
        }
    }

    /// The same tenant with other alerts.
    #[must_use]
    pub fn with_alerts(mut self, alerts: Population) -> Self {
        self.alerts = alerts;
        self
    }
}

impl Default for TenantOptions {
    fn default() -> Self {
        Self::named("contoso")
    }
}

/// How Entra sees the tenant's application.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationState {
    /// It may read alerts.
    #[default]
    Consented,
    /// It was switched off by an administrator (AADSTS7000112).
    Disabled,
    /// It also holds roles that write.
    OverPrivileged,
    /// Its secret has expired (AADSTS7000222).
    SecretExpired,
    /// Nobody granted consent: tokens come without roles.
    Unconsented,
    /// The tenant has no such service (AADSTS500011).
    Unprovisioned,
}
