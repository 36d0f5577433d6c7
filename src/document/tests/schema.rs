//! The schema and the forms.

use regex::Regex;
use serde_json::Value;

use super::super::rules::rules;
use super::super::schema;
use super::super::spec::{FORMS, Interval, MessagingServer, Size};
use super::good;

/// Every node of the schema with its path.
fn nodes(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    found.push((path.to_owned(), schema.clone()));
    for (name, below) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        nodes(below, &format!("{path}.{name}"), found);
    }
    if let Some(items) = schema.get("items") {
        nodes(items, &format!("{path}[]"), found);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        nodes(values, &format!("{path}[]"), found);
    }
}

fn all() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    nodes(&schema(), "", &mut found);
    found
}

#[test]
fn everything_in_the_schema_is_bounded_described_and_closed() {
    for (path, node) in all() {
        if node.get("x-kubernetes-preserve-unknown-fields").is_some() {
            continue;
        }
        let has = |key: &str| node.get(key).is_some();
        match node.get("type").and_then(Value::as_str) {
            Some("string") => assert!(has("enum") || has("maxLength"), "{path} has no longest length"),
            Some("integer") => assert!(has("minimum") && has("maximum"), "{path} has no bounds"),
            Some("array") => assert!(has("maxItems") && has("items"), "{path} has no most items"),
            Some("object") => assert!(has("additionalProperties"), "{path} is open"),
            Some("boolean") => {}
            None => assert!(has("x-kubernetes-int-or-string"), "{path} has no type"),
            Some(other) => panic!("{path} has the type {other}"),
        }
        assert!(!has("default"), "{path} has a default: profiles supply those");
        assert!(!has("$ref"), "{path} is a reference");
        let is_item = path.ends_with(']') || path.is_empty();
        assert!(is_item || has("description"), "{path} has no description");
    }
}

#[test]
fn the_schema_names_fields_and_values_as_kubernetes_does() {
    for (path, node) in all() {
        for name in node.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name) {
            assert!(name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.contains(['_', '-']), "{path}.{name}");
        }
        for value in node.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            assert!(value.starts_with(|c: char| c.is_ascii_uppercase()) || path == ".apiVersion", "{path}: {value}");
        }
    }
}

#[test]
fn the_schema_leaves_room_for_a_crd_under_two_hundred_kilobytes() {
    assert!(schema().to_string().len() < 60_000);
}

#[test]
fn every_pattern_of_the_schema_has_words_and_a_test_in_rust() {
    for (path, node) in all() {
        let Some(pattern) = node.get("pattern").and_then(Value::as_str) else { continue };
        let most = node.get("maxLength").and_then(Value::as_u64);
        let form = FORMS.iter().find(|form| form.pattern == pattern && Some(u64::from(form.max)) == most);
        assert!(form.is_some(), "{path}: {pattern}");
    }
}

#[test]
fn the_test_in_rust_and_the_pattern_agree_on_every_word() {
    let pieces = [
        "",
        "a",
        "A",
        "z9",
        "0",
        "12",
        "imap",
        "job_controller",
        "-",
        "_",
        ".",
        "/",
        ":",
        " ",
        "\t",
        "\n",
        "\0",
        "\u{7f}",
        "é",
        "1s",
        "1m30s",
        "30s1m",
        "500ms",
        "10m",
        "1h",
        "1h1h",
        "s",
        "1",
        "999999999h",
        "1000000000h",
        "10Mi",
        "10MB",
        "1.5",
        "1.5Gi",
        "1.",
        ".5",
        "500m",
        "@",
        "%",
        "+",
        "$",
        "=",
        "*",
        "0 23 * * *",
        "* * * *",
        " * * * * *",
        "* * * * * ",
        "a/b/c",
        "a/b/c/d",
        "Europe/Berlin",
        "Etc/GMT+1",
        "/",
        "/var",
        "//",
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00.5+01:00",
        "2026-11-23T12:00:00.Z",
        "2026-11-23 12:00:00Z",
        "2026-11-23T12:00:00",
        "::1",
        "[::1]",
        "127.0.0.1",
        "fe80::1%eth0",
        "registry.example/mail:1.2",
        "sha256:00",
        "UTC",
        "1Ti1",
        "Ki",
        "1Ki",
        "00",
        "1e3",
    ];
    let mut words: Vec<String> = pieces.iter().map(ToString::to_string).collect();
    for first in pieces {
        for second in pieces {
            words.push(format!("{first}{second}"));
        }
    }
    words.extend([63, 64, 65].map(|length| "a".repeat(length)));
    for form in FORMS {
        let pattern = Regex::new(form.pattern).unwrap();
        for word in &words {
            assert_eq!(pattern.is_match(word), (form.holds)(word), "{} and {word:?}", form.pattern);
        }
    }
}

#[test]
fn durations_and_sizes_come_back_as_they_mean() {
    for (text, milliseconds, back) in [
        ("0s", 0, "0s"),
        ("500ms", 500, "500ms"),
        ("90s", 90_000, "1m30s"),
        ("1h30m", 5_400_000, "1h30m"),
        ("600s", 600_000, "10m"),
        ("24h", 86_400_000, "24h"),
    ] {
        let interval: Interval = serde_json::from_value(Value::from(text)).unwrap();
        assert_eq!(interval.0.as_millis(), milliseconds);
        assert_eq!(interval.to_string(), back);
    }
    for (value, bytes, back) in [
        (Value::from("10Mi"), 10_485_760, "10Mi"),
        (Value::from(0), 0, "0"),
        (Value::from("1536"), 1_536, "1536"),
        (Value::from(1024), 1_024, "1Ki"),
        (Value::from("999999999999999Ti"), u64::MAX, "18446744073709551615"),
    ] {
        let size: Size = serde_json::from_value(value).unwrap();
        assert_eq!((size.0, size.to_string().as_str()), (bytes, back));
    }
}

#[test]
fn what_is_written_out_is_read_back_as_the_same() {
    let server = good(
        "profile: Custom\nautorestart: {timeout: 90s}\nlogs: {rotateSize: 1024}\nservices:\n- name: a\n  command: [/bin/a, \"\"]\n  \
         limits: {coreSize: 0}\n  listeners: [{port: 25, protocol: Smtp, tls: StartTls}]\n  stopSignal: USR1",
    )
    .server()
    .clone();
    let json = serde_json::to_string(&server).unwrap();
    assert_eq!(serde_json::from_str::<MessagingServer>(&json).unwrap(), server);
    let again = super::read(json.as_bytes(), "test");
    assert_eq!(again.document.map(|document| document.server().clone()), Some(server), "{json}");
}

#[test]
fn every_rule_has_a_name_of_its_own_and_words() {
    let mut names: Vec<&str> = rules().filter(|rule| rule.id != "later").map(|rule| rule.id).collect();
    assert!(rules().all(|rule| !rule.message.is_empty() && rule.path.starts_with("spec")));
    let number = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), number);
}
