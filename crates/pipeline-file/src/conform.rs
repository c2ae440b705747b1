//! The check of the whole tree against the schema. It tells every fault it meets, each at its place, and gives back
//! the tree as JSON without the values that have a fault, so that what depends on the rest can still be checked.
//!
//! It knows the part of JSON Schema that our own types make, no more: `$ref`, `anyOf` by kind of value, `oneOf` as an
//! enumeration or as "exactly one of these keys", `allOf` as "at least one of these keys", `type`, `properties`, `patternProperties`, `required`,
//! `dependentRequired`, `items`, `enum`, `format`, and bounds.

mod keys;
mod scalar;

use serde_json::{Map, Value};

use crate::faults::Report;
use crate::place::{KeyPath, Place, Step};
use crate::tree::{Content, Node};

/// Checks `root` against `schema`. What has a fault is left out of the answer.
pub(crate) fn conform(root: &Node, schema: &Value, report: &mut Report) -> Value {
    let mut walk = Walk { root: schema, report, path: KeyPath::default(), secret: false };
    walk.value(root, schema, root.place).unwrap_or_else(|| Value::Object(Map::new()))
}

/// A walk over the tree and the schema, side by side.
struct Walk<'a> {
    root: &'a Value,
    report: &'a mut Report,
    path: KeyPath,
    /// Whether what is here may be a secret in the wrong place, so that not even a key is repeated.
    secret: bool,
}

impl<'a> Walk<'a> {
    /// Checks one value; `key` is where its key stands, which is the place to point at for what is larger than a scalar.
    fn value(&mut self, node: &Node, schema: &'a Value, key: Place) -> Option<Value> {
        let schema = self.resolved(schema);
        let was_secret = self.secret;
        self.secret |= schema.get("x-secret").is_some();
        let checked = match self.alternative(node, schema) {
            None => {
                self.wrong_kind(node, schema, key);
                None
            }
            Some(schema) => match &node.content {
                Content::Mapping(mapping) => self.mapping(&mapping.entries, schema, key),
                Content::Sequence(items) => self.sequence(items, schema, key),
                Content::Scalar { text, plain } => self.scalar(text, *plain, schema, node.place),
            },
        };
        self.secret = was_secret;
        checked
    }

    /// The schema itself, or the one among its alternatives that is for this kind of value.
    fn alternative(&self, node: &Node, schema: &'a Value) -> Option<&'a Value> {
        match schema.get("anyOf").and_then(Value::as_array) {
            Some(choices) => choices.iter().map(|choice| self.resolved(choice)).find(|choice| fits(node, choice)),
            None => Some(schema).filter(|schema| fits(node, schema)),
        }
    }

    fn sequence(&mut self, items: &[std::rc::Rc<Node>], schema: &'a Value, key: Place) -> Option<Value> {
        if items.is_empty() && schema.get("minItems").and_then(Value::as_u64).is_some_and(|least| least > 0) {
            self.tell(key, "the list is empty");
            return None;
        }
        let item_schema = schema.get("items").unwrap_or(&Value::Null);
        let mut checked = Vec::new();
        for (index, item) in items.iter().enumerate() {
            self.path.push(Step::Item(index));
            checked.extend(self.value(item, item_schema, item.place));
            self.path.pop();
        }
        Some(Value::Array(checked))
    }

    fn wrong_kind(&mut self, node: &Node, schema: &'a Value, key: Place) {
        let place = if matches!(node.content, Content::Scalar { .. }) { node.place } else { key };
        let message = if schema.get("x-secret").is_some() && matches!(node.content, Content::Scalar { .. }) {
            "a secret is never written into the file; refer to it: `{ env: NAME }`, `{ file: PATH }` or \
             `{ command: [PROGRAM, ARGUMENT] }`"
                .to_owned()
        } else {
            format!("expected {}, found {}", self.expected(schema), scalar::found(node))
        };
        self.tell(place, message);
    }

    /// What the schema wants, in words.
    fn expected(&self, schema: &'a Value) -> String {
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            let words: Vec<String> = choices.iter().map(|choice| self.expected(self.resolved(choice))).collect();
            return words.join(" or ");
        }
        if let Some(choices) = scalar::choices(schema) {
            return scalar::one_of(&choices);
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => "a mapping",
            Some("array") => "a list",
            Some("integer") => "a whole number",
            Some("boolean") => "`true` or `false`",
            Some("null") => "nothing",
            _ => scalar::form_in_words(schema),
        }
        .to_owned()
    }

    /// The schema that a reference leads to.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn tell(&mut self, place: Place, message: impl Into<String>) {
        self.report.tell(&self.path, place, message);
    }

    /// Tells what is wrong with a key of the mapping that is being checked.
    fn tell_key(&mut self, key: &str, place: Place, message: impl Into<String>) {
        self.path.push(Step::Key(key.to_owned()));
        self.tell(place, message);
        self.path.pop();
    }
}

/// Whether a schema without alternatives is for this kind of value. A list or a mapping is never for a scalar; among
/// scalars only nothing is told apart here, the rest by what was written.
fn fits(node: &Node, schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    match &node.content {
        Content::Mapping(_) => kind == Some("object"),
        Content::Sequence(_) => kind == Some("array"),
        Content::Scalar { text, plain } if scalar::is_null(text, *plain) => kind == Some("null"),
        Content::Scalar { .. } => {
            matches!(kind, Some("string" | "integer" | "boolean")) || scalar::choices(schema).is_some()
        }
    }
}
