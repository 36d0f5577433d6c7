//! No field is decoration: each leaf of the schema changes what is wanted or how the agent works, or says that a later
//! release will.

use serde_json::{Value, json};

use super::super::rules::LATER;
use super::super::{Document, MessagingServer, resolve, schema, settings};

/// Every leaf of the schema as a path.
fn leaves(schema: &Value, path: &str, found: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        for (name, field) in fields {
            leaves(field, &below(name), found);
        }
    } else if let Some(items) = schema.get("items").filter(|items| items.get("properties").is_some()) {
        leaves(items, &format!("{path}[]"), found);
    } else {
        found.push(path.to_owned());
    }
}

/// A document in which every leaf can be changed with effect.
fn base() -> Value {
    json!({
        "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {"name": "mail"},
        "spec": {
            "profile": "Custom",
            "autorestart": {"onGiveUp": "RetryAfter"},
            "probes": {"disks": [{"path": "/a", "freeWarning": "10%"}],
                       "queues": [{"name": "q", "kind": "Postfix", "path": "/q", "maxMessages": 5}]},
            "schedule": [{"name": "task", "crontab": "0 1 1 * 1", "command": ["bin/task"],
                "environment": [{"name": "A", "value": "b"}]}],
            "canary": {"recipient": "canary@example.org",
                "submit": {"port": 1, "protocol": "Tcp", "login": {"user": "a", "passwordFile": "/etc/secret"}},
                "deliver": {"port": 1, "protocol": "Tcp", "login": {"user": "a", "passwordFile": "/etc/secret"}},
                "read": {"port": 1, "protocol": "Tcp", "login": {"user": "a", "passwordFile": "/etc/secret"}}},
            "external": [{"name": "ldap", "listeners": [{"address": "127.0.0.1", "port": 1, "protocol": "Tcp",
                          "login": {"user": "probe", "passwordFile": "/etc/secret"}}]}],
            "services": [
                {"name": "first", "command": ["bin/first"]},
                {"name": "other", "command": ["bin/other"], "group": "g", "pidFile": "a", "onHang": {"action": "RestartService", "service": "first"}, "environment": [{"name": "A", "value": "b"}],
                 "listeners": [{"address": "127.0.0.1", "port": 1, "protocol": "Tcp",
                                "login": {"user": "probe", "passwordFile": "/etc/secret"}}],
                 "readiness": {"type": "Command", "command": ["/bin/true"]},
                 "reload": {"command": ["/bin/reload"]}, "check": {"command": ["/bin/check"]}}
            ]
        }
    })
}

/// The document that a leaf is changed in: a manager is read only where one owns the host.
fn base_for(leaf: &str) -> Value {
    let mut document = base();
    if leaf.starts_with("spec.highAvailability.manager.") {
        document["spec"]["highAvailability"] = json!({"mode": "Manager", "manager": {"type": "VeritasCluster"}});
    }
    document
}

