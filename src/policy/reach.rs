//! Whom a restart takes along ([R6], [R9], [R10], [R19]).

use crate::desired::{Desired, GroupIx, Ix};
use crate::history::Cause;

/// Everything that depends on `from`, directly or not, `from` itself left out; in list order.
pub fn dependents(desired: &Desired, from: &[Ix]) -> Vec<Ix> {
    walk(desired, from, |_| true)
}

/// Everything that depends on `from`, directly or not, and declares that it is restarted with what it depends on.
pub fn followers(desired: &Desired, from: &[Ix]) -> Vec<Ix> {
    walk(desired, from, |ix| desired.service(ix).restarts_with_dependency)
}

fn walk(desired: &Desired, from: &[Ix], goes_on: impl Fn(Ix) -> bool) -> Vec<Ix> {
    let mut found = Vec::new();
    let mut open = from.to_vec();
    while let Some(ix) = open.pop() {
        for dependent in &desired.service(ix).dependents {
            if goes_on(*dependent) && !found.contains(dependent) && !from.contains(dependent) {
                found.push(*dependent);
                open.push(*dependent);
            }
        }
    }
    found.sort_unstable();
    found
}

/// The other members of the group that `ix` leads; empty for everybody else.
pub fn led_by(desired: &Desired, ix: Ix) -> &[Ix] {
    match desired.service(ix).group.map(|group| &desired.groups[group.at()]) {
        Some(group) if group.lead == Some(ix) => &group.members,
        Some(_) | None => &[],
    }
}

/// The group that store clients belong to ([R14]): the one named store, or the only one there is; and the member that
/// speaks for it, its lead where it has one.
pub fn store_group(desired: &Desired) -> Option<(GroupIx, Ix)> {
    let named = desired.groups.iter().position(|group| &*group.name == "store");
    let at = named.or_else(|| (desired.groups.len() == 1).then_some(0))?;
    let group = &desired.groups[at];
    let speaker = group.lead.or_else(|| group.members.first().copied())?;
    Some((GroupIx(u32::try_from(at).ok()?), speaker))
}

/// The services that restart because `ix` does, with the cause each is told; `ix` itself first, with `cause`.
///
/// What a person orders reaches everything that depends on it, as a stop would ([R6]); a change touches only the service
/// itself, and its group where it leads one ([R19]).
pub fn restart(desired: &Desired, ix: Ix, cause: Cause) -> Vec<(Ix, Cause)> {
    let (of_group, of_dependents) = match cause {
        Cause::Person | Cause::RestartedAt => (Cause::GroupOrdered, Some(Cause::DependencyOrdered)),
        Cause::Declaration | Cause::Files => (Cause::GroupChanged, None),
        Cause::Failed
        | Cause::NotReadyInTime
        | Cause::GaveUp
        | Cause::GroupFailed
        | Cause::GroupChanged
        | Cause::GroupOrdered
        | Cause::DependencyRestarted
        | Cause::DependencyOrdered => return vec![(ix, cause)],
    };
    let mut reached = vec![(ix, cause)];
    let led = led_by(desired, ix);
    if !led.is_empty() {
        reached[0].1 = of_group;
        reached.extend(led.iter().filter(|member| **member != ix).map(|member| (*member, of_group)));
    }
    if let Some(told) = of_dependents {
        let from: Vec<Ix> = reached.iter().map(|(at, _)| *at).collect();
        reached.extend(dependents(desired, &from).into_iter().map(|at| (at, told)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service in each of these groups.
    fn speaker(groups: &[&str]) -> Option<String> {
        let service = |group| format!("  - {{name: of-{group}, command: [/bin/a], group: {group}}}\n");
        let services = groups.iter().map(service).collect::<Vec<String>>().concat();
        let text = format!(
            "apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: mail}}\nspec:\n  profile: Custom\n  \
             services:\n{services}"
        );
        let read = crate::document::read(text.as_bytes(), "test");
        let desired = crate::document::resolve(&read.document.unwrap_or_else(|| panic!("{:?}", read.diagnostics)), 1);
        store_group(&desired).map(|(_, ix)| desired.service(ix).name.to_string())
    }

    #[test]
    fn r14_store_clients_belong_to_the_group_named_store_or_to_the_only_one() {
        assert_eq!(speaker(&["mail", "store"]).as_deref(), Some("of-store"));
        assert_eq!(speaker(&["mail"]).as_deref(), Some("of-mail"));
        assert_eq!(speaker(&["mail", "web"]), None);
    }
}
