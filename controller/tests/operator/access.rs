//! What the operator's account may by the chart, and that it is enough: in one namespace, and in all.

use kube::api::DeleteParams;
use mailward_controller::kinds::Kind;

use crate::place::{ACCESS, Place};
use crate::plane::WITH;
use crate::shared::Plane;

const NONE: [String; 0] = [];

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
async fn r26_the_cluster_role_is_enough_for_every_namespace() {
    // It would work in the namespaces of the other tests too, so it has an API server of its own.
    let plane: &'static Plane = Box::leak(Box::new(Plane::start(&WITH)));
    plane.define();
    let own = Place::in_plane(plane, "operators").await;
    plane.apply_chart("charts/mailward", &[&ACCESS[..], &["-n", &own.name]].concat());
    let operator = own.operator_of(None).await;
    for begin in ["one", "two"] {
        whole_life(&Place::in_plane(plane, begin).await, &own).await;
    }
    operator.ends().await;
}
