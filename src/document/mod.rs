//! The front of the house: what a person wrote becomes what the planner reads, or a list of everything wrong with it.
//!
//! Bytes in, values and diagnostics out; reads no file and knows no clock. The file source, `validate`, `run`, `plan`
//! and later the operator call it, so that all of them give the same verdict.
//!
//! ```text
//! bytes ─► tree (line and column of every value) ─► structure (held against the JSON Schema) ─► types ─► rules
//!                                                                              Document ─► resolve ─► Desired
//! ```

mod crd;
mod diagnostic;
mod effective;
mod nearest;
mod profile;
mod resolve;
mod resource;
mod rules;
mod scalar;
mod schedule;
mod schema;
pub mod spec;
mod structure;
mod tree;

pub use crd::{GROUP, PLURAL, VERSION, crd};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use profile::{Catalogue, profile_table, task_table};
pub use resolve::{Settings, WatcherPlace, resolve, settings};
pub use resource::{ResourceReader, read_resource};
pub use rules::{Cel, Rule, rules};
pub use schema::schema;
pub use spec::MessagingServer;
pub use structure::NEWER_FIELD;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use diagnostic::{Fault, Hidden, MAX_SHOWN, show};
#[cfg(feature = "agent")]
pub(crate) use nearest::nearest;
use structure::Newer;

/// A document that passed every rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    server: MessagingServer,
}

impl Document {
    /// What was written.
    pub fn server(&self) -> &MessagingServer {
        &self.server
    }
}

/// What reading a document gave.
#[derive(Clone, Debug)]
pub struct Read {
    /// The document, unless there is an error.
    pub document: Option<Document>,
    /// Everything there is to say about it, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a document. `origin` names the file, or whatever else the bytes came from, in diagnostics. Never fails
/// otherwise than by diagnostics, whatever the bytes are.
pub fn read(bytes: &[u8], origin: &str) -> Read {
    let file: Arc<str> = Arc::from(origin);
    let mut faults = Vec::new();
    let refused = |faults, text: &str| Read {
        document: None,
        diagnostics: show(faults, &file, text, &Hidden::AfterValue, str::to_owned),
    };
    let text = match tree::text(bytes) {
        Ok(text) => text,
        Err(fault) => {
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(tree::MAX_BYTES)]);
            return refused(vec![*fault], &shown);
        }
    };
    let Some(root) = tree::parse(text, &mut faults) else { return refused(faults, text) };
    let server = meaning(&root, &schema(), Newer::Refused, &mut faults);
    let sound = faults.iter().all(|fault| fault.severity != Severity::Error);
    let name = |path: &str| structure::locate(&root, path).1;
    Read {
        document: server.filter(|_| sound).map(|server| Document { server }),
        diagnostics: show(faults, &file, text, &Hidden::Between(root.secrets()), name),
    }
}

/// From the tree to the types, then the rules.
fn meaning(
    root: &tree::Node,
    schema: &serde_json::Value,
    newer: Newer,
    faults: &mut Vec<Fault>,
) -> Option<MessagingServer> {
    let mut checked = structure::check(root, schema, newer, faults);
    let well_formed = faults.iter().all(|fault| fault.severity != Severity::Error);
    // Without the list of services every mention of one would look wrong; and where a thousand errors are shown
    // already nobody misses the others.
    if checked.dropped.contains("spec.services") || faults.len() > MAX_SHOWN {
        return None;
    }
    let server = match serde_json::from_value::<MessagingServer>(checked.value.take()?) {
        Ok(server) => server,
        Err(error) => {
            faults.push(Fault::error("type", Some(root.place), error.to_string()));
            return None;
        }
    };
    let mut found = rules::check(&server, well_formed);
    // A note about what only the operator reads is for whoever writes a file.
    if well_formed && newer == Newer::Refused {
        found.extend(rules::notes(root));
    }
    for fault in &mut found {
        fault.path = checked.original(&fault.path);
        fault.shown_at = fault.shown_at.take().map(|path| checked.original(&path));
    }
    found.retain(|fault| !is_consequence(fault, &checked));
    for fault in &mut found {
        let shown_at = fault.shown_at.take();
        fault.place = Some(structure::locate(root, shown_at.as_ref().unwrap_or(&fault.path)).0);
    }
    faults.extend(found);
    Some(server)
}

/// Whether something is missing only because what was written there was wrong, which has been reported already.
fn is_consequence(fault: &Fault, checked: &structure::Checked) -> bool {
    let asks_for_a_service = matches!(fault.rule, "depends-on-known" | "needs-known" | "on-hang-known");
    let asks_for_a_field = matches!(fault.rule, "listener-place" | "reload-way");
    (asks_for_a_service && checked.kept.contains_key("spec.services"))
        || checked.was_dropped(&fault.path)
        || (asks_for_a_field && checked.lost_a_field(&fault.path))
}
