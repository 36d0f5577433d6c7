//! Documents that come from an API server.

use serde_json::{Value, json};

use super::super::{Severity, read_resource};
use super::{said, text};

fn object(spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "mailward.dev/v1alpha1",
        "kind": "MessagingServer",
        "metadata": {
            "name": "mail",
            "namespace": "post",
            "uid": "5e0c",
            "resourceVersion": "17",
            "generation": 3,
            "creationTimestamp": "2026-11-26T12:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
        },
        "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
    });
    object["spec"] = spec;
    object
}

fn broken(spec: Value) -> Vec<(&'static str, String)> {
    let read = read_resource(&object(spec), "test");
    read.diagnostics.into_iter().map(|diagnostic| (diagnostic.rule, diagnostic.path)).collect()
}

#[test]
fn r28_an_object_means_what_the_file_of_the_same_words_means() {
    let spec = json!({"profile": "Custom", "services": [{"name": "a", "command": ["/bin/a"], "stopTimeout": "90s"}]});
    let file = super::read(text(&spec.to_string()).as_bytes(), "test");
    let resource = read_resource(&object(spec), "test");
    let spec_of = |read: &super::Read| read.document.as_ref().map(|document| document.server().spec.clone());
    assert!(spec_of(&resource).is_some(), "{}", said(&resource));
    assert_eq!(spec_of(&resource), spec_of(&file));
    assert_eq!(resource.diagnostics, [], "{}", said(&resource));
}

#[test]
fn r28_fields_newer_than_this_program_are_ignored_and_named() {
    let mut newer = object(json!({
        "profile": "Custom",
        "colour": "blue",
        "services": [{"name": "a", "command": ["/bin/a"], "niceness": {"level": 5}}],
    }));
    newer["metadata"]["shard"] = json!(1);
    let read = read_resource(&newer, "test");
    assert!(read.document.is_some(), "{}", said(&read));
    let mut paths: Vec<&str> = read.diagnostics.iter().map(|diagnostic| diagnostic.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["metadata.shard", "spec.colour", "spec.services[a].niceness"]);
    assert!(read.diagnostics.iter().all(|it| it.severity == Severity::Warning && it.rule == "newer-field"));
}

#[test]
fn values_newer_than_this_program_are_refused() {
    let spec = json!({"profile": "Exchange"});
    assert_eq!(broken(spec), [("enum", "spec.profile".to_owned())]);
}

#[test]
fn r28_what_is_wrong_with_an_object_is_told_by_path_and_all_at_once() {
    let spec = json!({
        "profile": "Custom",
        "newer": true,
        "services": [
            {"name": "a", "command": ["/bin/a"], "dependsOn": ["b"]},
            {"name": "all", "command": ["/bin/c"], "required": "yes"},
        ],
    });
    let read = read_resource(&object(spec), "MessagingServer mail");
    assert!(read.document.is_none());
    assert!(read.diagnostics.iter().all(|diagnostic| diagnostic.place.is_none()));
    let words = said(&read);
    for line in [
        "MessagingServer mail: spec.services[all].required: error: ",
        "MessagingServer mail: spec.services[a].dependsOn[0]: error: there is no service `b` [depends-on-known]",
        "MessagingServer mail: spec.services[all].name: error: ",
        "MessagingServer mail: spec.newer: warning: ",
    ] {
        assert!(words.lines().any(|is| is.starts_with(line)), "{line} is not in\n{words}");
    }
}

#[test]
fn text_that_yaml_would_misread_is_only_text_in_an_object() {
    let variable = |value: &str| {
        json!({"profile": "Custom", "services": [
            {"name": "a", "command": ["/bin/a"], "environment": [{"name": "A", "value": value}]},
        ]})
    };
    for value in ["yes", "0143", "null", "1e3", "~"] {
        assert_eq!(broken(variable(value)), [], "{value}");
    }
}

#[test]
fn anything_that_is_no_object_of_ours_is_refused_with_words() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    for odd in [json!(null), json!([]), json!("text"), json!(1.5), json!({}), json!({"kind": "Pod"}), deep] {
        let read = read_resource(&odd, "test");
        assert!(read.document.is_none() && !read.diagnostics.is_empty(), "{odd}");
    }
}

#[test]
fn a_refused_variable_does_not_show_its_value() {
    let spec = json!({"profile": "Custom", "services": [
        {"name": "a", "command": ["/bin/a"], "environment": [{"name": "A", "value": "hunter2\u{0}"}]},
    ]});
    let read = read_resource(&object(spec), "test");
    assert!(read.document.is_none());
    assert!(!said(&read).contains("hunter2"), "{}", said(&read));
}
