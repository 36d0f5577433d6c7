//! Fifth step: says in one status what holds of the whole, and removes what a dead pod said.
//!
//! Needs the client. What it says is worked out by pure code of `mailward::status`, from objects that were applied. Writes
//! nothing where the same is said already.

use kube::Client;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use mailward::model::Wall;
use mailward::status::{
    Active, Condition, Gathered as Said, Instance, Rollout, WorkloadFacts, leave_out, merge, restarts_in_window,
    services_ready,
};
use serde_json::{Value, json};
use thiserror::Error;

use crate::build::{Applied, Resources};
use crate::cache::api;
use crate::kinds::{Kind, MANAGER, server_resource};
use crate::metrics::Metrics;
use crate::pods::Pod;
use crate::validate::{Identity, Invalid, Validated};

/// A new volume may take this long, in seconds, before somebody is called.
const STORAGE_PATIENCE: i64 = 120;

/// Why the status is not as it should be.
#[derive(Debug, Error)]
pub enum Failure {
    /// It was not written.
    #[error("the status cannot be written")]
    Write(#[source] kube::Error),
    /// What a dead pod said was not removed.
    #[error("the entry of {pod} cannot be removed")]
    Remove {
        /// The pod that is gone.
        pod: String,
        /// What the API server said.
        source: kube::Error,
    },
}

/// What came out of the steps before.
pub enum Outcome<'a> {
    /// The objects are as they are to be.
    Applied {
        /// What they were built from.
        server: &'a Validated,
        /// Proof of it.
        resources: &'a Resources<Applied>,
        /// How the pods compare.
        rollout: Rollout,
    },
    /// The object is refused; what was there before stays.
    Refused(&'a Invalid),
}

/// What is to be said, and what is to be taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The operator's own fields of the status; none where they are said already.
    pub status: Option<Value>,
    /// Entries of pods that the watch does not know: index, pod, and uid.
    pub dead: Vec<(usize, String, Option<String>)>,
    /// Look again after so many seconds; none where only a change can matter.
    pub again: Option<u64>,
}

/// Works out what to write. Pure.
pub fn update(object: &DynamicObject, about: &Identity, pods: &[Pod], outcome: &Outcome<'_>, now: Wall) -> Update {
    let status = object.data.get("status").cloned().unwrap_or(Value::Null);
    let instances = list::<Instance>(&status, "instances");
    let living = |instance: &Instance| {
        let uid = instance.pod_uid.as_deref();
        pods.iter().any(|pod| pod.name == instance.name && uid == Some(pod.uid.as_str()))
    };
    let mut entries: Vec<&Instance> = instances.iter().map(|(_, instance)| instance).filter(|it| living(it)).collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let dead = instances.iter().filter(|(_, instance)| !living(instance));
    let dead = dead.map(|(at, instance)| (*at, instance.name.clone(), instance.pod_uid.clone())).collect();

    let (rollout, replicas, suspended, refused, hash) = match outcome {
        Outcome::Applied { server, resources, rollout } => {
            (*rollout, server.replicas, server.suspended, None, Some(resources.workload_hash.clone()))
        }
        Outcome::Refused(invalid) => {
            let said = object.data.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or(false);
            let hash = status.pointer("/workload/hash").and_then(Value::as_str).map(str::to_owned);
            (Rollout::Current, u32::try_from(pods.len()).unwrap_or(1), said, Some(*invalid), hash)
        }
    };
    let seconds = now.0.div_euclid(1_000);
    let waiting = pods.iter().find_map(|pod| pod.storage_error.as_ref());
    let waits = waiting.map_or(0, |(_, since)| STORAGE_PATIENCE - (seconds - since));
    let previous: Vec<Condition> = list(&status, "conditions").into_iter().map(|(_, condition)| condition).collect();
    let said = Said {
        entries: &entries,
        generation: about.generation,
        wanted_pods: usize::try_from(replicas).unwrap_or(1),
        active: if replicas > 1 { Active::Nobody } else { Active::Every },
        workload: WorkloadFacts {
            rollout,
            image_error: pods.iter().find_map(|pod| pod.image_error.clone()),
            storage_error: waiting.filter(|_| waits <= 0).map(|(words, _)| words.clone()),
            stale: pods.iter().filter(|pod| pod.stale).map(|pod| pod.name.clone()).collect(),
        },
        suspended,
        refused: refused.map(|invalid| (invalid.reason(), invalid.to_string())),
    };
    let conditions = merge(&said, &previous, now);
    let mut wanted = json!({
        "observedGeneration": about.generation,
        "conditions": conditions,
        "servicesReady": services_ready(&entries),
        "restartsInWindow": restarts_in_window(&entries),
    });
    if let Some(hash) = hash {
        wanted["workload"] = json!({"hash": hash});
    }
    let is_said = says(&status, &wanted, &previous, &conditions);
    Update { status: (!is_said).then_some(wanted), dead, again: u64::try_from(waits).ok().filter(|waits| *waits > 0) }
}

