//! From a document through the real steps `validate` and `build` to objects. No API server.

#![allow(missing_docs, reason = "nobody links against a test")]

mod in_place_or_roll;
mod objects;
mod samples;

use kube::core::DynamicObject;
use mailward_controller::validate::{Environment, Invalid, Validated, validate};
use serde_json::Value;

pub(crate) const MAIL: &str = include_str!("../golden/mail.yaml");

pub(crate) fn environment() -> Environment {
    Environment { agent_image: "registry.example/agent:1".to_owned(), standby: true }
}

pub(crate) fn document() -> Value {
    serde_saphyr::from_str(MAIL).expect("it is YAML")
}

pub(crate) fn read(document: Value) -> Result<Validated, Invalid> {
    let object: DynamicObject = serde_json::from_value(document).expect("it is an object");
    validate(&object, &environment())
}
