//! The kinds of objects that the operator reads and writes, and the words that tie an object to its resource.
//!
//! Pure. Everybody here uses it.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::reflector::ObjectRef;
use mailward::document::{GROUP, PLURAL, VERSION};

/// Field manager of every apply of the operator, and the value of the label [`MANAGED_BY`].
pub const MANAGER: &str = "mailward-controller";
/// The kind of the resource.
pub const KIND: &str = "MessagingServer";
/// Label of whatever the operator makes.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label with the name of the resource that an object belongs to.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Label of a pod: the fingerprint of everything that only a new pod can have.
pub const WORKLOAD_HASH: &str = "mailward.dev/workload-hash";
/// Annotation of whatever the operator makes: the fingerprint of what was applied.
pub const APPLIED: &str = "mailward.dev/applied";

/// A kind of object that belongs to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Keeps the pods.
    StatefulSet,
    /// Where clients and probes find the pods.
    Service,
    /// Who the agent is.
    ServiceAccount,
    /// What the agent may.
    Role,
    /// That it is the agent who may.
    RoleBinding,
    /// The volume with the data.
    Claim,
    /// That one pod of two stays.
    DisruptionBudget,
    /// Which ports are open.
    NetworkPolicy,
    /// The pods themselves; made by the `StatefulSet`, only deleted here.
    Pod,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::StatefulSet,
        Self::Service,
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::Claim,
        Self::DisruptionBudget,
        Self::NetworkPolicy,
        Self::Pod,
    ];

    /// How the API server knows it.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::Role => ApiResource::erase::<Role>(&()),
            Self::RoleBinding => ApiResource::erase::<RoleBinding>(&()),
            Self::Claim => ApiResource::erase::<PersistentVolumeClaim>(&()),
            Self::DisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::Pod => ApiResource::erase::<Pod>(&()),
        }
    }
}

/// How the API server knows the resource itself.
pub fn server_resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, KIND), PLURAL)
}

/// The resource that an object says it belongs to, by its labels; none where it does not.
pub fn owner_of(object: &DynamicObject) -> Option<ObjectRef<DynamicObject>> {
    let labels = object.metadata.labels.as_ref()?;
    let ours = labels.get(MANAGED_BY).is_some_and(|by| by == MANAGER);
    let name = labels.get(INSTANCE).filter(|_| ours)?;
    let namespace = object.metadata.namespace.as_ref()?;
    Some(ObjectRef::new_with(name, server_resource()).within(namespace))
}
