//! What cannot be changed in a resource: rules about two versions of it, which a file does not have.
//!
//! Only what Kubernetes itself cannot change afterwards: the class and the access mode of a claim, and that its size
//! shrinks. Without the rules the claim would stay as it is and the resource would say otherwise. Everything else may
//! change, the profile included: that is applied in place as any other change is.

use serde_json::{Value, json};

use super::places::add;

/// Node below the spec, rule, words, field.
const TRANSITIONS: [(&[&str], &str, &str, &str); 5] = [
    (
        &["workload", "storage"],
        "(has(self.className) ? self.className : '') == (has(oldSelf.className) ? oldSelf.className : '')",
        "the storage class of a volume cannot be changed; make another resource and move the data",
        ".className",
    ),
    // What is not said follows from the number of pods, which only the node above knows.
    (
        &["workload"],
        "!has(self.storage) || !has(oldSelf.storage) || \
         (has(self.storage.accessMode) ? self.storage.accessMode : \
         has(self.replicas) && self.replicas == 2 ? 'ReadWriteMany' : 'ReadWriteOnce') == \
         (has(oldSelf.storage.accessMode) ? oldSelf.storage.accessMode : \
         has(oldSelf.replicas) && oldSelf.replicas == 2 ? 'ReadWriteMany' : 'ReadWriteOnce')",
        "the access mode of a volume cannot be changed; make another resource and move the data",
        ".storage.accessMode",
    ),
    (
        &["workload", "storage"],
        "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0",
        "a volume does not shrink",
        ".size",
    ),
    (
        &["workload"],
        "!has(oldSelf.storage) || has(self.storage)",
        "the storage cannot be taken away from a mail server: its data would be out of sight",
        ".storage",
    ),
    (
        &[],
        "!has(oldSelf.workload) || !has(oldSelf.workload.storage) || has(self.workload)",
        "the storage cannot be taken away from a mail server: its data would be out of sight",
        ".workload",
    ),
];

/// Puts them into the schema of the spec.
pub(super) fn put(spec: &mut Value) {
    for (path, rule, words, field) in TRANSITIONS {
        let mut node = &mut *spec;
        for step in path {
            node = &mut node["properties"][*step];
        }
        let message = format!("{words} [immutable]");
        add(node, json!({"rule": rule, "message": message, "fieldPath": field, "reason": "FieldValueForbidden"}));
    }
}
