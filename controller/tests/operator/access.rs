//! What the operator's account may by the chart, and that it is enough: in one namespace, and in all.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::DeleteParams;
use mailward_controller::kinds::Kind;
use serde_json::{Value, json};

use crate::place::{ACCESS, Place};
use crate::plane::WITH;
use crate::shared::Plane;

const NONE: [String; 0] = [];

/// What the operator may and does not do in [`whole_life`] and [`with_everything`], and why it may.
const KEPT: [(&str, &str); 12] = [
    ("create /pods/eviction", "two pods: a standby is evicted, so that its disruption budget is asked"),
    ("create policy/poddisruptionbudgets", "two pods have one"),
    ("delete coordination.k8s.io/leases", "two pods have one"),
    ("delete policy/poddisruptionbudgets", "two pods become one"),
    ("get mailward.dev/messagingservers", "agents are granted it"),
    ("get policy/poddisruptionbudgets", "two pods have one"),
    ("list coordination.k8s.io/leases", "two pods have one"),
    ("patch coordination.k8s.io/leases", "two pods have one"),
    ("patch events.k8s.io/events", "what happens again within minutes is counted in its Event; agents are granted it"),
    ("patch policy/poddisruptionbudgets", "two pods have one"),
    ("update mailward.dev/messagingservers/finalizers", "owner references, where the API server asks for it"),
    ("watch coordination.k8s.io/leases", "two pods have one"),
];

/// One with whatever a document can ask for, and then without it.
async fn with_everything(place: &Place) {
    let service = json!({"name": "imap", "command": ["/bin/imap"], "listeners": [{"port": 143, "protocol": "Imap"}]});
    let storage = json!({"size": "1Gi"});
    let workload = json!({"image": "registry.example/mail:1", "storage": storage, "networkPolicy": true});
    let mut spec = json!({"profile": "Custom", "services": [service], "workload": workload});
    place.apply_spec("full", &spec).await;
    place.until(place.objects(Kind::NetworkPolicy), "full", |_| true).await;
    place.until(place.objects(Kind::Claim), "full-data", |_| true).await;
    place.until(place.objects(Kind::Service), "full", |_| true).await;
    spec["services"][0]["listeners"] = json!([]);
    spec["workload"]["networkPolicy"] = json!(false);
    place.apply_spec("full", &spec).await;
    place.until_gone(place.objects(Kind::NetworkPolicy), "full").await;
    place.until_gone(place.objects(Kind::Service), "full").await;
}

/// What a role grants: `verb group/resource`.
fn rights_of(role: &Value) -> BTreeSet<String> {
    let texts = |rule: &Value, field: &str| -> Vec<String> {
        rule[field].as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                granted.extend(texts(rule, "verbs").iter().map(|verb| format!("{verb} {group}/{resource}")));
            }
        }
    }
    granted
}

/// A resource goes through everything that an operator does for one: made, rolled, closed, removed.
async fn whole_life(place: &Place, operators: &Place) {
    place.apply("mail", "registry.example/mail:1").await;
    let old = place.until(place.objects(Kind::Pod), "mail-0", |_| true).await;
    place.agent_says("mail", &old, 1, "True").await;
    place.says("mail", "Ready", "True", "AllReady").await;
    place.apply("mail", "registry.example/mail:2").await;
    let new = place.until(place.objects(Kind::Pod), "mail-0", |pod| pod.metadata.uid != old.metadata.uid).await;
    place.says("mail", "WorkloadCurrent", "True", "Current").await;
    // The entry of the pod that is gone is taken out.
    place.agent_says("mail", &new, 2, "True").await;
    place.says("mail", "Ready", "True", "AllReady").await;
    // Its objects are the garbage collector's then.
    place.servers().delete("mail", &DeleteParams::background()).await.expect("it can be deleted");
    place.until_gone(place.servers(), "mail").await;
    assert_eq!(place.plane.forbidden(&operators.operator_user()), NONE);
}

#[tokio::test]
async fn r26_the_role_of_one_namespace_is_enough_there_and_the_operator_asks_for_no_other() {
    let (place, other) = (Place::new("inside").await, Place::new("outside").await);
    other.apply("mail", "registry.example/mail:1").await;
    let operator = place.operator().await;
    whole_life(&place, &place).await;
    assert!(other.objects(Kind::StatefulSet).get_opt("mail").await.expect("an answer").is_none());
    assert_eq!(place.plane.namespaces_asked(&place.operator_user()), std::slice::from_ref(&place.name));
    operator.ends().await;
    // And it could not have: the account has nothing outside.
    let groups = ["system:serviceaccounts", "system:authenticated"];
    let account = place.plane.client_in(&place.operator_user(), &groups).await;
    let outside = mailward_controller::cache::api(&account, Some(&other.name), &Kind::StatefulSet.resource());
    let refused = outside.list(&kube::api::ListParams::default()).await;
    assert!(matches!(&refused, Err(kube::Error::Api(status)) if status.code == 403), "{refused:?}");
}

#[tokio::test]
async fn r26_the_cluster_role_is_enough_for_every_namespace_and_has_nothing_to_spare() {
    // It would work in the namespaces of the other tests too, so it has an API server of its own.
    let plane: &'static Plane = Box::leak(Box::new(Plane::start(&WITH)));
    plane.define();
    let own = Place::in_plane(plane, "operators").await;
    plane.apply_chart("charts/mailward", &[&ACCESS[..], &["-n", &own.name]].concat());
    let operator = own.operator_of(None).await;
    for begin in ["one", "two"] {
        whole_life(&Place::in_plane(plane, begin).await, &own).await;
    }
    with_everything(&Place::in_plane(plane, "full").await).await;
    operator.ends().await;
    assert_eq!(plane.forbidden(&own.operator_user()), NONE);

    let role = plane.does("kubectl", &["get", "clusterrole", "mailward-controller", "-o", "json"]);
    let granted = rights_of(&serde_json::from_str(&role).expect("kubectl prints JSON"));
    let used = plane.rights_used(&own.operator_user());
    let spare: BTreeSet<&str> = granted.difference(&used).map(String::as_str).collect();
    assert_eq!(spare, BTreeMap::from(KEPT).into_keys().collect());
}
