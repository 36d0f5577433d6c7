//! Rules about who waits for whom, and about restart groups.

use std::collections::HashMap;

use super::{Cel, Findings, Rule};
use crate::desired::{GraphError, topological};
use crate::document::diagnostic::Severity;
use crate::document::effective::Effective;
use crate::document::spec::GroupRole;
use crate::model::Name;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "no-cycle",
        severity: Severity::Error,
        path: "spec",
        message: "services cannot wait for each other",
        cel: Cel::Cannot("CEL has no recursion, so it cannot follow a path of unknown length"),
        check: no_cycle,
    },
    Rule {
        id: "one-lead",
        severity: Severity::Error,
        path: "spec",
        message: "a restart group has one lead",
        cel: Cel::Cannot(
            "the profile's groups count too, and comparing each service with each other exceeds the cost budget",
        ),
        check: one_lead,
    },
    Rule {
        id: "role-needs-group",
        severity: Severity::Error,
        path: "spec.services[]",
        message: "groupRole needs a group",
        cel: Cel::Cannot("the profile may supply the group"),
        check: role_needs_group,
    },
];

/// Most cycles that are reported; each is cut open to find the next.
const CYCLES: usize = 20;

fn no_cycle(all: &Effective<'_>, found: &mut Findings) {
    let names: Vec<Name> = all.services.iter().map(|merged| Name::from(&*merged.service.name)).collect();
    let mut edges: Vec<Vec<usize>> = all
        .services
        .iter()
        .map(|merged| {
            let needs = merged.service.depends_on.iter().flatten();
            let mut needs: Vec<usize> = needs.filter_map(|name| all.by_name.get(&**name).copied()).collect();
            needs.sort_unstable();
            needs.dedup();
            needs
        })
        .collect();
    cycles(all, &names, &mut edges, "a path of dependencies that ends", "remove one of these dependencies", found);
    let mut leads: HashMap<&str, usize> = HashMap::new();
    for (at, merged) in all.services.iter().enumerate() {
        if let (Some(group), Some(GroupRole::Lead)) = (&merged.service.group, merged.service.group_role) {
            leads.entry(group).or_insert(at);
        }
    }
    for (at, merged) in all.services.iter().enumerate() {
        let lead = merged.service.group.as_deref().and_then(|group| leads.get(group));
        // A dependency that the lead already is was looked at above; if it was cut open there it stays so.
        let is_dependency = lead.is_some_and(|lead| {
            merged.service.depends_on.iter().flatten().any(|n| all.by_name.get(&**n) == Some(lead))
        });
        if let Some(lead) = lead.filter(|lead| **lead != at && !is_dependency) {
            edges[at].push(*lead);
        }
    }
    cycles(
        all,
        &names,
        &mut edges,
        "a lead that can start first: the members of a restart group wait for it",
        "remove the dependency of the lead on its member",
        found,
    );
}

fn cycles(
    all: &Effective<'_>,
    names: &[Name],
    edges: &mut [Vec<usize>],
    expected: &str,
    cure: &str,
    found: &mut Findings,
) {
    for _ in 0..CYCLES {
        let Err(GraphError::Cycle(cycle)) = topological(names, edges) else { return };
        let path: Vec<usize> = cycle.0.iter().filter_map(|name| all.by_name.get(&**name).copied()).collect();
        let [.., from, to] = path.as_slice() else { return };
        let (from, to) = (*from, *to);
        // Shown where a person can mend it: at a dependency that the document itself writes.
        let written = path.windows(2).find_map(|pair| {
            let at = all.services[pair[0]].at?;
            let wanted = &all.services[pair[1]].service.name;
            let need = all.spec.services[at].depends_on.iter().flatten().position(|name| name == wanted)?;
            Some(format!("spec.services[{at}].dependsOn[{need}]"))
        });
        found.add(written.unwrap_or_else(|| all.path_of(from, "group")), cycle.to_string(), expected, cure);
        edges[from].retain(|need| *need != to);
    }
}

fn one_lead(all: &Effective<'_>, found: &mut Findings) {
    let mut leads: HashMap<&str, usize> = HashMap::new();
    for (at, merged) in all.services.iter().enumerate() {
        let service = &merged.service;
        let (Some(group), Some(GroupRole::Lead)) = (service.group.as_deref(), service.group_role) else { continue };
        if let Some(first) = leads.get(group).copied() {
            // A profile's lead comes first or not; the one that the document writes can be mended.
            let shown = if merged.at.is_some() { at } else { first };
            let (one, other) = (&all.services[first].service.name, &service.name);
            found.add(
                all.path_of(shown, "groupRole"),
                format!("the group `{group}` has two leads: {one} and {other}"),
                "one lead in a group",
                "say `groupRole: Member` for one of them",
            );
        } else {
            leads.insert(group, at);
        }
    }
}

fn role_needs_group(all: &Effective<'_>, found: &mut Findings) {
    for merged in &all.services {
        if let (Some(at), Some(_), None) = (merged.at, merged.service.group_role, &merged.service.group) {
            found.add(
                format!("spec.services[{at}].group"),
                format!("`{}` has a role in no group", merged.service.name),
                "a group beside groupRole",
                "add `group: store`, or remove groupRole",
            );
            found.shown_at(format!("spec.services[{at}].groupRole"));
        }
    }
}
