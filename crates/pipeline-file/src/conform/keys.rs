//! Mappings against the schema.

use serde_json::{Map, Value};

use super::{Walk, scalar};
use crate::later::later_key;
use crate::near::near_miss;
use crate::place::{Place, Step};
use crate::tree::Entry;
use crate::written::wrong_form;

/// Stands in a path for a key that may be a secret in the wrong place.
const HIDDEN: &str = "…";

/// What the unknown keys of a mapping were probably meant to be.
#[derive(Default)]
struct Meant<'a> {
    /// Known keys that were misspelt; they are not told as missing too.
    keys: Vec<&'a str>,
    /// Whether there is a key of a later version, which may stand for any that is missing.
    later: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn mapping(&mut self, entries: &[Entry], schema: &'a Value, place: Place) -> Option<Value> {
        let mut checked = Map::new();
        let mut meant = Meant::default();
        for entry in entries {
            if let Some(first) = entry.first {
                let message = format!("this key stands here twice, first on line {}", first.line);
                self.tell_key(self.shown(entry), entry.place, message);
            } else if let Some(inside) = property(&entry.key, schema) {
                self.path.push(Step::Key(entry.key.clone()));
                let value = self.value(&entry.value, inside, entry.place);
                self.path.pop();
                checked.extend(value.map(|value| (entry.key.clone(), value)));
            } else if let Some(inside) = named(schema) {
                checked.extend(self.named_value(entry, inside).map(|value| (entry.key.clone(), value)));
            } else {
                self.unknown(entry, schema, &mut meant);
            }
        }
        if !meant.later {
            self.missing(entries, schema, place, &meant.keys);
            self.exactly_one(entries, schema, place, &meant.keys);
            self.at_least_one(entries, schema, place, &meant.keys);
        }
        self.empty(entries, schema, place);
        Some(Value::Object(checked))
    }

    /// A value under a name that the operator chose.
    fn named_value(&mut self, entry: &Entry, schema: &'a Value) -> Option<Value> {
        self.path.push(Step::Key(entry.key.clone()));
        let wrong = wrong_form("name", &entry.key, None, None);
        if let Some(message) = &wrong {
            self.tell(entry.place, message.as_str());
        }
        let value = self.value(&entry.value, schema, entry.place);
        self.path.pop();
        value.filter(|_| wrong.is_none())
    }

    fn unknown(&mut self, entry: &Entry, schema: &'a Value, meant: &mut Meant<'a>) {
        self.path.push(Step::Key(entry.key.clone()));
        let later = later_key(&self.path);
        self.path.pop();
        if let Some(message) = later {
            meant.later = true;
            self.tell_key(&entry.key, entry.place, message);
            return;
        }
        let known: Vec<&str> = properties(schema).map(|(key, _)| key.as_str()).collect();
        let near = near_miss(&entry.key, known.iter().copied());
        let message = match near {
            Some(near) => format!("unknown key; did you mean `{near}`?"),
            None if known.is_empty() => "unknown key; there are none here".to_owned(),
            None => format!("unknown key; there is {}", scalar::one_of(&known)),
        };
        meant.keys.extend(near);
        self.tell_key(self.shown(entry), entry.place, message);
    }

    fn missing(&mut self, entries: &[Entry], schema: &'a Value, place: Place, meant: &[&str]) {
        let has = |key: &str| entries.iter().any(|entry| entry.key == key) || meant.contains(&key);
        for key in words(schema.get("required")) {
            if !has(key) {
                self.tell_key(key, place, "is missing");
            }
        }
        let dependent = schema.get("dependentRequired").and_then(Value::as_object);
        for (key, needed) in dependent.into_iter().flatten().filter(|(key, _)| has(key)) {
            for needed in words(Some(needed)).filter(|needed| !has(needed)) {
                self.tell_key(needed, place, format!("is missing, and `{key}` needs it"));
            }
        }
    }

    /// The rule `oneOf` of `required`: one key of several, which is how a kind is chosen.
    fn exactly_one(&mut self, entries: &[Entry], schema: &'a Value, place: Place, meant: &[&str]) {
        let Some(alternatives) = schema.get("oneOf").and_then(Value::as_array) else {
            return;
        };
        let keys: Vec<&str> = alternatives.iter().flat_map(|choice| words(choice.get("required"))).collect();
        let mut there = entries.iter().filter(|entry| entry.first.is_none() && keys.contains(&entry.key.as_str()));
        match there.next() {
            None if meant.iter().any(|key| keys.contains(key)) => {}
            None => self.tell(place, format!("one of these is missing: {}", scalar::one_of(&keys))),
            Some(first) => {
                for more in there {
                    let message =
                        format!("`{}` stands here already, and only one of {} can", first.key, scalar::one_of(&keys));
                    self.tell_key(&more.key, more.place, message);
                }
            }
        }
    }

    /// The rule `allOf` of `anyOf` of `required`: at least one key of several.
    fn at_least_one(&mut self, entries: &[Entry], schema: &'a Value, place: Place, meant: &[&str]) {
        for rule in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let choices = rule.get("anyOf").and_then(Value::as_array).into_iter().flatten();
            let keys: Vec<&str> = choices.flat_map(|choice| words(choice.get("required"))).collect();
            let has = |key: &&str| entries.iter().any(|entry| entry.key == *key) || meant.contains(key);
            if !keys.iter().any(has) {
                self.tell(place, format!("one of these is missing: {}", scalar::one_of(&keys)));
            }
        }
    }

    fn empty(&mut self, entries: &[Entry], schema: &'a Value, place: Place) {
        let least = schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
        if entries.is_empty() && least > 0 {
            self.tell(place, "nothing is in it");
        }
    }

    /// A key as it can be told.
    fn shown<'e>(&self, entry: &'e Entry) -> &'e str {
        if self.secret { HIDDEN } else { &entry.key }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn property<'a>(key: &str, schema: &'a Value) -> Option<&'a Value> {
    schema.get("properties")?.get(key)
}

/// The schema of what stands under names that the operator chooses.
fn named(schema: &Value) -> Option<&Value> {
    schema.get("patternProperties")?.as_object()?.values().next()
}

fn words(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
