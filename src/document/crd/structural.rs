//! From the JSON Schema of the types to a structural schema: the same without what an API server does not take.

use serde_json::{Map, Value};

/// What means nothing to an API server, or is refused by it: fields that are not known are dropped, and refused where
/// the client asks for strictness, without `additionalProperties: false`.
const NOT_TAKEN: [&str; 4] = ["$id", "$schema", "title", "$defs"];

/// The structural schema of a schema.
pub(super) fn structural(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    let mut result = Map::new();
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                let fields = fields.iter().map(|(name, field)| (name.clone(), structural(field))).collect();
                result.insert(key.clone(), Value::Object(fields));
            }
            ("items", _) => {
                result.insert(key.clone(), structural(value));
            }
            ("additionalProperties", Value::Bool(_)) => {}
            (key, _) if NOT_TAKEN.contains(&key) => {}
            _ => {
                result.insert(key.clone(), value.clone());
            }
        }
    }
    require_keys(&mut result);
    Value::Object(result)
}

/// The key of a list that is a map is a field that every item has.
fn require_keys(list: &mut Map<String, Value>) {
    let Some(Value::Array(keys)) = list.get("x-kubernetes-list-map-keys").cloned() else { return };
    let Some(Value::Object(items)) = list.get_mut("items") else { return };
    let required = items.entry("required").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(required) = required {
        for key in keys {
            if !required.contains(&key) {
                required.push(key);
            }
        }
    }
}
