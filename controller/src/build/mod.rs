//! Third step: every object of a resource, rendered and not yet applied.
//!
//! Pure, and cannot fail: what could is refused by [`crate::validate`]. What is rendered here is what the API server is
//! asked to hold; what it adds by itself is not.

mod access;
mod network;
mod pod;
mod storage;

pub mod names;

use std::marker::PhantomData;

use mailward::model::Fingerprint;
use serde_json::{Value, json};

use crate::kinds::{APPLIED, INSTANCE, Kind, MANAGED_BY, MANAGER, WORKLOAD_HASH};
use crate::validate::Validated;
use names::Names;
pub use pod::workload_hash;

/// Rendered, and known to nobody.
#[derive(Clone, Copy, Debug)]
pub enum Prepared {}

/// Held by the API server.
#[derive(Clone, Copy, Debug)]
pub enum Applied {}

/// An object as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// All of it that is the operator's.
    pub body: Value,
    /// The fingerprint of `body`, which is also its annotation.
    pub hash: String,
}

/// An object that a resource has or has not.
#[derive(Clone, Debug, PartialEq)]
pub enum Maybe {
    /// It is to be there.
    Wanted(Rendered),
    /// It is to be gone.
    Unwanted(Kind, String),
}

/// Every object of one resource. A new field does not compile until [`crate::apply`] says when it is applied.
#[derive(Clone, Debug)]
pub struct Resources<State> {
    /// Who the agent is.
    pub service_account: Rendered,
    /// What it may.
    pub role: Rendered,
    /// That it may.
    pub role_binding: Rendered,
    /// The volume. One that is no longer wanted stays: nobody but a person deletes mail.
    pub claim: Option<Rendered>,
    /// Where clients come in.
    pub service: Maybe,
    /// Names of the pods.
    pub headless: Rendered,
    /// That one of two pods stays.
    pub disruption_budget: Maybe,
    /// Which ports are open.
    pub network_policy: Maybe,
    /// The pods.
    pub stateful_set: Rendered,
    /// Of everything that only a new pod can have.
    pub workload_hash: String,
    /// How far they are.
    pub state: PhantomData<State>,
}

/// Renders every object.
pub fn build(server: &Validated) -> Resources<Prepared> {
    let names = Names::of(&server.identity.name);
    Resources {
        service_account: access::service_account(server, &names),
        role: access::role(server, &names),
        role_binding: access::role_binding(server, &names),
        claim: server.volume.as_ref().map(|volume| storage::claim(server, volume, &names)),
        service: network::service(server, &names),
        headless: network::headless(server, &names),
        disruption_budget: pod::disruption_budget(server, &names),
        network_policy: network::policy(server, &names),
        stateful_set: pod::stateful_set(server, &names),
        workload_hash: workload_hash(server),
        state: PhantomData,
    }
}

/// Labels by which the pods of a resource are found. They can never change: selectors are immutable.
fn selector(server: &Validated) -> Value {
    json!({"app.kubernetes.io/name": "mailward", INSTANCE: server.identity.name})
}

fn labels(server: &Validated) -> Value {
    let mut labels = selector(server);
    labels[MANAGED_BY] = json!(MANAGER);
    labels
}

/// An object that goes with the resource.
fn owned(server: &Validated, kind: Kind, name: &str, fields: Value) -> Rendered {
    let owner = json!([{
        "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer",
        "name": server.identity.name, "uid": server.identity.uid,
        "controller": true, "blockOwnerDeletion": true,
    }]);
    rendered(server, kind, name, Some(owner), fields)
}

fn rendered(server: &Validated, kind: Kind, name: &str, owner: Option<Value>, fields: Value) -> Rendered {
    let resource = kind.resource();
    let mut body = json!({
        "apiVersion": resource.api_version, "kind": resource.kind,
        "metadata": {"name": name, "namespace": server.identity.namespace, "labels": labels(server)},
    });
    if let Some(owner) = owner {
        body["metadata"]["ownerReferences"] = owner;
    }
    if let Value::Object(fields) = fields {
        for (field, value) in fields {
            body[field] = value;
        }
    }
    let hash = fingerprint(&body);
    body["metadata"]["annotations"] = json!({APPLIED: hash});
    Rendered { kind, name: name.to_owned(), body, hash }
}

fn fingerprint(value: &Value) -> String {
    format!("{:016x}", Fingerprint::of(value.to_string().as_bytes()).0)
}
