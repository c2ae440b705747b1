//! Which tenants a pattern means.

use std::collections::BTreeMap;

use crate::plan::TenantPattern;

impl TenantPattern {
    /// Whether a tenant of this name and with these labels is meant.
    pub fn matches(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Labels(wanted) => wanted.iter().all(|(key, value)| labels.get(key) == Some(value)),
            Self::Name(pattern) => matches_name(pattern, name),
        }
    }
}

/// Whether `name` has the parts between the stars of `pattern`, in their order. To take each part where it first
/// occurs is always right, for what comes after a star can only lose room by waiting.
fn matches_name(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match left.find(part) {
            Some(position) => left = &left[position + part.len()..],
            None => return false,
        }
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A star stands for any run of letters, none included; everything else for itself.
    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, name, matches) in [
            ("contoso", "contoso", true),
            ("contoso", "contoso2", false),
            ("*", "anything", true),
            ("contoso*", "contoso", true),
            ("contoso-*", "contoso", false),
            ("*-eu", "contoso-eu", true),
            ("*-eu", "contoso-eu-2", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("*o*o*o*o*", "contoso", false),
            ("*o*o*", "contoso", true),
        ] {
            assert_eq!(matches_name(pattern, name), matches, "{pattern} {name}");
        }
    }

    /// All labels of a pattern must be there.
    #[test]
    fn labels_must_all_be_there() {
        let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let gold_eu = TenantPattern::Labels(labels(&[("tier", "gold"), ("area", "eu")]));
        assert!(gold_eu.matches("x", &labels(&[("tier", "gold"), ("area", "eu"), ("more", "")])));
        assert!(!gold_eu.matches("x", &labels(&[("tier", "gold")])));
        assert!(!gold_eu.matches("x", &labels(&[("tier", "gold"), ("area", "us")])));
    }
}