/// For a leaf: where in the base document, and another value.
fn change(leaf: &str) -> Option<Value> {
    Some(match leaf {
        "metadata.name" => json!("other"),
        "spec.profile" => json!("Oracle"),
        "spec.serverRoot" | "spec.dataRoot" | "spec.services[].workingDirectory" => json!("/elsewhere"),
        "spec.suspend" | "spec.services[].hold" | "spec.control.othersMayRead" => json!(true),
        "spec.startOrder" => json!("Listed"),
        "spec.autorestart.enabled"
        | "spec.watcher.enabled"
        | "spec.services[].enabled"
        | "spec.services[].required"
        | "spec.services[].listeners[].enabled" => json!(false),
        "spec.autorestart.timeout" | "spec.autorestart.retryAfter" => json!("1h"),
        "spec.autorestart.maxRestarts" | "spec.logs.keep" => json!(7),
        "spec.autorestart.onGiveUp" => json!("Stay"),
        "spec.logs.rotateSize" => json!("1Mi"),
        "spec.logs.output" | "spec.services[].output" => json!("Journal"),
        "spec.watcher.port" => json!(4),
        "spec.highAvailability.mode" => json!("Manager"),
        "spec.highAvailability.manager.type" => json!("Pacemaker"),
        "spec.highAvailability.manager.version"
        | "spec.highAvailability.manager.resource"
        | "spec.highAvailability.manager.group"
        | "spec.highAvailability.manager.system" => json!("4.1"),
        "spec.services[].name" => json!("renamed"),
        "spec.services[].command"
        | "spec.services[].readiness.command"
        | "spec.services[].reload.command"
        | "spec.services[].check.command"
        | "spec.services[].probes.command" => json!(["/bin/new"]),
        "spec.services[].user" | "spec.services[].userGroup" => json!("mail"),
        "spec.services[].environment[].name" => json!("B"),
        "spec.services[].environment[].value" => json!("c"),
        "spec.services[].limits.openFiles" | "spec.services[].limits.processes" => json!(100),
        limit if limit.starts_with("spec.services[].limits.") => json!("1Gi"),
        "spec.services[].dependsOn" | "spec.schedule[].needs" => json!(["first"]),
        "spec.services[].group" => json!("h"),
        "spec.services[].groupRole" => json!("Lead"),
        "spec.services[].onDependencyRestart" => json!("Restart"),
        "spec.services[].readiness.type" => json!("PidFile"),
        "spec.services[].pidFile" => json!("/run/b.pid"),
        "spec.services[].startTimeout"
        | "spec.services[].stopTimeout"
        | "spec.services[].reload.timeout"
        | "spec.services[].check.timeout"
        | "spec.schedule[].timeout"
        | "spec.probes.queues[].maxAge"
        | "spec.external[].timeout" => json!("7s"),
        "spec.services[].stopSignal" | "spec.services[].reload.signal" => json!("QUIT"),
        "spec.services[].watchFiles" => json!(["/etc/x"]),
        "spec.services[].listeners[].address" => json!("::1"),
        "spec.services[].listeners[].port" => json!(2),
        "spec.services[].listeners[].socket" => json!("/run/x"),
        "spec.services[].listeners[].protocol" => json!("Imap"),
        "spec.services[].listeners[].tls" => json!("Implicit"),
        "spec.schedule[].crontab" => json!("0 2 * * *"),
        "spec.schedule[].dayRule" => json!("And"),
        "spec.schedule[].timeZone" | "spec.timeZone" => json!("Europe/Zurich"),
        "spec.schedule[].name" | "spec.probes.queues[].name" => json!("renamed"),
        "spec.schedule[].command" => json!(["/bin/new"]),
        "spec.schedule[].user" => json!("mail"),
        "spec.schedule[].environment[].name" => json!("B"),
        "spec.schedule[].environment[].value" => json!("c"),
        "spec.services[].listeners[].serverName" | "spec.external[].listeners[].serverName" => {
            json!("mail.example.org")
        }
        "spec.services[].listeners[].caFile"
        | "spec.services[].listeners[].certificateFile"
        | "spec.external[].listeners[].caFile"
        | "spec.external[].listeners[].certificateFile" => json!("/etc/x.pem"),
        "spec.services[].listeners[].certificateWarning" | "spec.external[].listeners[].certificateWarning" => {
            json!("48h")
        }
        "spec.services[].listeners[].login.user" | "spec.external[].listeners[].login.user" => json!("other"),
        "spec.services[].listeners[].login.passwordFile" | "spec.external[].listeners[].login.passwordFile" => {
            json!("/etc/other")
        }
        "spec.services[].listeners[].recipient" | "spec.external[].listeners[].recipient" => {
            json!("postmaster@example.org")
        }
        "spec.services[].listeners[].path" | "spec.external[].listeners[].path" => json!("/healthz"),
        "spec.services[].restartedAt" => json!("2026-11-23T12:00:00Z"),
        "spec.services[].probes.enabled" | "spec.schedule[].enabled" => json!(false),
        "spec.probes.failureThreshold"
        | "spec.services[].probes.failureThreshold"
        | "spec.probes.pressureThreshold" => {
            json!(7)
        }
        "spec.probes.disks[].path" | "spec.probes.queues[].path" => json!("/elsewhere"),
        "spec.probes.disks[].freeWarning" | "spec.probes.disks[].freeInodesWarning" => json!("5Gi"),
        "spec.probes.queues[].kind" => json!("Directory"),
        "spec.probes.queues[].maxMessages" => json!(6),
        interval if interval.starts_with("spec.probes.") || interval.starts_with("spec.services[].probes.") => {
            json!("77s")
        }
        "spec.external[].name" => json!("sql"),
        "spec.external[].listeners[].address" => json!("::1"),
        "spec.external[].listeners[].port" => json!(2),
        "spec.external[].listeners[].socket" => json!("/run/x"),
        "spec.external[].listeners[].protocol" => json!("Http"),
        "spec.external[].listeners[].tls" => json!("Implicit"),
        "spec.external[].listeners[].enabled" => json!(false),
        "spec.services[].needs" => json!(["ldap"]),
        "spec.services[].watchdog" => json!("30s"),
        "spec.services[].onHang.action" => json!("Report"),
        "spec.services[].onHang.service" => json!("third"),
        "spec.canary.sender" | "spec.canary.recipient" => json!("other@example.org"),
        "spec.canary.period" | "spec.canary.timeout" => json!("77s"),
        canary if canary.starts_with("spec.canary.") => return of_canary(canary),
        _ => return None,
    })
}

