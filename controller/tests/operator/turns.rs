//! Two operators take turns.

use kube::Api;
use kube::core::DynamicObject;
use mailward_controller::kinds::Kind;
use mailward_controller::lease;

use crate::place::Place;

#[tokio::test]
async fn an_operator_that_ends_hands_over_at_once_and_the_next_writes_nothing_twice() {
    let place = Place::new("turns").await;
    let first = place.operator().await;
    place.apply("mail", "registry.example/mail:1").await;
    place.until(place.objects(Kind::Pod), "mail-0", |_| true).await;
    place.says("mail", "Ready", "False", "Pending").await;
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> =
        Api::namespaced(place.plane.client("test").await, &place.name);
    let holder =
        || async { leases.get(lease::NAME).await.expect("it is there").spec.and_then(|it| it.holder_identity) };
    let before = holder().await.expect("somebody leads");
    let set = place.objects(Kind::StatefulSet).get("mail").await.expect("it is there");

    let second = place.operator().await;
    assert_eq!(holder().await.as_ref(), Some(&before), "one that stands by leaves the lease alone");
    first.ends().await;
    place.apply("next", "registry.example/mail:1").await;
    place.until(place.objects(Kind::StatefulSet), "next", |_| true).await;
    let after = holder().await.expect("somebody leads");
    assert_ne!(after, before);
    let same = place.objects(Kind::StatefulSet).get("mail").await.expect("it is there");
    let applied = |set: &DynamicObject| {
        let fields = set.metadata.managed_fields.clone().unwrap_or_default();
        fields.into_iter().find(|entry| entry.operation.as_deref() == Some("Apply"))
    };
    assert!(applied(&set).is_some());
    assert_eq!(applied(&same), applied(&set), "the second wrote it again");
    second.ends().await;
}
