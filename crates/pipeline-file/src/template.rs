//! Texts that are filled in for each tenant: `atp-{{ tenant.name }}`.
//!
//! A template speaks of the operator's own words alone, `tenant.name` and `tenant.labels.NAME`. It is read and checked
//! with the file, and filled in while the plan is made, once for each tenant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};

use crate::plan::TenantPlan;
use crate::written::{Form, NonEmpty};

/// A text with places that are filled in for each tenant.
#[derive(Clone)]
pub(crate) struct Template {
    environment: Environment<'static>,
    /// The labels that it names, but for those it looks up by `tenant.labels['NAME']`.
    labels: BTreeSet<String>,
    /// Whether it names nothing of a tenant.
    is_fixed: bool,
}

/// The form in which a template is written.
pub(crate) struct TemplateText;

impl Template {
    /// Reads a text. The error is a sentence that does not repeat it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a template has at most {LONGEST} bytes"));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(FUEL));
        environment
            .add_template_owned(NAME, text.to_owned())
            .map_err(|error| format!("not a template: {}; it looks like `atp-{{{{ tenant.name }}}}`", error.kind()))?;
        let template = environment.get_template(NAME).expect("it was just added");
        let variables = template.undeclared_variables(true);
        let is_fixed = variables.is_empty();
        let labels = labels(variables)?;
        Ok(Self { environment, labels, is_fixed })
    }

    /// The text, where it is the same for every tenant.
    pub(crate) fn fixed(&self) -> Option<String> {
        let template = self.environment.get_template(NAME).expect("it was added when the text was read");
        if self.is_fixed { template.render(()).ok() } else { None }
    }

    /// The text for a tenant. The error is the rest of a sentence that begins with tenants.
    pub(crate) fn fill(&self, tenant: &TenantPlan) -> Result<String, String> {
        let template = self.environment.get_template(NAME).expect("it was added when the text was read");
        let label = |(key, value): (&String, &String)| (key.clone(), Value::from(value.as_str()));
        let labels: BTreeMap<String, Value> = tenant.labels.iter().map(label).collect();
        let tenant_words =
            BTreeMap::from([("name", Value::from(tenant.name.as_str())), ("labels", Value::from(labels))]);
        let words = BTreeMap::from([("tenant", Value::from(tenant_words))]);
        template.render(Value::from(words)).map_err(|error| match error.kind() {
            ErrorKind::UndefinedError => self.lacking(tenant),
            kind => format!("it cannot be filled in: {kind}"),
        })
    }

    /// Something is not there: a label that is named, or one that is looked up.
    fn lacking(&self, tenant: &TenantPlan) -> String {
        let lacking = self.labels.iter().filter(|label| !tenant.labels.contains_key(*label));
        let lacking: Vec<String> = lacking.map(|label| format!("`{label}`")).collect();
        match lacking.as_slice() {
            [] => "a label that it names is not there".to_owned(),
            [only] => format!("there is no label {only}"),
            several => format!("there are no labels {}", several.join(", ")),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a template")
    }
}

impl Form for TemplateText {
    type Value = Template;
    const FORMAT: &'static str = "template";
    const PATTERN: &'static str = NonEmpty::PATTERN;

    fn read(text: &str) -> Result<Template, String> {
        NonEmpty::read(text).and_then(|text| Template::read(&text))
    }
}

/// The labels among the variables of a template; all else that it may name is the tenant's name.
fn labels(variables: impl IntoIterator<Item = String>) -> Result<BTreeSet<String>, String> {
    let mut labels = BTreeSet::new();
    for variable in variables {
        match variable.strip_prefix("tenant.") {
            Some("name" | "labels") => {}
            Some(rest) if rest.starts_with("labels.") => {
                labels.insert(rest["labels.".len()..].to_owned());
            }
            _ => return Err("it names something else than `tenant.name` and `tenant.labels.NAME`".to_owned()),
        }
    }
    Ok(labels)
}

