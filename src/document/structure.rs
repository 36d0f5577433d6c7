//! Holds the tree against the JSON Schema and reports everything that does not fit, not only the first thing.
//!
//! What fits is handed on as JSON. A field that does not fit is left out and its path remembered, so that the rules
//! about meaning can still be asked about the rest without blaming what is only missing because it was wrong.

use serde_json::{Map, Value};

use super::diagnostic::{Fault, Place};
use super::nearest::nearest;
use super::scalar::{self, Plain};
use super::spec::FORMS;
use super::tree::{Entry, Kind, Node};

/// Most services in a file; a resource holds as many as the schema says.
pub(super) const MAX_SERVICES_IN_A_FILE: u64 = 4_096;

/// What the structural check found.
pub(super) struct Checked {
    /// What fits; nothing when too little does.
    pub(super) value: Option<Value>,
    /// Fields that were left out because they do not fit.
    pub(super) dropped: Vec<String>,
}

/// Checks a whole document.
pub(super) fn check(root: &Node, schema: &Value, faults: &mut Vec<Fault>) -> Checked {
    let mut walk = Walk { root: schema, faults, dropped: Vec::new() };
    if let Some(kind) = walk.foreign_kind(root) {
        walk.faults.push(kind);
        return Checked { value: None, dropped: Vec::new() };
    }
    let value = walk.value(root, schema, "");
    Checked { value, dropped: walk.dropped }
}

struct Walk<'a> {
    root: &'a Value,
    faults: &'a mut Vec<Fault>,
    dropped: Vec<String>,
}

