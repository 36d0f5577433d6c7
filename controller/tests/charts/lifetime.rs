//! The charts from the first install over an upgrade to their removal.

use crate::shared::Plane;
use crate::{WITH, both_pods, refuses_more};

const SAMPLE: &str = "manifests/samples/dovecot-postfix.yaml";
/// What `helm package` made of each version of the charts; the next version adds its own, and is upgraded from.
const RELEASED: &str = "controller/tests/charts/released";
const NAMESPACE: [&str; 2] = ["-n", "mail-operator"];

struct Cluster(Plane);

impl Cluster {
    fn helm(&self, words: &[&str]) -> String {
        self.0.does("helm", words)
    }

    fn kubectl(&self, words: &[&str]) -> String {
        self.0.does("kubectl", words)
    }

    /// Whether an object is there.
    fn has(&self, words: &[&str]) -> bool {
        !self.kubectl(&[&["get", "--ignore-not-found", "-o", "name"], words].concat()).trim().is_empty()
    }

    fn install_or_upgrade(&self, crds: &str, operator: &str) -> [String; 2] {
        let crds = self.helm(&["upgrade", "--install", "mailward-crds", crds, NAMESPACE[0], NAMESPACE[1]]);
        let defined = "crd/messagingservers.mailward.dev";
        self.kubectl(&["wait", "--for=condition=Established", defined, "--timeout=60s"]);
        [crds, self.helm(&["upgrade", "--install", "mailward", operator, NAMESPACE[0], NAMESPACE[1]])]
    }
}

/// One test: each part needs what the one before left, in a cluster of its own.
#[test]
fn the_charts_install_upgrade_and_go_and_the_mail_servers_stay_until_they_are_asked_to_go() {
    let cluster = Cluster(Plane::start(&WITH));
    cluster.kubectl(&["create", "namespace", NAMESPACE[1]]);
    cluster.kubectl(&["label", "namespace", NAMESPACE[1], "pod-security.kubernetes.io/enforce=restricted"]);

    // The version before this one, with its notes.
    let [crds, operator] = cluster
        .install_or_upgrade(&format!("{RELEASED}/mailward-crds-0.1.0.tgz"), &format!("{RELEASED}/mailward-0.1.0.tgz"));
    assert!(crds.contains("kubectl delete crd messagingservers.mailward.dev"), "{crds}");
    assert!(operator.contains("The operator keeps the MessagingServer resources of every namespace"), "{operator}");
    while !cluster.0.run("kubectl", &["apply", "-f", SAMPLE]).status.success() {
        // The resource is served a moment after it is established.
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    both_pods(&cluster.0, NAMESPACE[1]);
    refuses_more(&cluster.0, NAMESPACE[1]);

    // This one.
    let uid = || cluster.kubectl(&["get", "messagingserver", "mail", "-o", "jsonpath={.metadata.uid}"]);
    let before = uid();
    cluster.install_or_upgrade("charts/mailward-crds", "charts/mailward");
    assert_eq!(uid(), before, "the mail server is the same");
    for (release, chart) in [("mailward", "charts/mailward"), ("mailward-crds", "charts/mailward-crds")] {
        let list =
            cluster.helm(&["list", "-o", "json", "--filter", &format!("^{release}$"), NAMESPACE[0], NAMESPACE[1]]);
        let list: serde_json::Value = serde_json::from_str(&list).expect("it is JSON");
        let shown = cluster.helm(&["show", "chart", chart]);
        let version = shown.lines().find_map(|line| line.strip_prefix("version: ")).expect("a version");
        assert_eq!((&list[0]["revision"], &list[0]["status"]), (&"2".into(), &"deployed".into()), "{list}");
        assert_eq!(list[0]["chart"], format!("{release}-{version}"));
    }
    let policy = "validatingadmissionpolicy/mailward-agent-status";
    assert!(cluster.kubectl(&["get", policy, "-o", "yaml"]).contains("what is said of the whole is the operator's"));

    // Removed: nothing of the operator stays, everything of the mail servers does, and the namespace is not stuck.
    for release in ["mailward", "mailward-crds"] {
        cluster.helm(&["uninstall", release, "--wait", NAMESPACE[0], NAMESPACE[1]]);
    }
    assert_eq!(uid(), before);
    for gone in [
        &["deployment,service", "-l", "app.kubernetes.io/name=mailward-controller", NAMESPACE[0], NAMESPACE[1]][..],
        &["clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/name=mailward-controller"],
        &[policy],
    ] {
        assert!(!cluster.has(gone), "{gone:?}");
    }
    cluster.kubectl(&["delete", "namespace", NAMESPACE[1], "--timeout=60s"]);

    // Installed again it takes the definition over that stayed; asked to, it takes everything with it.
    let words = ["install", "mailward-crds", "charts/mailward-crds", "--create-namespace", NAMESPACE[0], NAMESPACE[1]];
    cluster.helm(&[&words[..], &["--set", "keep=false"]].concat());
    assert_eq!(uid(), before);
    cluster.helm(&["uninstall", "mailward-crds", "--wait", NAMESPACE[0], NAMESPACE[1]]);
    assert!(!cluster.has(&["crd", "messagingservers.mailward.dev"]));
}
