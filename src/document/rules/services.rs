//! Rules about services and tasks.

use std::collections::{HashMap, HashSet};

use super::{Cel, Findings, Rule};
use crate::desired::{GraphError, topological};
use crate::document::diagnostic::Severity;
use crate::document::effective::Effective;
use crate::document::nearest::nearest;
use crate::document::spec::{GroupRole, HangAction, Profile, Protocol, ReadinessType, Service, Tls};
use crate::model::Name;

/// Names that mean something else to the commands.
pub(super) const RESERVED: [&str; 6] = ["watcher", "default", "mta", "imta", "ha", "all"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "name-reserved",
        severity: Severity::Error,
        path: "spec.services[]",
        message: "the names watcher, default, mta, imta, ha and all are reserved",
        cel: Cel::Says("!(self.name in ['watcher', 'default', 'mta', 'imta', 'ha', 'all'])"),
        check: name_reserved,
    },
    Rule {
        id: "names-unique",
        severity: Severity::Error,
        path: "spec",
        message: "services, tasks, variables, dependencies and files are listed once each",
        cel: Cel::Schema,
        check: names_unique,
    },
    Rule {
        id: "command-needed",
        severity: Severity::Error,
        path: "spec",
        message: "a service whose program the profile does not know needs a command",
        cel: Cel::Built(command_needed_cel),
        check: command_needed,
    },
    Rule {
        id: "command-empty",
        severity: Severity::Error,
        path: "spec.services[].command",
        message: "a command begins with a program",
        cel: Cel::Says("self[0] != ''"),
        check: command_empty,
    },
    Rule {
        id: "depends-on-known",
        severity: Severity::Error,
        path: "spec",
        message: "dependsOn names services of this document or its profile",
        cel: Cel::Built(|| known_cel("services", "dependsOn")),
        check: depends_on_known,
    },
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
    Rule {
        id: "readiness-pid-file",
        severity: Severity::Error,
        path: "spec.services[]",
        message: "readiness PidFile needs pidFile",
        cel: Cel::Says("!has(self.readiness) || self.readiness.type != 'PidFile' || has(self.pidFile)"),
        check: readiness_pid_file,
    },
    Rule {
        id: "readiness-command",
        severity: Severity::Error,
        path: "spec.services[].readiness",
        message: "readiness Command, and no other, has a command",
        cel: Cel::Says("(self.type == 'Command') == has(self.command)"),
        check: readiness_command,
    },
    Rule {
        id: "readiness-probe",
        severity: Severity::Error,
        path: "spec.services[]",
        message: "readiness Probe needs an enabled listener, else the service would never be ready",
        cel: Cel::Cannot("the profile may supply the listeners"),
        check: readiness_probe,
    },
    Rule {
        id: "listener-place",
        severity: Severity::Error,
        path: "spec.services[].listeners[]",
        message: "a listener has a port or a socket, and not both",
        cel: Cel::Says("has(self.port) != has(self.socket)"),
        check: listener_place,
    },
    Rule {
        id: "listener-starttls",
        severity: Severity::Error,
        path: "spec.services[].listeners[]",
        message: "Http and Tcp have no STARTTLS",
        cel: Cel::Says("!has(self.tls) || self.tls != 'StartTls' || !(self.protocol in ['Http', 'Tcp'])"),
        check: listener_starttls,
    },
    Rule {
        id: "reload-way",
        severity: Severity::Error,
        path: "spec.services[].reload",
        message: "a reload is a command or a signal, and not both",
        cel: Cel::Says("has(self.command) != has(self.signal)"),
        check: reload_way,
    },
    Rule {
        id: "on-hang-service",
        severity: Severity::Error,
        path: "spec.services[].onHang",
        message: "onHang RestartService, and no other, names a service",
        cel: Cel::Says("(self.action == 'RestartService') == has(self.service)"),
        check: on_hang_service,
    },
    Rule {
        id: "on-hang-known",
        severity: Severity::Error,
        path: "spec",
        message: "onHang names a service of this document or its profile",
        cel: Cel::Built(on_hang_known_cel),
        check: on_hang_known,
    },
    Rule {
        id: "needs-known",
        severity: Severity::Error,
        path: "spec",
        message: "the needs of a task are services of this document or its profile",
        cel: Cel::Built(|| known_cel("schedule", "needs")),
        check: needs_known,
    },
    Rule {
        id: "task-command",
        severity: Severity::Error,
        path: "spec.schedule[]",
        message: "a task other than msprobe needs a command",
        cel: Cel::Says("self.name == 'msprobe' || has(self.command)"),
        check: task_command,
    },
];

