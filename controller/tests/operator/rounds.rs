//! What one operator makes of resources.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use mailward_controller::kinds::Kind;
use serde_json::json;

use crate::kstatus::kstatus;
use crate::place::{Place, conditions};

/// How long nothing may be written.
const IDLE: Duration = Duration::from_secs(30);

/// What Flux makes of it.
fn flux(object: &kube::core::DynamicObject) -> String {
    kstatus(&serde_json::to_value(object).expect("it is JSON"))
}

#[tokio::test]
async fn r26_a_resource_gets_its_objects_and_they_go_with_it() {
    let place = Place::new("objects").await;
    let operator = place.operator().await;
    let server = place.apply("mail", "registry.example/mail:1").await;

    place.until(place.objects(Kind::Pod), "mail-0", |_| true).await;
    let names = [
        (Kind::StatefulSet, "mail"),
        (Kind::Service, "mail"),
        (Kind::Service, "mail-pods"),
        (Kind::ServiceAccount, "mail-mailward"),
        (Kind::Role, "mail-mailward"),
        (Kind::RoleBinding, "mail-mailward"),
    ];
    for (kind, name) in names {
        let object = place.objects(kind).get(name).await.expect("it is there");
        let owner = object.metadata.owner_references.expect("it is owned");
        assert_eq!(Some(&owner[0].uid), server.metadata.uid.as_ref(), "{kind:?} {name}");
    }

    place.servers().delete("mail", &kube::api::DeleteParams::background()).await.expect("it can be deleted");
    for (kind, name) in names {
        place.until_gone(place.objects(kind), name).await;
    }
    operator.ends().await;
}

#[tokio::test]
async fn r26_conditions_follow_what_the_agent_of_the_living_pod_says() {
    let place = Place::new("conditions").await;
    let operator = place.operator().await;
    place.apply("mail", "registry.example/mail:1").await;
    let pod = place.until(place.objects(Kind::Pod), "mail-0", |_| true).await;
    let pending = place.says("mail", "Ready", "False", "Pending").await;
    assert_eq!(conditions(&pending).len(), 7, "every condition is said");
    assert_eq!(flux(&pending), "InProgress");

    place.agent_says("mail", &pod, 1, "True").await;
    let ready = place.says("mail", "Ready", "True", "AllReady").await;
    assert_eq!(ready.data["status"]["servicesReady"], "1/1");
    assert_eq!(flux(&ready), "Current");
    place.agent_says("mail", &pod, 1, "False").await;
    place.says("mail", "Ready", "False", "ServicesNotReady").await;

    // An entry of a pod that is not there is taken out, and counts for nothing.
    place.agent_says("mail", &pod, 1, "True").await;
    let mut dead = pod.clone();
    dead.metadata.name = Some("mail-7".to_owned());
    dead.metadata.uid = Some("nobody".to_owned());
    place.agent_says("mail", &dead, 1, "False").await;
    let alone = |it: &kube::core::DynamicObject| {
        it.data["status"]["instances"].as_array().is_some_and(|all| all.len() == 1 && all[0]["name"] == "mail-0")
    };
    place.until(place.servers(), "mail", alone).await;
    place.says("mail", "Ready", "True", "AllReady").await;
    operator.ends().await;
}

#[tokio::test]
async fn r25_another_image_replaces_the_pod_and_the_new_one_has_it() {
    let place = Place::new("roll").await;
    let operator = place.operator().await;
    place.apply("mail", "registry.example/mail:1").await;
    let old = place.until(place.objects(Kind::Pod), "mail-0", |_| true).await;
    place.apply("mail", "registry.example/mail:2").await;
    let new = |pod: &kube::core::DynamicObject| {
        pod.metadata.uid != old.metadata.uid && pod.data["spec"]["containers"][0]["image"] == "registry.example/mail:2"
    };
    place.until(place.objects(Kind::Pod), "mail-0", new).await;
    place.says("mail", "WorkloadCurrent", "True", "Current").await;
    operator.ends().await;
}

