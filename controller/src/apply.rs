//! Fourth step: makes the API server hold what was rendered.
//!
//! Needs the client. Writes an object only where it is missing, was rendered otherwise before, or was changed by somebody
//! else. Never touches an object of the same name that is not the resource's own.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::DynamicObject;
use mailward::model::Fingerprint;
use serde_json::Value;
use thiserror::Error;

use crate::build::{Applied, Maybe, Prepared, Rendered, Resources};
use crate::cache::api;
use crate::events::{Events, Reason};
use crate::gather::Gathered;
use crate::kinds::{APPLIED, KIND, Kind, MANAGER, owner_of};
use crate::metrics::Metrics;
use crate::pods::Pod;
use crate::validate::Identity;

/// The cause that the API server names when it takes nothing new into a namespace that is being deleted (its
/// admission plugin `NamespaceLifecycle`).
const NAMESPACE_ENDS: &str = "NamespaceTerminating";

/// Why an object is not as it is to be.
#[derive(Debug, Error)]
pub enum Failure {
    /// The API server refuses it, or does not answer.
    #[error("{kind:?} {name} cannot be applied: {}", words(source))]
    Apply {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// What it said.
        source: kube::Error,
    },
    /// It cannot be deleted.
    #[error("{kind:?} {name} cannot be deleted: {}", words(source))]
    Delete {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// What it said.
        source: kube::Error,
    },
    /// The object of a resource that had the same name and is gone has not gone yet; the watch tells when it has.
    #[error("{kind:?} {name} is still that of the resource that had this name before")]
    OfPredecessor {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Somebody else's object has its name.
    #[error("{kind:?} {name} is there already and belongs to somebody else; delete or rename it")]
    Foreign {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
    },
}

impl Failure {
    /// Whether it fails because the namespace is being deleted, and the resource with it: nothing is to be done any more.
    pub fn is_of_ending_namespace(&self) -> bool {
        match self {
            Self::Apply { source: kube::Error::Api(status), .. } => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                causes.into_iter().any(|cause| cause.reason == NAMESPACE_ENDS)
            }
            Self::Apply { .. } | Self::Delete { .. } | Self::OfPredecessor { .. } | Self::Foreign { .. } => false,
        }
    }
}

/// What the API server said, short: the whole is in the log.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// What objects looked like after they were applied, where that is not what was asked for: fields that the API server
/// writes otherwise (`1000m` becomes `1`) are no change by somebody else. Most objects are not in it.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<String, (String, Fingerprint)>>);

impl Known {
    fn is(&self, live: &DynamicObject, hash: &str) -> bool {
        let Some(uid) = &live.metadata.uid else { return false };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(uid).is_some_and(|(before, print)| before == hash && *print == fingerprint(live))
    }

    fn learn(&self, live: &DynamicObject, hash: &str) {
        if let Some(uid) = &live.metadata.uid {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(uid.clone(), (hash.to_owned(), fingerprint(live)));
        }
    }

    /// An object is gone, and its uid with it.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// Of what is declared in an object; its status and its versions are left out.
fn fingerprint(live: &DynamicObject) -> Fingerprint {
    let mut declared = live.data.clone();
    if let Some(fields) = declared.as_object_mut() {
        fields.remove("status");
    }
    let labels = format!("{:?}{:?}", live.metadata.labels, live.metadata.owner_references);
    Fingerprint::of(declared.to_string().as_bytes()).and(labels.as_bytes())
}

/// What applying needs.
pub struct Applier<'a> {
    /// The API server.
    pub client: &'a Client,
    /// What was applied before.
    pub known: &'a Known,
    /// Counts writes.
    pub metrics: &'a Metrics,
    /// Tells what was done.
    pub events: &'a Events,
}

