//! From the plan's kinds to the crates that do them: the one place that names them all.

mod format;
pub(crate) mod kafka;
mod local_file;
pub(crate) mod splunk_hec;
pub(crate) mod syslog;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use atp_source::{Api, AppOptions, Application, FeedOptions, HttpClient, HttpOptions, Mode, Planner, Quota, Secret};
use fault::Fault;
use journal::{EmbeddedOptions, LanePlan, LaneStart, Takes};
use pipeline_file::SecretSource;
use pipeline_file::plan::{
    DestinationPlan, OnlyPlan, Plan, SinkPlan, SourceKind, SourcePlan, Start, TenantPlan, TokenEndpoint,
};
use secrecy::SecretString;
use sink::Sink;
use sink_file::FileSink;
use sink_splunk_hec::HecSink;
use sink_syslog::SyslogSink;

pub(crate) use self::format::{per, renderer};
use crate::tenants::Tenants;

/// The journal that the plan asks for.
pub(crate) fn journal(plan: &Plan) -> EmbeddedOptions {
    EmbeddedOptions {
        path: plan.journal.path.clone(),
        max_size: plan.journal.max_size,
        retention: plan.journal.keep,
        dedup_window: plan.journal.remember,
    }
}

/// The lanes that the plan asks for, each with the feeds that it takes.
pub(crate) fn lanes(plan: &Plan) -> Vec<LanePlan> {
    let tenants = Arc::new(Tenants::new(plan));
    let lane = |sink: &SinkPlan| LanePlan {
        name: sink.name.clone(),
        renamed_from: sink.was.clone(),
        start: match sink.from {
            Start::Journal => LaneStart::Oldest,
            Start::Now => LaneStart::Now,
            Start::Since(age) => LaneStart::Since(age),
        },
        takes: takes(&sink.only, &tenants),
    };
    plan.sinks.iter().map(lane).collect()
}

/// The feeds that a sink takes: those of the tenants that it asks for. Of a tenant that has left the file nobody knows
/// whether it is asked for, so its alerts are taken, to be told.
fn takes(only: &OnlyPlan, tenants: &Arc<Tenants>) -> Takes {
    if only.tenants.is_empty() {
        return Takes::all();
    }
    let (only, tenants) = (only.clone(), Arc::clone(tenants));
    Takes::new(move |feed| {
        let tenant = tenants.find(&feed.name.tenant_id);
        tenant.is_none_or(|tenant| only.takes_tenant(&tenant.name, &tenant.labels))
    })
}

/// The sink that a lane sends to.
pub(crate) fn sink(plan: &SinkPlan) -> Result<Box<dyn Sink>, Fault> {
    Ok(match &plan.destination {
        DestinationPlan::File(plan) => Box::new(FileSink::files(local_file::options(plan))?),
        DestinationPlan::Kafka(plan) => kafka::sink(plan)?,
        DestinationPlan::SplunkHec(hec) => Box::new(HecSink::new(&splunk_hec::options(hec, &plan.format))?),
        DestinationPlan::StandardOutput => Box::new(FileSink::standard_output()?),
        DestinationPlan::Syslog(plan) => Box::new(SyslogSink::new(&syslog::options(plan))?),
    })
}

/// What all feeds share towards Microsoft: one HTTP client, one application a tenant, one planner an API.
pub(crate) struct Sources {
    http: HttpClient,
    mode: Mode,
    planners: HashMap<(String, String, SourceKind), Arc<Planner>>,
}

impl Sources {
    pub(crate) fn new(plan: &Plan, mode: Mode) -> Result<Self, Fault> {
        let mut ca_files: Vec<PathBuf> = plan.tenants.iter().filter_map(|tenant| tenant.ca.clone()).collect();
        ca_files.sort();
        ca_files.dedup();
        let http =
            HttpClient::new(HttpOptions { ca_files, user_agent: USER_AGENT.to_owned(), ..HttpOptions::default() })?;
        Ok(Self { http, mode, planners: HashMap::new() })
    }

    /// Who we are in a tenant.
    pub(crate) fn application(&self, tenant: &TenantPlan) -> Result<Arc<Application>, Fault> {
        let options = AppOptions {
            tenant_id: tenant.tenant_id.clone(),
            client_id: tenant.client_id.clone(),
            authority: tenant.authority.clone(),
            secret: Arc::new(ReferredSecret(tenant.client_secret.clone())),
        };
        Ok(Arc::new(Application::new(self.http.clone(), options)?))
    }

    /// How a feed is read.
    pub(crate) fn feed(&mut self, tenant: &TenantPlan, source: &SourcePlan) -> FeedOptions {
        FeedOptions {
            api: match source.kind {
                SourceKind::AlertsExport => Api::AlertsExport,
                SourceKind::MdeAlerts => Api::MdeAlerts { expand_evidence: source.expand_evidence },
            },
            base: source.base.clone(),
            resource: source.resource.clone(),
            token_endpoint: match source.token_endpoint {
                TokenEndpoint::V1 => atp_source::TokenEndpoint::V1,
                TokenEndpoint::V2 => atp_source::TokenEndpoint::V2,
            },
            poll_every: source.poll_every,
            look_back: source.look_back,
            start: source.start,
            page_size: source.page_size,
            tenant_id: tenant.tenant_id.clone(),
            mode: self.mode,
            planner: self.planner(tenant, source),
        }
    }

    /// Microsoft counts calls by application, tenant and API.
    fn planner(&mut self, tenant: &TenantPlan, source: &SourcePlan) -> Arc<Planner> {
        let who = (tenant.client_id.clone(), tenant.tenant_id.clone(), source.kind);
        let quota = Quota {
            per_minute: source.quota.per_minute,
            per_hour: source.quota.per_hour,
            reserve_percent: source.quota.reserve_percent,
        };
        Arc::clone(self.planners.entry(who).or_insert_with(|| Arc::new(Planner::new(quota))))
    }
}

/// A secret that is read where it is kept, each time that it is needed: a rotated one is found by itself.
struct ReferredSecret(SecretSource);

impl Secret for ReferredSecret {
    fn read(&self) -> Result<SecretString, String> {
        self.0.read().map_err(|error| error.to_string())
    }
}

/// Microsoft's convention for partners: `MdatpPartner-<Company>-<Product>/<version>`.
const USER_AGENT: &str = concat!("MdatpPartner-AtpForwarder-AtpForwarder/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: whatever an answer can hold, the journal can: no alert is too large for it.
    #[test]
    fn no_alert_is_too_large_for_the_journal() {
        assert!(journal::LARGEST_ENTRY >= HttpOptions::default().answer_budget);
    }
}
