//! Documents that come from an API server: an object in JSON instead of a text.
//!
//! The same structure, types and rules as for a file, with one difference: the server may know a newer schema than this
//! program, and an agent that refused its objects would keep its last good document for ever. So fields that are not
//! known here are left out and named in warnings. A value that is not known (a new protocol, say) is still an error: to
//! leave it out would mean something else than what was written.

use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::{Hidden, Place, Severity, show};
use super::structure::{self, Newer};
use super::tree::{Entry, Kind, Node};
use super::{Document, Read, meaning, schema};

/// An object has no lines; what is said of it names its path.
const NOWHERE: Place = Place { line: 0, column: 0 };

/// Reads an object as an API server gives it, `status` and what the server itself writes into `metadata` included.
/// `origin` names it in diagnostics, which carry paths and no places. Never fails otherwise than by diagnostics. Fields
/// that this program does not know are warnings of the rule `newer-field`, one a field.
pub fn read_resource(object: &Value, origin: &str) -> Read {
    ResourceReader::default().read(object, origin)
}

/// Reads many: it keeps the schema, which takes longer to make than an object to be read.
#[derive(Clone, Debug)]
pub struct ResourceReader(Value);

impl Default for ResourceReader {
    fn default() -> Self {
        Self(schema())
    }
}

impl ResourceReader {
    /// Reads one, as [`read_resource`] does.
    pub fn read(&self, object: &Value, origin: &str) -> Read {
        let root = Node { place: NOWHERE, kind: kind(object) };
        let mut faults = Vec::new();
        let server = meaning(&root, &self.0, Newer::Ignored, &mut faults);
        let sound = faults.iter().all(|fault| fault.severity != Severity::Error);
        for fault in &mut faults {
            fault.place = None;
        }
        let name = |path: &str| structure::locate(&root, path).1;
        Read {
            document: server.filter(|_| sound).map(|server| Document { server }),
            diagnostics: show(faults, &Arc::from(origin), "", &Hidden::AfterValue, name),
        }
    }
}

fn kind(value: &Value) -> Kind {
    // Text is never plain here, so that nothing is read into its look: the server has decided what it is.
    let scalar = |text: String, plain| Kind::Scalar { text, plain, end: NOWHERE };
    let node = |value| Node { place: NOWHERE, kind: kind(value) };
    match value {
        Value::Null => scalar("null".to_owned(), true),
        Value::Bool(value) => scalar(value.to_string(), true),
        Value::Number(number) => scalar(number.to_string(), true),
        Value::String(text) => scalar(text.clone(), false),
        Value::Array(items) => Kind::List(items.iter().map(node).collect()),
        Value::Object(fields) => Kind::Map(
            fields
                .iter()
                .map(|(key, value)| Entry {
                    key: key.clone(),
                    key_place: NOWHERE,
                    key_plain: false,
                    value: node(value),
                })
                .collect(),
        ),
    }
}
