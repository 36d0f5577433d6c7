//! The definition at its declared maxima: within the server's size, and within its budget for CEL.

use serde_json::{Value, json};

use crate::plane::{Server, definition, object, resources};

/// As many services, dependencies, listeners, tasks and needs as the schema lets in, with everything that a rule is about.
fn largest() -> Value {
    let name = |at: usize| format!("service-{at:03}");
    let login = json!({"user": "probe", "passwordFile": "password"});
    let listener = |port: usize| {
        json!({
            "port": port, "protocol": "Imap", "address": "127.0.0.1", "tls": "Implicit", "serverName": "mail",
            "login": login, "certificateWarning": "24h",
        })
    };
    let service = |at: usize| {
        let before: Vec<String> = (at.saturating_sub(16)..at).map(name).collect();
        let external: Vec<String> = (0..8).map(|at| format!("external-{at}")).collect();
        let listeners: Vec<Value> = (0..16).map(|port| listener(1_024 + at * 16 + port)).collect();
        json!({
            "name": name(at),
            "command": ["/bin/service"],
            "dependsOn": before,
            "needs": external,
            "listeners": listeners,
            "readiness": {"type": "Notify"},
            "onHang": {"action": "RestartService", "service": name(127)},
            "startTimeout": "30s", "stopTimeout": "30s", "watchdog": "5m",
            "probes": {"timeout": "9s", "period": "9s", "warningThreshold": "1s"},
            "check": {"command": ["check"], "timeout": "5s"},
            "reload": {"command": ["reload"], "timeout": "5s"},
        })
    };
    let task = |at: usize| {
        let needs: Vec<String> = (112..128).map(name).collect();
        json!({"name": format!("task-{at}"), "command": ["/bin/task"], "crontab": "1 1 * * *", "needs": needs, "timeout": "1h"})
    };
    let external = |at: usize| json!({"name": format!("external-{at}"), "timeout": "5s", "listeners": (1..9).map(listener).collect::<Vec<_>>()});
    object(
        "largest",
        &json!({
            "profile": "Custom",
            "services": (0..128).map(service).collect::<Vec<_>>(),
            "external": (0..16).map(external).collect::<Vec<_>>(),
            "schedule": (0..128).map(task).collect::<Vec<_>>(),
        }),
    )
}

#[tokio::test]
async fn the_definition_fits_the_server_and_its_largest_document_is_taken() {
    assert!(definition().len() < 200_000, "{} bytes", definition().len());
    let server = Server::ready().await;
    let path = format!("{}?dryRun=All&fieldValidation=Strict", resources("default"));
    let taken = server.ask("POST", &path, "application/json", largest().to_string().as_bytes()).await;
    assert_eq!(taken.err(), None);
    let mut unknown = largest();
    unknown["spec"]["services"][127]["dependsOn"] = json!(["nobody"]);
    let refused = server.ask("POST", &path, "application/json", unknown.to_string().as_bytes()).await;
    assert!(refused.as_ref().is_err_and(|words| words.contains("[depends-on-known]")), "{refused:?}");
    let mut one_too_many = largest();
    let services = one_too_many["spec"]["services"].as_array_mut().expect("a list");
    services.push(json!({"name": "service-128", "command": ["/bin/service"]}));
    let refused = server.ask("POST", &path, "application/json", one_too_many.to_string().as_bytes()).await;
    assert!(refused.is_err_and(|words| words.contains("must have at most 128 items")));
}