#[tokio::test]
async fn r27_a_broken_resource_stops_no_other_and_keeps_what_it_had() {
    let place = Place::new("broken").await;
    let operator = place.operator().await;
    // A circle is what no schema refuses.
    let service = |name: &str, other: &str| json!({"name": name, "command": ["/bin/a"], "dependsOn": [other]});
    let spec = json!({
        "profile": "Custom", "services": [service("a", "b"), service("b", "a")], "workload": {"image": "mail:1"},
    });
    let body = json!({
        "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {"name": "bad"}, "spec": spec,
    });
    place.servers().patch("bad", &PatchParams::apply("test"), &Patch::Apply(body)).await.expect("the server takes it");
    place.apply("good", "registry.example/mail:1").await;
    place.until(place.objects(Kind::StatefulSet), "good", |_| true).await;
    let bad = place.says("bad", "ConfigValid", "False", "Cycle").await;
    assert_eq!(conditions(&bad)["Stalled"], ("True".to_owned(), "ConfigRejected".to_owned()));
    assert_eq!(flux(&bad), "Failed");
    assert!(place.objects(Kind::StatefulSet).get_opt("bad").await.expect("an answer").is_none());
    operator.ends().await;
}

#[tokio::test]
async fn what_somebody_else_has_under_the_name_is_left_alone() {
    let place = Place::new("foreign").await;
    let operator = place.operator().await;
    let foreign = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "mail-mailward", "labels": {"of": "another"}},
    });
    let accounts = place.objects(Kind::ServiceAccount);
    accounts.patch("mail-mailward", &PatchParams::apply("another"), &Patch::Apply(foreign)).await.expect("it is made");
    place.apply("mail", "registry.example/mail:1").await;
    place.apply("other", "registry.example/mail:1").await;
    place.until(place.objects(Kind::StatefulSet), "other", |_| true).await;
    let account = accounts.get("mail-mailward").await.expect("it is there");
    assert_eq!(account.metadata.owner_references, None);
    operator.ends().await;
}

#[tokio::test]
async fn what_somebody_changes_in_an_object_is_put_right() {
    let place = Place::new("drift").await;
    let operator = place.operator().await;
    place.apply("mail", "registry.example/mail:1").await;
    place.until(place.objects(Kind::Role), "mail-mailward", |_| true).await;
    let more = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    place
        .objects(Kind::Role)
        .patch("mail-mailward", &PatchParams::default(), &Patch::Merge(more))
        .await
        .expect("changed");
    let right = |role: &kube::core::DynamicObject| role.data["rules"].as_array().is_some_and(|rules| rules.len() == 3);
    place.until(place.objects(Kind::Role), "mail-mailward", right).await;
    operator.ends().await;
}

#[tokio::test]
async fn r27_nothing_is_written_while_nothing_happens() {
    let place = Place::new("idle").await;
    let operator = place.operator().await;
    let names: Vec<String> = (0..20).map(|at| format!("mail-{at}")).collect();
    for name in &names {
        place.apply(name, "registry.example/mail:1").await;
    }
    for name in &names {
        let pod = place.until(place.objects(Kind::Pod), &format!("{name}-0"), |_| true).await;
        place.agent_says(name, &pod, 1, "True").await;
    }
    for name in &names {
        place.says(name, "Ready", "True", "AllReady").await;
    }
    let before = place.plane.writes(&place.operator_user());
    assert!(before.len() >= 20 * 7, "the log has what the operator wrote: {}", before.len());
    tokio::time::sleep(IDLE).await;
    let after = place.plane.writes(&place.operator_user());
    assert_eq!(after[before.len()..], [] as [String; 0], "while nothing happened");
    assert_eq!(place.plane.forbidden(&place.operator_user()), [] as [String; 0]);
    operator.ends().await;
}