/// Every service of the document with its path.
fn own<'a>(all: &'a Effective<'_>) -> impl Iterator<Item = (String, &'a Service)> {
    all.spec.services.iter().enumerate().map(|(at, service)| (format!("spec.services[{at}]"), service))
}

fn name_reserved(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all).filter(|(_, service)| RESERVED.contains(&&*service.name)) {
        let cure = match &*service.name {
            "mta" | "imta" => "name dispatcher and job_controller, which it stands for",
            "watcher" => "the watcher is the agent itself; its switch is `spec.watcher.enabled`",
            _ => "choose another name",
        };
        found.add(
            format!("{path}.name"),
            format!("`{}` cannot be the name of a service", service.name),
            format!("a name other than {}", RESERVED.join(", ")),
            cure,
        );
    }
}

fn names_unique(all: &Effective<'_>, found: &mut Findings) {
    let mut once = |what: &str, items: Vec<(String, &str)>| {
        let mut seen = HashSet::new();
        for (path, item) in items {
            if !seen.insert(item) {
                let shown: String = item.chars().take(60).collect();
                found.add(
                    path,
                    format!("{what} `{shown}` is listed twice"),
                    "each once",
                    "remove or rename one of them",
                );
            }
        }
    };
    let spec = all.spec;
    once("the service", own(all).map(|(path, service)| (format!("{path}.name"), &*service.name)).collect());
    let tasks = || spec.schedule.iter().enumerate().map(|(at, task)| (format!("spec.schedule[{at}]"), task));
    once("the task", tasks().map(|(path, task)| (format!("{path}.name"), &*task.name)).collect());
    let environments = own(all)
        .map(|(path, service)| (path, service.environment.as_ref()))
        .chain(tasks().map(|(path, task)| (path, task.environment.as_ref())));
    for (path, environment) in environments {
        let names = environment.into_iter().flatten().enumerate();
        once(
            "the variable",
            names.map(|(at, variable)| (format!("{path}.environment[{at}].name"), &*variable.name)).collect(),
        );
    }
    for (path, service) in own(all) {
        let needs = service.depends_on.iter().flatten().enumerate();
        once("the dependency", needs.map(|(at, name)| (format!("{path}.dependsOn[{at}]"), &**name)).collect());
        let files = service.watch_files.iter().flatten().enumerate();
        once("the file", files.map(|(at, file)| (format!("{path}.watchFiles[{at}]"), &**file)).collect());
    }
    for (path, task) in tasks() {
        let needs = task.needs.iter().flatten().enumerate();
        once("the service", needs.map(|(at, name)| (format!("{path}.needs[{at}]"), &**name)).collect());
    }
}

fn command_needed(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all).filter(|(_, service)| service.command.is_none()) {
        let profile = all.spec.profile;
        let known = profile.service(&service.name);
        match known {
            Some(known) if known.command.is_some() || service.enabled != Some(true) => {}
            Some(_) => found.add(
                format!("{path}.command"),
                format!("`{}` is enabled and has no command", service.name),
                "a command: no public manual names this program",
                "add `command: [lib/PROGRAM]`",
            ),
            None => {
                let near = nearest(&service.name, profile.catalogue().spec.services.iter().map(|known| &*known.name));
                let cure = match near {
                    Some(near) => format!("add `command: [...]`, or write `{near}` if you mean the profile's service"),
                    None => "add `command: [/path/of/program]`".to_owned(),
                };
                found.add(
                    format!("{path}.command"),
                    format!("`{}` has no command", service.name),
                    format!("a command: the profile {} does not know this service", profile.name()),
                    cure,
                );
            }
        }
    }
}

