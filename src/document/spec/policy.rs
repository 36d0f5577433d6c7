//! What holds for all services: restart, watch, probes, logs, control, high availability.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Disk, Interval, Label, Listener, Output, Queue, ServiceName, Size};
pub use crate::policy::cluster::ManagerType;

/// What happens after a failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Autorestart {
    /// Whether a failed service is restarted. Default: false in the profile Oracle, true elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The sliding window in which restarts are counted. Default: `600s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
    /// Automatic restarts of one service that the window may hold. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub max_restarts: Option<u32>,
    /// What follows one failure more. Default: Stay; Failover under an HA manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_give_up: Option<GiveUp>,
    /// With `RetryAfter`: when it is tried again, at least and by default `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Interval>,
}

/// What follows when the restarts of the window are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GiveUp {
    /// The service stays down until a person or its declaration says otherwise.
    Stay,
    /// It is tried again after `retryAfter`.
    RetryAfter,
    /// Everything is stopped in order and the agent exits, so that the cluster manager takes over.
    Failover,
}

/// The watch over crashes and store clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Watcher {
    /// Whether anybody watches; without it nothing is restarted. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Loopback port where store clients register. Default: 49994.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
}

/// How services are probed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probes {
    /// Silence longer than this is a failed round. Default: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
    /// An answer slower than this is a warning. Default: `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_threshold: Option<Interval>,
    /// Failed rounds in a row that make a hang. Default: 1 in the profile Oracle, 3 elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: Option<u32>,
    /// Time between two rounds. Default: none in the profile Oracle, where the task msprobe asks; `30s` elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Interval>,
    /// Pressure (PSI, percent of the last ten seconds) of the host or of a service's cgroup over which a silence is
    /// excused, three rounds at most. Default: 60; 100 never excuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub pressure_threshold: Option<u8>,
    /// File systems whose free room is measured with every round of msprobe, and every `period`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["path"]))]
    pub disks: Vec<Disk>,
    /// Queues whose messages are counted with every round of msprobe, and every `period`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub queues: Vec<Queue>,
}

/// Something that is not ours and that services need, such as a directory server or a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct External {
    /// Its name, for `needs` of a service; unique in the list.
    pub name: ServiceName,
    /// Where it is asked. It is down while one of them is silent.
    #[schemars(length(min = 1, max = 8))]
    pub listeners: Vec<Listener>,
    /// Silence longer than this means that it is down. Default: what `spec.probes.timeout` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
}

/// Where output goes and how logs are rotated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logs {
    /// A log is rotated when it has grown to this size; 0 means never. Default: `10Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_size: Option<Size>,
    /// Rotated logs that are kept. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1000))]
    pub keep: Option<u32>,
    /// Where the output of services goes that say nothing else. Default: File.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}

/// Who may talk to the agent. Root and the agent's own user always may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Control {
    /// Whether other users of the machine may read status, plan and history. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_may_read: Option<bool>,
}

/// Who moves the mail server to another machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HighAvailability {
    /// Nobody, a cluster manager that owns this host, or Kubernetes.
    pub mode: HighAvailabilityMode,
    /// The cluster manager, with the names that its commands need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Manager>,
}

/// Who moves the mail server to another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HighAvailabilityMode {
    /// Nobody.
    None,
    /// A cluster manager owns this host.
    Manager,
    /// Two pods on Kubernetes, one of them active.
    ActiveStandby,
}

/// A cluster manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manager {
    /// Which one.
    #[serde(rename = "type")]
    pub kind: ManagerType,
    /// Its version, where its commands differ by version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Label>,
    /// The resource that stands for the mail server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Label>,
    /// The resource group or service group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Label>,
    /// This host, as the manager names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Label>,
}
