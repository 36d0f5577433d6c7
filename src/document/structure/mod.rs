//! Holds the tree against the JSON Schema and reports everything that does not fit, not only the first thing.
//!
//! What fits is handed on as JSON. A field that does not fit is left out and its path remembered, so that the rules
//! about meaning can still be asked about the rest without blaming what is only missing because it was wrong.

mod words;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::diagnostic::{Fault, MAX_SHOWN, Place, Severity};
use super::nearest::nearest;
use super::scalar::{self, Plain};
use super::spec::FORMS;
use super::tree::{Entry, Kind, Node};
use words::{
    better, cure_for_shape, describe, home_of, is_secret, join, key_fault, kind_of, last, nothing, object, sample,
    shorten, subject, trap_fault, wrong_type,
};

/// The rule of a warning about a field that an API server knows and this program does not.
pub const NEWER_FIELD: &str = "newer-field";
/// Most services in a file; a resource holds as many as the schema says.
pub(super) const MAX_SERVICES_IN_A_FILE: u64 = 4_096;

/// What becomes of a field that this program does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newer {
    /// It is an error: in a file it is a slip of the pen.
    Refused,
    /// It is left out and named in a warning: the API server took it, so its schema is newer than this program.
    Ignored,
}

/// What the structural check found.
pub(super) struct Checked {
    /// What fits; nothing when too little does.
    pub(super) value: Option<Value>,
    /// Fields that were left out because they do not fit.
    pub(super) dropped: HashSet<String>,
    /// For lists of which items were left out: where each remaining one stood.
    pub(super) kept: HashMap<String, Vec<usize>>,
}

impl Checked {
    /// Whether a field, or what it is in, was left out.
    pub(super) fn was_dropped(&self, path: &str) -> bool {
        let ends = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]);
        ends.into_iter().any(|end| self.dropped.contains(&path[..end]))
    }

    /// Whether a field right in this object was left out.
    pub(super) fn lost_a_field(&self, path: &str) -> bool {
        self.dropped.iter().any(|dropped| dropped.rsplit_once('.').is_some_and(|(object, _)| object == path))
    }

    /// A path into the JSON as a path into the tree.
    pub(super) fn original(&self, path: &str) -> String {
        let mut original = String::with_capacity(path.len());
        for (at, piece) in path.split('[').enumerate() {
            if at == 0 {
                original.push_str(piece);
                continue;
            }
            let (index, rest) = piece.split_once(']').unwrap_or((piece, ""));
            let stood =
                self.kept.get(&original).zip(index.parse().ok()).and_then(|(kept, at): (_, usize)| kept.get(at));
            let index = stood.map_or_else(|| index.to_owned(), ToString::to_string);
            original.extend(["[", &index, "]", rest]);
        }
        original
    }
}

/// Checks a whole document.
pub(super) fn check(root: &Node, schema: &Value, newer: Newer, faults: &mut Vec<Fault>) -> Checked {
    let mut walk = Walk { root: schema, newer, faults, dropped: HashSet::new(), kept: HashMap::new() };
    if let Some(kind) = Walk::foreign_kind(root) {
        walk.faults.push(kind);
        return Checked { value: None, dropped: HashSet::new(), kept: HashMap::new() };
    }
    let value = walk.value(root, schema, "");
    Checked { value, dropped: walk.dropped, kept: walk.kept }
}

struct Walk<'a> {
    root: &'a Value,
    newer: Newer,
    faults: &'a mut Vec<Fault>,
    dropped: HashSet<String>,
    kept: HashMap<String, Vec<usize>>,
}