fn command_needed_cel() -> String {
    let list = |profile: Profile, with: bool| {
        let services = profile.catalogue().spec.services.iter().filter(|service| service.command.is_some() == with);
        let names: Vec<String> = services.map(|service| format!("'{}'", service.name)).collect();
        format!("[{}]", names.join(", "))
    };
    let per_profile = |with: bool| {
        let [oracle, dovecot, custom] = Profile::ALL.map(|profile| list(profile, with));
        format!(
            "s.name in (self.profile == 'Oracle' ? {oracle} : self.profile == 'DovecotPostfix' ? {dovecot} : {custom})"
        )
    };
    format!(
        "!has(self.services) || self.services.all(s, has(s.command) || {} || (({}) && !(has(s.enabled) && s.enabled)))",
        per_profile(true),
        per_profile(false)
    )
}

fn command_empty(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        let commands = [
            ("command", service.command.as_ref()),
            ("readiness.command", service.readiness.as_ref().and_then(|readiness| readiness.command.as_ref())),
            ("reload.command", service.reload.as_ref().and_then(|reload| reload.command.as_ref())),
            ("check.command", service.check.as_ref().map(|check| &check.command)),
        ];
        for (field, command) in commands {
            if command.and_then(|words| words.first()).is_some_and(|program| program.is_empty()) {
                found.add(
                    format!("{path}.{field}[0]"),
                    "the program is an empty text",
                    "a program",
                    "write its name or path",
                );
            }
        }
    }
}

/// The names of a profile as a CEL list, by the profile of the document.
fn profile_names_cel() -> String {
    let [oracle, dovecot, custom] = Profile::ALL.map(|profile| {
        let names: Vec<String> =
            profile.catalogue().spec.services.iter().map(|service| format!("'{}'", service.name)).collect();
        format!("[{}]", names.join(", "))
    });
    format!("(self.profile == 'Oracle' ? {oracle} : self.profile == 'DovecotPostfix' ? {dovecot} : {custom})")
}

fn known_cel(list: &str, field: &str) -> String {
    let names = profile_names_cel();
    format!(
        "!has(self.{list}) || self.{list}.all(s, !has(s.{field}) || s.{field}.all(d, d in {names} || \
         (has(self.services) && self.services.exists(x, x.name == d))))"
    )
}

fn on_hang_known_cel() -> String {
    let names = profile_names_cel();
    format!(
        "!has(self.services) || self.services.all(s, !has(s.onHang) || !has(s.onHang.service) || \
         s.onHang.service in {names} || self.services.exists(x, x.name == s.onHang.service))"
    )
}

fn unknown_service(all: &Effective<'_>, path: String, name: &str, found: &mut Findings) {
    if all.by_name.contains_key(name) {
        return;
    }
    if let Some(alias) = all.profile.aliases.iter().find(|(alias, _)| &***alias == name).map(|(_, names)| names) {
        let names = alias.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
        found.add(
            path,
            format!("`{name}` stands for several services"),
            "the name of one service",
            format!("write {names}"),
        );
        return;
    }
    let cure = match nearest(name, all.services.iter().map(|merged| &*merged.service.name)) {
        Some(near) => format!("write `{near}`"),
        None => format!("add a service `{name}`, or remove it here"),
    };
    found.add(
        path,
        format!("there is no service `{name}`"),
        "the name of a service of this document or its profile",
        cure,
    );
}

fn depends_on_known(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        for (at, name) in service.depends_on.iter().flatten().enumerate() {
            unknown_service(all, format!("{path}.dependsOn[{at}]"), name, found);
        }
    }
}

fn needs_known(all: &Effective<'_>, found: &mut Findings) {
    for (task_at, task) in all.spec.schedule.iter().enumerate() {
        for (at, name) in task.needs.iter().flatten().enumerate() {
            unknown_service(all, format!("spec.schedule[{task_at}].needs[{at}]"), name, found);
        }
    }
}

fn on_hang_known(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        if let Some(name) = service.on_hang.as_ref().and_then(|hang| hang.service.as_ref()) {
            unknown_service(all, format!("{path}.onHang.service"), name, found);
        }
    }
}

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
        if let Some(lead) = lead.filter(|lead| **lead != at && !edges[at].contains(lead)) {
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
                format!("spec.services[{at}].groupRole"),
                format!("`{}` has a role in no group", merged.service.name),
                "a group beside groupRole",
                "add `group: store`, or remove groupRole",
            );
        }
    }
}

fn readiness_pid_file(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        let wanted = service.readiness.as_ref().is_some_and(|readiness| readiness.kind == ReadinessType::PidFile);
        if wanted && service.pid_file.is_none() {
            found.add(
                format!("{path}.pidFile"),
                format!("`{}` says it is ready by its pid file, and names none", service.name),
                "pidFile beside readiness PidFile",
                "add `pidFile: /run/NAME.pid`",
            );
        }
    }
}

