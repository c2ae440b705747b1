//! From the plan of a sink to Splunk's HTTP Event Collector to the options of the crate that does it.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline_file::plan::{FormatPlan, SplunkHecPlan};
use sink_splunk_hec::{Acknowledgement, ByTenant, HecOptions, Payload, TlsOptions};

/// Where records of a format go, as whom, and as what.
pub(crate) fn options(plan: &SplunkHecPlan, format: &FormatPlan) -> HecOptions {
    let token = plan.token.clone();
    let read = move || token.read().map_err(|error| error.to_string());
    let by_tenant = |words: &BTreeMap<String, String>| ByTenant {
        otherwise: None,
        named: words.iter().map(|(tenant, word)| (tenant.clone(), word.clone())).collect(),
    };
    let payload = match format {
        FormatPlan::Cef(_) | FormatPlan::Leef(_) => Payload::Text,
        FormatPlan::Json { .. } => Payload::JsonObject,
    };
    let acknowledge = plan.acknowledge.then(Acknowledgement::default);
    HecOptions {
        index: by_tenant(&plan.indexes),
        source: by_tenant(&plan.sources),
        sourcetype: by_tenant(&plan.sourcetypes),
        host: by_tenant(&plan.hosts),
        tls: TlsOptions { ca: plan.ca.clone(), identity: plan.identity.clone() },
        gzip: plan.gzip,
        max_content: usize::try_from(plan.max_content).unwrap_or(usize::MAX),
        connections: usize::try_from(plan.connections).unwrap_or(1),
        ..HecOptions::new(plan.urls.clone(), Arc::new(read), payload, acknowledge)
    }
}
