//! Tenants: who they are, who we are towards them, how they are read.

use std::collections::{BTreeMap, HashMap};

use super::Build;
use super::sources::Hosts;
use crate::cloud;
use crate::faults::Told;
use crate::file::{Cloud, Endpoints, File, Region, Secret, Tenant};
use crate::near::near_miss;
use crate::place::{KeyPath, Step};
use crate::plan::TenantPlan;
use crate::secret::SecretSource;
use crate::tree::Node;
use crate::written::{Endpoint, Written};

impl Build<'_> {
    /// All tenants. Those that are not enabled are checked as well, that nobody is surprised later.
    pub(super) fn tenants(&mut self, file: &File) -> Vec<TenantPlan> {
        self.check_default_credential(file);
        let mut plans = Vec::new();
        for (name, tenant) in &file.tenants {
            plans.extend(self.tenant(&name.0, tenant, file).ok());
        }
        self.check_any_tenant(file);
        self.check_sharing(file);
        plans
    }

    fn tenant(&mut self, name: &str, tenant: &Tenant, file: &File) -> Result<TenantPlan, Told> {
        let path = KeyPath::of(&["tenants", name]);
        // Every part is looked at before the first that fails gives the tenant up.
        let tenant_id = self.required(tenant.tenant_id.as_ref(), &path.key("tenant_id"));
        let client = self.client(tenant, file, &path);
        let hosts = self.hosts(tenant, &path);
        let sources = self.sources(tenant, file, &hosts, &path);
        let (client_id, client_secret) = client?;
        let Hosts { authority, ca, .. } = hosts;
        Ok(TenantPlan {
            name: name.to_owned(),
            enabled: tenant.enabled.unwrap_or(true),
            tenant_id: tenant_id?.0.clone(),
            client_id,
            client_secret,
            authority,
            ca,
            labels: labels(tenant),
            sources: sources?,
        })
    }

    /// Who we are towards a tenant: what it says itself, or a credential that it or the defaults name.
    fn client(&mut self, tenant: &Tenant, file: &File, path: &KeyPath) -> Result<(String, SecretSource), Told> {
        let has_own = tenant.client_id.is_some() || tenant.client_secret.is_some();
        match &tenant.credential {
            Some(_) if has_own => {
                let message = "a tenant has a `credential` or its own `client_id` and `client_secret`, not both";
                Err(self.tell(&path.key("credential"), message))
            }
            Some(name) => self.credential(&name.0, file, &path.key("credential")),
            None if has_own => {
                self.own_client(tenant.client_id.as_ref().map(|id| &id.0), tenant.client_secret.as_ref(), path)
            }
            None => match file.defaults.as_ref().and_then(|defaults| defaults.tenant.as_ref()?.credential.as_ref()) {
                Some(name) => {
                    let default = KeyPath::of(&["defaults", "tenant", "credential"]);
                    self.credential(&name.0, file, &default)
                }
                None => Err(self.no_client(path)),
            },
        }
    }

    /// A tenant says nothing of who we are; or what it says has a fault of its own, which was told.
    fn no_client(&mut self, path: &KeyPath) -> Told {
        let entries = self.entry_of(path).map_or(&[][..], Node::entries);
        let said = entries.iter().any(|entry| near_miss(&entry.key, SAYS_WHO).is_some());
        let defaulted = self.root.get("defaults").is_some();
        match self.report.told() {
            Some(told) if said || defaulted => told,
            _ => self.tell(path, "who are we towards it? write `client_id` and `client_secret`, or `credential`"),
        }
    }

    fn own_client(
        &mut self,
        id: Option<&String>,
        secret: Option<&Secret>,
        path: &KeyPath,
    ) -> Result<(String, SecretSource), Told> {
        let id = self.required(id, &path.key("client_id")).cloned();
        let secret_path = path.key("client_secret");
        let secret = self.required(secret, &secret_path)?;
        let secret = self.secret(secret, &secret_path)?;
        Ok((id?, secret))
    }

    /// The credential of a name that is written at `path`.
    fn credential(&mut self, name: &str, file: &File, path: &KeyPath) -> Result<(String, SecretSource), Told> {
        match file.credentials.get(name) {
            Some(credential) => {
                let id = credential.client_id.as_ref().map(|id| &id.0);
                self.own_client(id, credential.client_secret.as_ref(), &KeyPath::of(&["credentials", name]))
            }
            None => Err(self.unknown_credential(name, path)),
        }
    }

    fn unknown_credential(&mut self, name: &str, path: &KeyPath) -> Told {
        match self.report.told() {
            // It is there, with a fault of its own.
            Some(told) if self.names("credentials").contains(&name) => told,
            _ => {
                let hint = self.hint("credentials", name);
                self.tell(path, format!("no credential has this name{hint}"))
            }
        }
    }

    /// The default is checked once and not for each tenant, and even where no tenant takes it.
    fn check_default_credential(&mut self, file: &File) {
        let name = file.defaults.as_ref().and_then(|defaults| defaults.tenant.as_ref()?.credential.as_ref());
        if let Some(name) = name {
            // Whether it can be had is all that is asked here; what is wrong was told.
            let _ = self.credential(&name.0, file, &KeyPath::of(&["defaults", "tenant", "credential"]));
        }
    }

    fn hosts(&mut self, tenant: &Tenant, path: &KeyPath) -> Hosts {
        let cloud = tenant.cloud.unwrap_or_default();
        if let Some(region) = tenant.region.filter(|region| cloud != Cloud::Commercial && *region != Region::Us) {
            let message =
                format!("region `{}` is one of the commercial cloud; US Government has `us` alone", region.key());
            self.tell(&path.key("region"), message);
        }
        let endpoints = tenant.endpoints.as_ref();
        let other = |endpoint: fn(&Endpoints) -> Option<&Written<Endpoint>>| {
            endpoints.and_then(endpoint).map(|url| url.0.clone())
        };
        let export = other(|endpoints| endpoints.export.as_ref());
        let has = |keys: &[&str]| self.entry_of(&keys.iter().fold(path.clone(), |path, key| path.key(key))).is_some();
        let faulty = (tenant.cloud.is_none() && has(&["cloud"]))
            || (tenant.region.is_none() && has(&["region"]))
            || (export.is_none() && has(&["endpoints", "export"]));
        Hosts {
            cloud,
            region: tenant.region,
            authority: other(|endpoints| endpoints.authority.as_ref()).unwrap_or_else(|| cloud::authority(cloud)),
            mde: other(|endpoints| endpoints.mde.as_ref()),
            export,
            ca: endpoints.and_then(|endpoints| endpoints.ca.as_ref()).map(|ca| self.resolved(&ca.0)),
            faulty,
        }
    }

    fn check_any_tenant(&mut self, file: &File) {
        let path = KeyPath::of(&["tenants"]);
        let Some(section) = self.root.get("tenants") else {
            return;
        };
        if section.entries().is_empty() {
            self.tell(&path, "no tenant is in it");
        } else if file.tenants.len() == section.entries().len()
            && !file.tenants.values().any(|tenant| tenant.enabled.unwrap_or(true))
        {
            self.tell(&path, "no tenant is enabled");
        }
    }

    /// A feed is known by the Entra tenant id and the source's name: two tenants cannot have the same one.
    fn check_sharing(&mut self, file: &File) {
        let mut feeds: HashMap<(&str, &str), &str> = HashMap::new();
        for (name, tenant) in file.tenants.iter().filter(|(_, tenant)| tenant.enabled.unwrap_or(true)) {
            let Some(tenant_id) = &tenant.tenant_id else {
                continue;
            };
            let mut taken = None;
            for source in source_names(tenant, file) {
                let before = feeds.insert((&tenant_id.0, source), &name.0);
                taken = taken.or(before.map(|before| (before, source)));
            }
            if let Some((before, source)) = taken {
                let path = KeyPath::of(&["tenants", &name.0, "tenant_id"]);
                self.tell(&path, format!("tenant `{before}` reads the same directory with the same source `{source}`"));
            }
        }
    }

    /// What was written at a path of keys.
    pub(super) fn entry_of(&self, path: &KeyPath) -> Option<&Node> {
        path.steps().iter().try_fold(self.root, |node, step| match step {
            Step::Key(key) => node.get(key),
            Step::Item(_) => None,
        })
    }
}

/// The names of a tenant's sources: the common ones that it does not remove, and its own.
fn source_names<'a>(tenant: &'a Tenant, file: &'a File) -> impl Iterator<Item = &'a str> {
    let common = file.sources.keys().filter(|name| !tenant.sources.contains_key(*name));
    let own = tenant.sources.iter().filter(|(_, source)| source.is_some()).map(|(name, _)| name);
    common.chain(own).map(|name| name.0.as_str())
}

fn labels(tenant: &Tenant) -> BTreeMap<String, String> {
    tenant.labels.iter().map(|(key, value)| (key.0.clone(), value.clone())).collect()
}

/// The keys of a tenant that say who we are, those of later versions among them.
const SAYS_WHO: [&str; 7] =
    ["credential", "client_id", "client_secret", "certificate", "federated_token", "managed_identity", "user"];
