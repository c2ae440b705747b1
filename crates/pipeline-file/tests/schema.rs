//! What the published schema promises.

use serde_json::Value;

/// Every schema in the schema, with the pointer to it.
fn all(schema: &Value, pointer: &str) -> Vec<(String, Value)> {
    let mut found = vec![(pointer.to_owned(), schema.clone())];
    match schema {
        Value::Object(members) => {
            found.extend(members.iter().flat_map(|(key, inside)| all(inside, &format!("{pointer}/{key}"))));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            found.extend(items.flat_map(|(index, inside)| all(inside, &format!("{pointer}/{index}"))));
        }
        _ => {}
    }
    found
}

/// No mapping takes a key that it does not know.
#[test]
fn every_mapping_is_closed() {
    let schema = pipeline_file::schema();
    let mappings: Vec<_> = all(&schema, "").into_iter().filter(|(_, schema)| schema["type"] == "object").collect();
    assert!(mappings.len() > 20, "{}", mappings.len());
    for (pointer, mapping) in mappings {
        assert_eq!(mapping["additionalProperties"], false, "{pointer}");
    }
}

/// Every key has a description that an editor can show.
#[test]
fn every_key_is_described() {
    let schema = pipeline_file::schema();
    for (pointer, mapping) in all(&schema, "") {
        for (key, property) in mapping.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let description = property.get("description").and_then(Value::as_str);
            assert!(description.is_some_and(|text| text.ends_with('.')), "{pointer}/{key}: {description:?}");
        }
    }
}

/// No key takes "nothing": it has a value or does not stand there. A tenant's source is the one exception.
#[test]
fn nothing_is_a_value_in_one_place_only() {
    let schema = pipeline_file::schema();
    let nulls: Vec<String> = all(&schema, "")
        .into_iter()
        .filter(|(_, schema)| schema["type"] == "null")
        .map(|(pointer, _)| pointer)
        .collect();
    assert_eq!(nulls.len(), 1, "{nulls:?}");
    assert!(nulls[0].starts_with("/$defs/Tenant/properties/sources/patternProperties/"), "{nulls:?}");
}

/// References lead somewhere, and the schema says which dialect it is.
#[test]
fn references_lead_somewhere() {
    let schema = pipeline_file::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for (pointer, inside) in all(&schema, "") {
        if let Some(reference) = inside.get("$ref").and_then(Value::as_str) {
            assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{pointer}: {reference}");
        }
    }
}
