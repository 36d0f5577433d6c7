//! The `CustomResourceDefinition`: the same types and the one table of rules, as an API server wants them.
//!
//! Pure: a value is built, and whoever wants it as a file writes it. Called by `mailward schema --crd` and `mailward
//! generate`; the API server then refuses at the door what `validate` refuses. What CEL cannot say is left to the agent
//! and the operator, who say it in `ConfigValid`. There are no defaults under `spec`: profiles resolve them, so that
//! what git holds is what the server holds. A new object has a `status` that says that nobody has looked at it yet:
//! without one the tools that follow kstatus would call it current.

mod places;
mod structural;
mod transitions;

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::schema::{self, schema};
use structural::structural;

/// Group of the resource.
pub const GROUP: &str = "mailward.dev";
/// Version of the resource.
pub const VERSION: &str = "v1alpha1";
/// Its name in addresses of the API.
pub const PLURAL: &str = "messagingservers";

/// The definition, for a status of this type.
pub fn crd<Status: JsonSchema>() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "names": {
                "categories": ["mailward"],
                "kind": "MessagingServer",
                "listKind": "MessagingServerList",
                "plural": PLURAL,
                "shortNames": ["ms"],
                "singular": "messagingserver",
            },
            "scope": "Namespaced",
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "additionalPrinterColumns": columns(),
                "selectableFields": [
                    {"jsonPath": ".spec.profile"},
                    {"jsonPath": ".spec.suspend"},
                    {"jsonPath": ".spec.workload.image"},
                ],
                "schema": {"openAPIV3Schema": object(&schema(), &schema::of::<Status>())},
                "subresources": {"status": {}},
            }],
        },
    })
}

/// The columns of `kubectl get`; with a priority only those of `kubectl get -o wide`.
fn columns() -> Value {
    let condition = |name: &str, field: &str| format!(".status.conditions[?(@.type==\"{name}\")].{field}");
    json!([
        {
            "name": "Ready",
            "type": "string",
            "jsonPath": condition("Ready", "status"),
            "description": "Whether the required services are ready.",
        },
        {
            "name": "Services",
            "type": "string",
            "jsonPath": ".status.servicesReady",
            "description": "Services that are ready, of those that are wanted.",
        },
        {
            "name": "Degraded",
            "type": "string",
            "jsonPath": condition("Degraded", "reason"),
            "description": "What it serves without.",
        },
        {
            "name": "Generation",
            "type": "integer",
            "jsonPath": ".metadata.generation",
            "description": "Counts the changes of the spec.",
        },
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {
            "name": "Node",
            "type": "string",
            "priority": 1,
            "jsonPath": ".status.instances[*].node",
            "description": "Where its pods run.",
        },
        {
            "name": "Pod",
            "type": "string",
            "priority": 1,
            "jsonPath": ".status.instances[*].name",
            "description": "Its pods.",
        },
        {
            "name": "Restarts",
            "type": "integer",
            "priority": 1,
            "jsonPath": ".status.restartsInWindow",
            "description": "Automatic restarts of its services that count against their budgets.",
        },
    ])
}

/// The schema of the whole object.
fn object(document: &Value, status: &Value) -> Value {
    let mut spec = structural(&document["properties"]["spec"]);
    places::put(&mut spec);
    transitions::put(&mut spec);
    let mut status = structural(status);
    status["default"] = initial_status();
    let name = &document["properties"]["metadata"]["properties"]["name"];
    json!({
        "type": "object",
        "description": document["description"],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": document["properties"]["apiVersion"]["description"]},
            "kind": {"type": "string", "description": document["properties"]["kind"]["description"]},
            "metadata": {
                "type": "object",
                "properties": {"name": {
                    "type": "string",
                    "maxLength": name["maxLength"],
                    "pattern": name["pattern"],
                }},
            },
            "spec": spec,
            "status": status,
        },
    })
}

/// The status of an object that nobody has looked at. The time is fixed: a default cannot know another.
fn initial_status() -> Value {
    let condition = |name: &str| {
        json!({
            "type": name,
            "status": "Unknown",
            "reason": "Pending",
            "message": "nobody has looked at it yet",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
            "observedGeneration": 0,
        })
    };
    json!({"conditions": [condition("Ready"), condition("Reconciling")]})
}
