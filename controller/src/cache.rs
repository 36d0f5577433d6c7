//! What the API server holds, by watches: the resources, and every object with the operator's label.
//!
//! Effect. [`crate::run`] starts it; [`crate::gather`] and [`crate::metrics`] read it. Reading asks nobody, so the cost of
//! one change does not depend on how many resources there are.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use kube::core::DynamicObject;
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, core::ApiResource};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::kinds::{INSTANCE, Kind, MANAGED_BY, MANAGER, owner_of, server_resource};

/// Everything that is watched.
pub struct Cache {
    /// The resources.
    pub servers: Store<DynamicObject>,
    owned: HashMap<Kind, Store<DynamicObject>>,
}

/// The resources that something has happened to.
pub type Touched = mpsc::UnboundedReceiver<ObjectRef<DynamicObject>>;

/// An API of one namespace, or of all.
pub fn api(client: &Client, namespace: Option<&str>, resource: &ApiResource) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

impl Cache {
    /// Begins to watch, in tasks that end with `tasks`. What changes is told to the receiver, the uid of what is gone to
    /// `gone`.
    pub fn watch(
        client: &Client,
        namespace: Option<&str>,
        gone: &Arc<dyn Fn(&str) + Send + Sync>,
        tasks: &mut JoinSet<()>,
    ) -> (Self, Touched) {
        let (told, touched) = mpsc::unbounded_channel();
        let mut begin = |resource: ApiResource, config, touches: fn(&DynamicObject) -> Option<ObjectRef<_>>| {
            let writer = Writer::new(resource.clone());
            let store = writer.as_reader();
            let (told, gone, held) = (told.clone(), Arc::clone(gone), store.clone());
            let stream = watcher(api(client, namespace, &resource), config)
                .default_backoff()
                .modify(fold)
                .reflect(writer)
                .touched_objects();
            tasks.spawn(async move {
                let mut stream = std::pin::pin!(stream);
                while let Some(event) = stream.next().await {
                    match event {
                        Ok(object) => {
                            // The store is written first: what is not in it, or is another by that name, was deleted.
                            let now = held.get(&ObjectRef::from_obj_with(&object, resource.clone()));
                            if let Some(uid) = object.metadata.uid.as_deref()
                                && now.is_none_or(|now| now.metadata.uid.as_deref() != Some(uid))
                            {
                                gone(uid);
                            }
                            // Nobody listens any more only when the process ends.
                            if let Some(touched) = touches(&object) {
                                let _ = told.send(touched);
                            }
                        }
                        Err(error) => tracing::warn!(kind = resource.kind, %error, "a watch was interrupted"),
                    }
                }
            });
            store
        };
        let servers = begin(server_resource(), watcher::Config::default(), |object| {
            Some(ObjectRef::from_obj_with(object, server_resource()))
        });
        let ours = watcher::Config::default().labels(&format!("{MANAGED_BY}={MANAGER},{INSTANCE}"));
        let owned = Kind::ALL.map(|kind| (kind, begin(kind.resource(), ours.clone(), owner_of)));
        (Self { servers, owned: owned.into_iter().collect() }, touched)
    }

    /// Waits until every watch has seen what there is.
    pub async fn ready(&self) {
        // It fails only when the watch has ended, and then so does the process.
        let _ = self.servers.wait_until_ready().await;
        for store in self.owned.values() {
            let _ = store.wait_until_ready().await;
        }
    }

    /// An object by kind, namespace and name.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<DynamicObject>> {
        let key = ObjectRef::new_with(name, kind.resource()).within(namespace);
        self.owned.get(&kind).and_then(|store| store.get(&key)).map(|object| Arc::new(unfolded(&object)))
    }
}

/// How an object is kept: what is in it as one line of JSON, which takes a fifth of the memory of a tree. With thousands of
/// resources that is nearly all there is, and a round reads a handful.
fn fold(object: &mut DynamicObject) {
    object.metadata.managed_fields = None;
    object.data = Value::String(object.data.to_string());
}

/// An object as the API server gave it, of one as it is kept.
pub fn unfolded(object: &DynamicObject) -> DynamicObject {
    let data = match &object.data {
        // It was a tree before.
        Value::String(line) => serde_json::from_str(line).unwrap_or_default(),
        tree => tree.clone(),
    };
    DynamicObject { types: object.types.clone(), metadata: object.metadata.clone(), data }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_the_same_after_it_was_kept() {
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mail-0", "labels": {"a": "b"}},
            "spec": {"containers": [{"name": "mail", "ports": [{"containerPort": 143}]}]}, "status": {"phase": "Running"},
        });
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let mut kept = object.clone();
        fold(&mut kept);
        assert!(kept.data.is_string());
        assert_eq!(unfolded(&kept), object);
        assert_eq!(unfolded(&object), object, "one that was never kept, too");
    }
}
