//! Entra's token endpoints, v1 and v2, for client credentials.

mod aadsts;
mod base64;
mod jwt;

use std::collections::HashMap;
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, StatusCode};
use serde_json::json;
use url::form_urlencoded;

pub(crate) use aadsts::{Aadsts, token_error};
pub(crate) use jwt::{Claims, verify};

use crate::dice::{self, Topic};
use crate::http::Answer;
use crate::options::ApplicationState;
use crate::tenant::Tenant;
use crate::ticks;
use crate::world::World;

/// The audiences that the public API accepts.
pub(crate) const MDE_RESOURCES: [&str; 8] = [
    "https://api.securitycenter.microsoft.com",
    "https://api.securitycenter.windows.com",
    "https://securitycenter.onmicrosoft.com/windowsatpservice",
    "https://securitycenter.onmicrosoft.us/windowsatpservice",
    "https://api-gcc.securitycenter.microsoft.us",
    "https://api-gov.securitycenter.microsoft.us",
    "https://api.security.microsoft.com",
    "https://api.securitycenter.microsoft.us",
];

/// The audiences that the legacy export accepts.
pub(crate) const EXPORT_RESOURCES: [&str; 2] =
    ["https://graph.windows.net", "https://WDATPAlertExport.Seville.onmicrosoft.com"];

/// Services that exist beside the two, so that a token for the wrong one can be had.
const OTHER_RESOURCES: [&str; 2] = ["https://graph.microsoft.com", "https://management.azure.com"];

/// Whether an audience is one of these, whatever slash it ends with.
pub(crate) fn is_one_of(audience: &str, resources: &[&str]) -> bool {
    let bare = audience.trim_end_matches('/');
    resources.iter().any(|resource| resource.eq_ignore_ascii_case(bare))
}

/// Which of the two endpoints is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// One call of a token endpoint.
pub(crate) struct TokenCall<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) version: Version,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) now: i64,
    pub(crate) number: u64,
}

/// Answers a call of a token endpoint.
pub(crate) fn token(world: &World, call: &TokenCall<'_>) -> Answer {
    match issue(world, call) {
        Ok(answer) => answer,
        Err(error) => token_error(&error, call.now, call.number),
    }
}

fn issue(world: &World, call: &TokenCall<'_>) -> Result<Answer, Aadsts> {
    if call.method != Method::POST {
        return Err(Aadsts::new(900_561, "The endpoint only accepts POST requests. Received a GET request."));
    }
    let tenant = find_tenant(world, call.tenant)?;
    let form: HashMap<String, String> = form_urlencoded::parse(call.body).into_owned().collect();
    if required(&form, "grant_type")? != "client_credentials" {
        return Err(Aadsts::new(70_003, "The app requested an unsupported grant type."));
    }
    let (client_id, secret) = credentials(&form, call.headers)?;
    authenticate(&tenant, &client_id, secret.as_deref())?;
    let resource = match call.version {
        Version::V1 => required(&form, "resource")?.to_owned(),
        Version::V2 => scope(&form)?,
    };
    let known = [&MDE_RESOURCES[..], &EXPORT_RESOURCES[..], &OTHER_RESOURCES[..]].concat();
    let provisioned = tenant.options.application != ApplicationState::Unprovisioned;
    if !provisioned || !is_one_of(&resource, &known) {
        let text =
            format!("The resource principal named {resource} was not found in the tenant named {}.", call.tenant);
        return Err(Aadsts::new(500_011, &text));
    }
    Ok(grant(world, call, &tenant, &resource))
}

fn find_tenant(world: &World, segment: &str) -> Result<Arc<Tenant>, Aadsts> {
    if ["common", "organizations", "consumers"].contains(&segment) {
        return Err(Aadsts::new(
            9_001_023,
            "The grant type is not supported over the /common or /consumers endpoints.",
        ));
    }
    let guid_like = segment.len() == 36 && segment.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    if !guid_like && !segment.contains('.') {
        let text = format!(
            "Specified tenant identifier '{segment}' is neither a valid DNS name, nor a valid external domain."
        );
        return Err(Aadsts::new(900_023, &text));
    }
    world.tenant_of_segment(segment).ok_or_else(|| {
        Aadsts::new(
            90_002,
            &format!("Tenant '{segment}' not found. Check to make sure you have the correct tenant ID."),
        )
    })
}

fn required<'f>(form: &'f HashMap<String, String>, name: &str) -> Result<&'f str, Aadsts> {
    let value = form.get(name).map(String::as_str).filter(|value| !value.is_empty());
    value.ok_or_else(|| {
        Aadsts::new(900_144, &format!("The request body must contain the following parameter: '{name}'."))
    })
}

/// Who asks: from the body, or from an `Authorization: Basic` header.
fn credentials(form: &HashMap<String, String>, headers: &HeaderMap) -> Result<(String, Option<String>), Aadsts> {
    let basic = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    if let Some(coded) = basic {
        let plain = base64::decode(coded).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        if let Some((id, secret)) = plain.split_once(':') {
            return Ok((percent_decoded(id), Some(percent_decoded(secret))));
        }
    }
    let client_id = required(form, "client_id")?.to_owned();
    Ok((client_id, form.get("client_secret").cloned()))
}

