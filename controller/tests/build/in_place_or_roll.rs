//! The table that says what is applied in place and what needs a new pod, held against what is rendered.

use std::path::Path;

use mailward::document::schema;
use mailward_controller::build::build;
use serde_json::{Value, json};

use crate::{document, read};

/// The rows of the table: field and whether a change of it rolls.
fn table() -> Vec<(String, bool)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/in-place-or-roll.md");
    let text = std::fs::read_to_string(path).expect("it is part of the source");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<_> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let rolls = match cells[1] {
                "in place" => false,
                "new pod" => true,
                other => panic!("{other} is neither"),
            };
            (cells[0].trim_matches('`').to_owned(), rolls)
        })
        .collect();
    assert!(rows.len() > 20, "{rows:?}");
    rows
}

/// For a row: where in the golden document, and another value.
fn change(field: &str) -> (&'static str, Value) {
    match field {
        "spec.profile" => ("/spec/profile", json!("DovecotPostfix")),
        "spec.serverRoot" => ("/spec/serverRoot", json!("/elsewhere")),
        "spec.dataRoot" => ("/spec/dataRoot", json!("/elsewhere")),
        "spec.suspend" => ("/spec/suspend", json!(true)),
        "spec.startOrder" => ("/spec/startOrder", json!("Listed")),
        "spec.autorestart" => ("/spec/autorestart", json!({"maxRestarts": 9})),
        "spec.watcher" => ("/spec/watcher", json!({"port": 4_000})),
        "spec.probes" => ("/spec/probes", json!({"failureThreshold": 9})),
        "spec.external" => {
            ("/spec/external", json!([{"name": "ldap", "listeners": [{"port": 389, "protocol": "Tcp"}]}]))
        }
        "spec.canary" => (
            "/spec/canary",
            json!({
                "recipient": "canary@example.org",
                "submit": {"port": 25, "protocol": "Smtp"},
                "read": {"port": 143, "protocol": "Imap", "login": {"user": "canary", "passwordFile": "/etc/canary"}},
            }),
        ),
        "spec.logs" => ("/spec/logs", json!({"keep": 9})),
        "spec.control" => ("/spec/control", json!({"othersMayRead": true})),
        "spec.services" => ("/spec/services/0/command", json!(["/bin/other"])),
        "spec.services[].listeners" => ("/spec/services/0/listeners/0/port", json!(1_143)),
        "spec.services[].stopTimeout" => ("/spec/services/0/stopTimeout", json!("20m")),
        "spec.schedule" => ("/spec/schedule", json!([{"name": "t", "crontab": "0 1 * * *", "command": ["/bin/t"]}])),
        "spec.timeZone" => ("/spec/timeZone", json!("Europe/Zurich")),
        "spec.highAvailability" => ("/spec/highAvailability", json!({"mode": "None"})),
        "spec.workload.image" => ("/spec/workload/image", json!("registry.example/mail:2")),
        "spec.workload.replicas" => ("/spec/workload/replicas", json!(1)),
        "spec.workload.storage" => ("/spec/workload/storage", Value::Null),
        "spec.workload.storage.size" => ("/spec/workload/storage/size", json!("2Gi")),
        "spec.workload.storage.className" => ("/spec/workload/storage/className", json!("slow")),
        "spec.workload.storage.accessMode" => ("/spec/workload/storage/accessMode", json!("ReadWriteOncePod")),
        "spec.workload.storage.retainPolicy" => ("/spec/workload/storage/retainPolicy", json!("Delete")),
        "spec.workload.resources" => ("/spec/workload/resources/limits/memory", json!("1Gi")),
        "spec.workload.mounts" => ("/spec/workload/mounts/0/configMap", json!("other")),
        "spec.workload.networkPolicy" => ("/spec/workload/networkPolicy", json!(false)),
        other => panic!("no change is known for {other}"),
    }
}

/// The document with one field changed; Null takes it away.
fn changed(pointer: &str, value: Value) -> Value {
    let mut document = document();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).expect("its parent is in the golden document");
    if value.is_null() {
        parent.as_object_mut().expect("a map").remove(field);
    } else {
        parent[field] = value;
    }
    document
}

#[test]
fn r25_each_field_is_applied_in_place_or_rolls_as_the_table_says() {
    let hash = |document| build(&read(document).expect("it is valid")).workload_hash;
    let before = hash(document());
    for (field, rolls) in table() {
        let (pointer, value) = change(&field);
        assert_eq!(hash(changed(pointer, value)) != before, rolls, "{field}");
    }
}

#[test]
fn r25_every_field_of_the_spec_is_in_the_table() {
    let table = table();
    let schema = schema();
    let spec = &schema["properties"]["spec"]["properties"];
    let mut missing = Vec::new();
    for field in spec.as_object().expect("fields").keys().filter(|field| *field != "workload") {
        missing.push(format!("spec.{field}"));
    }
    for field in spec["workload"]["properties"].as_object().expect("fields").keys() {
        missing.push(format!("spec.workload.{field}"));
    }
    for field in spec["workload"]["properties"]["storage"]["properties"].as_object().expect("fields").keys() {
        missing.push(format!("spec.workload.storage.{field}"));
    }
    missing.retain(|field| table.iter().all(|(row, _)| row != field));
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn r25_a_newer_agent_or_a_longer_grace_period_replaces_no_pod() {
    let server = read(document()).expect("it is valid");
    let mut newer = server.clone();
    "registry.example/agent:2".clone_into(&mut newer.agent_image);
    newer.grace = 3_600;
    assert_eq!(build(&newer).workload_hash, build(&server).workload_hash);
    assert_ne!(build(&newer).stateful_set.hash, build(&server).stateful_set.hash, "the next pod has them");
}
