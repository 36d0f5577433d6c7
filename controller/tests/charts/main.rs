//! The charts and the plain install on a real API server with the controllers of Kubernetes and without a node: what is
//! installed, upgraded and removed, and whether its pods would be let in. That they run is shown on a whole cluster.

#![allow(missing_docs, reason = "nobody links against a test")]

mod lifetime;
mod plain;
#[path = "../shared/mod.rs"]
mod shared;
#[path = "../shared/tools.rs"]
mod tools;
mod values;

use std::time::{Duration, Instant};

use shared::Plane;

/// What the script is told for a control plane of these tests.
const WITH: [&str; 2] = ["--with", "controller-manager"];

/// How long a thing may take that is sure to come.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until the pods of the operator's Deployment were let in.
fn both_pods(plane: &Plane, namespace: &str) {
    let selector = "app.kubernetes.io/name=mailward-controller";
    let words = ["get", "pods", "-n", namespace, "-l", selector, "-o", "name"];
    let end = Instant::now() + PATIENCE;
    while plane.does("kubectl", &words).lines().count() != 2 {
        let events = || plane.does("kubectl", &["get", "events", "-n", namespace]);
        assert!(Instant::now() < end, "no pods: {}", events());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// That a pod which may do more is not let into a namespace.
fn refuses_more(plane: &Plane, namespace: &str) {
    let run = ["run", "any", "--image=any", "-n", namespace, "--dry-run=server"];
    let refused = plane.run("kubectl", &run);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("violates PodSecurity"), "{said}");
}
