//! How a tenant is read.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{defaults, shown};
use crate::written::{NonEmpty, Percentage, Span, Written};

/// One way to read a tenant: exactly one kind.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["mde_alerts"] }, { "required": ["alerts_export"] }]))]
pub(crate) struct Source {
    /// The public API of Defender for Endpoint, `GET /api/alerts`.
    pub(crate) mde_alerts: Option<MdeAlerts>,
    /// The legacy SIEM export, whose rows are detections.
    pub(crate) alerts_export: Option<AlertsExport>,
}

/// The public API of Defender for Endpoint.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MdeAlerts {
    /// How often new alerts are asked for.
    #[schemars(extend("default" = shown(defaults::POLL_EVERY), "x-minimum" = "1s", "x-maximum" = "1d"))]
    pub(crate) poll_every: Option<Written<Span>>,
    /// How late an alert may become visible and still be there within minutes. Later ones are found by a sweep over 24 hours.
    #[schemars(extend("default" = shown(defaults::LOOK_BACK), "x-minimum" = "1m", "x-maximum" = "1d"))]
    pub(crate) look_back: Option<Written<Span>>,
    /// How far back the first reading goes.
    #[schemars(extend("default" = shown(defaults::START)))]
    pub(crate) start: Option<Written<Span>>,
    /// How many alerts one call asks for. The API gives at most 10,000.
    #[schemars(range(min = 1, max = 10_000), extend("default" = defaults::PAGE_SIZE))]
    pub(crate) page_size: Option<u32>,
    /// Ask for each alert's evidence: files, processes, addresses, users.
    #[schemars(extend("default" = true))]
    pub(crate) expand_evidence: Option<bool>,
    /// For what a token is asked: the application ID URI of the API, without `/.default`. Unset it is the one that
    /// belongs to the host.
    pub(crate) resource: Option<Written<NonEmpty>>,
    /// Which token endpoint of Entra is asked.
    #[schemars(extend("default" = "v2"))]
    pub(crate) token_endpoint: Option<TokenVersion>,
    /// How many calls the API allows.
    pub(crate) quota: Option<Quota>,
}

/// The legacy SIEM export. It exists in the regions eu, us and uk, and for US Government.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertsExport {
    /// How often new rows are asked for.
    #[schemars(extend("default" = shown(defaults::POLL_EVERY), "x-minimum" = "1s", "x-maximum" = "1d"))]
    pub(crate) poll_every: Option<Written<Span>>,
    /// How late a row may become visible and still be there within minutes. Later ones are found by a sweep over 24 hours.
    #[schemars(extend("default" = shown(defaults::LOOK_BACK), "x-minimum" = "1m", "x-maximum" = "1d"))]
    pub(crate) look_back: Option<Written<Span>>,
    /// How far back the first reading goes.
    #[schemars(extend("default" = shown(defaults::START)))]
    pub(crate) start: Option<Written<Span>>,
    /// How many rows one call asks for: the API's `limit`.
    #[schemars(range(min = 1, max = 10_000), extend("default" = defaults::PAGE_SIZE))]
    pub(crate) page_size: Option<u32>,
    /// For what a token is asked. Unset it is `https://graph.windows.net`; applications of the first days have
    /// `https://WDATPAlertExport.Seville.onmicrosoft.com`.
    pub(crate) resource: Option<Written<NonEmpty>>,
    /// Which token endpoint of Entra is asked.
    #[schemars(extend("default" = "v1"))]
    pub(crate) token_endpoint: Option<TokenVersion>,
    /// How many calls the API allows.
    pub(crate) quota: Option<Quota>,
}

/// How many calls the API allows to one application in one tenant.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quota {
    /// Calls in a minute.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = defaults::PER_MINUTE))]
    pub(crate) per_minute: Option<u32>,
    /// Calls in an hour.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = defaults::PER_HOUR))]
    pub(crate) per_hour: Option<u32>,
    /// The share that is left to other tools with the same application.
    #[schemars(extend("default" = format!("{}%", defaults::RESERVE_PERCENT)))]
    pub(crate) reserve: Option<Written<Percentage>>,
}

/// A token endpoint of Entra.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenVersion {
    /// `/oauth2/token`, which takes a `resource`.
    V1,
    /// `/oauth2/v2.0/token`, which takes a `scope`.
    V2,
}

/// Lays what a tenant writes over what is common, key by key; the last key is a mapping of its own.
macro_rules! laid_over {
    ($own:ident, $common:ident: $($key:ident),+ $(; $mapping:ident by $over:path)?) => {
        Self {
            $($key: $own.$key.or($common.$key),)+
            $($mapping: either($own.$mapping, $common.$mapping, $over),)?
        }
    };
}

impl Source {
    /// This source laid over a common one of the same name: of the same kind, what this one does not say is as there.
    pub(crate) fn over(self, common: Self) -> Self {
        Self {
            mde_alerts: both(self.mde_alerts, common.mde_alerts, MdeAlerts::over),
            alerts_export: both(self.alerts_export, common.alerts_export, AlertsExport::over),
        }
    }
}

/// The kind that `own` has, with what `common` says of the same kind.
fn both<T>(own: Option<T>, common: Option<T>, over: impl Fn(T, T) -> T) -> Option<T> {
    let own = own?;
    Some(match common {
        Some(common) => over(own, common),
        None => own,
    })
}

/// What either says; where both do, the one laid over the other.
fn either<T>(own: Option<T>, common: Option<T>, over: impl Fn(T, T) -> T) -> Option<T> {
    match own {
        Some(_) => both(own, common, over),
        None => common,
    }
}

impl MdeAlerts {
    fn over(self, common: Self) -> Self {
        laid_over!(self, common: poll_every, look_back, start, page_size, expand_evidence, resource, token_endpoint;
            quota by Quota::over)
    }
}

impl AlertsExport {
    fn over(self, common: Self) -> Self {
        laid_over!(self, common: poll_every, look_back, start, page_size, resource, token_endpoint; quota by Quota::over)
    }
}

impl Quota {
    fn over(self, common: Self) -> Self {
        laid_over!(self, common: per_minute, per_hour, reserve)
    }
}
