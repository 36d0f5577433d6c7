//! While the operator or the API server is away, and when the operator is another.

use serde_json::json;

use crate::ends::{kill, processes};
use crate::installed::{OPERATOR, SYSTEM};
use crate::kubectl::Cluster;
use crate::parts::{book, writers};
use crate::server::{Server, pid, says, service};
use crate::watch::{PATIENCE, until};

const DEPLOYMENT: &str = "deployment/mailward-controller";

fn scale(cluster: &Cluster, replicas: u64) {
    cluster.kubectl(&["-n", SYSTEM, "scale", DEPLOYMENT, &format!("--replicas={replicas}")]);
    until(cluster, [SYSTEM, "deployment", "mailward-controller"], PATIENCE, |it| {
        let there = it.pointer("/status/replicas").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let ready = it.pointer("/status/readyReplicas").and_then(serde_json::Value::as_u64).unwrap_or(0);
        there == replicas && ready == replicas
    });
    let pods = "app.kubernetes.io/instance=mailward";
    if replicas == 0 {
        cluster.kubectl(&["-n", SYSTEM, "wait", "pod", "-l", pods, "--for=delete", "--timeout=120s"]);
    }
}

/// The operator comes back with the end of this, in a test that fails too.
struct Away<'a>(&'a Cluster);

impl Drop for Away<'_> {
    fn drop(&mut self) {
        scale(self.0, 2);
    }
}

#[test]
fn r28_without_an_operator_a_crash_is_answered_a_deleted_pod_returns_and_what_is_deleted_vanishes() {
    let server = Server::alone("no-operator");
    server.apply(&writers());
    let before = server.ready();
    let away = Away(&server.namespace);
    scale(away.0, 0);

    server.crash("b");
    let after = server.again("b", pid(&before, "b"));
    assert_eq!(pid(&after, "a"), pid(&before, "a"));
    let uid = server.uid();
    server.namespace.delete("pod", &server.pod());
    server.another_pod(&uid);
    server.until("the new pod has told of itself", |object| {
        let entry = object.pointer("/status/instances/0").cloned().unwrap_or_default();
        entry["podUID"] != *uid && service(object, "c")["ready"] == "True"
    });
    let length = book(&server).len();
    server.namespace.delete("ms", server.name);
    server.namespace.gone("pod", &server.pod());
    assert_eq!(book(&server)[length..], ["-c", "-b", "-a"]);
    server.apply(&writers());
    // Nothing waits for somebody who is not there.
    let name = server.namespace.name();
    server.namespace.kubectl(&["delete", "namespace", name, "--timeout=120s"]);
}

#[test]
fn r28_without_an_api_server_a_crash_is_answered_and_afterwards_it_is_told() {
    let server = Server::alone("no-api");
    server.apply(&writers());
    let before = server.ready();
    let uid = server.uid();
    let away = server.namespace.without("apiserver");
    kill(&uid, "writer b");
    let lines = server.volume().join("book");
    crate::watch::poll("b was started again", || {
        let text = std::fs::read_to_string(&lines).unwrap_or_default();
        text.matches("+b").count() == 2
    });
    drop(away);
    let after = server.again("b", pid(&before, "b"));
    assert_eq!(after["status"]["instances"][0]["services"][1]["restartsInWindow"], 1);
    assert_eq!((server.uid(), server.container_restarts()), (uid.clone(), 0));
    assert_eq!(processes(&uid, "writer a").len(), 1);
    // The operator is back at work too.
    server.patch(&json!({"suspend": true}));
    server.until("it is suspended", |object| says(object, "Suspended", "True", "Suspended"));
}

#[test]
fn r25_another_version_of_the_operator_replaces_no_pod_and_says_that_the_agent_is_an_older_one() {
    let server = Server::alone("upgrade");
    server.apply(&writers());
    let before = server.ready();
    let uid = server.uid();
    let upgrade = [&OPERATOR[..], &["--set", "image.tag=next"]].concat();
    server.namespace.helm(&upgrade);
    let old =
        server.until("the new one has looked", |object| says(object, "WorkloadCurrent", "False", "AgentOutdated"));
    assert_eq!((server.uid(), pid(&old, "c")), (uid.clone(), pid(&before, "c")));
    assert!(says(&old, "Ready", "True", "AllReady"), "{old:#}");
    server.namespace.helm(&OPERATOR);
    server.until("the old one is back", |object| says(object, "WorkloadCurrent", "True", "Current"));
    assert_eq!(server.uid(), uid);
}
