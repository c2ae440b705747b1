//! Deciding, call by call, what goes wrong.

use crate::dice::{self, Topic};
use crate::faults::{CallKind, Fault, FaultRule, Faults, When};

/// The fault rules at work, each with the number of calls that it has seen.
pub(crate) struct Injector {
    seed: u64,
    rules: Vec<(FaultRule, u32)>,
}

impl Injector {
    pub(crate) fn new(seed: u64, faults: &Faults) -> Self {
        Self { seed, rules: faults.rules.iter().map(|rule| (rule.clone(), 0)).collect() }
    }

    /// What goes wrong with this call, if anything.
    pub(crate) fn strike(&mut self, kind: CallKind, tenant: Option<&str>) -> Option<Fault> {
        for (number, (rule, calls)) in self.rules.iter_mut().enumerate() {
            if !concerns(rule, kind, tenant) {
                continue;
            }
            *calls = calls.saturating_add(1);
            if let Some(fault) = strikes(rule, *calls, self.seed ^ number as u64) {
                return Some(fault);
            }
        }
        None
    }
}

fn concerns(rule: &FaultRule, kind: CallKind, tenant: Option<&str>) -> bool {
    let of_kind = rule.calls.is_empty() || rule.calls.contains(&kind);
    let of_tenant = rule.tenant.as_deref().is_none_or(|name| tenant == Some(name));
    of_kind && of_tenant
}

/// What the rule does to its `call`-th call, counted from 1.
fn strikes(rule: &FaultRule, call: u32, seed: u64) -> Option<Fault> {
    let mut rng = dice::dice(seed, u64::from(call), Topic::Fault);
    let turn = match &rule.when {
        When::Always => call - 1,
        When::EveryNth(n) => (*n > 0 && call.is_multiple_of(*n)).then(|| call / n - 1)?,
        When::Next(count) => (call <= *count).then_some(call - 1)?,
        When::Script(steps) => return steps.get(call as usize - 1).cloned().flatten(),
        When::Share(share) => dice::chance(&mut rng, *share).then(|| rng.u32(..))?,
    };
    let count = u32::try_from(rule.faults.len()).ok().filter(|count| *count > 0)?;
    rule.faults.get((turn % count) as usize).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(injector: &mut Injector, calls: usize) -> Vec<Option<Fault>> {
        (0..calls).map(|_| injector.strike(CallKind::Alerts, Some("contoso"))).collect()
    }

    /// Every n-th call is struck, by each fault in turn.
    #[test]
    fn every_nth_takes_turns() {
        let mut injector = Injector::new(1, &Faults::every_nth(2, vec![Fault::Cut, Fault::BadGateway]));
        let expected = [None, Some(Fault::Cut), None, Some(Fault::BadGateway), None, Some(Fault::Cut)];
        assert_eq!(struck(&mut injector, 6), expected);
    }

    /// A script is played once, step by step.
    #[test]
    fn script_ends() {
        let steps = vec![Some(Fault::Cut), None, Some(Fault::Reset)];
        let mut injector = Injector::new(1, &Faults::script(CallKind::Alerts, steps));
        assert_eq!(struck(&mut injector, 5), [Some(Fault::Cut), None, Some(Fault::Reset), None, None]);
    }

    /// A rule leaves other kinds of call and other tenants alone.
    #[test]
    fn rules_are_narrow() {
        let rule = FaultRule::new(When::Always, vec![Fault::Cut]).on(CallKind::Alerts).in_tenant("fabrikam");
        let mut injector = Injector::new(1, &Faults::of(rule));
        assert_eq!(injector.strike(CallKind::Alerts, Some("contoso")), None);
        assert_eq!(injector.strike(CallKind::Export, Some("fabrikam")), None);
        assert_eq!(injector.strike(CallKind::Alerts, Some("fabrikam")), Some(Fault::Cut));
    }

    /// A share strikes about that share, and the same calls for the same seed.
    #[test]
    fn share_follows_the_seed() {
        let faults = Faults::of(FaultRule::new(When::Share(0.25), vec![Fault::Cut]));
        let once = struck(&mut Injector::new(7, &faults), 1_000);
        let struck_calls = once.iter().flatten().count();
        assert!((200..300).contains(&struck_calls), "{struck_calls}");
        assert_eq!(once, struck(&mut Injector::new(7, &faults), 1_000));
    }
}
