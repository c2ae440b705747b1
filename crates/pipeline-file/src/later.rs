//! Keys and values that belong to the contract and come with a later version. They are refused by that name, so that
//! nobody takes them for misspelt.

use crate::place::KeyPath;

/// What comes later, and what there is until then.
struct Later {
    /// The path of a key, `*` standing for a name.
    path: &'static str,
    /// Values of that key that come later; where there are none, the key itself does.
    values: &'static [&'static str],
    /// A sentence that helps until then; empty where there is nothing to do.
    until_then: &'static str,
}

const fn key(path: &'static str, until_then: &'static str) -> Later {
    Later { path, values: &[], until_then }
}

const USE_A_SECRET: &str = "use `client_secret`";
const USE_A_SOURCE: &str = "use `mde_alerts` or `alerts_export`";

const LATER: &[Later] = &[
    key("http", ""),
    key("tenants_dir", "write the tenants under `tenants`"),
    key("shard", "give each process the tenants it serves"),
    key("credentials.*.certificate", USE_A_SECRET),
    key("credentials.*.federated_token", USE_A_SECRET),
    key("credentials.*.managed_identity", USE_A_SECRET),
    key("credentials.*.user", USE_A_SECRET),
    key("tenants.*.certificate", USE_A_SECRET),
    key("tenants.*.federated_token", USE_A_SECRET),
    key("tenants.*.managed_identity", USE_A_SECRET),
    key("tenants.*.user", USE_A_SECRET),
    key("tenants.*.endpoints.graph", ""),
    key("tenants.*.sinks", "write a sink with `only: { tenants: [NAME] }`"),
    key("sources.*.graph_alerts", USE_A_SOURCE),
    key("sources.*.graph_incidents", USE_A_SOURCE),
    key("sources.*.hunting", USE_A_SOURCE),
    key("tenants.*.sources.*.graph_alerts", USE_A_SOURCE),
    key("tenants.*.sources.*.graph_incidents", USE_A_SOURCE),
    key("tenants.*.sources.*.hunting", USE_A_SOURCE),
    key("journal.kafka", "use `embedded`"),
    key("sinks.*.only.where", "use `min_severity` and `tenants`"),
    key("sinks.*.time", ""),
    key("sinks.*.fields", ""),
    key("sinks.*.redact", ""),
    key("sinks.*.allow", ""),
    key("sinks.*.kafka.sasl.oauth_bearer.certificate", USE_A_SECRET),
    Later { path: "sinks.*.format.json.schema", values: &["ecs", "ocsf", "cim"], until_then: "use `raw`" },
    Later { path: "sinks.*.updates", values: &["changed", "first"], until_then: "use `every`" },
];

/// What to say of a key that a later version brings.
pub(crate) fn later_key(path: &KeyPath) -> Option<String> {
    LATER.iter().find(|later| later.values.is_empty() && path.is(later.path)).map(Later::sentence)
}

/// What to say of a value that a later version brings.
pub(crate) fn later_value(path: &KeyPath, value: &str) -> Option<String> {
    LATER.iter().find(|later| later.values.contains(&value) && path.is(later.path)).map(Later::sentence)
}

impl Later {
    fn sentence(&self) -> String {
        match self.until_then {
            "" => "not yet in this version".to_owned(),
            until_then => format!("not yet in this version; until then {until_then}"),
        }
    }
}