impl Applier<'_> {
    /// Applies every object, the pods last: they need what the others give them.
    pub async fn apply(
        &self,
        about: &Identity,
        gathered: &Gathered,
        resources: Resources<Prepared>,
    ) -> Result<Resources<Applied>, Failure> {
        let Resources {
            service_account,
            role,
            role_binding,
            claim,
            service,
            headless,
            disruption_budget,
            network_policy,
            stateful_set,
            workload_hash,
            state: PhantomData::<Prepared>,
        } = resources;
        for rendered in [&service_account, &role, &role_binding, &headless].into_iter().chain(&claim) {
            self.one(about, gathered, rendered).await?;
        }
        for maybe in [&service, &disruption_budget, &network_policy] {
            match maybe {
                Maybe::Wanted(rendered) => self.one(about, gathered, rendered).await?,
                Maybe::Unwanted(kind, name) => self.gone(about, gathered, *kind, name).await?,
            }
        }
        let is_new = gathered.get(Kind::StatefulSet, &stateful_set.name).is_none();
        self.one(about, gathered, &stateful_set).await?;
        if is_new {
            self.events.tell(about, Reason::WorkloadCreated, "the StatefulSet was made; its pods follow").await;
        }
        Ok(Resources {
            service_account,
            role,
            role_binding,
            claim,
            service,
            headless,
            disruption_budget,
            network_policy,
            stateful_set,
            workload_hash,
            state: PhantomData,
        })
    }

    async fn one(&self, about: &Identity, gathered: &Gathered, rendered: &Rendered) -> Result<(), Failure> {
        let Rendered { kind, name, body, hash } = rendered;
        let failed = |source| Failure::Apply { kind: *kind, name: name.clone(), source };
        let api = api(self.client, Some(&about.namespace), &kind.resource());
        let looked_up;
        let live = if let Some(live) = gathered.get(*kind, name) {
            Some(live)
        } else {
            // Not in the watch: not there, too new for it, or without our labels.
            looked_up = api.get_opt(name).await.map_err(failed)?;
            looked_up.as_ref()
        };
        if let Some(live) = live {
            if !is_ours(live, about, *kind) {
                if is_of_predecessor(live, about) {
                    return Err(Failure::OfPredecessor { kind: *kind, name: name.clone() });
                }
                return Err(Failure::Foreign { kind: *kind, name: name.clone() });
            }
            if is_current(live, rendered) || self.known.is(live, hash) {
                return Ok(());
            }
        }
        let parameters = PatchParams::apply(MANAGER).force();
        let applied = api.patch(name, &parameters, &Patch::Apply(body)).await.map_err(failed)?;
        if !is_current(&applied, rendered) {
            self.known.learn(&applied, hash);
        }
        self.metrics.applied(*kind);
        tracing::info!(namespace = about.namespace, server = about.name, ?kind, name, "applied");
        Ok(())
    }

    async fn gone(&self, about: &Identity, gathered: &Gathered, kind: Kind, name: &str) -> Result<(), Failure> {
        let Some(live) = gathered.get(kind, name).filter(|live| is_ours(live, about, kind)) else { return Ok(()) };
        if live.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let api = api(self.client, Some(&about.namespace), &kind.resource());
        let uid = live.metadata.uid.clone();
        let parameters = DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: None }),
            ..DeleteParams::default()
        };
        match api.delete(name, &parameters).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => return Ok(()),
            Err(source) => return Err(Failure::Delete { kind, name: name.to_owned(), source }),
        }
        self.metrics.applied(kind);
        tracing::info!(namespace = about.namespace, server = about.name, ?kind, name, "deleted");
        Ok(())
    }

    /// Deletes a pod so that a new one takes its place. It is given the present grace period: what it was made with may
    /// be less, and cannot be changed in it.
    pub async fn replace(&self, about: &Identity, pod: &Pod, grace: u32) -> Result<(), Failure> {
        let api = api(self.client, Some(&about.namespace), &Kind::Pod.resource());
        let preconditions = Preconditions { uid: Some(pod.uid.clone()), resource_version: None };
        let parameters = DeleteParams {
            grace_period_seconds: Some(grace),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        match api.delete(&pod.name, &parameters).await {
            Ok(_) => {}
            // It has gone by itself.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => return Ok(()),
            Err(source) => return Err(Failure::Delete { kind: Kind::Pod, name: pod.name.clone(), source }),
        }
        self.metrics.rolled();
        let note = format!("{} is replaced: what it runs can only be changed in a new pod", pod.name);
        self.events.tell(about, Reason::WorkloadRolled, &note).await;
        tracing::info!(namespace = about.namespace, server = about.name, pod = pod.name, grace, "replaced a pod");
        Ok(())
    }
}

