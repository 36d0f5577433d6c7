//! A namespace for one test, and operators that work in it alone.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use mailward_controller::kinds::{Kind, server_resource};
use mailward_controller::options::{LogFormat, Options};
use mailward_controller::run::{Failure, run};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::plane::WITH;
use crate::shared::{Plane, plane};

/// How long a thing may take that is sure to come.
const PATIENCE: Duration = Duration::from_secs(90);

/// The part of the chart that says what the operator may.
pub(crate) const ACCESS: [&str; 2] = ["-s", "templates/access.yaml"];

/// The definition and the policy of the first chart, once for all.
static DEFINED: OnceLock<()> = OnceLock::new();

pub(crate) struct Place {
    pub(crate) plane: &'static Plane,
    client: Client,
    pub(crate) name: String,
}

pub(crate) struct Operator {
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) end: JoinHandle<Result<(), Failure>>,
}

impl Operator {
    /// Tells it to end and waits until it has.
    pub(crate) async fn ends(self) {
        self.stop.send(true).expect("it runs");
        self.end.await.expect("it does not panic").expect("it ends well");
    }
}

impl Place {
    /// A namespace of the API server of all, with the operator's account and Role of the chart.
    pub(crate) async fn new(begin: &str) -> Self {
        let plane = plane(&WITH);
        DEFINED.get_or_init(|| plane.define());
        let new = Self::in_plane(plane, begin).await;
        plane.apply_chart("charts/mailward", &[&ACCESS[..], &["--set", "namespaced=true", "-n", &new.name]].concat());
        new
    }

    /// A namespace and nothing in it.
    pub(crate) async fn in_plane(plane: &'static Plane, begin: &str) -> Self {
        let client = plane.client("test").await;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let mut namespace = Namespace::default();
        namespace.metadata.generate_name = Some(format!("{begin}-"));
        let made = namespaces.create(&PostParams::default(), &namespace).await.expect("a namespace");
        Self { plane, client, name: made.metadata.name.expect("it has a name") }
    }

    /// Who the operators of this place are: the account of the chart.
    pub(crate) fn operator_user(&self) -> String {
        format!("system:serviceaccount:{}:mailward-controller", self.name)
    }

    /// An operator that keeps this namespace.
    pub(crate) async fn operator(&self) -> Operator {
        self.operator_of(Some(self.name.clone())).await
    }

    /// An operator with the account of this namespace, that keeps one or all.
    pub(crate) async fn operator_of(&self, namespace: Option<String>) -> Operator {
        let options = Options {
            order: None,
            agent_image: Some("registry.example/agent:1".to_owned()),
            namespace,
            lease_namespace: self.name.clone(),
            http: "127.0.0.1:0".parse().expect("an address"),
            log_format: LogFormat::Text,
            leader_elect: true,
        };
        let (stop, stopped) = watch::channel(false);
        let own = format!("system:serviceaccounts:{}", self.name);
        let groups = ["system:serviceaccounts", &own, "system:authenticated"];
        let client = self.plane.client_in(&self.operator_user(), &groups).await;
        Operator { stop, end: tokio::spawn(run(options, client, stopped)) }
    }

    pub(crate) fn servers(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.name, &server_resource())
    }

    pub(crate) fn objects(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.name, &kind.resource())
    }

    /// Applies a resource with one service and this image.
    pub(crate) async fn apply(&self, name: &str, image: &str) -> DynamicObject {
        let service =
            json!({"name": "imap", "command": ["/bin/imap"], "listeners": [{"port": 143, "protocol": "Imap"}]});
        self.apply_spec(name, &json!({"profile": "Custom", "services": [service], "workload": {"image": image}})).await
    }

    /// Applies a resource with this spec.
    pub(crate) async fn apply_spec(&self, name: &str, spec: &Value) -> DynamicObject {
        let body = json!({
            "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {"name": name}, "spec": spec,
        });
        let parameters = PatchParams::apply("test").force();
        self.servers().patch(name, &parameters, &Patch::Apply(body)).await.expect("it is taken")
    }

    /// Says what the agent of a pod would say: everything is ready.
    pub(crate) async fn agent_says(&self, server: &str, pod: &DynamicObject, generation: i64, ready: &str) {
        let name = pod.metadata.name.clone().expect("a name");
        let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "as the test says"});
        let reason = if ready == "True" { "AllReady" } else { "ServicesNotReady" };
        let entry = json!({
            "name": name, "podUID": pod.metadata.uid, "agentPid": 1, "agentVersion": "0.1.0",
            "observedGeneration": generation,
            "services": [{
                "name": "imap", "enabled": true, "held": false, "gaveUp": false, "ready": ready, "required": true,
                "restartsInWindow": 0, "reason": "as the test says", "settled": true,
            }],
            "conditions": [condition("Ready", ready, reason), condition("ConfigValid", "True", "Accepted")],
        });
        let body = json!({
            "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {"name": server},
            "status": {"instances": [entry]},
        });
        let parameters = PatchParams::apply(&format!("mailward-agent-{name}")).force();
        self.servers().patch_status(server, &parameters, &Patch::Apply(body)).await.expect("it is taken");
    }

    /// Waits until an object is as wanted, and returns it so.
    pub(crate) async fn until(
        &self,
        api: Api<DynamicObject>,
        name: &str,
        wanted: impl Fn(&DynamicObject) -> bool,
    ) -> DynamicObject {
        let seen = await_condition(api.clone(), name, |object: Option<&DynamicObject>| object.is_some_and(&wanted));
        if let Ok(object) = tokio::time::timeout(PATIENCE, seen).await {
            object.expect("a watch").expect("it is there")
        } else {
            panic!("{name} stays as it is: {:#?}", api.get_opt(name).await)
        }
    }

    /// Waits until an object is not there.
    pub(crate) async fn until_gone(&self, api: Api<DynamicObject>, name: &str) {
        let seen = await_condition(api, name, |object: Option<&DynamicObject>| object.is_none());
        tokio::time::timeout(PATIENCE, seen).await.expect("it goes").expect("a watch");
    }

    /// Waits until a condition of a resource has this status and reason.
    pub(crate) async fn says(&self, server: &str, kind: &str, status: &str, reason: &str) -> DynamicObject {
        let says = |object: &DynamicObject| {
            let said = conditions(object);
            said.get(kind).is_some_and(|(is, why)| is == status && why == reason)
        };
        self.until(self.servers(), server, says).await
    }
}

/// Status and reason of each condition, where the operator has seen the newest generation.
pub(crate) fn conditions(object: &DynamicObject) -> BTreeMap<String, (String, String)> {
    let status = &object.data["status"];
    if status["observedGeneration"].as_i64() != object.metadata.generation {
        return BTreeMap::new();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| (text(&one["type"]), (text(&one["status"]), text(&one["reason"])))).collect()
}
