//! From the plan of a sink's format to the renderer of its lane.

use pipeline_file::plan::{
    CefPlan, CefVersionPlan, DestinationPlan, EnvelopePlan, FormatPlan, LeefPlan, LeefVersionPlan, PerPlan, SinkPlan,
    SyslogPlan,
};
use sink_syslog::longest_header;
use transform::{Budget, CefHeader, CefVersion, Envelope, LeefDelimiter, LeefOptions, LeefVersion, Renderer};

use super::syslog;
use crate::lane::Per;

/// The renderer of a lane, which keeps to what its sink leaves for a record.
pub(crate) fn renderer(plan: &SinkPlan) -> Renderer {
    let renderer = match &plan.format {
        FormatPlan::Cef(plan) => cef(plan),
        FormatPlan::Json { envelope: EnvelopePlan::None } => Renderer::json(Envelope::None),
        FormatPlan::Json { envelope: EnvelopePlan::Wrap } => Renderer::json(Envelope::Wrap),
        FormatPlan::Leef(plan) => Renderer::leef(&leef(plan)),
    };
    match record_bytes(plan) {
        Some(bytes) => renderer.within(Budget::bytes(bytes)),
        None => renderer,
    }
}

/// What a record of a lane stands for.
pub(crate) fn per(plan: &SinkPlan) -> Per {
    match plan.per {
        PerPlan::Alert => Per::Alert,
        PerPlan::Evidence => Per::Evidence,
    }
}

/// The most bytes of a record, without what the sink puts around it.
fn record_bytes(plan: &SinkPlan) -> Option<usize> {
    match &plan.destination {
        DestinationPlan::File(_) | DestinationPlan::Kafka(_) | DestinationPlan::StandardOutput => {
            plan.max_bytes.map(in_memory)
        }
        DestinationPlan::SplunkHec(_) => None,
        DestinationPlan::Syslog(plan) => payload_bytes(plan),
    }
}

/// What a syslog message leaves beside the longest header.
fn payload_bytes(plan: &SyslogPlan) -> Option<usize> {
    let message = in_memory(plan.max_bytes?);
    Some(message.saturating_sub(longest_header(&syslog::message(plan))))
}

fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn cef(plan: &CefPlan) -> Renderer {
    let version = match plan.version {
        CefVersionPlan::V0 => CefVersion::V0,
        CefVersionPlan::V1 => CefVersion::V1,
    };
    let header =
        CefHeader { vendor: plan.vendor.clone(), product: plan.product.clone(), version: plan.product_version.clone() };
    Renderer::cef_version(version, header)
}

