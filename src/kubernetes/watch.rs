//! The watch of one resource by its name: read once, then followed from there.
//!
//! A read and a watch with the field selector `metadata.name`, both by name, so that the verbs `get` and `watch` with
//! `resourceNames` are enough; a list, as a reflector makes it, would need more, and a streaming list is not everywhere.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Api;
use kube::api::WatchParams;
use kube::core::{DynamicObject, WatchEvent};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::failure::Failure;
use super::shared::{Shared, count, entry_of};
use super::{ATTEMPT, PAUSES};
use crate::clock;
use crate::model::Fingerprint;
use crate::policy::rate::Backoff;
use crate::sources::{Candidate, Origin, Resource, SourceError};
use crate::status::ConditionReason;

/// How long a watch lasts until the server ends it; it is begun anew where it ended, without a read.
const WATCH_SECONDS: u32 = 290;
/// A watch that lasted so long was ended because its time was over.
const IN_TIME: Duration = Duration::from_secs(WATCH_SECONDS as u64 - 10);
/// A server with nothing to tell says so about once a minute (bookmarks); one that is silent for longer is gone.
const SILENCE: Duration = Duration::from_secs(150);

/// The loop has ended.
struct Ended;

struct Follower {
    api: Api<DynamicObject>,
    resource: Resource,
    candidates: mpsc::Sender<Candidate>,
    shared: Arc<Shared>,
    /// uid, generation and fingerprint of what was told last.
    told: Option<(String, i64, Fingerprint)>,
    /// The failure that was told last.
    failed: Option<SourceError>,
}

/// Follows the resource until the loop ends.
pub(super) async fn follow(
    api: Api<DynamicObject>,
    resource: Resource,
    candidates: mpsc::Sender<Candidate>,
    shared: Arc<Shared>,
) {
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, Fingerprint::of(resource.pod_uid.as_bytes()).0);
    let mut follower = Follower { api, resource, candidates, shared, told: None, failed: None };
    loop {
        match follower.once(&mut backoff).await {
            Err(Ended) => return,
            // What the watch went on from was too old once; were it so again at once, it is waited like any failure.
            Ok(failure) if failure.is_too_old() && backoff.failures() == 0 => {
                let _ = backoff.failed();
            }
            Ok(failure) => {
                if follower.fail(&failure).await.is_err() {
                    return;
                }
                tokio::time::sleep(backoff.failed().max(failure.retry_after())).await;
            }
        }
    }
}

