//! A mail server in a namespace of its own: what people declare, what its status says, what runs in its pod.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::installed::installed;
use crate::namespace::Namespace;

/// The program that the operator brings into every pod.
pub(crate) const AGENT: &str = "/opt/mailward/mailward";

/// One resource and what is made of it.
pub(crate) struct Server {
    pub(crate) namespace: Namespace,
    pub(crate) name: &'static str,
    /// The last thing its status said, for the promises that hold between two looks.
    broken: RefCell<Option<String>>,
}

impl Server {
    /// None yet, but the namespace, the operator, and a volume for its claim.
    pub(crate) fn new(name: &'static str) -> Self {
        installed();
        Self::of(Namespace::new(name), name)
    }

    /// The same, for a test during which no other runs.
    pub(crate) fn alone(name: &'static str) -> Self {
        installed();
        Self::of(Namespace::alone(name), name)
    }

    fn of(namespace: Namespace, name: &'static str) -> Self {
        let server = Self { namespace, name, broken: RefCell::default() };
        server.make_volume();
        server
    }

    /// A volume that nobody else's claim gets; the cluster has nobody who makes any.
    fn make_volume(&self) {
        let folder = self.volume();
        fs::create_dir_all(&folder).expect("the folder of the cluster");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("it is ours");
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": self.namespace.name(), "labels": {"of": self.namespace.name()}},
            "spec": {
                "capacity": {"storage": "50Gi"}, "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": folder},
                "claimRef": {"namespace": self.namespace.name(), "name": format!("{}-data", self.name)},
            },
        });
        self.namespace.apply(&volume);
    }

    /// Its volume as the machine sees it.
    pub(crate) fn volume(&self) -> PathBuf {
        self.namespace.folder().join("volumes").join(self.namespace.name())
    }

    /// The resource with this spec.
    pub(crate) fn object(&self, spec: &Value) -> Value {
        json!({
            "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer",
            "metadata": {"name": self.name}, "spec": spec,
        })
    }

    /// Declares it.
    pub(crate) fn apply(&self, spec: &Value) {
        self.namespace.apply(&self.object(spec));
    }

    /// Changes some fields of its spec (RFC 7386), and says its generation.
    pub(crate) fn patch(&self, spec: &Value) -> i64 {
        let patch = json!({"spec": spec}).to_string();
        let arguments =
            ["patch", "ms", self.name, "--type=merge", "-p", &patch, "-o", "jsonpath={.metadata.generation}"];
        self.namespace.kubectl_here(&arguments).parse().expect("a number")
    }

    /// Changes its spec as a person does with `kubectl edit`: this sed script is the person.
    pub(crate) fn edit(&self, script: &str) {
        let mut command = self.namespace.command(["-n", self.namespace.name(), "edit", "ms", self.name]);
        let output = command.env("KUBE_EDITOR", format!("sed -i '{script}'")).output().expect("kubectl");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("edited"), "{script}: {output:?}");
    }

    /// The process of a service, when it is another than this one and ready.
    pub(crate) fn again(&self, service: &str, before: Option<u64>) -> Value {
        self.until(&format!("{service} runs anew"), |object| {
            pid(object, service).is_some_and(|now| Some(now) != before)
        })
    }

    /// Waits until its agents and the operator have looked at this generation and refuse it.
    pub(crate) fn rejected(&self, words: &str) -> Value {
        self.until("the document is refused", |object| {
            let valid = condition(object, "ConfigValid");
            says(object, "Stalled", "True", "ConfigRejected")
                && valid["status"] == "False"
                && valid["message"].as_str().is_some_and(|message| message.contains(words))
        })
    }

    /// The resource once its document is in force everywhere.
    pub(crate) fn accepted(&self, generation: i64) -> Value {
        self.until("the document is in force", |object| {
            let entries = object.pointer("/status/instances").and_then(Value::as_array);
            let mut entries = entries.into_iter().flatten();
            says(object, "ConfigValid", "True", "Accepted")
                && entries.all(|entry| entry["observedGeneration"] == generation)
        })
    }

    /// The resource once it is as wanted. Whatever its status says on the way must keep what it promises.
    pub(crate) fn until(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        eprintln!("{}: waits until {what}", self.name);
        let found = self.namespace.until("ms", self.name, |object| {
            self.look(object);
            wanted(object)
        });
        assert_eq!(*self.broken.borrow(), None);
        found
    }

    /// [kubernetes.md 5, 6]: never stalled and moving at once, never ready for what nobody has looked at.
    fn look(&self, object: &Value) {
        let is = |kind: &str| condition(object, kind)["status"] == "True";
        let generation = &object["metadata"]["generation"];
        let entries = object.pointer("/status/instances").and_then(Value::as_array);
        let all_looked = entries.into_iter().flatten().all(|entry| entry["observedGeneration"] == *generation);
        let ready_now = is("Ready") && condition(object, "Ready")["observedGeneration"] == *generation;
        if (is("Reconciling") && is("Stalled")) || (ready_now && !all_looked) {
            self.broken.borrow_mut().get_or_insert(format!("{object:#}"));
        }
    }

    /// Waits as a person does, with `kubectl wait`, until it is ready as it is declared now.
    pub(crate) fn ready(&self) -> Value {
        self.namespace.wait("ms", self.name, "Ready");
        self.until("ready", |object| {
            let ready = condition(object, "Ready");
            ready["status"] == "True" && ready["observedGeneration"] == object["metadata"]["generation"]
        })
    }

    pub(crate) fn pod(&self) -> String {
        format!("{}-0", self.name)
    }

    /// Which pod it is: one that is made again has another.
    pub(crate) fn uid(&self) -> String {
        text(&self.namespace.get("pod", &self.pod()), "/metadata/uid")
    }

    /// Waits for a pod other than this one that is ready.
    pub(crate) fn another_pod(&self, uid: &str) -> Value {
        self.namespace.until("pod", &self.pod(), |pod| {
            let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
            let mut conditions = conditions.into_iter().flatten();
            pod["metadata"]["uid"] != *uid && conditions.any(|it| it["type"] == "Ready" && it["status"] == "True")
        })
    }

    /// How often containers of its pod were started again.
    pub(crate) fn container_restarts(&self) -> u64 {
        let pod = self.namespace.get("pod", &self.pod());
        pod.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_u64).expect("it runs")
    }

    /// Address of the Service.
    pub(crate) fn address(&self) -> String {
        text(&self.namespace.get("service", self.name), "/spec/clusterIP")
    }

    /// What a command of the agent's prints in the pod.
    pub(crate) fn mailward(&self, arguments: &[&str]) -> String {
        self.namespace.exec(&self.pod(), "mail", &[&[AGENT], arguments].concat())
    }

    /// What a shell in the pod prints.
    pub(crate) fn shell(&self, words: &str) -> String {
        self.namespace.exec(&self.pod(), "mail", &["bash", "-c", words])
    }

    /// Kills a service, and says which process that was.
    pub(crate) fn crash(&self, service: &str) -> u64 {
        let object = self.until("its process is told", |object| pid(object, service).is_some());
        let pid = pid(&object, service).expect("just looked");
        self.shell(&format!("kill -9 {pid}"));
        pid
    }

    /// Waits for an Event with this reason whose words have these in them.
    pub(crate) fn event(&self, reason: &str, words: &str) -> String {
        let found = self.namespace.any("events.events.k8s.io", |event| {
            event["reason"] == reason && event["note"].as_str().is_some_and(|note| note.contains(words))
        });
        text(&found, "/note")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its claim is in the way until the namespace is gone, so nobody waits.
        let of = format!("of={}", self.namespace.name());
        eprintln!("{}", self.namespace.hearsay(&["delete", "persistentvolume", "-l", &of, "--wait=false"]));
    }
}

/// A field that is a text.
pub(crate) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {object:#}")).to_owned()
}

fn one<'a>(list: Option<&'a Value>, field: &str, name: &str) -> &'a Value {
    let mut items = list.and_then(Value::as_array).into_iter().flatten();
    items.find(|item| item[field] == *name).unwrap_or(&Value::Null)
}

/// A condition of the whole.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    one(object.pointer("/status/conditions"), "type", kind)
}

/// Whether a condition of the whole says so for the present generation, with this reason.
pub(crate) fn says(object: &Value, kind: &str, status: &str, reason: &str) -> bool {
    let condition = condition(object, kind);
    let now = condition["observedGeneration"] == object["metadata"]["generation"];
    now && condition["status"] == *status && condition["reason"] == *reason
}

/// A service, as the entry of the first pod tells of it.
pub(crate) fn service<'a>(object: &'a Value, name: &str) -> &'a Value {
    one(object.pointer("/status/instances/0/services"), "name", name)
}

/// Its process, while it is ready.
pub(crate) fn pid(object: &Value, name: &str) -> Option<u64> {
    let service = service(object, name);
    service["pid"].as_u64().filter(|_| service["ready"] == "True")
}
