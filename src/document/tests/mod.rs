//! Tests of the document front that look behind its door; what it says about whole files is in `tests/documents.rs`.

mod crd;
mod hostile;
mod leaves;
mod options;
mod profiles;
mod resolved;
mod resource;
mod schema;

use super::{Document, Read, read, resolve};
use crate::desired::{Desired, Service};

/// A document with this spec.
fn text(spec: &str) -> String {
    let indented = spec.replace('\n', "\n  ");
    format!("apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: mail}}\nspec:\n  {indented}\n")
}

fn said(read: &Read) -> String {
    read.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn good(spec: &str) -> Document {
    let read = read(text(spec).as_bytes(), "test");
    let words = said(&read);
    read.document.unwrap_or_else(|| panic!("{words}"))
}

fn desired(spec: &str) -> Desired {
    resolve(&good(spec), 1)
}

fn service<'a>(desired: &'a Desired, name: &str) -> &'a Service {
    desired.service(desired.find(name).unwrap_or_else(|| panic!("no service {name}")))
}

/// The rules that a text breaks, in order.
fn broken(bytes: &[u8]) -> Vec<&'static str> {
    read(bytes, "test").diagnostics.into_iter().map(|diagnostic| diagnostic.rule).collect()
}
