//! The operator as people install it, by both charts, once a run; and what it installs for people.

use std::sync::OnceLock;

use crate::kubectl::{Cluster, cluster};

/// Where the operator is.
pub(crate) const SYSTEM: &str = "mailward-system";

/// Words for helm that install the operator's release, or bring it back to what it is without further values: helm would
/// keep those of the release before.
pub(crate) const OPERATOR: [&str; 9] =
    ["upgrade", "--install", "mailward", "charts/mailward", "-n", SYSTEM, "--wait", "--timeout=3m", "--reset-values"];

/// The cluster with resource definition, admission policy and operator in it.
pub(crate) fn installed() -> &'static Cluster {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let cluster = cluster();
    INSTALLED.get_or_init(|| {
        // What enforces this refuses a pod that asks for more than it may.
        let restricted = serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": SYSTEM, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        });
        cluster.kubectl_reads(&["apply", "-f", "-"], &restricted.to_string());
        cluster.helm(&["upgrade", "--install", "mailward-crds", "charts/mailward-crds", "-n", SYSTEM, "--wait"]);
        cluster.helm(&OPERATOR);
    });
    cluster
}

#[test]
fn the_charts_install_two_operators_under_restricted_pod_security_and_helm_test_finds_one_ready() {
    let cluster = installed();
    let ready = ["-n", SYSTEM, "get", "deployment", "mailward-controller", "-o", "jsonpath={.status.readyReplicas}"];
    assert_eq!(cluster.kubectl(&ready), "2");
    let said = cluster.helm(&["test", "mailward", "-n", SYSTEM, "--timeout=2m"]);
    assert!(said.contains("Succeeded"), "{said}");
}
