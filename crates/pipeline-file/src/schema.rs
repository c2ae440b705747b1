//! The schema: generated from the types of the file, and what every file is checked against.

use std::sync::OnceLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use crate::file::File;

/// The JSON Schema (draft 2020-12) of the pipeline file, for editors and for `atp-forwarder schema`.
///
/// Beside the standard keywords it has three of its own: `x-minimum` and `x-maximum` bound a duration or a size, and
/// `x-secret` marks what is never repeated in a message.
pub fn schema() -> Value {
    checked_against().clone()
}

/// The same schema, made once.
pub(crate) fn checked_against() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(generate)
}

fn generate() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(no_null_in_keys));
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

/// A key that may be left out is left out: it has a value or does not stand there. (schemars lets every `Option` be
/// null; only a tenant's source without a value, which is no fixed key, means something.)
fn no_null_in_keys(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        if let Some(types) = property.get_mut("type").and_then(Value::as_array_mut) {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                property.insert("type".to_owned(), only);
            }
        }
        if let Some(choices) = property.get_mut("anyOf").and_then(Value::as_array_mut) {
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                property.remove("anyOf");
                property.extend(only);
            }
        }
    }
}
