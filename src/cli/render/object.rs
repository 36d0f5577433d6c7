//! For programs.

use serde::Serialize;

use crate::cli::failure::{Failure, IO};

/// Indented JSON with a line end.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| Failure::of(IO, &error))
}

/// The same as YAML.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(value).map_err(|error| Failure::of(IO, &error))
}
