//! Second step: from the object as it was stored to what the pod is built from, or why it is refused.
//!
//! Pure. An object that cannot be read is an error of its own and concerns no other.

use std::sync::LazyLock;

use kube::core::DynamicObject;
use mailward::desired::{Protocol, Wanted};
use mailward::document::spec::{AccessMode, HighAvailabilityMode, Mount, Resources, RetainPolicy};
use mailward::document::{Document, ResourceReader, Severity, resolve, settings};
use mailward::policy::grace::grace_period;
use mailward::status::ConditionReason;
use serde_json::{Value, json};
use thiserror::Error;

/// Longest name: the `StatefulSet` adds a hash to it in a label of 63 characters.
pub const MAX_NAME: usize = 52;

/// What the operator itself was given.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Image with the agent.
    pub agent_image: String,
    /// Whether `ActiveStandby` is offered: without somebody who says which pod is the active one, two pods would be two
    /// writers.
    pub standby: bool,
}

/// Which object it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
}

/// The volume, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// As a quantity.
    pub size: String,
    /// The class, or the cluster's own.
    pub class_name: Option<String>,
    /// As the claim says it.
    pub access_mode: &'static str,
    /// Whether it goes with the resource.
    pub deleted_with_resource: bool,
}

/// A port that a client can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// TCP.
    pub number: u16,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// Everything that the objects are built from.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Whose they are.
    pub identity: Identity,
    /// Image with the mail software.
    pub image: String,
    /// Image with the agent.
    pub agent_image: String,
    /// How many pods.
    pub replicas: u32,
    /// Where the volume is mounted.
    pub data_root: String,
    /// The volume.
    pub volume: Option<Volume>,
    /// What a pod may use.
    pub resources: Option<Resources>,
    /// Folders from the cluster.
    pub mounts: Vec<Mount>,
    /// Whether other ports are closed.
    pub network_policy: bool,
    /// The ports of enabled listeners, ascending, each once.
    pub ports: Vec<Port>,
    /// What an ordered stop is given, in seconds.
    pub grace: u32,
    /// `spec.suspend`.
    pub suspended: bool,
}

/// Why an object is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Invalid {
    /// The API server gives every object what this one lacks.
    #[error("the object has no {0}")]
    NoMetadata(&'static str),
    /// It breaks a rule of the document.
    #[error("{path}: {message}")]
    Document {
        /// The field.
        path: String,
        /// What is wrong with it.
        message: String,
        /// The rule.
        rule: &'static str,
    },
    /// Kubernetes could not make its objects.
    #[error("metadata.name: on Kubernetes at most {MAX_NAME} characters that begin with a letter")]
    Name,
    /// There is nothing to run.
    #[error("spec.workload: on Kubernetes the image with the mail software is needed")]
    NoWorkload,
    /// Not in this release.
    #[error("spec.highAvailability.mode: ActiveStandby is not offered in this release")]
    NoStandby,
}

impl Invalid {
    /// The reason that the conditions give.
    pub fn reason(&self) -> ConditionReason {
        match self {
            Self::Document { rule, .. } => ConditionReason::of_rule(rule),
            Self::NoMetadata(_) | Self::Name | Self::NoWorkload | Self::NoStandby => ConditionReason::RuleBroken,
        }
    }
}

/// Which object it is; what every step needs, of an object that is refused too.
pub fn identity(object: &DynamicObject) -> Result<Identity, Invalid> {
    let metadata = &object.metadata;
    Ok(Identity {
        namespace: metadata.namespace.clone().ok_or(Invalid::NoMetadata("namespace"))?,
        name: metadata.name.clone().ok_or(Invalid::NoMetadata("name"))?,
        uid: metadata.uid.clone().ok_or(Invalid::NoMetadata("uid"))?,
        generation: metadata.generation.ok_or(Invalid::NoMetadata("generation"))?,
    })
}

/// Reads the object by the same rules as a file, and resolves it.
pub fn validate(object: &DynamicObject, environment: &Environment) -> Result<Validated, Invalid> {
    let identity = identity(object)?;
    let document = document(object, &identity)?;
    if identity.name.len() > MAX_NAME || !identity.name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(Invalid::Name);
    }
    let spec = &document.server().spec;
    let workload = spec.workload.as_ref().ok_or(Invalid::NoWorkload)?;
    let mode = spec.high_availability.as_ref().map(|availability| availability.mode);
    if mode == Some(HighAvailabilityMode::ActiveStandby) && !environment.standby {
        return Err(Invalid::NoStandby);
    }
    let replicas = workload.replicas.unwrap_or(1);
    let desired = resolve(&document, identity.generation);
    let volume = workload.storage.as_ref().map(|storage| Volume {
        size: storage.size.to_string(),
        class_name: storage.class_name.as_ref().map(ToString::to_string),
        access_mode: match storage.access_mode {
            Some(AccessMode::ReadWriteOncePod) => "ReadWriteOncePod",
            Some(AccessMode::ReadWriteMany) => "ReadWriteMany",
            None if replicas > 1 => "ReadWriteMany",
            Some(AccessMode::ReadWriteOnce) | None => "ReadWriteOnce",
        },
        deleted_with_resource: storage.retain_policy == Some(RetainPolicy::Delete),
    });
    let wanted = desired.services.iter().filter(|service| service.wanted == Wanted::Yes);
    let mut ports: Vec<Port> = (wanted.flat_map(|service| &service.launch.listeners))
        .filter_map(|listener| listener.port.map(|number| Port { number, protocol: listener.protocol }))
        .collect();
    ports.sort_by_key(|port| port.number);
    ports.dedup_by_key(|port| port.number);
    Ok(Validated {
        image: workload.image.to_string(),
        agent_image: environment.agent_image.clone(),
        replicas,
        data_root: settings(&document).data_root,
        volume,
        resources: workload.resources.clone(),
        mounts: workload.mounts.clone(),
        network_policy: workload.network_policy.unwrap_or(false),
        ports,
        grace: u32::try_from(grace_period(&desired).as_secs()).unwrap_or(u32::MAX),
        suspended: desired.suspended,
        identity,
    })
}

fn document(object: &DynamicObject, identity: &Identity) -> Result<Document, Invalid> {
    static READER: LazyLock<ResourceReader> = LazyLock::new(ResourceReader::default);
    let types = object.types.as_ref();
    let mut whole = json!({
        "apiVersion": types.map_or("mailward.dev/v1alpha1", |types| types.api_version.as_str()),
        "kind": types.map_or("MessagingServer", |types| types.kind.as_str()),
        "metadata": {"name": identity.name, "namespace": identity.namespace},
    });
    whole["spec"] = object.data.get("spec").cloned().unwrap_or(Value::Null);
    let read = READER.read(&whole, &identity.name);
    let error = read.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
    read.document.ok_or_else(|| {
        let (path, message, rule) = error.map_or_else(
            || ("spec".to_owned(), "cannot be read".to_owned(), "type"),
            |error| (error.path.clone(), error.message.clone(), error.rule),
        );
        Invalid::Document { path, message, rule }
    })
}
