//! A namespace for one test, so that tests run side by side. It goes with the test.

use std::ops::Deref;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

use serde_json::{Value, json};

use crate::kubectl::{Cluster, cluster};
use crate::watch::{PATIENCE, until};

/// Held by every test that uses the cluster; written by one that takes a part of it away.
static TURN: RwLock<()> = RwLock::new(());

#[expect(dead_code, reason = "held, never read")]
enum Turn {
    Beside(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// The namespace. What it derefs to is the cluster as a whole.
pub(crate) struct Namespace {
    cluster: &'static Cluster,
    name: String,
    _turn: Turn,
}

impl Deref for Namespace {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.cluster
    }
}

impl Namespace {
    /// A new one whose name begins so, ready for pods.
    pub(crate) fn new(begin: &str) -> Self {
        Self::begin(begin, Turn::Beside(TURN.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The same, for a test during which no other runs.
    pub(crate) fn alone(begin: &str) -> Self {
        Self::begin(begin, Turn::Alone(TURN.write().unwrap_or_else(PoisonError::into_inner)))
    }

    fn begin(begin: &str, turn: Turn) -> Self {
        let cluster = cluster();
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": format!("{begin}-")}});
        let name =
            cluster.kubectl_reads(&["create", "-f", "-", "-o", "jsonpath={.metadata.name}"], &object.to_string());
        let namespace = Self { cluster, name, _turn: turn };
        // No pod is admitted before.
        namespace.until("serviceaccount", "default", |_| true);
        namespace
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What kubectl prints about this namespace.
    pub(crate) fn kubectl_here(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl(&[&["-n", &self.name], arguments].concat())
    }

    /// Applies an object by server-side apply, whoever else has changed it since.
    pub(crate) fn apply(&self, object: &Value) {
        let arguments = ["-n", &self.name, "apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.cluster.kubectl_reads(&arguments, &object.to_string());
    }

    /// Why an object is not accepted.
    pub(crate) fn apply_refused(&self, object: &Value) -> String {
        self.cluster
            .refused(&["-n", &self.name, "apply", "--server-side", "--force-conflicts", "-f", "-"], &object.to_string())
    }

    /// An object as it is.
    pub(crate) fn get(&self, kind: &str, name: &str) -> Value {
        let text = self.cluster.kubectl(&["-n", &self.name, "get", kind, name, "-o", "json"]);
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    /// Waits until an object is as wanted, and returns it so.
    pub(crate) fn until(&self, kind: &str, name: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        until(self.cluster, [&self.name, kind, name], PATIENCE, wanted)
    }

    /// Waits until one of the objects of a kind is as wanted, and returns it so.
    pub(crate) fn any(&self, kind: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        until(self.cluster, [&self.name, kind, ""], PATIENCE, wanted)
    }

    /// Waits until an object is gone.
    pub(crate) fn gone(&self, kind: &str, name: &str) {
        let limit = format!("--timeout={}s", PATIENCE.as_secs());
        self.kubectl_here(&["wait", "--for=delete", &format!("{kind}/{name}"), &limit]);
    }

    /// Waits, as a person would with `kubectl wait`, until a condition of an object holds.
    pub(crate) fn wait(&self, kind: &str, name: &str, condition: &str) {
        let condition = format!("--for=condition={condition}");
        let limit = format!("--timeout={}s", PATIENCE.as_secs());
        self.cluster.kubectl(&["-n", &self.name, "wait", &format!("{kind}/{name}"), &condition, &limit]);
    }

    /// Deletes an object and waits until it is gone.
    pub(crate) fn delete(&self, kind: &str, name: &str) {
        let limit = format!("--timeout={}s", PATIENCE.as_secs());
        self.cluster.kubectl(&["-n", &self.name, "delete", kind, name, &limit]);
    }

    /// What a command prints in a container of a pod.
    pub(crate) fn exec(&self, pod: &str, container: &str, command: &[&str]) -> String {
        let mut arguments = vec!["-n", &self.name, "exec", pod, "-c", container, "--"];
        arguments.extend(command);
        self.cluster.kubectl(&arguments)
    }

    /// What a pod has written.
    pub(crate) fn logs(&self, pod: &str) -> String {
        self.cluster.kubectl(&["-n", &self.name, "logs", pod, "--all-containers"])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if thread::panicking() {
            let questions: [&[&str]; 5] = [
                &["get", "all", "-o", "wide"],
                &["get", "messagingservers", "-o", "yaml"],
                &["describe", "pods"],
                &["events"],
                &["logs", "--selector", "!none", "--all-containers", "--prefix", "--tail", "100"],
            ];
            for question in questions {
                eprintln!("{}", self.cluster.hearsay(&[&["-n", &self.name], question].concat()));
            }
        }
        eprintln!("{}", self.cluster.hearsay(&["delete", "namespace", &self.name, "--wait=false"]));
    }
}
