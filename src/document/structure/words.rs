//! What does not fit, in words: what it is, what was expected, what to write.

use serde_json::Value;

use crate::document::diagnostic::{Fault, Place};
use crate::document::scalar::{self, Plain};
use crate::document::spec::{self, FORMS};
use crate::document::tree::{Entry, Kind};

/// The type that a schema wants, in one word.
pub(super) fn kind_of(schema: &Value) -> &str {
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return "integer or string";
    }
    schema.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// What a schema wants, for a person.
pub(super) fn describe(schema: &Value) -> String {
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
pub(super) fn sample(schema: &Value) -> String {
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
pub(super) fn subject(path: &str) -> String {
    if path.is_empty() { "the document".to_owned() } else { format!("`{}`", last(path)) }
}

pub(super) fn object(path: &str) -> String {
    if path.is_empty() {
        return "the document".to_owned();
    }
    let steps: Vec<String> = path
        .split('.')
        .map(|step| step.split_once('[').map_or_else(|| step.to_owned(), |(field, _)| format!("{field}[]")))
        .collect();
    format!("`{}`", steps.join("."))
}

pub(super) fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

pub(super) fn join(path: &str, field: &str) -> String {
    let field = shorten(field);
    if path.is_empty() { field } else { format!("{path}.{field}") }
}

/// A value cut to what fits a sentence.
pub(super) fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(57).chain("...".chars()).collect() }
}

pub(super) fn nothing(place: Place, path: &str, schema: &Value) -> Fault {
    Fault::error("yaml-null", Some(place), format!("{} is nothing (null)", subject(path)))
        .about(path)
        .expected(format!("{}; kubectl would have dropped the field in silence", describe(schema)))
        .cure("write a value, or remove the field")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn trap_fault(place: Place, text: &str, wanted: &str, schema: &Value, path: &str) -> Option<Fault> {
    let trap = scalar::trap(text)?;
    if is_secret(path) {
        let message = format!("YAML 1.1 and 1.2 read {} differently", subject(path));
        let fault = Fault::error("yaml-versions", Some(place), message).about(path);
        return Some(fault.expected(describe(schema)).cure("put it in quotes"));
    }
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

pub(super) fn key_fault(entry: &Entry, path: &str) -> Option<Fault> {
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

/// Whether a value may be a password, which no message repeats.
pub(super) fn is_secret(path: &str) -> bool {
    path.contains(".environment[") && last(path) == "value"
}

pub(super) fn wrong_type(place: Place, text: &str, plain: bool, read: &Plain, schema: &Value, path: &str) -> Fault {
    if is_secret(path) {
        return Fault::error("type", Some(place), format!("{} is not text to a reader of YAML", subject(path)))
            .about(path)
            .expected(describe(schema))
            .cure("put it in quotes");
    }
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
            message = format!("{message}; kubectl would have read {whole}");
            Some(format!("write `{whole}`"))
        }
        ("integer", Plain::Text, _) if matches!(scalar::read(text), Plain::Integer(_)) => {
            Some(format!("write `{text}`, without quotes"))
        }
        ("boolean", Plain::Text, _) if matches!(scalar::read(text), Plain::Bool(_)) => {
            Some(format!("write `{text}`, without quotes"))
        }
        ("string", Plain::Integer(number), _)
            if schema.get("pattern").and_then(Value::as_str) == Some(spec::Interval::FORM.pattern) =>
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
pub(super) fn cure_for_shape(found: &Kind, wanted: &str, field: &str) -> Option<String> {
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
pub(super) fn better(text: &str, words: &str) -> Option<String> {
    if words == spec::ServiceName::FORM.words || words == spec::ObjectName::FORM.words {
        let separator = if words == spec::ObjectName::FORM.words { '-' } else { '_' };
        let name: String = text
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == separator { c } else { separator })
            .collect();
        let form = if separator == '-' { spec::ObjectName::FORM } else { spec::ServiceName::FORM };
        return (form.holds)(&name).then_some(name);
    }
    if words == spec::Interval::FORM.words {
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
    if words == spec::Size::FORM.words {
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
pub(super) fn home_of(schema: &Value, field: &str, path: String) -> Option<String> {
    if let Some(items) = schema.get("items") {
        return home_of(items, field, format!("{path}[]"));
    }
    let properties = schema.get("properties")?.as_object()?;
    if properties.contains_key(field) && !path.starts_with("metadata") && !path.starts_with("status") {
        return Some(path);
    }
    properties.iter().find_map(|(name, below)| home_of(below, field, join(&path, name)))
}