/// Every environment holds one template.
const NAME: &str = "template";

/// Bytes of a template. What is chained without end, `x.a.a.a…`, would exhaust the stack of the engine.
const LONGEST: usize = 1_024;

/// Steps of one filling in. No name of a host needs a hundredth of it.
const FUEL: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretSource;

    fn tenant(labels: &[(&str, &str)]) -> TenantPlan {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        TenantPlan {
            name: "contoso".to_owned(),
            enabled: true,
            tenant_id: String::new(),
            client_id: String::new(),
            client_secret: SecretSource::Env("SECRET".to_owned()),
            authority: url::Url::parse("https://login.microsoftonline.com").unwrap(),
            ca: None,
            labels,
            sources: Vec::new(),
        }
    }

    fn filled(text: &str, labels: &[(&str, &str)]) -> Result<String, String> {
        Template::read(text)?.fill(&tenant(labels))
    }

    /// A template is filled with the operator's own words; a text without places is itself.
    #[test]
    fn templates_are_filled() {
        let labels = [("site", "Köln"), ("a-b", "dash")];
        for (text, expected) in [
            ("fixed", "fixed"),
            ("atp-{{ tenant.name }}", "atp-contoso"),
            ("{{ tenant.labels.site | upper }}", "KÖLN"),
            ("{{ tenant.labels['a-b'] }}", "dash"),
            ("{{ tenant.labels.none | default(tenant.name) }}", "contoso"),
            ("{% if tenant.labels.none %}x{% else %}y{% endif %}", "y"),
        ] {
            assert_eq!(filled(text, &labels).as_deref(), Ok(expected), "{text}");
        }
    }

    /// What is no template, what names something unknown and what a tenant lacks is refused with a sentence that
    /// repeats no text but the names of labels.
    #[test]
    fn what_cannot_be_filled_is_refused() {
        for (text, sentence) in [
            ("", "must not be empty"),
            ("{{ tenant.name", "not a template: syntax error; it looks like `atp-{{ tenant.name }}`"),
            ("{{ CANARY }}", "it names something else than `tenant.name` and `tenant.labels.NAME`"),
            ("{{ tenant }}", "it names something else than `tenant.name` and `tenant.labels.NAME`"),
            ("{{ range(9) }}", "it names something else than `tenant.name` and `tenant.labels.NAME`"),
            ("{{ tenant.name | CANARY }}", "it cannot be filled in: unknown filter"),
            ("{{ tenant.labels.site }}", "there is no label `site`"),
            ("{{ tenant.labels.b }}{{ tenant.labels.a }}", "there are no labels `a`, `b`"),
            ("{{ tenant.labels['CANARY'] }}", "a label that it names is not there"),
        ] {
            let read = TemplateText::read(text).and_then(|template| template.fill(&tenant(&[])));
            assert_eq!(read.unwrap_err(), sentence, "{text}");
        }
    }

    /// No template keeps the program busy.
    #[test]
    fn endless_templates_end() {
        let nested = (0..5).fold("x".to_owned(), |inside, depth| {
            format!("{{% for c{depth} in '0123456789' * 10 %}}{inside}{{% endfor %}}")
        });
        assert_eq!(filled(&nested, &[]), Err("it cannot be filled in: engine ran out of fuel".to_owned()));
    }

    /// No template exhausts the stack, however it is nested or chained.
    #[test]
    fn deep_templates_are_answered() {
        for part in ["(", ".a", "|upper", "+1", "not ", "[0]", "[[", "{% if 1 %}", "{{", "a if a else "] {
            for length in [1_000, 100_000] {
                let parts = part.repeat(length / part.len());
                for text in [parts.clone(), format!("{{{{ {parts}1 }}}}"), format!("{{{{ tenant.name{parts} }}}}")] {
                    // An answer is all that is asked for: a stack that overflows ends the process.
                    let answer = filled(&text, &[]);
                    assert!(length == 1_000 || answer.is_err(), "{part}");
                }
            }
        }
    }
}
