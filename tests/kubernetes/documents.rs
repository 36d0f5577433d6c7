//! Documents from the API server ([R18], [R25]).

use serde_json::json;

use crate::pod::{Server, condition, find};

#[test]
fn r25_an_edit_restarts_only_what_it_touches_and_a_bad_document_changes_nothing() {
    let mut server = Server::new();
    let (a, b) = (server.writer("a"), server.writer("b"));
    server.create(&json!({ "services": [a, b] }));
    server.start();
    let entry = server.entry_until("its entry", |entry| condition(entry, "Ready")["status"] == "True");
    assert_eq!((entry["podUID"].as_str(), entry["observedGeneration"].as_i64()), (Some(&*server.uid), Some(1)));
    assert_eq!(condition(&entry, "ConfigValid")["status"], "True");
    let (pid_a, pid_b) = (server.service_pid("a"), server.service_pid("b"));

    let mut changed = b.clone();
    changed["environment"] = json!([{ "name": "X", "value": "1" }]);
    let generation = server.edit(&json!({ "services": [a, changed] }));
    let next_b = server.again("b", pid_b);
    assert_eq!(server.service_pid("a"), pid_a, "a is not touched");
    let entry = server.entry_until("the generation", |entry| entry["observedGeneration"] == generation);
    assert_ne!(entry["documentHash"], json!(null));

    // Past the door: the CRD of this test does not know that a cycle is one.
    let mut waits = a.clone();
    waits["dependsOn"] = json!(["b"]);
    let mut too = changed.clone();
    too["dependsOn"] = json!(["a"]);
    let refused = server.edit(&json!({ "services": [waits, too] }));
    let entry = server.entry_until("the refusal", |entry| condition(entry, "ConfigValid")["status"] == "False");
    assert_eq!(entry["observedGeneration"], refused, "it was looked at");
    assert!(condition(&entry, "ConfigValid")["message"].as_str().unwrap().contains("wait for each other"), "{entry:#}");
    assert_eq!(condition(&entry, "ConfigValid")["reason"], "Cycle");
    assert_eq!(condition(&entry, "Ready")["status"], "True", "what runs, runs on");
    assert_eq!((server.service_pid("a"), server.service_pid("b")), (pid_a, next_b));
    server.eventually("the event", || {
        server.events().into_iter().find(|(reason, about, _)| reason == "ConfigRejected" && about == "Configuration")
    });

    let good = server.edit(&json!({ "services": [a, changed] }));
    let entry = server.entry_until("valid again", |entry| condition(entry, "ConfigValid")["status"] == "True");
    assert_eq!(entry["observedGeneration"], good);
    assert_eq!(
        (server.service_pid("a"), server.service_pid("b")),
        (pid_a, next_b),
        "the same document restarts nothing"
    );
    let mut book = server.book();
    // Neither waits for the other: which of the two shells writes first is nobody's promise.
    book[..2].sort();
    assert_eq!(book, ["+a", "+b", "-b", "+b"].map(str::to_owned));
}

#[test]
fn r18_an_agent_with_no_good_document_waits_says_why_and_starts_with_the_first_one() {
    let mut server = Server::new();
    server.begin();
    let health = server.eventually("health", || server.get("/livez"));
    assert_eq!((health.0, server.get("/readyz").unwrap().0), (200, 503), "alive and not ready");
    let writer = server.writer("a");
    let mut cycle = writer.clone();
    cycle["dependsOn"] = json!(["a"]);
    server.create(&json!({ "services": [cycle] }));
    let entry = server.entry_until("the refusal", |entry| condition(entry, "ConfigValid")["status"] == "False");
    assert_eq!(
        (condition(&entry, "Ready")["status"].as_str(), entry["services"].as_array().unwrap().len()),
        (Some("False"), 0)
    );
    assert_eq!(condition(&entry, "ConfigValid")["reason"], "Cycle");
    assert!(server.book().is_empty());
    server.edit(&json!({ "services": [writer] }));
    server.all_ready();
    server.entry_until("accepted", |entry| condition(entry, "ConfigValid")["status"] == "True");
}

#[test]
fn a_resource_that_is_deleted_is_not_a_stop_and_its_successor_is_taken_over() {
    let mut server = Server::new();
    let (a, b) = (server.writer("a"), server.writer("b"));
    server.create(&json!({ "services": [a, b] }));
    server.start();
    server.entry_until("its entry", |entry| condition(entry, "Ready")["status"] == "True");
    let pid = server.service_pid("a");
    server.delete();
    server.eventually("the word", || server.read("stderr").contains("it was deleted").then_some(()));
    assert_eq!(server.service_pid("a"), pid);
    assert_ne!(server.crash("a"), pid, "a crash is answered as before");
    let pid = server.service_pid("a");
    server.create(&json!({ "services": [a] }));
    let entry = server.entry_until("an entry in the new object", |entry| {
        condition(entry, "Ready")["status"] == "True" && find(&entry["services"], "b").is_null()
    });
    assert_eq!(entry["observedGeneration"], 1);
    assert_eq!(server.service_pid("a"), pid);
    assert_eq!(server.book().iter().filter(|line| *line == "-b").count(), 1, "the new object does not want b");
}

#[test]
fn r30_suspended_nothing_is_restarted_and_it_is_said() {
    let mut server = Server::new();
    let a = server.writer("a");
    server.create(&json!({ "services": [a] }));
    server.start();
    let pid = server.service_pid("a");
    server.edit(&json!({ "suspend": true }));
    server.entry_until("suspended", |entry| condition(entry, "Suspended")["status"] == "True");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    server.entry_until("down", |entry| find(&entry["services"], "a")["ready"] == "False");
    assert_eq!(server.get("/readyz").unwrap().0, 503);
    assert!((server.metric("mailward_suspended") - 1.0).abs() < f64::EPSILON);
    server.edit(&json!({ "suspend": false }));
    assert_ne!(server.again("a", pid), pid);
}