fn readiness_command(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        let Some(readiness) = &service.readiness else { continue };
        match (readiness.kind == ReadinessType::Command, readiness.command.is_some()) {
            (true, false) => found.add(
                format!("{path}.readiness.command"),
                "readiness Command has no command, so the service would never be ready",
                "a command that exits 0 when the service is ready",
                "add `command: [...]` to readiness",
            ),
            (false, true) => found.add(
                format!("{path}.readiness.command"),
                "this readiness runs no command",
                "a command only with `type: Command`",
                "write `type: Command`, or remove the command",
            ),
            (true, true) | (false, false) => {}
        }
    }
}

fn readiness_probe(all: &Effective<'_>, found: &mut Findings) {
    for merged in &all.services {
        let (Some(at), service) = (merged.at, &merged.service) else { continue };
        let probe = service.readiness.as_ref().is_some_and(|readiness| readiness.kind == ReadinessType::Probe);
        if probe && !service.listeners.iter().flatten().any(|listener| listener.enabled.unwrap_or(true)) {
            found.add(
                format!("spec.services[{at}].readiness.type"),
                format!("`{}` has no enabled listener to probe, so it would never be ready", service.name),
                "an enabled listener beside readiness Probe",
                "add a listener, or write `type: Immediate`",
            );
        }
    }
}

fn listener_place(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        for (at, listener) in service.listeners.iter().flatten().enumerate() {
            let path = format!("{path}.listeners[{at}]");
            match (&listener.port, &listener.socket) {
                (Some(_), Some(_)) => found.add(
                    format!("{path}.socket"),
                    "this listener has a port and a socket",
                    "one of the two",
                    "write two listeners, or remove one of the two fields",
                ),
                (None, None) => found.add(
                    path,
                    "this listener has no port and no socket",
                    "one of the two",
                    "add `port: 143` or `socket: /path`",
                ),
                (Some(_), None) | (None, Some(_)) => {}
            }
        }
    }
}

fn listener_starttls(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        for (at, listener) in service.listeners.iter().flatten().enumerate() {
            let without = match listener.protocol {
                Protocol::Http | Protocol::Tcp => true,
                Protocol::Imap
                | Protocol::Pop3
                | Protocol::Smtp
                | Protocol::Submission
                | Protocol::Lmtp
                | Protocol::ManageSieve => false,
            };
            if without && listener.tls == Some(Tls::StartTls) {
                found.add(
                    format!("{path}.listeners[{at}].tls"),
                    "this protocol has no STARTTLS",
                    "`None` or `Implicit`",
                    "write `Implicit` if TLS is spoken from the first byte",
                );
            }
        }
    }
}

fn reload_way(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        let Some(reload) = &service.reload else { continue };
        match (&reload.command, reload.signal) {
            (Some(_), Some(_)) => found.add(
                format!("{path}.reload.signal"),
                "this reload is a command and a signal",
                "one of the two",
                "remove one of them",
            ),
            (None, None) => found.add(
                format!("{path}.reload"),
                "this reload has no command and no signal",
                "one of the two",
                "add `signal: HUP` or `command: [...]`",
            ),
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

fn on_hang_service(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        let Some(hang) = &service.on_hang else { continue };
        match (hang.action == HangAction::RestartService, hang.service.is_some()) {
            (true, false) => found.add(
                format!("{path}.onHang.service"),
                "RestartService does not say which service",
                "the name of a service",
                "add `service: NAME`",
            ),
            (false, true) => found.add(
                format!("{path}.onHang.service"),
                "this action restarts no other service",
                "a service only with `action: RestartService`",
                "write `action: RestartService`, or remove the service",
            ),
            (true, true) | (false, false) => {}
        }
    }
}

fn task_command(all: &Effective<'_>, found: &mut Findings) {
    for (at, task) in all.spec.schedule.iter().enumerate() {
        if task.command.is_none() && &*task.name != "msprobe" {
            found.add(
                format!("spec.schedule[{at}].command"),
                format!("the task `{}` has no command", task.name),
                "a command: only msprobe has one of its own",
                "add `command: [...]`",
            );
        }
    }
}