impl Walk<'_> {
    /// Another kind of object has other fields: one sentence says more than a complaint about each of them.
    fn foreign_kind(root: &Node) -> Option<Fault> {
        let kind = root.get("kind")?;
        let Kind::Scalar { text, .. } = &kind.kind else { return None };
        nearest(text, ["MessagingServer"]).is_none().then(|| {
            Fault::error("enum", Some(kind.place), format!("this is a `{text}`"))
                .about("kind")
                .expected("`MessagingServer`")
                .cure("give this file to the tool that it is for")
        })
    }

    fn value(&mut self, node: &Node, schema: &Value, path: &str) -> Option<Value> {
        if schema.get("x-kubernetes-preserve-unknown-fields").is_some() {
            return Some(as_written(node));
        }
        match (&node.kind, kind_of(schema)) {
            (Kind::Map(entries), "object") => self.mapping(node.place, entries, schema, path),
            (Kind::List(items), "array") => self.list(node.place, items, schema, path),
            (Kind::Scalar { text, plain, .. }, "string" | "integer" | "boolean" | "integer or string") => {
                self.scalar(node.place, text, *plain, schema, path)
            }
            (Kind::Scalar { text, plain: true, .. }, _) if scalar::read(text) == Plain::Null => {
                self.faults.push(nothing(node.place, path, schema));
                None
            }
            (found, wanted) => {
                let what = match found {
                    Kind::Map(_) => "a mapping",
                    Kind::List(_) => "a list",
                    Kind::Scalar { .. } => "a single value",
                };
                let mut fault = Fault::error("type", Some(node.place), format!("{} is {what}", subject(path)))
                    .about(path)
                    .expected(describe(schema));
                if let Some(cure) = cure_for_shape(found, wanted, last(path)) {
                    fault = fault.cure(cure);
                }
                self.faults.push(fault);
                None
            }
        }
    }

    fn mapping(&mut self, place: Place, entries: &[Entry], schema: &Value, path: &str) -> Option<Value> {
        let none = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let others = schema.get("additionalProperties").filter(|other| other.is_object());
        let mut result = Map::new();
        let mut whole = true;
        if let Some(most) = schema.get("maxProperties").and_then(Value::as_u64)
            && entries.len() as u64 > most
        {
            let message = format!("{} has {} entries", subject(path), entries.len());
            self.faults
                .push(Fault::error("too-many", Some(place), message).about(path).expected(format!("at most {most}")));
            return None;
        }
        for entry in entries {
            if entry.key_plain && entry.key == "<<" {
                self.faults.push(
                    Fault::error(
                        "yaml-merge",
                        Some(entry.key_place),
                        "YAML 1.1 merges another mapping here; YAML 1.2 reads a field named `<<`",
                    )
                    .about(path)
                    .expected("no merge keys: kubectl would have merged")
                    .cure("write the fields out, or use an alias for a whole value"),
                );
                continue;
            }
            let below = join(path, &entry.key);
            if let Some(field) = known.get(&entry.key) {
                match self.value(&entry.value, field, &below) {
                    Some(value) => {
                        result.insert(entry.key.clone(), value);
                    }
                    None => {
                        self.dropped.insert(below);
                    }
                }
            } else if let Some(other) = others {
                if let Some(fault) = key_fault(entry, &below) {
                    self.faults.push(fault);
                } else if let Some(value) = self.value(&entry.value, other, &below) {
                    result.insert(entry.key.clone(), value);
                }
            } else {
                let fault = match self.newer {
                    Newer::Refused => self.unknown(entry, schema, known, path),
                    Newer::Ignored => newer_than_this(entry, path),
                };
                self.faults.push(fault);
            }
        }
        for field in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !entries.iter().any(|entry| entry.key == field) {
                let wanted = known.get(field).unwrap_or(&Value::Null);
                self.faults.push(
                    Fault::error("missing-field", Some(place), format!("{} has no `{field}`", subject(path)))
                        .about(path)
                        .expected(format!("`{field}`: {}", describe(wanted)))
                        .cure(format!("add `{field}: {}`", sample(wanted))),
                );
            }
            whole &= result.contains_key(field);
        }
        whole.then_some(Value::Object(result))
    }

    fn unknown(&self, entry: &Entry, schema: &Value, known: &Map<String, Value>, path: &str) -> Fault {
        let shown = shorten(&entry.key);
        let fault =
            Fault::error("unknown-field", Some(entry.key_place), format!("`{shown}` is no field of {}", object(path)))
                .about(path);
        // Nobody reads so many suggestions, and a hostile text has a hundred thousand such fields.
        if self.faults.len() > MAX_SHOWN {
            return fault;
        }
        if let Some(near) = nearest(&entry.key, known.keys().map(String::as_str)) {
            return fault.expected(format!("`{near}`, perhaps")).cure(format!("write `{near}`"));
        }
        let fields = known.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let fault = fault.expected(format!("one of {fields}"));
        let home =
            home_of(schema, &entry.key, path.to_owned()).or_else(|| home_of(self.root, &entry.key, String::new()));
        match home {
            Some(home) => fault.cure(format!("`{shown}` belongs to {}", object(&home))),
            None => fault.cure("remove it"),
        }
    }

    fn list(&mut self, place: Place, items: &[Node], schema: &Value, path: &str) -> Option<Value> {
        let mut most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        if path == "spec.services" {
            most = MAX_SERVICES_IN_A_FILE;
        }
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let length = items.len() as u64;
        if length > most || length < least {
            let (rule, wanted) = if length > most {
                ("too-many", format!("at most {most}"))
            } else {
                ("too-few", format!("at least {least}"))
            };
            let message = format!("{} has {length} {}", subject(path), if length == 1 { "item" } else { "items" });
            self.faults.push(Fault::error(rule, Some(place), message).about(path).expected(wanted));
            return None;
        }
        let inner = schema.get("items").unwrap_or(&Value::Null);
        let mut values = Vec::with_capacity(items.len());
        let mut kept = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let below = format!("{path}[{at}]");
            match self.value(item, inner, &below) {
                Some(value) => {
                    values.push(value);
                    kept.push(at);
                }
                None => {
                    self.dropped.insert(below);
                }
            }
        }
        if kept.len() < items.len() {
            self.kept.insert(path.to_owned(), kept);
        }
        Some(Value::Array(values))
    }

    fn scalar(&mut self, place: Place, text: &str, plain: bool, schema: &Value, path: &str) -> Option<Value> {
        let wanted = kind_of(schema);
        let read = if plain { scalar::read(text) } else { Plain::Text };
        if let Some(fault) = trap_fault(place, text, wanted, schema, path).filter(|_| plain) {
            self.faults.push(fault);
            return None;
        }
        match (&read, wanted) {
            (Plain::Null, _) => {
                self.faults.push(nothing(place, path, schema));
                None
            }
            (Plain::Text, "string" | "integer or string") => {
                self.text(place, text, schema, path).then(|| Value::from(text))
            }
            (Plain::Integer(number), "integer" | "integer or string") => {
                self.number(place, *number, schema, path).then(|| Value::from(*number))
            }
            (Plain::Bool(value), "boolean") => Some(Value::from(*value)),
            _ => {
                self.faults.push(wrong_type(place, text, plain, &read, schema, path));
                None
            }
        }
    }

    fn text(&mut self, place: Place, text: &str, schema: &Value, path: &str) -> bool {
        let shown = if is_secret(path) { "(not shown)".to_owned() } else { shorten(text) };
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            if values.iter().any(|value| value == text) {
                return true;
            }
            let fault = Fault::error("enum", Some(place), format!("{} cannot be `{shown}`", subject(path)))
                .about(path)
                .expected(describe(schema));
            self.faults.push(match nearest(text, values.iter().filter_map(Value::as_str)) {
                Some(near) => fault.cure(format!("write `{near}`")),
                None => fault,
            });
            return false;
        }
        let length = text.chars().count() as u64;
        let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        let form = schema
            .get("pattern")
            .and_then(Value::as_str)
            .and_then(|pattern| FORMS.iter().find(|form| form.pattern == pattern && u64::from(form.max) == most));
        if length > most {
            let message = format!("{} is {length} characters long", subject(path));
            self.faults.push(
                Fault::error("too-long", Some(place), message)
                    .about(path)
                    .expected(format!("at most {most} characters")),
            );
            return false;
        }
        if length < least || form.is_some_and(|form| !(form.holds)(text)) {
            let fault = Fault::error("pattern", Some(place), format!("{} cannot be \"{shown}\"", subject(path)))
                .about(path)
                .expected(describe(schema));
            self.faults.push(match better(text, form.map_or("", |form| form.words)) {
                Some(better) => fault.cure(format!("write `{better}`")),
                None => fault,
            });
            return false;
        }
        true
    }

    fn number(&mut self, place: Place, number: i64, schema: &Value, path: &str) -> bool {
        let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN);
        let most = schema.get("maximum").and_then(Value::as_i64).unwrap_or(i64::MAX);
        if (least..=most).contains(&number) {
            return true;
        }
        self.faults.push(
            Fault::error("range", Some(place), format!("{} cannot be {number}", subject(path)))
                .about(path)
                .expected(describe(schema)),
        );
        false
    }
}

