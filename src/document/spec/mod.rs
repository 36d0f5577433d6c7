//! The document as people write it. The doc comments here are the descriptions of the JSON Schema and of the reference.
//!
//! Every field is optional where a profile or a default may supply it, so that what git holds is what is read, and
//! nothing is written into it. Meaning is given by [`super::resolve()`] only.

mod canary;
mod gauge;
mod host;
mod listener;
mod policy;
mod quantity;
mod service;
mod text;

pub use canary::Canary;
pub use gauge::{Disk, Queue, QueueKind};
pub use host::{AccessMode, Mount, ResourceList, Resources, RetainPolicy, Storage, Task, Workload};
pub use listener::{Listener, Login};
pub use policy::{
    Autorestart, Control, External, GiveUp, HighAvailability, HighAvailabilityMode, Logs, Manager, ManagerType, Probes,
    Watcher,
};
pub use quantity::{Interval, Quantity, Room, Size};
pub use service::{
    Check, DependencyRestart, GroupRole, HangAction, Limits, OnHang, Readiness, ReadinessType, Reload, Service,
    ServiceProbes, Variable,
};
pub use text::{
    AbsolutePath, Account, Address, Argument, ClassName, Crontab, FORMS, Form, Image, Label, LoginName, MailAddress,
    ObjectName, PathText, ServiceName, Timestamp, UrlPath, Value, VariableName, ZoneName,
};

pub use crate::desired::{DayRule, Output, Protocol, Signal, StartOrder, Tls};

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One mail server: its services and how they are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessagingServer {
    /// Version of this format.
    pub api_version: ApiVersion,
    /// Always `MessagingServer`.
    pub kind: Kind,
    /// Name and labels, as for every Kubernetes object.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
    /// Written by the agent and the operator; ignored in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Ignored>,
}

/// Version of the document format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first one.
    #[serde(rename = "mailward.dev/v1alpha1")]
    V1Alpha1,
}

/// Kind of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// A mail server.
    MessagingServer,
}

/// Name and labels. What only the API server writes is accepted, so that the output of `kubectl get -o yaml` can be
/// read, and ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Name of the mail server.
    pub name: ObjectName,
    /// Kubernetes namespace; ignored in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<ObjectName>,
    /// Kubernetes labels; ignored in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Kubernetes annotations; ignored in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Written by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Ignored>,
    /// Written by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<Ignored>,
    /// Written by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Ignored>,
    /// Read by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate_name: Option<Ignored>,
    /// Written by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Ignored>,
    /// Written by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Ignored>,
    /// Written by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<Ignored>,
    /// Read by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalizers: Option<Ignored>,
    /// Read by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_references: Option<Ignored>,
    /// Written by the API server; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_fields: Option<Ignored>,
    /// Written by old API servers; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_link: Option<Ignored>,
}

/// What another party wrote and nobody here reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ignored(pub serde_json::Value);

impl JsonSchema for Ignored {
    fn schema_name() -> Cow<'static, str> {
        "Ignored".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
    }
}

/// What is wanted of the mail server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// The catalogue that supplies what is not said here.
    pub profile: Profile,
    /// Where the software lives; relative commands start here. Default: `/opt/mailward`; `/` in the profiles
    /// `DovecotPostfix` and `Custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_root: Option<AbsolutePath>,
    /// Where the data lives: logs are in `log/` below it, relative pid files start here. Default:
    /// `/var/lib/mailward/data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_root: Option<AbsolutePath>,
    /// No automatic start, stop, restart or reload while true; probes, tasks and people go on. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// One by one in list order, or what is independent at once. Default: Listed in the profile Oracle, Parallel
    /// elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_order: Option<StartOrder>,
    /// What happens after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autorestart: Option<Autorestart>,
    /// The watch over crashes and store clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watcher: Option<Watcher>,
    /// How services are probed, where a service says nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    /// What is not ours and is probed because services need it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub external: Vec<External>,
    /// Where output goes and how logs are rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
    /// Who may talk to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// The services, in start order. What the profile knows under a name need not be said again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub services: Vec<Service>,
    /// Commands run by the clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub schedule: Vec<Task>,
    /// A message that is sent through the whole server, to see whether mail comes through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Time zone of the schedule. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// Who moves the mail server to another machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_availability: Option<HighAvailability>,
    /// The pods on Kubernetes; read by the operator only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
}

/// A catalogue of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Profile {
    /// The services of Oracle Communications Messaging Server.
    Oracle,
    /// Dovecot and Postfix.
    DovecotPostfix,
    /// Nothing is supplied.
    Custom,
}
