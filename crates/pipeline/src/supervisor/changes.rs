//! What must be stopped and started so that what runs becomes what is wanted: a comparison of plans, and nothing done.

use std::collections::{BTreeMap, BTreeSet};

use journal::FeedName;
use pipeline_file::plan::{Plan, SinkPlan, SourcePlan, TenantPlan};

/// What is wanted of one feed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WantedFeed {
    pub(crate) tenant: TenantPlan,
    pub(crate) source: SourcePlan,
}

/// Everything that is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) feeds: BTreeMap<FeedName, WantedFeed>,
    pub(crate) lanes: BTreeMap<String, SinkPlan>,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Changes {
    /// Feeds that go, or that are to be renewed.
    pub(crate) stop_feeds: BTreeSet<FeedName>,
    /// Lanes that go, or that are to be renewed.
    pub(crate) stop_lanes: BTreeSet<String>,
    pub(crate) start_lanes: BTreeSet<String>,
    pub(crate) start_feeds: BTreeSet<FeedName>,
}

impl Wanted {
    /// What a plan asks for: the sources of its enabled tenants, and its sinks.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut wanted = Self::default();
        for tenant in plan.tenants.iter().filter(|tenant| tenant.enabled) {
            for source in &tenant.sources {
                let name = FeedName { tenant_id: tenant.tenant_id.clone(), source: source.name.clone() };
                // A source that is another's neighbour is no part of it: it may change without it.
                let tenant = TenantPlan { sources: Vec::new(), ..tenant.clone() };
                wanted.feeds.insert(name, WantedFeed { tenant, source: source.clone() });
            }
        }
        wanted.lanes = plan.sinks.iter().map(|sink| (sink.name.clone(), sink.clone())).collect();
        wanted
    }

    /// What leads from this to what is wanted instead, touching nothing that stays as it is.
    pub(crate) fn changes(&self, wanted: &Self) -> Changes {
        Changes {
            stop_feeds: differing(&self.feeds, &wanted.feeds),
            stop_lanes: differing(&self.lanes, &wanted.lanes),
            start_lanes: differing(&wanted.lanes, &self.lanes),
            start_feeds: differing(&wanted.feeds, &self.feeds),
        }
    }
}

impl Changes {
    /// How many feeds and lanes are new, renewed, gone, as one line each for the operator; none where nothing changes.
    pub(crate) fn lines(&self) -> Vec<String> {
        let sinks = self.start_lanes.union(&self.stop_lanes).map(|name| {
            let what = told(self.stop_lanes.contains(name), self.start_lanes.contains(name));
            format!("sink {name}: {what}")
        });
        let feeds = |stops: bool, starts: bool| {
            let all = self.start_feeds.union(&self.stop_feeds);
            all.filter(|name| (self.stop_feeds.contains(*name), self.start_feeds.contains(*name)) == (stops, starts))
                .count()
        };
        let counts = [(false, true), (true, true), (true, false)]
            .map(|(stops, starts)| (feeds(stops, starts), told(stops, starts)));
        let sources = counts.into_iter().filter(|(count, _)| *count > 0);
        sinks.chain(sources.map(|(count, what)| format!("sources {what}: {count}"))).collect()
    }
}

fn told(stops: bool, starts: bool) -> &'static str {
    match (stops, starts) {
        (true, true) => "changed",
        (true, false) => "removed",
        (false, _) => "added",
    }
}

