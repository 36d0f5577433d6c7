//! The rules of the document at their places in the schema.
//!
//! Each sits at the lowest node that can hold it: tightened later, a rule of an item blocks edits of that item only, a
//! rule of the spec every edit.

use serde_json::{Value, json};

use crate::document::rules::{Cel, Rule, rules};
use crate::document::spec::Interval;

/// Puts every rule that CEL can say into the schema of the spec.
pub(super) fn put(spec: &mut Value) {
    for rule in rules() {
        let expression = match rule.cel {
            Cel::Says(expression) => expression.to_owned(),
            Cel::Built(build) => build(),
            Cel::Schema | Cel::Cannot(_) => continue,
        };
        let steps: Vec<&str> = rule.path.split('.').skip(1).collect();
        walk(spec, &steps, "", &mut |node, name| place(node, name, rule, &expression));
    }
}

/// Visits every node of a path below this one: `[]` is each item, `**` any number of fields, none included.
fn walk(node: &mut Value, steps: &[&str], name: &str, visit: &mut dyn FnMut(&mut Value, &str)) {
    let Some((step, rest)) = steps.split_first() else { return visit(node, name) };
    if *step == "**" {
        walk(node, rest, name, visit);
        let node = match node.get_mut("items") {
            Some(items) => items,
            None => node,
        };
        if let Some(fields) = node.get_mut("properties").and_then(Value::as_object_mut) {
            for (name, field) in fields {
                walk(field, steps, name, visit);
            }
        }
        return;
    }
    let (field, each) = step.strip_suffix("[]").map_or((*step, false), |field| (field, true));
    let Some(mut below) = node.get_mut("properties").and_then(|fields| fields.get_mut(field)) else { return };
    if each {
        let Some(items) = below.get_mut("items") else { return };
        below = items;
    }
    walk(below, rest, field, visit);
}

fn place(node: &mut Value, name: &str, rule: &Rule, expression: &str) {
    let is_duration = node.get("pattern").is_some_and(|pattern| pattern == Interval::FORM.pattern);
    if rule.path.ends_with("**") && !is_duration {
        return;
    }
    let expression = if is_duration && Interval::MAY_BE_NOTHING.contains(&name) {
        expression.replace("duration(self) > ", "duration(self) >= ")
    } else {
        expression.to_owned()
    };
    add(node, json!({"rule": expression, "message": format!("{} [{}]", rule.message, rule.id)}));
}

/// Adds a rule to a node.
pub(super) fn add(node: &mut Value, rule: Value) {
    if let Some(node) = node.as_object_mut() {
        let rules = node.entry("x-kubernetes-validations").or_insert_with(|| Value::Array(Vec::new()));
        if let Some(rules) = rules.as_array_mut() {
            rules.push(rule);
        }
    }
}
