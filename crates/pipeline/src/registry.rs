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
pub(crate) fn lanes(plan: &Plan, tenants: &Arc<Tenants>) -> Vec<LanePlan> {
    let lane = |sink: &SinkPlan| LanePlan {
        name: sink.name.clone(),
        renamed_from: sink.was.clone(),
        start: match sink.from {
            Start::Journal => LaneStart::Oldest,
            Start::Now => LaneStart::Now,
            Start::Since(age) => LaneStart::Since(age),
        },
        takes: takes(&sink.only, tenants),
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
    ca_files: Vec<PathBuf>,
    mode: Mode,
    /// By tenant, with what each was made of.
    applications: HashMap<String, (TenantPlan, Arc<Application>)>,
    planners: HashMap<(String, String, SourceKind), (Quota, Arc<Planner>)>,
}

impl Sources {
    pub(crate) fn new(plan: &Plan, mode: Mode) -> Result<Self, Fault> {
        let ca_files = ca_files(plan);
        let http = http(&ca_files)?;
        Ok(Self { http, ca_files, mode, applications: HashMap::new(), planners: HashMap::new() })
    }

    /// For another plan, with what need not be made anew: the calls that were counted stay counted.
    pub(crate) fn renewed(&self, plan: &Plan) -> Result<Self, Fault> {
        let ca_files = ca_files(plan);
        let is_same = ca_files == self.ca_files;
        let (http, applications) = match is_same {
            true => (self.http.clone(), self.applications.clone()),
            false => (http(&ca_files)?, HashMap::new()),
        };
        let is_there = |id: &String| plan.tenants.iter().any(|tenant| tenant.tenant_id == *id);
        let applications = applications.into_iter().filter(|(id, _)| is_there(id)).collect();
        Ok(Self { http, ca_files, mode: self.mode, applications, planners: self.planners.clone() })
    }

    /// Who we are in a tenant: one for all of its sources.
    pub(crate) fn application(&mut self, tenant: &TenantPlan) -> Result<Arc<Application>, Fault> {
        let key = TenantPlan { sources: Vec::new(), ..tenant.clone() };
        if let Some((known, application)) = self.applications.get(&key.tenant_id)
            && *known == key
        {
            return Ok(Arc::clone(application));
        }
        let options = AppOptions {
            tenant_id: tenant.tenant_id.clone(),
            client_id: tenant.client_id.clone(),
            authority: tenant.authority.clone(),
            secret: Arc::new(ReferredSecret(tenant.client_secret.clone())),
        };
        let application = Arc::new(Application::new(self.http.clone(), options)?);
        self.applications.insert(key.tenant_id.clone(), (key, Arc::clone(&application)));
        Ok(application)
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
        let new = || (quota, Arc::new(Planner::new(quota)));
        let (known, planner) = self.planners.entry(who).or_insert_with(new);
        if *known != quota {
            (*known, *planner) = new();
        }
        Arc::clone(planner)
    }
}

fn ca_files(plan: &Plan) -> Vec<PathBuf> {
    let mut ca_files: Vec<PathBuf> = plan.tenants.iter().filter_map(|tenant| tenant.ca.clone()).collect();
    ca_files.sort();
    ca_files.dedup();
    ca_files
}

fn http(ca_files: &[PathBuf]) -> Result<HttpClient, Fault> {
    let ca_files = ca_files.to_vec();
    HttpClient::new(HttpOptions { ca_files, user_agent: USER_AGENT.to_owned(), ..HttpOptions::default() })
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

    fn plan(client_id: &str, calls: u32) -> Plan {
        let yaml = format!(
            "tenants: {{ contoso: {{ tenant_id: 11111111-2222-3333-4444-555555555555, region: eu, client_id: {client_id}, \
             client_secret: {{ env: NONE }} }} }}\n\
             sources: {{ a: {{ mde_alerts: {{ quota: {{ per_minute: {calls} }} }} }}, b: {{ alerts_export: {{}} }} }}\n\
             sinks: {{ siem: {{ format: cef, file: {{ path: /x }} }} }}\n"
        );
        let environment = pipeline_file::Environment { folder: "/".into(), state_directory: None };
        pipeline_file::check(&yaml, std::path::Path::new("pipeline.yaml"), &environment).expect("nothing is wrong")
    }

    /// Guarantee: the sources of a tenant share who we are; a reload keeps that and the calls that were counted, but for
    /// what has changed.
    #[test]
    fn a_reload_keeps_what_was_counted() {
        const ONE: &str = "66666666-7777-8888-9999-000000000000";
        const OTHER: &str = "66666666-7777-8888-9999-000000000001";
        let before = plan(ONE, 40);
        let tenant = &before.tenants[0];
        let mut sources = Sources::new(&before, Mode::Forever).expect("a client can be made");
        let application = sources.application(tenant).expect("the options are right");
        assert!(Arc::ptr_eq(&application, &sources.application(tenant).expect("the options are right")));
        let planner = sources.planner(tenant, &tenant.sources[0]);
        for (after, is_same_application, is_same_planner) in
            [(plan(ONE, 40), true, true), (plan(ONE, 30), true, false), (plan(OTHER, 40), false, false)]
        {
            let mut renewed = sources.renewed(&after).expect("a client can be made");
            let tenant = &after.tenants[0];
            let again = renewed.application(tenant).expect("the options are right");
            assert_eq!(Arc::ptr_eq(&application, &again), is_same_application);
            assert_eq!(Arc::ptr_eq(&planner, &renewed.planner(tenant, &tenant.sources[0])), is_same_planner);
        }
    }

    /// Guarantee: whatever an answer can hold, the journal can: no alert is too large for it.
    #[test]
    fn no_alert_is_too_large_for_the_journal() {
        assert!(journal::LARGEST_ENTRY >= HttpOptions::default().answer_budget);
    }
}
