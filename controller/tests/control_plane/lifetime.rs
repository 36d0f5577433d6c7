//! A resource from its creation on, while nothing acts on it.

use serde_json::{Value, json};

use crate::kstatus::kstatus;
use crate::plane::{Answer, Server, object, resources};
use crate::shared::ROOT;

const MERGE: &str = "application/merge-patch+json";

fn spec(class: &str) -> Value {
    json!({
        "profile": "Custom",
        "services": [{"name": "a", "command": ["/bin/a"]}],
        "workload": {"image": "mail:1", "storage": {"size": "10Gi", "className": class}},
    })
}

async fn create(server: &Server, name: &str) -> Value {
    let body = object(name, &spec("fast")).to_string();
    let path = format!("{}?fieldValidation=Strict", resources("default"));
    server.ask("POST", &path, "application/json", body.as_bytes()).await.expect("it is good")
}

async fn change(server: &Server, name: &str, change: &Value) -> Answer {
    let path = format!("{}/{name}?fieldValidation=Strict", resources("default"));
    server.ask("PATCH", &path, MERGE, change.to_string().as_bytes()).await
}

#[tokio::test]
async fn a_new_object_is_in_progress_and_not_ready() {
    let server = Server::ready().await;
    create(&server, "new").await;
    let path = format!("{}/new", resources("default"));
    let object = server.ask("GET", &path, "application/json", b"").await.expect("it is there");
    assert_eq!(kstatus(&object), "InProgress", "{:#}", object["status"]);
    let conditions = object["status"]["conditions"].as_array().expect("a list");
    let said: Vec<(&Value, &Value, &Value)> =
        conditions.iter().map(|it| (&it["type"], &it["status"], &it["reason"])).collect();
    let pending = (&json!("Unknown"), &json!("Pending"));
    assert_eq!(said, [(&json!("Ready"), pending.0, pending.1), (&json!("Reconciling"), pending.0, pending.1)]);
    assert_eq!(object["spec"], spec("fast"), "nothing is written into the spec");
}

#[test]
fn flux_makes_of_every_case_what_its_file_says() {
    let mut words = Vec::new();
    for entry in std::fs::read_dir(format!("{ROOT}/manifests/argocd/cases")).expect("they are committed") {
        let path = entry.expect("an entry").path();
        let case: Value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("it is JSON");
        let word = kstatus(&case["object"]);
        assert_eq!(case["kstatus"], *word, "{}", path.display());
        words.push(word);
    }
    assert!(["InProgress", "Failed", "Current"].iter().all(|word| words.iter().any(|it| it == word)), "{words:?}");
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_with_our_words_and_the_rest_is_not() {
    let server = Server::ready().await;
    create(&server, "kept").await;
    let storage = |change: Value| json!({"spec": {"workload": {"storage": change}}});
    for (refused, words) in [
        (storage(json!({"className": "slow"})), "the storage class of a volume cannot be changed"),
        (storage(json!({"className": null})), "the storage class of a volume cannot be changed"),
        (storage(json!({"accessMode": "ReadWriteMany"})), "the access mode of a volume cannot be changed"),
        (storage(json!({"size": "9Gi"})), "a volume does not shrink"),
        (storage(Value::Null), "the storage cannot be taken away"),
        (json!({"spec": {"workload": null}}), "the storage cannot be taken away"),
    ] {
        let answer = change(&server, "kept", &refused).await;
        assert!(answer.as_ref().is_err_and(|said| said.contains(words)), "{refused}: {answer:?}");
    }
    for taken in [
        storage(json!({"accessMode": "ReadWriteOnce", "size": "20Gi"})),
        json!({"spec": {"suspend": true, "workload": {"image": "mail:2"}}}),
        json!({"spec": {"profile": "DovecotPostfix"}}),
    ] {
        assert_eq!(change(&server, "kept", &taken).await.err(), None, "{taken}");
    }
}

#[tokio::test]
async fn people_see_the_columns_and_select_by_the_fields() {
    let server = Server::ready().await;
    create(&server, "seen").await;
    let status = json!({"status": {
        "servicesReady": "7/8",
        "restartsInWindow": 3,
        "conditions": [
            {
                "type": "Degraded", "status": "True", "reason": "SlowAnswers", "message": "imap",
                "lastTransitionTime": "2026-11-26T12:00:00Z", "observedGeneration": 1,
            },
            {
                "type": "Ready", "status": "True", "reason": "AllReady", "message": "every required service is ready",
                "lastTransitionTime": "2026-11-26T12:00:00Z", "observedGeneration": 1,
            },
        ],
        "instances": [{"name": "seen-0", "node": "node0"}],
    }});
    let path = format!("{}/seen/status?fieldValidation=Strict", resources("default"));
    server.ask("PATCH", &path, MERGE, status.to_string().as_bytes()).await.expect("it fits the schema");
    let table = server.table(&format!("{}/seen", resources("default"))).await;
    let names: Vec<&str> =
        table["columnDefinitions"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["Name", "Ready", "Services", "Degraded", "Generation", "Age", "Node", "Pod", "Restarts"]);
    let cells = table["rows"][0]["cells"].as_array().expect("cells");
    let cells: Vec<&Value> = [0, 1, 2, 3, 4, 6, 7, 8].map(|at| &cells[at]).to_vec();
    assert_eq!(json!(cells), json!(["seen", "True", "7/8", "SlowAnswers", 1, "node0", "seen-0", 3]));
    for (selector, found) in [("spec.profile=Custom", true), ("spec.workload.image=mail:9", false)] {
        let path = format!("{}?fieldSelector={selector},metadata.name=seen", resources("default"));
        let list = server.ask("GET", &path, "application/json", b"").await.expect("it may be selected by");
        assert_eq!(list["items"].as_array().is_some_and(|items| !items.is_empty()), found, "{selector}");
    }
}
