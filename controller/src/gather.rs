//! First step: what the API server holds of one resource.
//!
//! Needs the client only through the watches of [`crate::cache`]; asks nobody and decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::DynamicObject;

use crate::build::names::Names;
use crate::cache::Cache;
use crate::kinds::Kind;

/// The most pods that a resource may have.
pub const MAX_PODS: usize = 2;

/// What there is of a resource's objects.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// Objects by kind and name.
    pub objects: BTreeMap<(Kind, String), Arc<DynamicObject>>,
    /// The pods of its `StatefulSet`, by name.
    pub pods: Vec<Arc<DynamicObject>>,
}

impl Gathered {
    /// An object, where it is there.
    pub fn get(&self, kind: Kind, name: &str) -> Option<&DynamicObject> {
        self.objects.get(&(kind, name.to_owned())).map(AsRef::as_ref)
    }
}

/// Reads the watches.
pub fn gather(cache: &Cache, namespace: &str, name: &str) -> Gathered {
    let names = Names::of(name);
    let found = names.all().into_iter().filter_map(|(kind, name)| {
        let object = cache.get(kind, namespace, &name)?;
        Some(((kind, name), object))
    });
    let objects: BTreeMap<_, _> = found.collect();
    // A pod of an older StatefulSet of the same name is not ours, though its labels say so.
    let set = objects.get(&(Kind::StatefulSet, names.stateful_set.clone())).and_then(|set| set.metadata.uid.clone());
    let pods = (0..MAX_PODS).filter_map(|at| cache.get(Kind::Pod, namespace, &format!("{name}-{at}")));
    let owned = pods.filter(|pod| {
        let owners = pod.metadata.owner_references.iter().flatten();
        set.as_ref().is_some_and(|set| owners.into_iter().any(|owner| owner.uid == *set))
    });
    Gathered { pods: owned.collect(), objects }
}
