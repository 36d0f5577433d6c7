//! Values that mean nothing are refused before anything is installed.

use std::process::Command;

use crate::shared::ROOT;
use crate::tools::KUBE;

/// What helm says of a chart with these values; it asks no API server for that.
fn template(chart: &str, set: &str) -> Result<String, String> {
    let script = format!("{ROOT}/.ci/cluster");
    let path = Command::new(script).args(["path", "helm"]).output().expect("the script is there").stdout;
    let helm = String::from_utf8(path).expect("it is text");
    let mut command = Command::new(helm.trim());
    let command = command.args(["template", "mailward", chart, KUBE[0], KUBE[1], "--set", set]).current_dir(ROOT);
    let ran = command.output().expect("helm is built with the control plane");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    if ran.status.success() { Ok(text(ran.stdout)) } else { Err(text(ran.stderr)) }
}

#[test]
fn values_that_mean_nothing_are_refused_by_the_schema_of_the_chart() {
    for (chart, set, words) in [
        ("charts/mailward", "replicas=many", "replicas"),
        ("charts/mailward", "replicas=6", "replicas"),
        ("charts/mailward", "replicas=-1", "replicas"),
        ("charts/mailward", "replica=1", "replica"),
        ("charts/mailward", "image.repository=", "repository"),
        ("charts/mailward", "image.pullPolicy=Sometimes", "pullPolicy"),
        ("charts/mailward", "image.name=mail", "name"),
        ("charts/mailward", "namespaced=maybe", "namespaced"),
        ("charts/mailward", "log.format=xml", "format"),
        ("charts/mailward", "extraEnv[0].value=1", "name"),
        ("charts/mailward-crds", "keep=maybe", "keep"),
        ("charts/mailward-crds", "keeps=true", "keeps"),
    ] {
        let refused = template(chart, set);
        let said =
            refused.as_ref().err().filter(|said| said.contains("meet the specifications") && said.contains(words));
        assert!(said.is_some(), "{chart} {set}: {refused:?}");
    }
}

#[test]
fn values_do_what_they_say() {
    let with = |set: &str| template("charts/mailward", set).expect("it is good");
    assert!(!with("namespaced=true").contains("ClusterRole"), "a Role alone");
    assert!(with("namespaced=false").contains("kind: ClusterRoleBinding"));
    assert!(with("replicas=0").contains("replicas: 0"));
    assert!(with("agentImage=registry.example/agent:7").contains("--agent-image=registry.example/agent:7"));
    let endpoint = "extraEnv[0].name=OTEL_EXPORTER_OTLP_ENDPOINT,extraEnv[0].value=http://collector:4318";
    assert!(with(endpoint).contains("value: http://collector:4318"));
    let crds = |set: &str| template("charts/mailward-crds", set).expect("it is good");
    assert!(crds("keep=true").contains("helm.sh/resource-policy: keep"));
    assert!(!crds("keep=false").contains("helm.sh/resource-policy"));
    assert!(!crds("admissionPolicy=false").contains("ValidatingAdmissionPolicy"));
}
