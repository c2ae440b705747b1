//! Who calls an API, by the token that Entra gave.

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderMap};

use crate::faults::CallKind;
use crate::tenant::Tenant;
use crate::ticks;
use crate::token::{EXPORT_RESOURCES, MDE_RESOURCES, is_one_of, verify};
use crate::world::World;

/// Who calls.
pub(crate) struct Caller {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) token_number: String,
    pub(crate) roles: Vec<String>,
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Denied {
    Audience,
    Expired,
    Invalid,
    Missing,
    Revoked,
}

impl Denied {
    /// The `error_description` of the `WWW-Authenticate` header.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Audience => "The audience is invalid",
            Self::Expired => "The token expired",
            Self::Invalid => "The signature is invalid",
            Self::Missing => "No token was given",
            Self::Revoked => "The token was revoked",
        }
    }
}

/// The caller behind a request, if its token is in force for this API.
pub(crate) fn authorize(world: &World, headers: &HeaderMap, kind: CallKind, now: i64) -> Result<Caller, Denied> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(Denied::Missing)?;
    let (scheme, token) = value.split_once(' ').ok_or(Denied::Invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::Invalid);
    }
    let claims = verify(token.trim(), &world.signing_key).ok_or(Denied::Invalid)?;
    if claims.exp <= ticks::unix_seconds(now) {
        return Err(Denied::Expired);
    }
    let resources = if kind == CallKind::Export { &EXPORT_RESOURCES[..] } else { &MDE_RESOURCES[..] };
    if !is_one_of(&claims.aud, resources) {
        return Err(Denied::Audience);
    }
    if world.is_revoked(&claims.uti) {
        return Err(Denied::Revoked);
    }
    let tenant = world.tenant_of_segment(&claims.tid).ok_or(Denied::Invalid)?;
    Ok(Caller { tenant, token_number: claims.uti, roles: claims.roles })
}
