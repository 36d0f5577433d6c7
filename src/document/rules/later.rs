//! Fields that are read and checked today and take effect with a later release: whoever writes one is told.

use crate::document::diagnostic::{Fault, Severity};
use crate::document::tree::{Kind, Node};

/// Where they are, and what does not happen yet. A path stands for everything below it.
pub(in crate::document) const LATER: &[(&str, &str)] = &[("spec.workload", "only the operator reads it")];

/// One note for each such field that is written, at its first place.
pub(in crate::document) fn notes(root: &Node) -> Vec<Fault> {
    let mut found = Vec::new();
    for (path, words) in LATER {
        let mut places = Vec::new();
        collect(root, path, "", &mut places);
        let Some((first, more)) = places.split_first() else { continue };
        let field = path.rsplit('.').next().unwrap_or(path);
        let others = match more.len() {
            0 => String::new(),
            1 => " (here and in one more place)".to_owned(),
            number => format!(" (here and in {number} more places)"),
        };
        found.push(Fault {
            severity: Severity::Note,
            place: None,
            path: first.clone(),
            shown_at: None,
            message: format!("`{field}` has no effect in this release{others}: {words}"),
            expected: String::new(),
            cure: String::new(),
            rule: "later",
        });
    }
    found
}

fn collect(node: &Node, rest: &str, path: &str, places: &mut Vec<String>) {
    let (step, rest) = rest.split_once('.').map_or((rest, ""), |(step, rest)| (step, rest));
    let (field, each) = step.strip_suffix("[]").map_or((step, false), |field| (field, true));
    let Some(value) = node.get(field) else { return };
    let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    match &value.kind {
        Kind::List(items) if each => {
            for (at, item) in items.iter().enumerate() {
                collect(item, rest, &format!("{path}[{at}]"), places);
            }
        }
        _ if rest.is_empty() => places.push(path),
        Kind::Map(_) | Kind::Scalar { .. } | Kind::List(_) => collect(value, rest, &path, places),
    }
}