impl Walk<'_> {
    /// Another kind of object has other fields: one sentence says more than a complaint about each of them.
    fn foreign_kind(&self, root: &Node) -> Option<Fault> {
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
            (Kind::Scalar { text, plain }, "string" | "integer" | "boolean" | "integer or string") => {
                self.scalar(node.place, text, *plain, schema, path)
            }
            (Kind::Scalar { text, plain: true }, _) if scalar::read(text) == Plain::Null => {
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
        if let Some(most) = schema.get("maxProperties").and_then(Value::as_u64) {
            if entries.len() as u64 > most {
                let message = format!("{} has {} entries", subject(path), entries.len());
                self.faults.push(
                    Fault::error("too-many", Some(place), message).about(path).expected(format!("at most {most}")),
                );
                return None;
            }
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
                    None => self.dropped.push(below),
                }
            } else if let Some(other) = others {
                if let Some(fault) = key_fault(entry, &below) {
                    self.faults.push(fault);
                } else if let Some(value) = self.value(&entry.value, other, &below) {
                    result.insert(entry.key.clone(), value);
                }
            } else {
                let fault = self.unknown(entry, known, path);
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

    fn unknown(&self, entry: &Entry, known: &Map<String, Value>, path: &str) -> Fault {
        let shown = shorten(&entry.key);
        let fault =
            Fault::error("unknown-field", Some(entry.key_place), format!("`{shown}` is no field of {}", object(path)))
                .about(path);
        if let Some(near) = nearest(&entry.key, known.keys().map(String::as_str)) {
            return fault.expected(format!("`{near}`, perhaps")).cure(format!("write `{near}`"));
        }
        let fields = known.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let fault = fault.expected(format!("one of {fields}"));
        match home_of(self.root, &entry.key, String::new()) {
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
        let values: Vec<Option<Value>> =
            items.iter().enumerate().map(|(at, item)| self.value(item, inner, &format!("{path}[{at}]"))).collect();
        values.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
    }

    fn scalar(&mut self, place: Place, text: &str, plain: bool, schema: &Value, path: &str) -> Option<Value> {
        let wanted = kind_of(schema);
        let read = if plain { scalar::read(text) } else { Plain::Text };
        if plain {
            if let Some(fault) = trap_fault(place, text, wanted, schema, path) {
                self.faults.push(fault);
                return None;
            }
        }
        let fits = match (&read, wanted) {
            (Plain::Null, _) => {
                self.faults.push(nothing(place, path, schema));
                return None;
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
        };
        fits
    }

    fn text(&mut self, place: Place, text: &str, schema: &Value, path: &str) -> bool {
        let shown = shorten(text);
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

/// The type that a schema wants, in one word.
fn kind_of(schema: &Value) -> &str {
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return "integer or string";
    }
    schema.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// What a schema wants, for a person.
fn describe(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        return if let [only] = words.as_slice() { only.clone() } else { format!("one of {}", words.join(", ")) };
    }
    let pattern = schema.get("pattern").and_then(Value::as_str);
    let most = schema.get("maxLength").and_then(Value::as_u64);
    let form = FORMS.iter().find(|form| Some(form.pattern) == pattern && Some(u64::from(form.max)) == most);
    match (kind_of(schema), form) {
        (_, Some(form)) => form.words.to_owned(),
        ("boolean", _) => "`true` or `false`".to_owned(),
        ("integer", _) => match (schema.get("minimum"), schema.get("maximum")) {
            (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
            _ => "a whole number".to_owned(),
        },
        ("array", _) => "a list".to_owned(),
        ("object", _) => "a mapping of fields to values".to_owned(),
        _ => "text".to_owned(),
    }
}

/// What a schema wants, as an example to write.
fn sample(schema: &Value) -> String {
    if let Some(first) =
        schema.get("enum").and_then(Value::as_array).and_then(|values| values.first()).and_then(Value::as_str)
    {
        return first.to_owned();
    }
    match kind_of(schema) {
        "array" => "[...]",
        "object" => "{...}",
        "boolean" => "true",
        _ => "...",
    }
    .to_owned()
}

/// The field that a path ends in, with its parents where they help.
fn subject(path: &str) -> String {
    if path.is_empty() { "the document".to_owned() } else { format!("`{}`", last(path)) }
}

fn object(path: &str) -> String {
    if path.is_empty() { "the document".to_owned() } else { format!("`{path}`") }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn join(path: &str, field: &str) -> String {
    let field = shorten(field);
    if path.is_empty() { field } else { format!("{path}.{field}") }
}

/// A value cut to what fits a sentence.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(57).chain("...".chars()).collect() }
}

fn nothing(place: Place, path: &str, schema: &Value) -> Fault {
    Fault::error("yaml-null", Some(place), format!("{} is nothing (null)", subject(path)))
        .about(path)
        .expected(format!("{}; kubectl would have dropped the field in silence", describe(schema)))
        .cure("write a value, or remove the field")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn trap_fault(place: Place, text: &str, wanted: &str, schema: &Value, path: &str) -> Option<Fault> {
    let trap = scalar::trap(text)?;
    let takes_text = wanted == "string" || wanted == "integer or string";
    let message = format!(
        "`{text}` is {} in YAML 1.1 and {} in YAML 1.2; kubectl would have read {}",
        trap.old, trap.new, trap.kubectl
    );
    let fault = Fault::error("yaml-versions", Some(place), message).about(path).expected(describe(schema));
    Some(
        match trap
            .meant
            .filter(|meant| !takes_text && matches!(scalar::read(meant), Plain::Bool(_)) == (wanted == "boolean"))
        {
            Some(meant) => fault.cure(format!("write `{meant}`")),
            None if takes_text => fault.cure(format!("put it in quotes: {}", quoted(text))),
            None => fault,
        },
    )
}

fn key_fault(entry: &Entry, path: &str) -> Option<Fault> {
    let odd = entry.key_plain && (scalar::trap(&entry.key).is_some() || scalar::read(&entry.key) != Plain::Text);
    odd.then(|| {
        Fault::error(
            "yaml-versions",
            Some(entry.key_place),
            format!("the key `{}` is not text to every reader of YAML", shorten(&entry.key)),
        )
        .about(path)
        .expected("text")
        .cure(format!("put it in quotes: {}", quoted(&shorten(&entry.key))))
    })
}

fn wrong_type(place: Place, text: &str, plain: bool, read: &Plain, schema: &Value, path: &str) -> Fault {
    let wanted = kind_of(schema);
    let shown = shorten(text);
    let what = match read {
        Plain::Null => "nothing".to_owned(),
        Plain::Bool(value) => format!("the switch value {value}"),
        Plain::Integer(number) => format!("the whole number {number}"),
        Plain::Number => format!("the number {shown}"),
        Plain::Text if plain => format!("the text \"{shown}\""),
        Plain::Text => format!("the text \"{shown}\", because of its quotes"),
    };
    let mut message = format!("{} is {what}", subject(path));
    let whole = text.split_once('.').filter(|(_, fraction)| fraction.chars().all(|c| c == '0')).map(|(whole, _)| whole);
    let cure = match (wanted, read, whole) {
        ("integer", Plain::Number, Some(whole)) if matches!(scalar::read(whole), Plain::Integer(_)) => {
            message = format!("{}; kubectl would have read {whole}", message);
            Some(format!("write `{whole}`"))
        }
        ("integer", Plain::Text, _) if matches!(scalar::read(text), Plain::Integer(_)) => {
            Some(format!("write `{text}`, without quotes"))
        }
        ("boolean", Plain::Text, _) if matches!(scalar::read(text), Plain::Bool(_)) => {
            Some(format!("write `{text}`, without quotes"))
        }
        ("string", Plain::Integer(number), _)
            if schema.get("pattern").and_then(Value::as_str) == Some(super::spec::Interval::FORM.pattern) =>
        {
            Some(format!("say the unit: `{number}s`"))
        }
        ("string" | "integer or string", Plain::Bool(_) | Plain::Integer(_) | Plain::Number, _)
            if schema.get("enum").is_none() =>
        {
            Some(format!("put it in quotes: {}", quoted(text)))
        }
        _ => None,
    };
    let fault = Fault::error("type", Some(place), message).about(path).expected(describe(schema));
    match cure {
        Some(cure) => fault.cure(cure),
        None => fault,
    }
}

/// What to write when a list, a mapping or a single value stands in another's place.
fn cure_for_shape(found: &Kind, wanted: &str, field: &str) -> Option<String> {
    match (found, wanted) {
        (Kind::Scalar { text, .. }, "array") if text.len() <= 200 => {
            let items: Vec<String> = text
                .split_whitespace()
                .map(|word| {
                    if word.contains([',', '[', ']', '{', '}', '#', '"', '\'', ':']) {
                        quoted(word)
                    } else {
                        word.to_owned()
                    }
                })
                .collect();
            Some(format!("write `{field}: [{}]`", items.join(", ")))
        }
        (Kind::Map(entries), "array") => {
            let first = entries.first().map_or("...", |entry| entry.key.as_str());
            Some(format!("write a list of items: `- name: {}`", shorten(first)))
        }
        (Kind::List(_), "object") => Some("write the fields without the dashes".to_owned()),
        _ => None,
    }
}

/// The same value in the form that is expected, where that is obvious.
fn better(text: &str, words: &str) -> Option<String> {
    if words == super::spec::ServiceName::FORM.words || words == super::spec::ObjectName::FORM.words {
        let separator = if words == super::spec::ObjectName::FORM.words { '-' } else { '_' };
        let name: String = text
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == separator { c } else { separator })
            .collect();
        let form = if separator == '-' { super::spec::ObjectName::FORM } else { super::spec::ServiceName::FORM };
        return (form.holds)(&name).then_some(name);
    }
    if words == super::spec::Interval::FORM.words {
        let lower = text.replace(' ', "").to_ascii_lowercase();
        let (digits, unit) = lower.split_at(lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len()));
        let unit = match unit {
            "" | "sec" | "secs" | "second" | "seconds" => "s",
            "min" | "mins" | "minute" | "minutes" => "m",
            "hr" | "hrs" | "hour" | "hours" => "h",
            "msec" | "millis" | "milliseconds" => "ms",
            _ => return None,
        };
        return (!digits.is_empty() && digits.len() <= 9).then(|| format!("{digits}{unit}"));
    }
    if words == super::spec::Size::FORM.words {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
            "k" | "kb" | "kib" => "Ki",
            "m" | "mb" | "mib" => "Mi",
            "g" | "gb" | "gib" => "Gi",
            "t" | "tb" | "tib" => "Ti",
            _ => return None,
        };
        return (digits > 0).then(|| format!("{}{unit}", &text[..digits]));
    }
    None
}

/// Where in the document a field of this name lives, if it does anywhere.
fn home_of(schema: &Value, field: &str, path: String) -> Option<String> {
    if let Some(items) = schema.get("items") {
        return home_of(items, field, format!("{path}[]"));
    }
    let properties = schema.get("properties")?.as_object()?;
    if properties.contains_key(field) && !path.starts_with("metadata") && !path.starts_with("status") {
        return Some(path);
    }
    properties.iter().find_map(|(name, below)| home_of(below, field, join(&path, name)))
}

/// What nobody checks, as JSON.
pub(super) fn as_written(node: &Node) -> Value {
    match &node.kind {
        Kind::List(items) => items.iter().map(as_written).collect(),
        Kind::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), as_written(&entry.value))).collect(),
        Kind::Scalar { text, plain } => match if *plain { scalar::read(text) } else { Plain::Text } {
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
        match item {
            Some(item) => {
                let name = item.get("name").and_then(|name| match &name.kind {
                    Kind::Scalar { text, .. } => Some(shorten(text)),
                    Kind::List(_) | Kind::Map(_) => None,
                });
                named.push_str(&format!("[{}]", name.as_deref().unwrap_or(index)));
                node = item;
            }
            None => {
                named.push_str(&format!("[{index}]"));
                lost = true;
            }
        }
    }
    (node.place, named)
}
