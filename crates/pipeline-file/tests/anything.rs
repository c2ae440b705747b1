//! Whatever is written: there is a plan or there are faults, and nothing ends in a panic.

use std::path::{Path, PathBuf};

use pipeline_file::{Environment, Faults, Plan, check};
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../../../deploy/pipeline.example.yaml");

/// What must never be said, for it would mean that the schema allows what the types do not take.
const DISAGREE: &str = "failed to read what the schema allows";

fn checked(text: &str) -> Result<Plan, Faults> {
    let environment = Environment { folder: PathBuf::from("/etc"), state_directory: None };
    check(text, Path::new("pipeline.yaml"), &environment)
}

/// The outcome, of which no more can be said in general.
fn is_sound(outcome: &Result<Plan, Faults>) -> bool {
    match outcome {
        Ok(plan) => !plan.tenants.is_empty() && !plan.sinks.is_empty(),
        Err(faults) => faults.iter().count() > 0 && !faults.to_string().contains(DISAGREE),
    }
}

/// Any key that the file has, and some that it has not.
fn key() -> impl Strategy<Value = String> {
    let mut keys: Vec<String> = EXAMPLE
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '-')
        .filter(|word| !word.is_empty() && !word.starts_with('-'))
        .map(str::to_owned)
        .collect();
    keys.sort();
    keys.dedup();
    prop_oneof![8 => proptest::sample::select(keys), 1 => "[a-z]{1,4}"]
}

/// Any scalar, as it may be written.
fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        key(),
        Just(String::new()),
        Just("null".to_owned()),
        Just("11111111-2222-3333-4444-555555555555".to_owned()),
        "(true|false|yes|no|[0-9]{1,20}|-1|1\\.5)",
        "[0-9]{1,4}(ms|s|m|h|d|GiB|%|/s)",
        "(https?://)?[a-z.]{1,8}(:[0-9]{1,3})?(/api/alerts)?".prop_map(|address| format!("{address:?}")),
        "\\PC{0,8}".prop_map(|text| format!("{text:?}")),
    ]
}

/// Any tree of such keys and scalars, written in braces.
fn tree() -> impl Strategy<Value = String> {
    scalar().prop_recursive(6, 60, 5, |inside| {
        prop_oneof![
            4 => proptest::collection::vec((key(), inside.clone()), 0..5).prop_map(|entries| {
                let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
            1 => proptest::collection::vec(inside, 0..4).prop_map(|items| format!("[ {} ]", items.join(", "))),
        ]
    })
}

/// The sections of the file with trees of their own, so that the deeper checks are reached.
fn sections() -> impl Strategy<Value = String> {
    let section = |name: &'static str| tree().prop_map(move |tree| format!("{name}: {{ a: {tree}, b: {tree} }}\n"));
    (section("credentials"), section("tenants"), section("sources"), section("sinks"), tree()).prop_map(
        |(credentials, tenants, sources, sinks, journal)| {
            format!("{credentials}{tenants}{sources}{sinks}journal: {{ embedded: {journal} }}\n")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any text.
    #[test]
    fn any_text_is_answered(text in "(?s).{0,200}") {
        prop_assert!(is_sound(&checked(&text)));
    }

    /// Any text of the characters that mean something in YAML.
    #[test]
    fn any_yaml_like_text_is_answered(text in "[-:,{}\\[\\]&*!|>'\"%@`#?ab~ \n\t]{0,60}") {
        prop_assert!(is_sound(&checked(&text)));
    }

    /// Any tree of the file's own words: the schema never lets pass what the types do not take.
    #[test]
    fn any_tree_is_answered(text in prop_oneof![tree(), sections()]) {
        let outcome = checked(&text);
        prop_assert!(is_sound(&outcome), "{text}\n{outcome:?}");
    }

    /// The example with a run of characters taken out and something else put in.
    #[test]
    fn any_slip_is_answered(start in 0..EXAMPLE.len(), length in 0..40_usize, put in scalar()) {
        let mut characters: Vec<char> = EXAMPLE.chars().collect();
        let start = start.min(characters.len());
        let end = (start + length).min(characters.len());
        characters.splice(start..end, put.chars());
        let text: String = characters.into_iter().collect();
        prop_assert!(is_sound(&checked(&text)));
    }

    /// A line taken out of the example.
    #[test]
    fn any_missing_line_is_answered(line in 0..EXAMPLE.lines().count()) {
        let lines: Vec<&str> = EXAMPLE.lines().enumerate().filter(|(number, _)| *number != line).map(|(_, line)| line).collect();
        prop_assert!(is_sound(&checked(&lines.join("\n"))));
    }
}