/// Said of a field of an object that the API server took and this program does not know.
fn newer_than_this(entry: &Entry, path: &str) -> Fault {
    let message = format!("`{}` is no field that this program knows; it is ignored", shorten(&entry.key));
    let mut fault = Fault::error(NEWER_FIELD, Some(entry.key_place), message)
        .about(&join(path, &entry.key))
        .cure("upgrade the agent if the field shall have effect");
    fault.severity = Severity::Warning;
    fault
}

/// What nobody checks, as JSON.
pub(super) fn as_written(node: &Node) -> Value {
    match &node.kind {
        Kind::List(items) => items.iter().map(as_written).collect(),
        Kind::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), as_written(&entry.value))).collect(),
        Kind::Scalar { text, plain, .. } => match if *plain { scalar::read(text) } else { Plain::Text } {
            Plain::Null => Value::Null,
            Plain::Bool(value) => Value::from(value),
            Plain::Integer(number) => Value::from(number),
            Plain::Number | Plain::Text => Value::from(text.as_str()),
        },
    }
}

/// The place of a path, or of what is nearest to it, and the path with items called by name.
pub(super) fn locate(root: &Node, path: &str) -> (Place, String) {
    let mut node = root;
    let mut named = String::new();
    let mut lost = false;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let (field, indices) = step.split_once('[').map_or((step, None), |(field, rest)| (field, Some(rest)));
        if !named.is_empty() {
            named.push('.');
        }
        named.push_str(field);
        if !lost {
            match node.get(field) {
                Some(below) => node = below,
                None => lost = true,
            }
        }
        let Some(index) = indices.map(|rest| rest.trim_end_matches(']')) else { continue };
        let item = match &node.kind {
            Kind::List(items) if !lost => index.parse::<usize>().ok().and_then(|at| items.get(at)),
            Kind::List(_) | Kind::Map(_) | Kind::Scalar { .. } => None,
        };
        let name = item.and_then(|item| item.get("name")).and_then(|name| match &name.kind {
            Kind::Scalar { text, .. } => Some(shorten(text)),
            Kind::List(_) | Kind::Map(_) => None,
        });
        named.extend(["[", name.as_deref().unwrap_or(index), "]"]);
        lost = item.is_none();
        node = item.unwrap_or(node);
    }
    (node.place, named)
}