fn leef(plan: &LeefPlan) -> LeefOptions {
    LeefOptions {
        version: match plan.version {
            LeefVersionPlan::V1 => LeefVersion::V1,
            LeefVersionPlan::V2 { delimiter } => LeefVersion::V2(
                LeefDelimiter::new(delimiter).expect("the file takes the delimiters of LEEF alone, and all are usable"),
            ),
        },
        vendor: plan.vendor.clone(),
        product: plan.product.clone(),
        product_version: plan.product_version.clone(),
        keep_pipes: plan.keep_pipes,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pipeline_file::{Environment, check};
    use transform::{Origin, Shape};

    use super::*;

    fn sink(keys: &str) -> Result<SinkPlan, String> {
        let yaml = format!(
            "tenants: {{ contoso: {{ tenant_id: 11111111-2222-3333-4444-555555555555, \
             client_id: 66666666-7777-8888-9999-000000000000, client_secret: {{ env: NONE }} }} }}\n\
             sources: {{ alerts: {{ mde_alerts: {{}} }} }}\nsinks: {{ siem: {{ {keys} }} }}\n"
        );
        let environment = Environment { folder: "/".into(), state_directory: None };
        let plan = check(&yaml, Path::new("pipeline.yaml"), &environment).map_err(|faults| faults.to_string())?;
        Ok(plan.sinks.into_iter().next().expect("the file has one sink"))
    }

    /// The record of an alert whose texts have so many characters, of three bytes each.
    fn record(keys: &str, characters: usize) -> String {
        let plan = sink(keys).expect("nothing is wrong");
        let text = "€".repeat(characters);
        let alert = format!(
            r#"{{"id":"a|b","title":"{text}","description":"{text}","evidence":
               [{{"entityType":"Process","processCommandLine":"{text}","filePath":"{text}"}}]}}"#
        );
        let origin = Origin { tenant_id: "1", tenant_name: "contoso", partial: false };
        let mut line = Vec::new();
        renderer(&plan).render(Shape::MdeAlert, &origin, None, alert.as_bytes(), &mut line).expect("it is an alert");
        String::from_utf8(line).expect("records are UTF-8")
    }

    /// Guarantee: every delimiter that the file takes is one that LEEF can be written with, and the other way round.
    #[test]
    fn delimiters_are_the_same_on_both_sides() {
        for delimiter in (0..=0x7f_u8).map(char::from) {
            let quoted = serde_json::to_string(&delimiter).expect("a character is JSON");
            let keys = format!("format: {{ leef: {{ version: 2, delimiter: {quoted} }} }}, file: {{ path: x }}");
            let planned = sink(&keys);
            assert_eq!(planned.is_ok(), LeefDelimiter::new(delimiter).is_ok(), "{delimiter:?}");
            if planned.is_ok() {
                let field = if delimiter == '\t' { String::new() } else { delimiter.to_string() };
                let begins = format!("LEEF:2.0|Microsoft|Microsoft Defender for Endpoint|1.0|unknown|{field}|");
                assert!(record(&keys, 1).starts_with(&begins), "{delimiter:?}");
            }
        }
    }

    /// Guarantee: version, vendor, product and its version stand in the header, in both formats.
    #[test]
    fn headers_are_those_of_the_file() {
        let who = "vendor: V, product: P, product_version: '7'";
        for (format, begins) in [
            ("cef".to_owned(), "CEF:0|Microsoft|Microsoft Defender for Endpoint|1.0|"),
            (format!("{{ cef: {{ version: 1, {who} }} }}"), "CEF:1|V|P|7|"),
            ("leef".to_owned(), "LEEF:1.0|Microsoft|Microsoft Defender for Endpoint|1.0|"),
            (format!("{{ leef: {{ version: 2, {who} }} }}"), "LEEF:2.0|V|P|7|unknown|^|"),
        ] {
            let line = record(&format!("format: {format}, file: {{ path: x }}"), 1);
            assert!(line.starts_with(begins), "{line}");
        }
        assert!(record("format: leef, file: { path: x }", 1).contains("a¦b"));
        assert!(record("format: { leef: { keep_pipes: true } }, file: { path: x }", 1).contains("a|b"));
    }

    /// Guarantee: a record in a file or in Kafka keeps to `max_bytes`, one in syslog leaves room for the longest header, and without
    /// a limit nothing is cut.
    #[test]
    fn records_keep_to_what_their_sink_leaves() {
        let header = |plan: &SinkPlan| match &plan.destination {
            DestinationPlan::Syslog(plan) => longest_header(&syslog::message(plan)),
            _ => 0,
        };
        for (keys, most) in [
            ("format: cef, max_bytes: 2KiB, file: { path: x }", 2_048),
            ("format: leef, max_bytes: 2KiB, file: { path: x }", 2_048),
            ("for: arcsight, max_bytes: 2KiB, kafka: { brokers: kafka, topic: x }", 2_048),
            ("for: qradar, syslog: { address: 'tcp://siem' }", 4_096),
            ("for: generic, max_bytes: 3000, syslog: { address: 'udp://siem' }", 3_000),
        ] {
            let most = most - header(&sink(keys).expect("nothing is wrong"));
            let line = record(keys, 2_000);
            assert!((most / 2..=most).contains(&line.len()), "{keys}: {} of {most}", line.len());
        }
        for keys in ["format: cef, file: { path: x }", "for: elastic, syslog: { address: 'tcp://siem' }"] {
            assert!(record(keys, 2_000).len() > 8_192, "{keys}");
        }
    }

    /// Guarantee: `per` reaches the lane.
    #[test]
    fn per_is_that_of_the_file() {
        let per_of = |keys: &str| per(&sink(&format!("format: cef, {keys}file: {{ path: x }}")).expect("it is right"));
        assert_eq!(
            [per_of(""), per_of("per: alert, "), per_of("per: evidence, ")],
            [Per::Alert, Per::Alert, Per::Evidence]
        );
    }
}