impl Follower {
    /// Reads and watches until that fails.
    async fn once(&mut self, backoff: &mut Backoff) -> Result<Failure, Ended> {
        let mut version = match self.read().await? {
            Ok(version) => version,
            Err(failure) => return Ok(failure),
        };
        let selector = format!("metadata.name={}", self.resource.name);
        let params = WatchParams::default().fields(&selector).timeout(WATCH_SECONDS);
        loop {
            let begun = clock::boot();
            let mut events = match timeout(ATTEMPT, self.api.watch(&params, &version)).await {
                Ok(Ok(events)) => Box::pin(events),
                Ok(Err(error)) => return Ok(error.into()),
                Err(_) => return Ok(Failure::Late(ATTEMPT)),
            };
            self.shared.is_back();
            self.failed = None;
            backoff.succeeded();
            loop {
                match timeout(SILENCE, events.try_next()).await {
                    Ok(Ok(Some(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                        self.see(&object).await?;
                        version = object.metadata.resource_version.unwrap_or(version);
                    }
                    Ok(Ok(Some(WatchEvent::Bookmark(mark)))) => version = mark.metadata.resource_version,
                    Ok(Ok(Some(WatchEvent::Deleted(_)))) => return Ok(Failure::Deleted),
                    Ok(Ok(Some(WatchEvent::Error(status)))) => return Ok(kube::Error::Api(status).into()),
                    // The server ended it in time.
                    Ok(Ok(None)) => break,
                    Ok(Err(error)) => return Ok(error.into()),
                    Err(_) => return Ok(Failure::Silent(SILENCE)),
                }
            }
            // It ended it before its time, as it does when the resource definition changed. What was told until then had
            // no field that only the new one knows, and nobody tells it again.
            if clock::boot().since(begun) < IN_TIME {
                version = match self.read().await? {
                    Ok(version) => version,
                    Err(failure) => return Ok(failure),
                };
            }
        }
    }

    /// Reads it as it is now; the version that a watch goes on from.
    async fn read(&mut self) -> Result<Result<String, Failure>, Ended> {
        let read = match timeout(ATTEMPT, self.api.get(&self.resource.name)).await {
            Ok(Ok(object)) => object,
            Ok(Err(error)) => return Ok(Err(error.into())),
            Err(_) => return Ok(Err(Failure::Late(ATTEMPT))),
        };
        self.see(&read).await?;
        Ok(Ok(read.metadata.resource_version.unwrap_or_default()))
    }

    /// The object as it is now: a document, where it is a new one, and the own entry in it.
    async fn see(&mut self, object: &DynamicObject) -> Result<(), Ended> {
        let metadata = &object.metadata;
        let (uid, generation) = (metadata.uid.clone().unwrap_or_default(), metadata.generation.unwrap_or(0));
        self.compare_the_entry(object);
        self.shared.rolls.store(rolls(object), Ordering::Relaxed);
        let bytes = document(object, &uid, generation);
        let told = (uid, generation, Fingerprint::of(&bytes));
        if self.told.as_ref() == Some(&told) {
            return Ok(());
        }
        let reference = ObjectReference {
            api_version: Some("mailward.dev/v1alpha1".to_owned()),
            kind: Some("MessagingServer".to_owned()),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            ..ObjectReference::default()
        };
        self.shared.regarding.send_replace(Some(reference));
        let origin = Origin::Resource { words: self.resource.words(), generation };
        self.candidates.send(Candidate { bytes: Ok(bytes), origin }).await.map_err(|_| Ended)?;
        self.told = Some(told);
        Ok(())
    }

    /// An entry that stands there otherwise than it was written has to be written again.
    fn compare_the_entry(&self, object: &DynamicObject) {
        let version = object.metadata.resource_version.as_deref().and_then(|version| version.parse::<u64>().ok());
        if let Some(version) = version {
            self.shared.sees(entry_of(&object.data, &self.resource.pod), version);
        }
    }

    /// Tells a failure, each kind once in a row.
    async fn fail(&mut self, failure: &Failure) -> Result<(), Ended> {
        count(&self.shared.failures);
        let meaning = failure.of_source();
        match meaning {
            SourceError::Away => self.shared.is_away(format!("the API server does not answer: {failure}")),
            // It answers; what it says is told.
            _ => self.shared.is_back(),
        }
        if self.failed == Some(meaning) {
            tracing::debug!("{}: {failure}", self.resource.words());
            return Ok(());
        }
        tracing::warn!("{}: {failure}", self.resource.words());
        self.failed = Some(meaning);
        let origin = Origin::Resource { words: self.resource.words(), generation: 0 };
        self.candidates.send(Candidate { bytes: Err(meaning), origin }).await.map_err(|_| Ended)
    }
}

/// Whether the operator says that it replaces pods; it says so before it deletes one.
fn rolls(object: &DynamicObject) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(serde_json::Value::as_array);
    let says =
        |it: &serde_json::Value| it["status"] == "True" && it["reason"] == ConditionReason::RollingWorkload.word();
    conditions.into_iter().flatten().any(says)
}

/// What of the object is the document: who it is and what is wanted. Two objects that want the same under the same
/// generation are the same bytes.
fn document(object: &DynamicObject, uid: &str, generation: i64) -> Vec<u8> {
    let document = json!({
        "apiVersion": "mailward.dev/v1alpha1",
        "kind": "MessagingServer",
        "metadata": {
            "name": object.metadata.name,
            "namespace": object.metadata.namespace,
            "uid": uid,
            "generation": generation,
        },
        "spec": object.data.get("spec").cloned().unwrap_or_default(),
    });
    // Plain data: this cannot fail.
    serde_json::to_vec_pretty(&document).unwrap_or_default()
}
