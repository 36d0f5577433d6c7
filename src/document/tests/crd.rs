//! The definition of the resource. What a real API server makes of it is in `controller/tests/control_plane`.

use schemars::JsonSchema;
use serde_json::Value;

use super::super::crd;
use super::super::rules::{Cel, rules};
use super::super::spec::Interval;

/// Stands for the status, which is not this room's.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is asked for")]
struct Status {
    /// Conditions.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    conditions: Vec<Condition>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is asked for")]
struct Condition {
    /// Its type.
    #[serde(default)]
    r#type: String,
}

fn version() -> Value {
    crd::<Status>()["spec"]["versions"][0].clone()
}

/// Every node with its path.
fn nodes() -> Vec<(String, Value)> {
    fn below(node: &Value, path: &str, found: &mut Vec<(String, Value)>) {
        found.push((path.to_owned(), node.clone()));
        for (name, field) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            below(field, &path, found);
        }
        if let Some(items) = node.get("items") {
            below(items, &format!("{path}[]"), found);
        }
    }
    let mut found = Vec::new();
    below(&version()["schema"]["openAPIV3Schema"], "", &mut found);
    found
}

fn messages(node: &Value) -> Vec<&str> {
    let rules = node.get("x-kubernetes-validations").and_then(Value::as_array);
    rules.into_iter().flatten().filter_map(|rule| rule["message"].as_str()).collect()
}

#[test]
fn the_schema_is_structural() {
    for (path, node) in nodes() {
        for refused in ["$ref", "$schema", "$id", "title", "oneOf", "format"] {
            assert!(node.get(refused).is_none(), "{path} has {refused}");
        }
        assert_ne!(node.get("additionalProperties"), Some(&Value::from(false)), "{path}");
        assert!(node.get("type").is_some() || node.get("x-kubernetes-int-or-string").is_some(), "{path} has no type");
        for key in node.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten() {
            let required = node["items"]["required"].as_array();
            assert!(required.is_some_and(|required| required.contains(key)), "{path} may lack its key");
        }
    }
}

#[test]
fn r26_only_the_status_has_a_default_and_it_says_that_nobody_has_looked() {
    let with: Vec<(String, Value)> = nodes().into_iter().filter(|(_, node)| node.get("default").is_some()).collect();
    let [(path, node)] = with.as_slice() else { panic!("{with:?}") };
    assert_eq!(path, "status");
    let ready = &node["default"]["conditions"][0];
    assert_eq!((ready["type"].as_str(), ready["status"].as_str()), (Some("Ready"), Some("Unknown")));
}

#[test]
fn r26_every_rule_that_cel_can_say_is_at_its_place() {
    let nodes = nodes();
    for rule in rules() {
        let end = format!("[{}]", rule.id);
        let places: Vec<&str> = (nodes.iter())
            .filter(|(_, node)| messages(node).iter().any(|message| message.ends_with(&end)))
            .map(|(path, _)| path.as_str())
            .collect();
        match rule.cel {
            Cel::Says(_) | Cel::Built(_) if rule.path.contains("**") => assert!(places.len() > 1, "{}", rule.id),
            Cel::Says(_) | Cel::Built(_) => assert_eq!(places, [rule.path], "{}", rule.id),
            Cel::Schema | Cel::Cannot(_) => assert!(places.is_empty(), "{}: {places:?}", rule.id),
        }
    }
}

#[test]
fn every_duration_has_its_bounds_and_every_command_its_program() {
    for (path, node) in nodes().into_iter().filter(|(path, _)| path.starts_with("spec")) {
        let has = |id: &str| messages(&node).iter().any(|message| message.ends_with(&format!("[{id}]")));
        let is_duration = node.get("pattern").is_some_and(|pattern| pattern == Interval::FORM.pattern);
        assert_eq!(has("duration-range"), is_duration, "{path}");
        let is_command = path.starts_with("spec.services[].") && path.ends_with(".command");
        assert_eq!(has("command-empty"), is_command, "{path}");
    }
}

#[test]
fn r25_what_a_volume_cannot_do_is_refused_as_a_transition() {
    let transitions = nodes().into_iter().flat_map(|(path, node)| {
        let rules = node.get("x-kubernetes-validations").and_then(Value::as_array).cloned().unwrap_or_default();
        let old = rules.into_iter().filter(|rule| rule["rule"].as_str().is_some_and(|rule| rule.contains("oldSelf")));
        old.map(move |rule| format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default()))
    });
    let mut fields: Vec<String> = transitions.collect();
    fields.sort_unstable();
    let expected = ["accessMode", "className", "size"].map(|field| format!("spec.workload.storage.{field}"));
    assert_eq!(fields[2..], expected);
    assert_eq!(fields[..2], ["spec.workload", "spec.workload.storage"]);
}
