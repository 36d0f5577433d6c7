//! From bytes to the document in force: a bad one changes nothing and is remembered with its words ([R18]).

use crate::desired::Desired;
use crate::document::{self, Settings, Severity};

/// A document that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The first error with its place: for the condition `ConfigValid`.
    pub(super) first: String,
    /// Every error and warning, as `mailward validate` prints them.
    pub(super) all: String,
}

/// A document that may be put in force.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// What the planner reads.
    pub(super) desired: Desired,
    /// What concerns the agent itself.
    pub(super) site: Settings,
    /// Warnings, as `mailward validate` prints them.
    pub(super) warnings: Vec<String>,
}

/// Reads a document.
pub(super) fn read(bytes: &[u8], origin: &str, generation: i64) -> Result<Wish, Refused> {
    let document::Read { document, diagnostics } = document::read(bytes, origin);
    let Some(document) = document else {
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        let words: Vec<String> = errors.map(ToString::to_string).collect();
        let first = words.first().and_then(|words| words.lines().next()).unwrap_or("no document");
        return Err(Refused { first: first.to_owned(), all: words.join("\n") });
    };
    let warnings = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning);
    Ok(Wish {
        desired: document::resolve(&document, generation),
        site: document::settings(&document),
        warnings: warnings.map(ToString::to_string).collect(),
    })
}