/// The same of a listener of the canary, of which each field is what it is of a service's.
fn of_canary(leaf: &str) -> Option<Value> {
    let field = leaf.splitn(4, '.').nth(3)?;
    change(&format!("spec.services[].listeners[].{field}"))
}

/// The base document with a leaf changed; list items are the last ones.
fn changed(leaf: &str, value: Value) -> MessagingServer {
    let mut document = base_for(leaf);
    if leaf.ends_with("reload.signal") {
        document["spec"]["services"][1]["reload"] = json!({});
    }
    let mut node = &mut document;
    for step in leaf.split('.') {
        let field = step.trim_end_matches("[]");
        if node.get(field).is_none() {
            node[field] = json!({});
        }
        node = &mut node[field];
        if step.ends_with("[]") {
            node = node.as_array_mut().and_then(|items| items.last_mut()).unwrap_or_else(|| panic!("{leaf}"));
        }
    }
    *node = value;
    serde_json::from_value(document).unwrap_or_else(|error| panic!("{leaf}: {error}"))
}

#[test]
fn every_leaf_of_the_schema_changes_something_or_says_that_it_will_later() {
    let mut found = Vec::new();
    leaves(&schema(), "", &mut found);
    let mut seen = (0, 0);
    for leaf in found {
        let is_later = LATER.iter().any(|(path, _)| {
            leaf.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        // Who wrote it and where it is kept is the affair of Kubernetes; the two constants have one value.
        let is_ignored = (leaf.starts_with("metadata.") && leaf != "metadata.name")
            || matches!(leaf.as_str(), "status" | "apiVersion" | "kind");
        let Some(value) = change(&leaf) else {
            assert!(is_later || is_ignored, "{leaf} has no effect, and nothing says so");
            seen.1 += usize::from(is_later);
            continue;
        };
        assert!(!is_later && !is_ignored, "{leaf} is said to have no effect");
        let document = Document { server: serde_json::from_value(base_for(&leaf)).unwrap() };
        let (desired, kept) = (resolve(&document, 1), settings(&document));
        let document = Document { server: changed(&leaf, value) };
        let differs = resolve(&document, 1) != desired || settings(&document) != kept;
        assert!(differs, "{leaf} changes nothing");
        // What concerns a service must reach more than its fingerprint.
        if leaf.starts_with("spec.services[].") {
            let mut after = resolve(&document, 1);
            for (service, before) in after.services.iter_mut().zip(&desired.services) {
                service.declaration = before.declaration;
                service.launch_print = before.launch_print;
            }
            assert!(after != desired, "{leaf} changes a fingerprint and nothing else");
        }
        seen.0 += 1;
    }
    assert!(seen.0 > 80 && seen.1 > 5, "the walk saw the schema: {seen:?}");
}