/// The items of a list of the status that can be read. One that a newer program wrote otherwise is not counted.
fn list<T: serde::de::DeserializeOwned>(status: &Value, field: &str) -> Vec<(usize, T)> {
    let items = status.get(field).and_then(Value::as_array);
    let read = items.into_iter().flatten().enumerate();
    read.filter_map(|(at, item)| Some((at, serde_json::from_value(item.clone()).ok()?))).collect()
}

fn says(status: &Value, wanted: &Value, previous: &[Condition], conditions: &[Condition]) -> bool {
    let same = |field: &str| status.get(field) == wanted.get(field);
    previous.len() == conditions.len()
        && conditions.iter().all(|condition| previous.contains(condition))
        && ["observedGeneration", "servicesReady", "restartsInWindow", "workload"].into_iter().all(same)
}

/// Writes it.
pub async fn update_status(
    client: &Client,
    metrics: &Metrics,
    about: &Identity,
    update: &Update,
) -> Result<(), Failure> {
    let Update { status, dead, again: _ } = update;
    let servers = api(client, Some(&about.namespace), &server_resource());
    if let Some(status) = status {
        let mut body = json!({
            "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer",
            "metadata": {"name": about.name, "namespace": about.namespace}, "status": status,
        });
        let parameters = PatchParams::apply(MANAGER).force();
        loop {
            match servers.patch_status(&about.name, &parameters, &Patch::Apply(&body)).await {
                Ok(_) => break metrics.status_written(),
                // It was deleted meanwhile.
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                // The definition is older than this operator. Each time there is a field less, so this ends.
                Err(kube::Error::Api(status)) if leave_out(&mut body, &status.message) => {}
                Err(source) => return Err(Failure::Write(source)),
            }
        }
    }
    // From the last, so that the indices of the others hold.
    for (at, pod, uid) in dead.iter().rev() {
        let failed = |source| Failure::Remove { pod: pod.clone(), source };
        // The watch may be late: only what the API server itself does not have is dead.
        let pods = api(client, Some(&about.namespace), &Kind::Pod.resource());
        let living = pods.get_metadata_opt(pod).await.map_err(failed)?;
        if living.is_some_and(|living| living.metadata.uid == *uid) {
            continue;
        }
        let Ok(patch) = serde_json::from_value(removal(*at, pod, uid.as_deref())) else { continue };
        match servers.patch_status(&about.name, &PatchParams::default(), &Patch::Json::<()>(patch)).await {
            Ok(_) => metrics.status_written(),
            // The list has changed: the watch will tell, and then it is looked at again.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => {}
            Err(source) => return Err(failed(source)),
        }
    }
    Ok(())
}

/// Removes the entry only while it is still that of this very pod.
fn removal(at: usize, pod: &str, uid: Option<&str>) -> Value {
    let path = format!("/status/instances/{at}");
    let mut steps = vec![json!({"op": "test", "path": format!("{path}/name"), "value": pod})];
    if let Some(uid) = uid {
        steps.push(json!({"op": "test", "path": format!("{path}/podUID"), "value": uid}));
    }
    steps.push(json!({"op": "remove", "path": path}));
    json!(steps)
}
