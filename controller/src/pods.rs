//! What is read of a pod.
//!
//! Pure. [`crate::roll`] and [`crate::update_status`] decide on it.

use k8s_openapi::jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::Value;

use crate::kinds::WORKLOAD_HASH;

/// A pod, as far as decisions are made on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its uid: a pod that is made again has another.
    pub uid: String,
    /// The fingerprint that it was made with.
    pub hash: String,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Whether it has ended and will not run again.
    pub ended: bool,
    /// Whether its agent says ready.
    pub ready: bool,
    /// What it is given to stop, in seconds.
    pub grace: i64,
    /// The image of its agent.
    pub agent_image: String,
    /// Why its image cannot be had.
    pub image_error: Option<String>,
    /// Why its storage cannot be had, and since when it waits, in seconds since 1970.
    pub storage_error: Option<(String, i64)>,
    /// Whether its node is out of sight.
    pub stale: bool,
}

impl Pod {
    /// Of the object. What it does not say is as if it were empty.
    pub fn of(object: &DynamicObject) -> Self {
        let text = |path: &str| object.data.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let metadata = &object.metadata;
        let label = metadata.labels.as_ref().and_then(|labels| labels.get(WORKLOAD_HASH));
        let created = metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        let condition = |kind: &str| {
            list(&object.data, "/status/conditions").iter().find(move |condition| condition["type"] == kind)
        };
        let unplaced = condition("PodScheduled").filter(|condition| condition["status"] == "False");
        let storage_error = unplaced.and_then(|condition| condition["message"].as_str()).filter(|words| {
            let words = words.to_ascii_lowercase();
            words.contains("persistentvolumeclaim") || words.contains("volume")
        });
        Self {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            hash: label.cloned().unwrap_or_default(),
            terminating: metadata.deletion_timestamp.is_some(),
            ended: matches!(text("/status/phase"), "Failed" | "Succeeded"),
            ready: condition("Ready").is_some_and(|condition| condition["status"] == "True"),
            grace: object.data.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(30),
            agent_image: text("/spec/initContainers/0/image").to_owned(),
            image_error: image_error(&object.data),
            storage_error: storage_error.map(|words| (words.to_owned(), created.as_second())),
            stale: text("/status/reason") == "NodeLost" || text("/status/phase") == "Unknown",
        }
    }
}

fn list<'a>(data: &'a Value, path: &str) -> &'a [Value] {
    data.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn image_error(data: &Value) -> Option<String> {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    statuses.into_iter().flat_map(|path| list(data, path)).find_map(|status| {
        let waiting = status.pointer("/state/waiting")?;
        let reason = waiting["reason"].as_str()?;
        let known = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"];
        // What the kubelet says changes with every try; the image and the reason do not.
        known.contains(&reason).then(|| format!("{}: {reason}", status["image"].as_str().unwrap_or("the image")))
    })
}
