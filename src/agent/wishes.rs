//! From bytes to the document in force: a bad one changes nothing and is remembered with its words ([R18]).

use crate::desired::Desired;
use crate::document;

/// A document that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The first error with its place: for the condition `ConfigValid`.
    pub(super) first: String,
    /// Every error and warning, as `mailward validate` prints them.
    pub(super) all: String,
}

/// Reads a document; warnings come with a good one, in words.
pub(super) fn read(bytes: &[u8], origin: &str, generation: i64) -> Result<(Desired, Vec<String>), Refused> {
    let read = document::read(bytes, origin);
    let words: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
    match &read.document {
        Some(server) if !read.has_errors() => Ok((document::resolve(server, generation), words)),
        Some(_) | None => {
            let first = read.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
            let first = first.map_or_else(|| format!("{origin}: no document"), |error| error.headline());
            Err(Refused { first, all: words.join("\n") })
        }
    }
}
