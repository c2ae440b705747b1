//! The tenants of the plan, as lanes know them: by their Entra tenant id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pipeline_file::plan::Plan;

/// What a lane needs to know of a tenant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tenant {
    /// The Entra tenant id.
    pub(crate) id: String,
    /// Its name in the file.
    pub(crate) name: Arc<str>,
    /// The operator's own words for it.
    pub(crate) labels: BTreeMap<String, String>,
}

/// All tenants of the plan, enabled or not.
#[derive(Debug, Default)]
pub(crate) struct Tenants(HashMap<String, Arc<Tenant>>);

impl Tenant {
    /// A tenant that has left the file goes by its id.
    pub(crate) fn stranger(id: &str) -> Self {
        Self { id: id.to_owned(), name: id.into(), labels: BTreeMap::new() }
    }
}

impl Tenants {
    pub(crate) fn new(plan: &Plan) -> Self {
        let tenant = |tenant: &pipeline_file::plan::TenantPlan| Tenant {
            id: tenant.tenant_id.clone(),
            name: tenant.name.as_str().into(),
            labels: tenant.labels.clone(),
        };
        Self(plan.tenants.iter().map(|plan| (plan.tenant_id.clone(), Arc::new(tenant(plan)))).collect())
    }

    /// Those of a plan, and of those before it the ones that it has no more: their alerts may still wait.
    pub(crate) fn after(plan: &Plan, before: &Self) -> Self {
        let mut tenants = Self::new(plan);
        for (id, tenant) in &before.0 {
            tenants.0.entry(id.clone()).or_insert_with(|| Arc::clone(tenant));
        }
        tenants
    }

    /// The tenant with this id; `None` where it has left the file while its entries still wait.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Tenant>> {
        self.0.get(id).cloned()
    }
}
