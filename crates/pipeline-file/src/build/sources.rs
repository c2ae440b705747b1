//! The sources of a tenant.

use std::path::PathBuf;

use url::Url;

use super::Build;
use crate::cloud;
use crate::faults::Told;
use crate::file::{AlertsExport, Cloud, File, MdeAlerts, Quota, Region, Source, Tenant, TokenVersion, defaults};
use crate::near::near_miss;
use crate::place::KeyPath;
use crate::plan::{QuotaPlan, SourceKind, SourcePlan, TokenEndpoint};
use crate::tree::Node;
use crate::written::{NonEmpty, Written};

/// Where a tenant is found.
pub(super) struct Hosts {
    pub(super) cloud: Cloud,
    pub(super) region: Option<Region>,
    pub(super) authority: Url,
    pub(super) mde: Option<Url>,
    pub(super) export: Option<Url>,
    pub(super) ca: Option<PathBuf>,
    /// Whether the cloud, the region or the export's address was written with a fault, so that hosts are guesses.
    pub(super) faulty: bool,
}

impl Build<'_> {
    /// The sources of one tenant, in the order of their names.
    pub(super) fn sources(
        &mut self,
        tenant: &Tenant,
        file: &File,
        hosts: &Hosts,
        path: &KeyPath,
    ) -> Result<Vec<SourcePlan>, Told> {
        let mut merged = file.sources.clone();
        for (name, own) in &tenant.sources {
            let common = merged.remove(name);
            match (own, common) {
                (Some(own), Some(common)) => {
                    drop(merged.insert(Written::new(name.0.clone()), own.clone().over(common)))
                }
                (Some(own), None) => drop(merged.insert(Written::new(name.0.clone()), own.clone())),
                (None, Some(_)) => {}
                (None, None) => self.nothing_to_remove(&name.0, path),
            }
        }
        let plans: Vec<_> = merged.iter().map(|(name, source)| self.source(&name.0, source, hosts, path)).collect();
        let plans: Vec<SourcePlan> = plans.into_iter().collect::<Result<_, _>>()?;
        if plans.is_empty() { Err(self.no_source(tenant, path)) } else { Ok(plans) }
    }

    fn source(&mut self, name: &str, source: &Source, hosts: &Hosts, path: &KeyPath) -> Result<SourcePlan, Told> {
        match (&source.mde_alerts, &source.alerts_export) {
            (Some(source), None) => Ok(mde_alerts(name, source, hosts)),
            (None, Some(source)) => self.alerts_export(name, source, hosts, path),
            // That it is exactly one is the schema's rule.
            _ => self.required(None, &path.key("sources").key(name)),
        }
    }

    fn alerts_export(
        &mut self,
        name: &str,
        source: &AlertsExport,
        hosts: &Hosts,
        path: &KeyPath,
    ) -> Result<SourcePlan, Told> {
        let base = self.export_base(hosts, path)?;
        let token_endpoint = token_endpoint(source.token_endpoint, TokenEndpoint::V1);
        Ok(SourcePlan {
            name: name.to_owned(),
            kind: SourceKind::AlertsExport,
            base,
            resource: resource(source.resource.as_ref(), cloud::export_resource),
            token_endpoint,
            poll_every: source.poll_every.as_ref().map_or(defaults::POLL_EVERY, |span| span.0),
            look_back: source.look_back.as_ref().map_or(defaults::LOOK_BACK, |span| span.0),
            start: source.start.as_ref().map_or(defaults::START, |span| span.0),
            page_size: source.page_size.unwrap_or(defaults::PAGE_SIZE),
            expand_evidence: false,
            quota: quota(source.quota.as_ref()),
        })
    }

    fn export_base(&mut self, hosts: &Hosts, path: &KeyPath) -> Result<Url, Told> {
        if let Some(base) = &hosts.export {
            return Ok(base.clone());
        }
        match self.report.told() {
            Some(told) if hosts.faulty => Err(told),
            _ => {
                cloud::export_base(hosts.cloud, hosts.region).map_err(|message| self.tell(&path.key("region"), message))
            }
        }
    }

    fn nothing_to_remove(&mut self, name: &str, path: &KeyPath) {
        let names = self.names("sources");
        if names.contains(&name) {
            return;
        }
        let hint = near_miss(name, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        self.tell(
            &path.key("sources").key(name),
            format!("none of the common sources has this name, so there is nothing to remove{hint}"),
        );
    }

    /// A tenant is left without a source; or one that is written for it has a fault of its own, which was told.
    fn no_source(&mut self, tenant: &Tenant, path: &KeyPath) -> Told {
        let common = self.names("sources");
        let removed = |name: &&str| matches!(tenant.sources.get(*name), Some(None));
        let own = self.entry_of(&path.key("sources")).map_or(&[][..], Node::entries);
        let faulty =
            !common.iter().all(removed) || own.iter().any(|own| !tenant.sources.contains_key(own.key.as_str()));
        match self.report.told() {
            Some(told) if faulty => told,
            _ if common.is_empty() => self.tell(&KeyPath::of(&["sources"]), "no source is in the file"),
            _ => {
                self.tell(&path.key("sources"), "all sources are removed; take `enabled: false` to switch a tenant off")
            }
        }
    }
}

fn mde_alerts(name: &str, source: &MdeAlerts, hosts: &Hosts) -> SourcePlan {
    let base = hosts.mde.clone().unwrap_or_else(|| cloud::mde_base(hosts.cloud, hosts.region));
    let resource = resource(source.resource.as_ref(), || cloud::mde_resource(hosts.cloud, &base));
    SourcePlan {
        name: name.to_owned(),
        kind: SourceKind::MdeAlerts,
        base,
        resource,
        token_endpoint: token_endpoint(source.token_endpoint, TokenEndpoint::V2),
        poll_every: source.poll_every.as_ref().map_or(defaults::POLL_EVERY, |span| span.0),
        look_back: source.look_back.as_ref().map_or(defaults::LOOK_BACK, |span| span.0),
        start: source.start.as_ref().map_or(defaults::START, |span| span.0),
        page_size: source.page_size.unwrap_or(defaults::PAGE_SIZE),
        expand_evidence: source.expand_evidence.unwrap_or(true),
        quota: quota(source.quota.as_ref()),
    }
}

/// A resource as it is sent: the v2 endpoint's `/.default` is put there by who asks.
fn resource(written: Option<&Written<NonEmpty>>, default: impl FnOnce() -> String) -> String {
    match written {
        Some(resource) => resource.0.strip_suffix("/.default").unwrap_or(&resource.0).to_owned(),
        None => default(),
    }
}

fn token_endpoint(written: Option<TokenVersion>, default: TokenEndpoint) -> TokenEndpoint {
    match written {
        Some(TokenVersion::V1) => TokenEndpoint::V1,
        Some(TokenVersion::V2) => TokenEndpoint::V2,
        None => default,
    }
}

fn quota(written: Option<&Quota>) -> QuotaPlan {
    QuotaPlan {
        per_minute: written.and_then(|quota| quota.per_minute).unwrap_or(defaults::PER_MINUTE),
        per_hour: written.and_then(|quota| quota.per_hour).unwrap_or(defaults::PER_HOUR),
        reserve_percent: written
            .and_then(|quota| quota.reserve.as_ref())
            .map_or(defaults::RESERVE_PERCENT, |share| share.0),
    }
}
