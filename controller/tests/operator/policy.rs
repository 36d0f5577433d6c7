//! The admission policy holds an agent to the entry of its own pod, whatever its Role lets it patch.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use mailward_controller::kinds::{Kind, server_resource};
use serde_json::{Value, json};

use crate::place::Place;

/// An agent, by its token.
struct Agent<'a> {
    place: &'a Place,
    client: Client,
}

impl<'a> Agent<'a> {
    /// With a token that is bound to a pod, or to none.
    async fn new(place: &'a Place, pod: Option<&DynamicObject>) -> Self {
        let bound = pod.map(|pod| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        });
        let spec = TokenRequestSpec { bound_object_ref: bound, ..TokenRequestSpec::default() };
        let asked = TokenRequest { spec, ..TokenRequest::default() };
        let accounts: Api<ServiceAccount> = Api::namespaced(place.plane.client("test").await, &place.name);
        let given = accounts.create_token_request("mail-mailward", &PostParams::default(), &asked).await;
        let token = given.expect("a token").status.expect("it is filled in").token;
        Self { place, client: place.plane.client_with_token(&token).await }
    }

    fn servers(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.place.name, &server_resource())
    }

    /// The words of the refusal; none where it is taken.
    async fn applies(&self, server: &str, status: Value) -> Option<String> {
        let body = json!({
            "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {"name": server}, "status": status,
        });
        let parameters = PatchParams::apply("mailward-agent-mail-0").force();
        refusal(self.servers().patch_status(server, &parameters, &Patch::Apply(body)).await)
    }

    async fn merges(&self, status: Value) -> Option<String> {
        let patch = Patch::Merge(json!({"status": status}));
        refusal(self.servers().patch_status("mail", &PatchParams::default(), &patch).await)
    }
}

fn refusal<T>(answer: Result<T, kube::Error>) -> Option<String> {
    match answer {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.code == 403 => Some(status.message.clone()),
        Err(error) => panic!("no refusal: {error}"),
    }
}

fn entry(pod: &str, version: &str) -> Value {
    json!({"name": pod, "podUID": "u", "agentPid": 1, "agentVersion": version, "observedGeneration": 1})
}

#[tokio::test]
async fn r26_an_agent_writes_the_entry_of_its_own_pod_and_nothing_else() {
    let place = Place::new("policy").await;
    let operator = place.operator().await;
    place.apply("mail", "registry.example/mail:1").await;
    place.apply("other", "registry.example/mail:1").await;
    let pod = place.until(place.objects(Kind::Pod), "mail-0", |_| true).await;
    place.says("mail", "Ready", "False", "Pending").await;
    // It would take the entry of the peer out, whose pod there is none of.
    operator.ends().await;
    let mut peer = pod.clone();
    peer.metadata.name = Some("mail-1".to_owned());
    place.agent_says("mail", &peer, 1, "True").await;

    let agent = Agent::new(&place, Some(&pod)).await;
    let conditions = json!({"conditions": [{
        "type": "Ready", "status": "True", "reason": "AllReady", "message": "me", "lastTransitionTime": "2026-11-26T12:00:00Z",
        "observedGeneration": 1,
    }]});
    // The policy is in force a moment after it was applied.
    let patience = async {
        while agent.applies("mail", conditions.clone()).await.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), patience).await.expect("the policy is in force");

    assert_eq!(agent.applies("mail", json!({"instances": [entry("mail-0", "1")]})).await, None, "its own");
    let peers = "an agent writes the entry of its own pod and no other";
    for (status, words) in [
        (json!({"instances": [entry("mail-1", "1")]}), peers),
        (json!({"instances": [entry("mail-0", "1"), entry("mail-2", "1")]}), peers),
        (conditions, "the conditions are the operator's"),
        (json!({"observedGeneration": 7}), "the observed generation is the operator's"),
        (json!({"servicesReady": "9/9"}), "what is said of the whole is the operator's"),
        (json!({"restartsInWindow": 7}), "what is said of the whole is the operator's"),
        (json!({"workload": {"hash": "7"}}), "what is said of the whole is the operator's"),
    ] {
        let said = agent.applies("mail", status.clone()).await;
        assert!(said.as_ref().is_some_and(|said| said.contains(words)), "{status}: {said:?}");
    }
    for (status, words) in [
        (json!({"instances": [entry("mail-0", "1")]}), peers),
        (json!({"instances": null}), peers),
        (json!({"conditions": null}), "the conditions are the operator's"),
        (json!({"observedGeneration": null}), "the observed generation is the operator's"),
    ] {
        let said = agent.merges(status.clone()).await;
        assert!(said.as_ref().is_some_and(|said| said.contains(words)), "{status}: {said:?}");
    }
    assert_eq!(agent.applies("mail", json!({"instances": [entry("mail-0", "2")]})).await, None, "its own, again");

    let unbound = Agent::new(&place, None).await;
    let said = unbound.applies("mail", json!({"instances": [entry("mail-0", "3")]})).await;
    assert!(said.is_some_and(|said| said.contains("an agent shows the token of its pod")));
    // These are the Role's: another resource, the spec, secrets.
    assert!(agent.applies("other", json!({"instances": [entry("mail-0", "1")]})).await.is_some());
    let spec = Patch::Merge(json!({"spec": {"suspend": true}}));
    assert!(refusal(agent.servers().patch("mail", &PatchParams::default(), &spec).await).is_some());
    let secrets: Api<Secret> = Api::namespaced(agent.client.clone(), &place.name);
    assert!(refusal(secrets.list(&ListParams::default()).await).is_some());

    let now = place.servers().get("mail").await.expect("it is there");
    let versions: Vec<(&Value, &Value)> = (now.data["status"]["instances"].as_array().into_iter().flatten())
        .map(|entry| (&entry["name"], &entry["agentVersion"]))
        .collect();
    assert!(
        versions.contains(&(&json!("mail-0"), &json!("2"))) && versions.contains(&(&json!("mail-1"), &json!("0.1.0")))
    );
}
