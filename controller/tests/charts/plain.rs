//! The plain install is what the charts render, and `kubectl apply -k` is all it takes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::shared::{Plane, plane};
use crate::tools::KUBE;
use crate::{WITH, both_pods, refuses_more};

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Objects by kind and name, without the word for who manages them: of a chart it is helm.
fn objects(text: &str) -> BTreeMap<String, Value> {
    let documents = text.split("\n---").map(|document| serde_saphyr::from_str::<Value>(document).expect("it is YAML"));
    let mut objects = BTreeMap::new();
    for mut object in documents.filter(|object| !object.is_null()) {
        if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove(MANAGED_BY);
        }
        objects.insert(format!("{} {}", object["kind"], object["metadata"]["name"]), object);
    }
    objects
}

fn rendered(plane: &Plane, chart: &str, words: &[&str]) -> BTreeMap<String, Value> {
    let all =
        [&["template", "mailward", chart, KUBE[0], KUBE[1], "-n", "mailward-system", "--skip-tests"], words].concat();
    objects(&plane.does("helm", &all))
}

#[test]
fn the_plain_install_is_what_the_charts_render_and_is_applied_in_one_command() {
    let plane = plane(&WITH);
    let mut plain = objects(&plane.does("kubectl", &["kustomize", "manifests/install"]));
    let namespace = plain.remove("\"Namespace\" \"mailward-system\"").expect("it makes its namespace");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    // What is kept of a plain install is what nobody deletes.
    let mut charts = rendered(plane, "charts/mailward-crds", &["--set", "keep=false"]);
    charts.append(&mut rendered(plane, "charts/mailward", &[]));
    let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<String>>();
    assert_eq!(names(&plain), names(&charts), "make generate renders it anew");
    for (name, object) in &plain {
        assert_eq!(object, &charts[name], "{name}: make generate renders it anew");
    }

    plane.does("kubectl", &["apply", "-k", "manifests/install"]);
    both_pods(plane, "mailward-system");
    refuses_more(plane, "mailward-system");
    let again = plane.does("kubectl", &["apply", "-k", "manifests/install"]);
    assert!(again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    let defined = "crd/messagingservers.mailward.dev";
    plane.does("kubectl", &["wait", "--for=condition=Established", defined, "--timeout=60s"]);
    plane.does("kubectl", &["delete", "-k", "manifests/install", "--timeout=60s"]);
}