fn percent_decoded(text: &str) -> String {
    form_urlencoded::parse(format!("v={text}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn authenticate(tenant: &Tenant, client_id: &str, secret: Option<&str>) -> Result<(), Aadsts> {
    let options = &tenant.options;
    if !client_id.eq_ignore_ascii_case(&options.client_id) {
        let text =
            format!("Application with identifier '{client_id}' was not found in the directory '{}'.", options.name);
        return Err(Aadsts::new(700_016, &text));
    }
    let Some(secret) = secret else {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(Aadsts::new(7_000_218, text));
    };
    if secret != options.client_secret {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{client_id}'."
        );
        return Err(Aadsts::new(7_000_215, &text));
    }
    match options.application {
        ApplicationState::SecretExpired => {
            let text = format!("The provided client secret keys for app '{client_id}' are expired.");
            Err(Aadsts::new(7_000_222, &text))
        }
        ApplicationState::Disabled => {
            let text = format!("Application '{client_id}'({}) is disabled.", options.name);
            Err(Aadsts::new(7_000_112, &text))
        }
        _ => Ok(()),
    }
}

/// The resource of a v2 scope, which must be one resource with `/.default`.
fn scope(form: &HashMap<String, String>) -> Result<String, Aadsts> {
    if form.contains_key("resource") {
        return Err(Aadsts::new(901_002, "The 'resource' request parameter isn't supported."));
    }
    let scope = required(form, "scope")?;
    if scope.contains(char::is_whitespace) || !scope.contains("://") {
        let text =
            format!("The provided value for the input parameter 'scope' isn't valid. The scope {scope} isn't valid.");
        return Err(Aadsts::new(70_011, &text));
    }
    let resource = scope.strip_suffix("/.default");
    resource.map(str::to_owned).ok_or_else(|| {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
             /.default suffixed to the resource identifier (application ID URI)."
        );
        Aadsts::new(1_002_012, &text)
    })
}

fn grant(world: &World, call: &TokenCall<'_>, tenant: &Tenant, resource: &str) -> Answer {
    let issued = ticks::unix_seconds(call.now);
    let lifetime = lifetime(world, call.number);
    let claims = claims(tenant, resource, issued, lifetime, call.number);
    let token = jwt::sign(&claims, &world.signing_key);
    // The services say one second less than a token lives, to be on the safe side: 3599, not 3600.
    let expires_in = (lifetime - 1).max(0);
    let body = match call.version {
        Version::V1 => json!({
            "token_type": "Bearer",
            "expires_in": expires_in.to_string(),
            "ext_expires_in": expires_in.to_string(),
            "expires_on": claims.exp.to_string(),
            "not_before": claims.nbf.to_string(),
            "resource": resource,
            "access_token": token,
        }),
        Version::V2 => json!({
            "token_type": "Bearer",
            "expires_in": expires_in,
            "ext_expires_in": expires_in,
            "access_token": token,
        }),
    };
    Answer::json(StatusCode::OK, &body).header("cache-control", "no-store, no-cache")
}

/// Between 60 and 90 minutes by chance, as Entra does it.
fn lifetime(world: &World, call: u64) -> i64 {
    match world.knobs().token_lifetime {
        Some(lifetime) => ticks::span(lifetime) / ticks::PER_SECOND,
        None => dice::dice(world.seed, call, Topic::Token).i64(3_600..=5_400),
    }
}

fn claims(tenant: &Tenant, resource: &str, issued: i64, lifetime: i64, call: u64) -> Claims {
    let options = &tenant.options;
    let issuer = format!("https://sts.windows.net/{}/", options.tenant_id);
    let object = crate::alert::guid(tenant.site.seed, tenant.site.seed.rotate_left(9));
    Claims {
        aud: resource.to_owned(),
        idp: issuer.clone(),
        iss: issuer,
        iat: issued,
        nbf: issued - 300,
        exp: issued + lifetime,
        appid: options.client_id.clone(),
        appidacr: "1".to_owned(),
        sub: object.clone(),
        oid: object,
        roles: roles(options.application, resource).iter().map(|role| (*role).to_owned()).collect(),
        tid: options.tenant_id.clone(),
        uti: format!("{:016x}-{call}", tenant.site.seed),
        ver: "1.0".to_owned(),
    }
}

/// The roles of an application for a resource. The export needs none: its application is authorised by a portal switch.
fn roles(application: ApplicationState, resource: &str) -> &'static [&'static str] {
    if !is_one_of(resource, &MDE_RESOURCES) {
        return &[];
    }
    match application {
        ApplicationState::Unconsented => &[],
        ApplicationState::OverPrivileged => &["Alert.Read.All", "Alert.ReadWrite.All", "Machine.Isolate"],
        _ => &["Alert.Read.All"],
    }
}
