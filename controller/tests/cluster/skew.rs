//! Agent and operator one version apart from the resource definition, in both directions ([R25]).

use serde_json::{Value, json};

use crate::parts::writers;
use crate::server::{Server, condition, pid, says, service, text};

const DEFINITION: &str = "messagingservers.mailward.dev";
const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema/properties";

/// The definition as it was comes back with the end of this, in a test that fails too.
struct Changed<'a> {
    server: &'a Server,
    back: Value,
}

impl<'a> Changed<'a> {
    fn by(server: &'a Server, change: &Value, back: Value) -> Self {
        patch(server, change);
        Self { server, back }
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        patch(self.server, &self.back);
    }
}

fn patch(server: &Server, change: &Value) {
    server.namespace.kubectl(&["patch", "crd", DEFINITION, "--type=json", "-p", &change.to_string()]);
}

#[test]
fn r25_an_agent_and_an_operator_that_are_older_than_the_definition_serve_on_and_say_what_they_do_not_know() {
    let server = Server::alone("older");
    server.apply(&writers());
    let before = server.ready();
    let path = format!("{SCHEMA}/spec/properties/mood");
    let add = json!([{"op": "add", "path": path, "value": {"type": "string"}}]);
    let _changed = Changed::by(&server, &add, json!([{"op": "remove", "path": path}]));
    // The API server takes a changed definition into use in its own time, and leaves out what it does not know till then.
    crate::watch::poll("the new field is taken", || {
        server.patch(&json!({"mood": "calm"}));
        server.namespace.get("ms", server.name)["spec"]["mood"] == "calm"
    });
    let after = server.until("the field is told", |object| {
        let valid = condition(object, "ConfigValid");
        says(object, "ConfigValid", "True", "Accepted")
            && valid["message"].as_str().is_some_and(|it| it.contains("spec.mood"))
    });
    for name in ["a", "b", "c"] {
        assert_eq!(pid(&after, name), pid(&before, name));
    }
    assert!(says(&server.ready(), "Degraded", "False", "None"));
    // And what it does know it follows.
    server.patch(&json!({"autorestart": {"maxRestarts": 7}}));
    server.ready();
}

#[test]
fn r25_an_agent_and_an_operator_that_are_newer_than_the_definition_tell_what_it_has_room_for() {
    let server = Server::alone("newer");
    server.apply(&writers());
    let before = server.ready();
    let definition = server.namespace.kubectl(&["get", "crd", DEFINITION, "-o", "json"]);
    let definition: Value = serde_json::from_str(&definition).expect("kubectl prints JSON");
    let entry = format!("{SCHEMA}/status/properties/instances/items/properties/documentHash");
    let whole = format!("{SCHEMA}/status/properties/restartsInWindow");
    let remove = [&entry, &whole].map(|path| json!({"op": "remove", "path": path}));
    let add = [&entry, &whole].map(|path| {
        let value = definition.pointer(path).unwrap_or_else(|| panic!("no {path}"));
        json!({"op": "add", "path": path, "value": value})
    });
    let _changed = Changed::by(&server, &json!(remove), json!(add));
    crate::watch::poll("the field is gone", || {
        let object = server.namespace.get("ms", server.name);
        object.pointer("/status/restartsInWindow").is_none()
    });
    server.crash("b");
    let after = server.again("b", pid(&before, "b"));
    assert_eq!(service(&after, "b")["restartsInWindow"], 1);
    server.patch(&json!({"suspend": true}));
    let last = server.until("the operator tells of it", |object| says(object, "Suspended", "True", "Suspended"));
    assert_eq!(text(&last, "/status/servicesReady"), "3/3");
}
