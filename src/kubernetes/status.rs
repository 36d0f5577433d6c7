//! The own entry of `status.instances`, by server-side apply: only what changed, never faster than declared, and after
//! an outage one write with the newest.

use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::failure::Failure;
use super::shared::{Shared, count, entry_of};
use super::{ATTEMPT, PAUSES};
use crate::clock;
use crate::control::Request;
use crate::model::Fingerprint;
use crate::policy::rate::{Backoff, Bucket};
use crate::sources::{Resource, SourceError};
use crate::status::{Instance, leave_out};

/// The declared rate: so many writes at once, then one each so often.
const BURST: u32 = 5;
/// See [`BURST`].
const EVERY: Duration = Duration::from_secs(5);
/// What happens within this time of a change is told with it.
const GATHER: Duration = Duration::from_millis(250);

/// Writes the entry whenever it changed, until the loop ends.
pub(super) async fn publish(
    api: Api<DynamicObject>,
    resource: Resource,
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
) {
    let seed = !Fingerprint::of(resource.pod_uid.as_bytes()).0;
    let mut bucket = Bucket::new(BURST, EVERY);
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, seed);
    let mut applied: Option<Instance> = None;
    // One manager a pod: a name that two shared would delete the peer's entry.
    let manager: String = format!("mailward-agent-{}", resource.pod).chars().take(128).collect();
    let params = PatchParams::apply(&manager).force();
    loop {
        shared.changed.notified().await;
        loop {
            sleep(GATHER).await;
            // Asked for when it can be written, so it is always the newest.
            let Some(entry) = ask(&requests).await else { return };
            if !shared.is_lost() && applied.as_ref() == Some(&entry) {
                break;
            }
            if let Err(at) = bucket.take(clock::boot()) {
                sleep(at.since(clock::boot())).await;
                continue;
            }
            match write(&api, &resource, &params, &entry).await {
                Ok((standing, version)) => {
                    shared.stands(standing, version);
                    count(&shared.status_writes);
                    backoff.succeeded();
                    shared.is_back();
                    applied = Some(entry);
                    if !shared.is_lost() {
                        break;
                    }
                }
                Err(failure) => {
                    count(&shared.failures);
                    if failure.of_source() == SourceError::Away {
                        // The watch may take long to notice that nothing comes any more.
                        shared.is_away(format!("the API server does not answer: {failure}"));
                    }
                    if backoff.failures() == 0 {
                        tracing::warn!("the status of {} cannot be written: {failure}", resource.words());
                    }
                    let pause = backoff.failed();
                    tokio::select! {
                        () = sleep(pause.max(failure.retry_after())) => {}
                        () = shared.returned.notified() => {}
                    }
                }
            }
        }
    }
}

/// The entry as it is now; none once the loop has ended.
async fn ask(requests: &mpsc::Sender<Request>) -> Option<Instance> {
    let (back, answer) = oneshot::channel();
    requests.send(Request::Entry(back)).await.ok()?;
    answer.await.ok().flatten()
}

/// Applies the entry; what came of it, and the version of the resource.
async fn write(
    api: &Api<DynamicObject>,
    resource: &Resource,
    params: &PatchParams,
    entry: &Instance,
) -> Result<(Option<Value>, u64), Failure> {
    let mut asked = json!({
        "apiVersion": "mailward.dev/v1alpha1",
        "kind": "MessagingServer",
        "metadata": { "name": resource.name },
        "status": { "instances": [entry] },
    });
    let object = loop {
        let patch = Patch::Apply(&asked);
        let written = timeout(ATTEMPT, api.patch_status(&resource.name, params, &patch));
        match written.await.map_err(|_| Failure::Late(ATTEMPT))? {
            Ok(object) => break object,
            // The definition is older than this agent. Each time there is a field less, so this ends.
            Err(kube::Error::Api(status)) if leave_out(&mut asked, &status.message) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let version = object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok());
    Ok((entry_of(&object.data, &resource.pod).cloned(), version.unwrap_or(0)))
}
