//! What is gone is forgotten: whatever comes by the same name is another.

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use mailward_controller::kinds::Kind;

use crate::place::Place;

/// What the operator makes for a resource without storage.
const OBJECTS: [(Kind, &str); 6] = [
    (Kind::ServiceAccount, "mail-mailward"),
    (Kind::Role, "mail-mailward"),
    (Kind::RoleBinding, "mail-mailward"),
    (Kind::Service, "mail"),
    (Kind::Service, "mail-pods"),
    (Kind::StatefulSet, "mail"),
];

#[tokio::test]
async fn an_object_that_somebody_removes_is_written_again() {
    let place = Place::new("removed").await;
    let operator = place.operator().await;
    place.apply("mail", "registry.example/mail:1").await;
    place.until(place.objects(Kind::Pod), "mail-0", |_| true).await;
    place.says("mail", "Ready", "False", "Pending").await;
    // Nothing else happens in this namespace and no round comes by itself: only the removal can be the reason.
    for (kind, name) in OBJECTS {
        let objects = place.objects(kind);
        // Twice: what was written again is remembered no better than what was written first.
        for _ in 0..2 {
            let before = objects.get(name).await.expect("it is there").metadata.uid;
            objects.delete(name, &DeleteParams::background()).await.expect("it can be removed");
            place.until(objects.clone(), name, |now| now.metadata.uid != before).await;
        }
    }
    operator.ends().await;
}

#[tokio::test]
async fn a_resource_that_is_made_again_by_the_same_name_gets_objects_of_its_own_and_nobody_is_blamed() {
    let place = Place::new("again").await;
    let operator = place.operator().await;
    for _ in 0..2 {
        let server = place.apply("mail", "registry.example/mail:1").await;
        let ours = |object: &kube::core::DynamicObject| {
            object
                .metadata
                .owner_references
                .iter()
                .flatten()
                .any(|owner| Some(&owner.uid) == server.metadata.uid.as_ref())
        };
        for (kind, name) in OBJECTS {
            place.until(place.objects(kind), name, ours).await;
        }
        place.says("mail", "Ready", "False", "Pending").await;
        place.servers().delete("mail", &DeleteParams::background()).await.expect("it can be deleted");
    }
    operator.ends().await;
    let events: Api<Event> = Api::namespaced(place.plane.client("test").await, &place.name);
    let told = events.list(&ListParams::default()).await.expect("they can be read").items;
    let reasons: Vec<String> = told.into_iter().filter_map(|event| event.reason).collect();
    assert!(reasons.iter().any(|reason| reason == "WorkloadCreated"), "{reasons:?}");
    assert!(!reasons.iter().any(|reason| reason == "WorkloadBlocked"), "{reasons:?}");
}
