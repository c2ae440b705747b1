//! What goes wrong, and when.

use serde::{Deserialize, Serialize};

/// What goes wrong. The first rule that strikes decides; a call that no rule strikes is answered well.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Faults {
    /// The rules, in order.
    pub rules: Vec<FaultRule>,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every call of this kind goes wrong in the same way.
    pub fn always(calls: CallKind, fault: Fault) -> Self {
        Self::of(FaultRule::new(When::Always, vec![fault]).on(calls))
    }

    /// One call in `n` of all kinds but tokens, going through `faults` in turn.
    pub fn every_nth(n: u32, faults: Vec<Fault>) -> Self {
        let api = [CallKind::Alerts, CallKind::Alert, CallKind::Export];
        Self::of(FaultRule { calls: api.to_vec(), ..FaultRule::new(When::EveryNth(n), faults) })
    }

    /// The next calls of one kind, one step each: `None` is answered well. After the last step all is well.
    pub fn script(calls: CallKind, steps: Vec<Option<Fault>>) -> Self {
        Self::of(FaultRule::new(When::Script(steps), Vec::new()).on(calls))
    }

    /// One rule alone.
    pub fn of(rule: FaultRule) -> Self {
        Self { rules: vec![rule] }
    }

    /// These rules and one more.
    #[must_use]
    pub fn and(mut self, rule: FaultRule) -> Self {
        self.rules.push(rule);
        self
    }
}

/// One rule: which calls, when, what.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The kinds of call; empty means all.
    #[serde(default)]
    pub calls: Vec<CallKind>,
    /// Only calls of the tenant of this name.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Which of them.
    pub when: When,
    /// What happens, in turn.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

impl FaultRule {
    /// A rule over all kinds of call of all tenants.
    pub fn new(when: When, faults: Vec<Fault>) -> Self {
        Self { calls: Vec::new(), tenant: None, when, faults }
    }

    /// Narrows it to one kind of call.
    #[must_use]
    pub fn on(mut self, calls: CallKind) -> Self {
        self.calls = vec![calls];
        self
    }

    /// Narrows it to the tenant of this name.
    #[must_use]
    pub fn in_tenant(mut self, name: &str) -> Self {
        self.tenant = Some(name.to_owned());
        self
    }
}

/// Which calls a rule strikes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// All.
    Always,
    /// Every n-th.
    EveryNth(u32),
    /// So many calls from now on.
    Next(u32),
    /// A share of them, by the seed.
    Share(f64),
    /// Step by step; a step that is `None` strikes nothing.
    Script(Vec<Option<Fault>>),
}

/// The kinds of call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// One alert of the public API by its id.
    Alert,
    /// The list of alerts of the public API.
    Alerts,
    /// The legacy export.
    Export,
    /// A token of Entra.
    Token,
}

/// What goes wrong with one call.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A token error by its AADSTS number, with Entra's own body; 500 for other calls.
    Aadsts(u32),
    /// 502 with a gateway's HTML page.
    BadGateway,
    /// The connection ends in the middle of the answer.
    Cut,
    /// Rows come twice in the answer.
    DuplicateRows,
    /// 403 as where a role is missing.
    Forbidden,
    /// A small compressed answer that unpacks to so many bytes.
    GzipBomb {
        /// Bytes after unpacking.
        bytes: u64,
    },
    /// 200 with an HTML page.
    HtmlPage,
    /// 204 without a body.
    NoContent,
    /// A right answer with so many bytes of white space in it.
    Oversized {
        /// Bytes of white space.
        bytes: u64,
    },
    /// 302 to the stranger: a listener of another origin that notes who brings it a token.
    Redirect,
    /// The connection ends before an answer.
    Reset,
    /// 401 now, and for this token ever after.
    Revoked,
    /// 500 with the API's body.
    ServerError,
    /// 503, with this `Retry-After`, word for word.
    ServiceUnavailable {
        /// The header's value.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The answer comes in pieces with waits between, in our time.
    Slow {
        /// Bytes of a piece.
        piece: usize,
        /// The wait between two pieces.
        pause_ms: u64,
    },
    /// 429, with this `Retry-After`, word for word.
    TooManyRequests {
        /// The header's value.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// JSON that stops in the middle though the length in the header is right.
    Truncated,
    /// 401 for this once.
    Unauthorized,
    /// The right answer under `text/plain`.
    WrongContentType,
}

impl Fault {
    /// 429 that asks to come back after so many whole seconds.
    pub fn too_many_requests(seconds: u32) -> Self {
        Self::TooManyRequests { retry_after: Some(seconds.to_string()) }
    }

    /// The fault of a short name, as the command line takes it.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "429" => Self::too_many_requests(1),
            "500" => Self::ServerError,
            "502" => Self::BadGateway,
            "503" => Self::ServiceUnavailable { retry_after: Some("1".to_owned()) },
            "401" => Self::Unauthorized,
            "cut" => Self::Cut,
            "duplicates" => Self::DuplicateRows,
            "html" => Self::HtmlPage,
            "reset" => Self::Reset,
            "revoked" => Self::Revoked,
            "truncated" => Self::Truncated,
            _ => return None,
        })
    }
}
