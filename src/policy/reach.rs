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

/// The members of the group that `ix` leads, itself among them; empty for everybody else.
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

    fn desired(services: &str) -> Desired {
        let text = format!(
            "apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: mail}}\nspec:\n  profile: Custom\n  \
             services:\n{services}"
        );
        let read = crate::document::read(text.as_bytes(), "test");
        crate::document::resolve(&read.document.unwrap_or_else(|| panic!("{:?}", read.diagnostics)), 1)
    }

    /// A group of which imap depends on the lead and pop does not, and a row of services behind these two; web alone of
    /// the row is not restarted with what it depends on.
    fn house() -> Desired {
        desired(
            "  - {name: store, command: [/bin/a], group: store, groupRole: Lead}\n  \
             - {name: imap, command: [/bin/a], group: store, dependsOn: [store]}\n  \
             - {name: pop, command: [/bin/a], group: store}\n  \
             - {name: gate, command: [/bin/a], dependsOn: [imap, pop], onDependencyRestart: Restart}\n  \
             - {name: web, command: [/bin/a], dependsOn: [gate]}\n  \
             - {name: stats, command: [/bin/a], dependsOn: [web], onDependencyRestart: Restart}\n  \
             - {name: log, command: [/bin/a], dependsOn: [gate], onDependencyRestart: Restart}\n  \
             - {name: alone, command: [/bin/a]}\n",
        )
    }

    fn at(desired: &Desired, name: &str) -> Ix {
        desired.indices().find(|ix| &*desired.service(*ix).name == name).expect(name)
    }

    fn names(desired: &Desired, found: &[Ix]) -> Vec<String> {
        found.iter().map(|ix| desired.service(*ix).name.to_string()).collect()
    }

    #[test]
    fn r06_a_stop_reaches_once_whatever_depends_on_what_is_stopped_and_nothing_else() {
        let house = house();
        let table: [(&[&str], &[&str]); 6] = [
            (&["store"], &["imap", "gate", "web", "stats", "log"]),
            (&["store", "imap"], &["gate", "web", "stats", "log"]),
            (&["pop", "imap"], &["gate", "web", "stats", "log"]),
            (&["web"], &["stats"]),
            (&["alone"], &[]),
            (&[], &[]),
        ];
        for (from, expected) in table {
            let of: Vec<Ix> = from.iter().map(|name| at(&house, name)).collect();
            assert_eq!(names(&house, &dependents(&house, &of)), expected, "{from:?}");
        }
    }

    #[test]
    fn r10_a_failure_takes_along_who_declares_it_as_far_as_the_row_of_those_goes() {
        let house = house();
        let table: [(&str, &[&str]); 4] =
            [("store", &[]), ("imap", &["gate", "log"]), ("gate", &["log"]), ("web", &["stats"])];
        for (from, expected) in table {
            assert_eq!(names(&house, &followers(&house, &[at(&house, from)])), expected, "{from}");
        }
    }

    #[test]
    fn r09_a_group_is_led_by_its_lead_alone() {
        let house = house();
        for (name, led) in [("store", true), ("imap", false), ("pop", false), ("alone", false)] {
            let members = names(&house, led_by(&house, at(&house, name)));
            let expected: &[&str] = if led { &["store", "imap", "pop"] } else { &[] };
            assert_eq!(members, expected, "{name}");
        }
    }

    #[test]
    fn r06_r19_an_order_reaches_group_and_dependents_and_a_change_the_service_and_the_group_it_leads() {
        use Cause::{Declaration, DependencyOrdered, Failed, Files, GroupChanged, GroupOrdered, Person, RestartedAt};
        let house = house();
        let all =
            |cause: Cause, reached: &[&'static str]| reached.iter().map(|name| (*name, cause)).collect::<Vec<_>>();
        let ordered = || {
            let group = all(GroupOrdered, &["store", "imap", "pop"]);
            [group, all(DependencyOrdered, &["gate", "web", "stats", "log"])].concat()
        };
        let table = [
            ("store", Person, ordered()),
            ("store", RestartedAt, ordered()),
            ("store", Files, all(GroupChanged, &["store", "imap", "pop"])),
            ("store", Failed, vec![("store", Failed)]),
            ("imap", Declaration, vec![("imap", Declaration)]),
            ("gate", Person, [vec![("gate", Person)], all(DependencyOrdered, &["web", "stats", "log"])].concat()),
            ("gate", Declaration, vec![("gate", Declaration)]),
            ("alone", Person, vec![("alone", Person)]),
        ];
        for (name, cause, expected) in table {
            let reached = restart(&house, at(&house, name), cause);
            let told: Vec<(&str, Cause)> =
                reached.iter().map(|(ix, cause)| (&*house.service(*ix).name, *cause)).collect();
            assert_eq!(told, expected, "{name}, {cause:?}");
        }
    }

    /// A service in each of these groups.
    fn speaker(groups: &[&str]) -> Option<String> {
        let service = |group| format!("  - {{name: of-{group}, command: [/bin/a], group: {group}}}\n");
        let desired = desired(&groups.iter().map(service).collect::<Vec<String>>().concat());
        store_group(&desired).map(|(_, ix)| desired.service(ix).name.to_string())
    }

    #[test]
    fn r14_store_clients_belong_to_the_group_named_store_or_to_the_only_one() {
        assert_eq!(speaker(&["mail", "store"]).as_deref(), Some("of-store"));
        assert_eq!(speaker(&["mail"]).as_deref(), Some("of-mail"));
        assert_eq!(speaker(&["mail", "web"]), None);
    }
}