/// Whether an object may be written: it is owned by this very resource; a claim, which may outlive one, says so by its
/// labels.
fn is_ours(live: &DynamicObject, about: &Identity, kind: Kind) -> bool {
    let owned = live.metadata.owner_references.iter().flatten().any(|owner| owner.uid == about.uid);
    owned || (kind == Kind::Claim && owner_of(live).is_some_and(|owner| owner.name == about.name))
}

/// Whether it is owned by another resource of the same name: that one is gone, and the garbage collector comes.
fn is_of_predecessor(live: &DynamicObject, about: &Identity) -> bool {
    let mut owners = live.metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.kind == KIND && owner.name == about.name && owner.uid != about.uid)
}

/// Whether an object says what was rendered, and nothing that was rendered has been changed in it since.
fn is_current(live: &DynamicObject, rendered: &Rendered) -> bool {
    let marked = live.metadata.annotations.as_ref().and_then(|annotations| annotations.get(APPLIED));
    if marked != Some(&rendered.hash) {
        return false;
    }
    // What a list holds comes without its kind, so that is not compared.
    let mut asked = rendered.body.clone();
    if let Some(fields) = asked.as_object_mut() {
        fields.retain(|field, _| field != "apiVersion" && field != "kind");
    }
    serde_json::to_value(live).is_ok_and(|live| holds(&live, &asked))
}

/// Whether everything that was asked for is there; what is there besides is the API server's.
fn holds(live: &Value, asked: &Value) -> bool {
    match (live, asked) {
        (Value::Object(live), Value::Object(asked)) => asked.iter().all(|(field, asked)| match live.get(field) {
            Some(live) => holds(live, asked),
            // An empty value is left out.
            None => asked.as_object().is_some_and(serde_json::Map::is_empty),
        }),
        (Value::Array(live), Value::Array(asked)) => {
            live.len() == asked.len() && live.iter().zip(asked).all(|(live, asked)| holds(live, asked))
        }
        (live, asked) => live == asked,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn r26_only_the_refusal_of_a_namespace_that_ends_is_no_failure_of_the_operators() {
        // As an API server 1.34 answers.
        let refused = |cause: &str| {
            let status = json!({
                "status": "Failure", "code": 403, "reason": "Forbidden",
                "message": "services \"mail\" is forbidden: unable to create new content in namespace a because it is being terminated",
                "details": {"name": "mail", "kind": "services", "causes": [
                    {"reason": cause, "message": "namespace a is being terminated", "field": "metadata.namespace"},
                ]},
            });
            let source = kube::Error::Api(serde_json::from_value(status).expect("it is a status"));
            Failure::Apply { kind: Kind::Service, name: "mail".into(), source }
        };
        assert!(refused("NamespaceTerminating").is_of_ending_namespace());
        assert!(!refused("FieldValueInvalid").is_of_ending_namespace());
    }

    #[test]
    fn what_the_api_server_adds_is_no_change_and_what_somebody_changes_is() {
        let asked = json!({"spec": {"ports": [{"port": 25}], "emptyDir": {}}});
        assert!(holds(&json!({"spec": {"ports": [{"port": 25, "nodePort": 3}], "clusterIP": "1"}}), &asked));
        assert!(!holds(&json!({"spec": {"ports": [{"port": 26}], "emptyDir": {}}}), &asked));
        assert!(!holds(&json!({"spec": {"ports": [{"port": 25}, {"port": 1}], "emptyDir": {}}}), &asked));
        assert!(!holds(&json!({"spec": {}}), &asked));
    }
}
