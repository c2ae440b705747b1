//! How we sign in to Kafka brokers.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Secret;
use crate::written::{Guid, NonEmpty, TokenUrl, Written};

/// How we sign in: exactly one of these.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["oauth_bearer"] },
    { "required": ["plain"] },
    { "required": ["scram_sha_256"] },
    { "required": ["scram_sha_512"] }
]))]
pub(crate) struct Sasl {
    /// With tokens that are fetched by client credentials.
    pub(crate) oauth_bearer: Option<OauthBearer>,
    /// With a password that goes as it is, so over TLS.
    pub(crate) plain: Option<Login>,
    /// With a password of which SCRAM shows only that we know it, by SHA-256.
    pub(crate) scram_sha_256: Option<Login>,
    /// With a password of which SCRAM shows only that we know it, by SHA-512.
    pub(crate) scram_sha_512: Option<Login>,
}

/// A name and a password.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["user", "password"]))]
pub(crate) struct Login {
    /// The name. For Event Hubs it is `$ConnectionString`.
    pub(crate) user: Option<Written<NonEmpty>>,
    /// Where the password is kept. For Event Hubs it is the connection string. It is read again for every connection
    /// of the sink.
    pub(crate) password: Option<Secret>,
}

/// An application, and where its tokens come from: Entra by `tenant_id`, or any other by `token_url`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "required" = ["client_id", "client_secret"],
    "oneOf" = [{ "required": ["tenant_id"] }, { "required": ["token_url"] }]
))]
pub(crate) struct OauthBearer {
    /// The Entra directory that the application is registered in.
    pub(crate) tenant_id: Option<Written<Guid>>,
    /// The token endpoint: `https://login.example/realms/soc/protocol/openid-connect/token`.
    pub(crate) token_url: Option<Written<TokenUrl>>,
    /// The application (client) ID.
    pub(crate) client_id: Option<Written<NonEmpty>>,
    /// The application's secret.
    pub(crate) client_secret: Option<Secret>,
    /// What the token is asked for. Unset it is `https://HOST/.default` for Event Hubs, HOST being the first broker's,
    /// and nothing elsewhere.
    pub(crate) scope: Option<Written<NonEmpty>>,
    /// A file of CA certificates (PEM) that are believed beside the system's when tokens are fetched.
    pub(crate) ca: Option<Written<NonEmpty>>,
}
