//! The account of an agent ([R26]): what it needs, and that it needs no more.

use std::collections::BTreeSet;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::pod::{Server, condition};

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// What the operator grants an agent.
fn golden_rules() -> Value {
    let objects: Vec<Value> = serde_json::from_str(include_str!("../../controller/tests/golden/mail.json")).unwrap();
    objects.into_iter().find(|object| object["kind"] == "Role").unwrap()["rules"].take()
}

/// The same as `verb resource`.
fn rights_of(rules: &Value) -> BTreeSet<String> {
    let texts = |rule: &Value, field: &str| -> Vec<String> { read(rule[field].clone()) };
    let of = |rule: &Value| {
        let verbs = texts(rule, "verbs");
        let pairs = texts(rule, "resources")
            .into_iter()
            .flat_map(move |resource| verbs.clone().into_iter().map(move |verb| format!("{verb} {resource}")));
        pairs.collect::<Vec<_>>()
    };
    rules.as_array().unwrap().iter().flat_map(of).collect()
}

#[test]
fn r26_one_resource_by_its_name_its_status_and_events_are_enough_and_without_them_it_waits() {
    let mut server = Server::new();
    let budget = json!({ "maxRestarts": 5, "timeout": "10m" });
    server.create(&json!({ "autorestart": budget, "services": [server.writer("a")] }));
    let (plane, namespace, client) = (server.plane, server.namespace.clone(), server.plane.client.clone());
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    let post = PostParams::default();
    plane.wait_for(accounts.create(&post, &read(json!({ "metadata": { "name": "agent" } })))).unwrap();
    let asked = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let token = plane.wait_for(accounts.create_token_request("agent", &post, &asked)).unwrap().status.unwrap().token;
    std::fs::write(server.path("token"), token).unwrap();
    let config = plane.kubeconfig_with_token_file(server.door.address(), &server.path("token"));
    std::fs::write(server.path("kubeconfig"), config).unwrap();

    server.begin();
    server.eventually("403", || server.read("stderr").contains("403").then_some(()));
    assert_eq!((server.get("/livez").unwrap().0, server.get("/readyz").unwrap().0), (200, 503));

    let granted = golden_rules();
    let role = json!({ "metadata": { "name": "agent" }, "rules": granted });
    let binding = json!({
        "metadata": { "name": "agent" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "agent" },
        "subjects": [{ "kind": "ServiceAccount", "name": "agent", "namespace": namespace }],
    });
    let roles: Api<Role> = Api::namespaced(client.clone(), &namespace);
    let bindings: Api<RoleBinding> = Api::namespaced(client, &namespace);
    plane.wait_for(roles.create(&post, &read(role))).unwrap();
    plane.wait_for(bindings.create(&post, &read(binding))).unwrap();
    server.all_ready();
    server.entry_until("its entry", |entry| condition(entry, "Ready")["status"] == "True");
    let second = server.crash("a");
    server.eventually("the event", || server.events().into_iter().find(|(reason, ..)| reason == "ServiceFailed"));
    let mut changed = server.writer("a");
    changed["environment"] = json!([{ "name": "X", "value": "1" }]);
    let generation = server.edit(&json!({ "autorestart": budget, "services": [changed] }));
    server.entry_until("the watch", |entry| entry["observedGeneration"] == generation);
    // What happens again within minutes is counted in the same Event.
    let account = format!("system:serviceaccount:{namespace}:agent");
    server.again("a", second);
    server.crash("a");
    server.eventually("the event is counted", || plane.rights_used(&account).contains("patch events").then_some(()));
    assert_eq!(plane.rights_used(&account), rights_of(&granted), "it has nothing to spare");
    // Events and the entry are all there is to write: nothing was refused since.
    assert_eq!(server.read("stderr").matches("403").count(), 1, "{}", server.read("stderr"));
}
