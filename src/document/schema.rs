//! The JSON Schema of the document, generated from the types.
//!
//! Kept to what a Kubernetes structural schema can hold: everything in place (no references), no null, no defaults,
//! enums as plain lists, every string, list and number bounded.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::spec::MessagingServer;

/// The JSON Schema (draft 2020-12) of the whole document.
pub fn schema() -> Value {
    let mut value = of::<MessagingServer>();
    if let Some(root) = value.as_object_mut() {
        root.insert("$id".to_owned(), Value::from("https://mailward.dev/schema/v1alpha1.json"));
    }
    value
}

/// The schema of a type in the plainer form.
pub(super) fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.with_transform(Plain).into_generator().into_root_schema_for::<T>().to_value()
}

/// Rewrites what schemars says in general into the plainer form.
#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(object) = schema.as_object_mut() {
            flatten_options(object);
            flatten_enum(object);
            bound_maps(object);
            for unknown_to_kubernetes in ["default", "format"] {
                object.remove(unknown_to_kubernetes);
            }
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            }
        }
    }
}

/// An option is a field that may be absent; null is not a way to say so.
fn flatten_options(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(either)) = object.get_mut("anyOf") else { return };
    let before = either.len();
    either.retain(|schema| schema.get("type").is_none_or(|kind| kind != "null"));
    if either.len() == before {
        return;
    }
    if let [Value::Object(only)] = either.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

/// `oneOf` constants with descriptions become a list of values; the descriptions join the one above.
fn flatten_enum(object: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = object.get("oneOf") else { return };
    let mut values = Vec::new();
    let mut words = Vec::new();
    for variant in variants {
        if let Some(constant) = variant.get("const") {
            values.push(constant.clone());
            if let (Some(name), Some(text)) = (constant.as_str(), variant.get("description").and_then(Value::as_str)) {
                words.push(format!("{name}: {text}"));
            }
        } else if let Some(list) = variant.get("enum").and_then(Value::as_array) {
            values.extend(list.iter().cloned());
        } else {
            return;
        }
    }
    object.remove("oneOf");
    object.insert("type".to_owned(), Value::from("string"));
    object.insert("enum".to_owned(), Value::Array(values));
    let own = object.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = std::iter::once(own).chain(words).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    object.insert("description".to_owned(), Value::from(all));
}

/// Labels and annotations: Kubernetes bounds them itself, but an unbounded string has no CEL cost.
fn bound_maps(object: &mut Map<String, Value>) {
    if let Some(Value::Object(values)) = object.get_mut("additionalProperties")
        && values.get("type").is_some_and(|kind| kind == "string")
    {
        values.insert("maxLength".to_owned(), Value::from(262_144));
        object.insert("maxProperties".to_owned(), Value::from(256));
    }
}
