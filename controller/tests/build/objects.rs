//! The objects themselves.

use std::path::Path;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use mailward_controller::build::{Maybe, Prepared, Rendered, Resources, build};
use mailward_controller::kinds::Kind;
use mailward_controller::validate::{Environment, Invalid, validate};
use serde_json::{Value, json};

use crate::{document, environment, read};

fn built(document: Value) -> Resources<Prepared> {
    build(&read(document).expect("it is valid"))
}

/// Every object that is to be there.
fn objects(resources: Resources<Prepared>) -> Vec<Rendered> {
    let Resources {
        service_account,
        role,
        role_binding,
        claim,
        service,
        headless,
        disruption_budget,
        network_policy,
        stateful_set,
        workload_hash: _,
        state: _,
    } = resources;
    let maybe = [service, disruption_budget, network_policy].into_iter().filter_map(|maybe| match maybe {
        Maybe::Wanted(rendered) => Some(rendered),
        Maybe::Unwanted(..) => None,
    });
    [service_account, role, role_binding, headless]
        .into_iter()
        .chain(claim)
        .chain(maybe)
        .chain([stateful_set])
        .collect()
}

/// A field that the API server does not know would be lost in silence.
fn as_the_server_reads_it(rendered: &Rendered) -> Value {
    fn through<T: serde::Serialize + serde::de::DeserializeOwned>(body: &Value) -> Value {
        let typed: T = serde_json::from_value(body.clone()).expect("it has the types of its kind");
        serde_json::to_value(typed).expect("it is JSON")
    }
    let body = &rendered.body;
    match rendered.kind {
        Kind::StatefulSet => through::<StatefulSet>(body),
        Kind::Service => through::<Service>(body),
        Kind::ServiceAccount => through::<ServiceAccount>(body),
        Kind::Role => through::<Role>(body),
        Kind::RoleBinding => through::<RoleBinding>(body),
        Kind::Claim => through::<PersistentVolumeClaim>(body),
        Kind::DisruptionBudget => through::<PodDisruptionBudget>(body),
        Kind::NetworkPolicy => through::<NetworkPolicy>(body),
        Kind::Pod => panic!("pods are made by the StatefulSet"),
    }
}

#[test]
fn the_objects_are_those_of_the_golden_file_and_no_field_is_unknown_to_the_api_server() {
    let objects = objects(built(document()));
    for rendered in &objects {
        assert_eq!(as_the_server_reads_it(rendered), rendered.body, "{:?} {}", rendered.kind, rendered.name);
    }
    let bodies: Vec<&Value> = objects.iter().map(|rendered| &rendered.body).collect();
    let text = serde_json::to_string_pretty(&bodies).expect("it is JSON") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mail.json");
    if std::env::var_os("MAILWARD_ACCEPT").is_some() {
        std::fs::write(&path, &text).expect("it can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == golden, "run with MAILWARD_ACCEPT=1 and read the difference of {}", path.display());
}

#[test]
fn only_enabled_listeners_of_enabled_services_have_ports() {
    let server = read(document()).expect("it is valid");
    assert_eq!(server.ports.iter().map(|port| port.number).collect::<Vec<_>>(), [25, 143]);
}

#[test]
fn without_a_port_there_is_no_service_and_without_the_switch_no_policy() {
    let mut document = document();
    document["spec"]["services"] = json!([{"name": "cron", "command": ["/bin/cron"]}]);
    document["spec"]["workload"]["networkPolicy"] = json!(false);
    let resources = built(document);
    assert_eq!(resources.service, Maybe::Unwanted(Kind::Service, "mail".to_owned()));
    assert_eq!(resources.network_policy, Maybe::Unwanted(Kind::NetworkPolicy, "mail".to_owned()));
}

#[test]
fn one_pod_has_no_disruption_budget_and_two_have() {
    assert!(matches!(built(document()).disruption_budget, Maybe::Unwanted(..)));
    let mut two = document();
    two["spec"]["highAvailability"] = json!({"mode": "ActiveStandby"});
    two["spec"]["workload"]["replicas"] = json!(2);
    two["spec"]["autorestart"] = json!({"onGiveUp": "Failover"});
    let resources = built(two);
    assert!(matches!(resources.disruption_budget, Maybe::Wanted(_)));
    let claim = resources.claim.expect("it has storage");
    assert_eq!(claim.body["spec"]["accessModes"], json!(["ReadWriteMany"]));
}

#[test]
fn r29_nothing_has_a_finalizer_and_a_claim_that_is_kept_has_no_owner() {
    for rendered in objects(built(document())) {
        assert_eq!(rendered.body["metadata"].get("finalizers"), None, "{}", rendered.name);
        let owned = rendered.body["metadata"].get("ownerReferences").is_some();
        assert_eq!(owned, rendered.kind != Kind::Claim, "{:?} {}", rendered.kind, rendered.name);
    }
    let mut document = document();
    document["spec"]["workload"]["storage"]["retainPolicy"] = json!("Delete");
    let claim = built(document).claim.expect("it has storage");
    assert_eq!(claim.body["metadata"]["ownerReferences"][0]["uid"], json!("4a1c"));
}

#[test]
fn what_kubernetes_cannot_run_is_refused_in_words() {
    let mut long = document();
    long["metadata"]["name"] = json!("m".repeat(53));
    assert_eq!(read(long), Err(Invalid::Name));
    let mut nothing = document();
    nothing["spec"]["workload"] = Value::Null;
    assert!(matches!(read(nothing), Err(Invalid::NoWorkload | Invalid::Document { .. })));
    let mut circle = document();
    circle["spec"]["services"][0]["dependsOn"] = json!(["smtp"]);
    circle["spec"]["services"][1]["dependsOn"] = json!(["imap"]);
    let refused = read(circle).expect_err("it goes round");
    assert_eq!(refused.reason().word(), "Cycle");
}

#[test]
fn two_pods_are_refused_while_nobody_says_which_is_the_active_one() {
    let mut two = document();
    two["spec"]["highAvailability"] = json!({"mode": "ActiveStandby"});
    two["spec"]["workload"]["replicas"] = json!(2);
    two["spec"]["autorestart"] = json!({"onGiveUp": "Failover"});
    let object = serde_json::from_value(two).expect("it is an object");
    assert_eq!(validate(&object, &Environment { standby: false, ..environment() }), Err(Invalid::NoStandby));
}
