//! What a person and a program are told: the status of the `MessagingServer` object, the same in a file's world and on
//! Kubernetes.
//!
//! Pure: worked out from the engine and from what the agent knows besides. Nothing in it changes while nothing happens:
//! it holds no latency, no countdown and no heartbeat.

mod build;
mod canary;
mod conditions;
mod entry;
mod merge;
mod probes;
mod reasons;
mod room;
mod tasks;
mod vitals;

pub use build::{About, instance, service_status};
pub use canary::{CanaryHop, CanaryRun, Hop, HopOutcome};
pub use conditions::{Facets, Refusal, conditions};
pub use entry::{InstanceCondition, Whose, entry, waiting};
pub use merge::{Active, Gathered, Rollout, WorkloadFacts, merge, restarts_in_window, services_ready};
pub use probes::{GaugeProbe, ListenerProbe, ProbeReport, ProbeSample, ProbeSeries, ServiceProbe};
pub use reasons::{ConditionReason, ConditionType};
pub use room::leave_out;
pub use tasks::{TaskStatus, tasks};
pub use vitals::{ApiVitals, ServiceVitals, Vitals};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Health, Level};

/// The `MessagingServer` object as far as an agent tells it: what `mailward status -o json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// Always `mailward.dev/v1alpha1`.
    pub api_version: String,
    /// Always `MessagingServer`.
    pub kind: String,
    /// Whose status it is.
    pub metadata: ReportedMetadata,
    /// The status.
    pub status: Status,
}

/// `metadata` of a [`Reported`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportedMetadata {
    /// `metadata.name` of the document that is in force.
    pub name: String,
}

impl Reported {
    /// The status of the mail server of this name.
    pub fn new(name: &str, status: Status) -> Self {
        Self {
            api_version: "mailward.dev/v1alpha1".to_owned(),
            kind: "MessagingServer".to_owned(),
            metadata: ReportedMetadata { name: name.to_owned() },
            status,
        }
    }
}

/// `status` of a `MessagingServer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The generation of the document that is in force.
    pub observed_generation: i64,
    /// What holds of the whole, as Kubernetes conditions.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Services that are ready, of those that are wanted, such as `7/8`; on Kubernetes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services_ready: Option<String>,
    /// Automatic restarts of all services that count against their budgets; on Kubernetes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts_in_window: Option<u32>,
    /// What the operator keeps of the pods; on Kubernetes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadStatus>,
    /// One entry an agent; in a file's world there is one, named after the host.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub instances: Vec<Instance>,
}

/// What the operator keeps of the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadStatus {
    /// The fingerprint of everything that only a new pod can have: a pod with another one is replaced.
    pub hash: String,
}

/// A condition as `metav1.Condition` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Reconciling`, `Stalled`, `Degraded`, `ConfigValid` or `Suspended`; on Kubernetes `WorkloadCurrent` too.
    pub r#type: String,
    /// Whether it holds.
    pub status: Truth,
    /// One word for programs.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
    /// When `status` last changed, RFC 3339.
    pub last_transition_time: String,
    /// The generation it was worked out for.
    pub observed_generation: i64,
}

/// True, false, or not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can say.
    #[default]
    Unknown,
}

impl Truth {
    /// As the conditions spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// What is amiss with a service that may serve all the same: the planner's own verdict, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Trouble {
    /// KILL did not end it, and nothing is started beside what is left.
    StopFailed,
    /// Its checker refuses its new configuration; it runs the previous one.
    CheckFailed,
    /// Its last reload failed; it runs the previous configuration.
    ReloadFailed,
}

/// What one agent says of its services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Instance {
    /// The host, or the pod.
    pub name: String,
    /// The agent's own process.
    pub agent_pid: i32,
    /// The agent's version.
    pub agent_version: String,
    /// The uid of the pod, in one.
    #[serde(rename = "podUID", skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// The node of the pod, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The generation of the document that is in force here; in a pod the newest that was looked at, which may have been
    /// refused.
    pub observed_generation: i64,
    /// The fingerprint of the `spec` that is in force in a pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_hash: Option<String>,
    /// Every service of the document and every removed one that still runs, in start order.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub services: Vec<ServiceStatus>,
    /// Every task of the document and its profile, in list order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub tasks: Vec<TaskStatus>,
    /// The registered store clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub clients: Vec<ClientStatus>,
    /// Disks and queues that are beyond a threshold or cannot be measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gauges: Vec<GaugeStatus>,
    /// What a person had best do; empty where nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
    /// What holds of this pod; the operator makes the conditions of the whole from them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub conditions: Vec<InstanceCondition>,
}

/// A registered store client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientStatus {
    /// What it calls itself.
    pub name: String,
    /// Its process.
    pub pid: i32,
}

/// A disk or a queue that is not within its thresholds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GaugeStatus {
    /// `disk /var/mail`, `queue outgoing`.
    pub name: String,
    /// Beyond a threshold, or not known.
    pub level: Level,
    /// Which threshold, or why it is not known; no number that was read.
    pub finding: String,
}

/// What is told of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Whether the document wants it.
    pub enabled: bool,
    /// Whether a person or the document holds it down.
    pub held: bool,
    /// Whether its restart budget was spent.
    pub gave_up: bool,
    /// Its main process, while it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// When its main process was started, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Whether it is ready; unknown until somebody has looked.
    pub ready: Truth,
    /// Automatic restarts that count against its budget.
    pub restarts_in_window: u32,
    /// Why it is as it is, in one sentence.
    pub reason: String,
    /// What of that a person has to see to, beside what the other fields say; absent where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// What its last round of probes said; absent until one did. Ready is false while it hangs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The same in words, where it is more than that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Whether nothing more will be done about it until something changes or a person acts. Whoever waits for it need
    /// wait no longer.
    pub settled: bool,
    /// The restart group it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it must be ready for the whole to be ready.
    pub required: bool,
    /// How it last ended, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
    /// What it says of itself (`sd_notify` STATUS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// The last lines of its output, kept where it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub last_lines: Vec<String>,
}