/// The keys of `these` that `those` has not, or has otherwise.
fn differing<K: Ord + Clone, V: PartialEq>(these: &BTreeMap<K, V>, those: &BTreeMap<K, V>) -> BTreeSet<K> {
    these.iter().filter(|(key, value)| those.get(*key) != Some(*value)).map(|(key, _)| key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pipeline_file::{Environment, check};

    use super::*;

    fn wanted(tenants: &[(u32, &str)], sinks: &[(&str, &str)]) -> Wanted {
        let tenants: String = tenants
            .iter()
            .map(|(number, client)| {
                format!(
                    "  t{number}: {{ tenant_id: 11111111-2222-3333-4444-{number:012}, client_id: {client}, \
                     client_secret: {{ env: NONE }} }}\n"
                )
            })
            .collect();
        let sinks: String = sinks
            .iter()
            .map(|(name, path)| format!("  {name}: {{ format: cef, file: {{ path: {path} }} }}\n"))
            .collect();
        let yaml = format!("tenants:\n{tenants}sources: {{ alerts: {{ mde_alerts: {{}} }} }}\nsinks:\n{sinks}");
        let environment = Environment { folder: "/".into(), state_directory: None };
        Wanted::of(&check(&yaml, Path::new("pipeline.yaml"), &environment).expect("nothing is wrong with it"))
    }

    const ONE: &str = "66666666-7777-8888-9999-000000000000";
    const OTHER: &str = "66666666-7777-8888-9999-000000000001";

    /// Guarantee: what stays as it is is not touched; what is new is started, what is gone is stopped, what has changed is
    /// both.
    #[test]
    fn only_what_changed_is_touched() {
        let before = wanted(&[(1, ONE), (2, ONE), (3, ONE)], &[("same", "/a"), ("gone", "/b"), ("moved", "/c")]);
        let after = wanted(&[(1, ONE), (2, OTHER), (4, ONE)], &[("same", "/a"), ("moved", "/d"), ("new", "/e")]);
        let changes = before.changes(&after);
        let of = |numbers: &[u32]| -> BTreeSet<FeedName> {
            let name = |number: &u32| FeedName {
                tenant_id: format!("11111111-2222-3333-4444-{number:012}"),
                source: "alerts".into(),
            };
            numbers.iter().map(name).collect()
        };
        assert_eq!((changes.stop_feeds.clone(), changes.start_feeds.clone()), (of(&[2, 3]), of(&[2, 4])));
        let named = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        assert_eq!(
            (&changes.stop_lanes, &changes.start_lanes),
            (&named(&["gone", "moved"]), &named(&["moved", "new"]))
        );
        assert_eq!(
            changes.lines(),
            [
                "sink gone: removed",
                "sink moved: changed",
                "sink new: added",
                "sources added: 1",
                "sources changed: 1",
                "sources removed: 1"
            ]
        );
    }

    /// Guarantee: whatever runs and whatever is wanted, stopping and starting leads from the one to the other, and a
    /// second time there is nothing to do.
    #[test]
    fn changes_lead_to_what_is_wanted() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut chance = || {
            let tenants: Vec<(u32, &str)> = (1..6)
                .filter_map(|number| [None, Some((number, ONE)), Some((number, OTHER))][random.usize(..3)])
                .collect();
            let sinks: Vec<(&str, &str)> = [("a", ["/a1", "/a2"]), ("b", ["/b1", "/b2"]), ("c", ["/c1", "/c2"])]
                .into_iter()
                .filter_map(|(name, [one, other])| [None, Some((name, one)), Some((name, other))][random.usize(..3)])
                .collect();
            let tenants = if tenants.is_empty() { vec![(1, ONE)] } else { tenants };
            let sinks = if sinks.is_empty() { vec![("a", "/a1")] } else { sinks };
            wanted(&tenants, &sinks)
        };
        for _ in 0..100 {
            let (mut running, after) = (chance(), chance());
            let changes = running.changes(&after);
            running.feeds.retain(|name, _| !changes.stop_feeds.contains(name));
            running.lanes.retain(|name, _| !changes.stop_lanes.contains(name));
            for name in &changes.start_feeds {
                assert!(
                    running.feeds.insert(name.clone(), after.feeds[name].clone()).is_none(),
                    "it was stopped before"
                );
            }
            for name in &changes.start_lanes {
                assert!(
                    running.lanes.insert(name.clone(), after.lanes[name].clone()).is_none(),
                    "it was stopped before"
                );
            }
            assert_eq!(running, after);
            assert_eq!(running.changes(&after), Changes::default());
        }
    }
}
