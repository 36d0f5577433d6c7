//! The schedule, and the pods on Kubernetes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AbsolutePath, Account, Argument, ClassName, Crontab, DayRule, Image, Interval, Quantity, ServiceName, Variable,
    ZoneName,
};

/// A command run by the clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Task {
    /// Its name; unique in the schedule.
    pub name: ServiceName,
    /// Whether it runs. Default: true; a task that its profile knows is enabled where what it needs is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// When: minute, hour, day of month, month, weekday. A task that its profile knows has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crontab: Option<Crontab>,
    /// Where both day fields are set: must both match (And), or one (Or). Default: And in the profile Oracle, Or
    /// elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_rule: Option<DayRule>,
    /// Program and arguments; relative ones start at `serverRoot`. A task that its profile knows has one;
    /// msprobe, which asks the agent for a round of probes, needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub command: Option<Vec<Argument>>,
    /// User to run as. Default: the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Account>,
    /// Time zone of this task. Default: `spec.timeZone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// It is ended when it runs longer: TERM, after 30 seconds KILL. Default: it may run for ever, and is not started
    /// again meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
    /// Added to a clean environment, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub environment: Option<Vec<Variable>>,
    /// It does not run while one of these is disabled, held or down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub needs: Option<Vec<ServiceName>>,
}

/// The pods on Kubernetes. A change of it rolls them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// The image with the mail software.
    pub image: Image,
    /// Pods: 1, or 2 with `ActiveStandby`. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2))]
    pub replicas: Option<u32>,
    /// The volume with the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// What a pod may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Folders with the mail software's own files: each is a `ConfigMap` or a Secret of the same namespace. A change of
    /// their content reaches the pod by itself and rolls nothing; `watchFiles` reloads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["path"]))]
    pub mounts: Vec<Mount>,
    /// Whether only the ports of enabled listeners, and the agent's health, can be reached from outside the pod.
    /// Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<bool>,
}

/// A folder whose files come from the cluster. One of `configMap` and `secret` names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// The folder in the pod; unique, and hides what the image has there. Read-only.
    pub path: AbsolutePath,
    /// The `ConfigMap`, one file a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ClassName>,
    /// The Secret, one file a key, which root alone may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<ClassName>,
}

/// The volume with the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storage {
    /// Its size.
    pub size: Quantity,
    /// Its storage class. Default: the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_name: Option<ClassName>,
    /// Who may mount it. Default: `ReadWriteOnce`; `ReadWriteMany` with two pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,
    /// What becomes of it when the mail server is deleted. Default: Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_policy: Option<RetainPolicy>,
}

/// Who may mount a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccessMode {
    /// One node.
    ReadWriteOnce,
    /// One pod.
    ReadWriteOncePod,
    /// Many nodes.
    ReadWriteMany,
}

/// What becomes of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RetainPolicy {
    /// It is kept.
    Retain,
    /// It is deleted.
    Delete,
}

/// What a pod may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Reserved for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<ResourceList>,
    /// Not more than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ResourceList>,
}

/// Processor time and memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceList {
    /// Processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}
