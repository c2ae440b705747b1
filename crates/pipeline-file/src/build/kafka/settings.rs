//! Settings of librdkafka.

use std::collections::BTreeMap;

use crate::build::Build;
use crate::file::SettingValue;
use crate::place::KeyPath;
use crate::written::{Name, Written};

impl Build<'_> {
    /// Settings by librdkafka's names. What it takes for their values is known to it alone, and is found out by the sink.
    pub(super) fn settings(
        &mut self,
        written: BTreeMap<Written<Name>, SettingValue>,
        path: &KeyPath,
    ) -> BTreeMap<String, String> {
        for name in written.keys() {
            if let Some(instead) = instead_of(&name.0) {
                self.tell(&path.key(&name.0), instead);
            }
        }
        written.into_iter().map(|(name, value)| (name.0, value.0.0)).collect()
    }
}

/// What to write instead of a setting that cannot be set; `None` where it can be.
fn instead_of(setting: &str) -> Option<&'static str> {
    let ours = OURS.iter().find(|(_, settings)| {
        settings.iter().any(|ours| match ours.strip_suffix('*') {
            Some(beginning) => setting.starts_with(beginning),
            None => setting == *ours,
        })
    });
    ours.map(|(instead, _)| *instead)
}

/// Settings that follow from the keys of the file, and those that the sink's word hangs on.
const OURS: [(&str, &[&str]); 10] = [
    ("write `brokers` beside `options`", &["bootstrap.servers", "metadata.broker.list"]),
    ("write `client_id` beside `options`", &["client.id"]),
    ("write `compression` beside `options`", &["compression.codec", "compression.type"]),
    ("write `exactly_once` beside `options`", &["transaction*"]),
    ("write `sasl` beside `options`", &["sasl.*"]),
    ("write `tls` beside `options`", &["ssl.*"]),
    ("write `tls` and `sasl` beside `options`", &["security.protocol"]),
    ("it cannot be set: certificates are always checked", &["enable.ssl.certificate.verification"]),
    ("it cannot be set: the log level of this program decides", &["debug", "log_level"]),
    (
        "it cannot be set: what the sink promises hangs on it",
        &[
            "acks",
            "batch.num.messages",
            "delivery.timeout.ms",
            "enable.gapless.guarantee",
            "enable.idempotence",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "message.send.max.retries",
            "message.timeout.ms",
            "plugin.library.paths",
            "request.required.acks",
            "retries",
        ],
    ),
];
