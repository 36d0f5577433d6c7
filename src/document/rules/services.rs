//! Rules about names, commands and the services that others name.

use std::collections::HashSet;

use super::{Cel, Findings, Rule};
use crate::document::diagnostic::Severity;
use crate::document::effective::Effective;
use crate::document::nearest::nearest;
use crate::document::spec::{Profile, Service};

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
        message: "services, tasks, variables, dependencies, files, disks and queues are listed once each",
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
        path: "spec.services[].**.command",
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
        id: "external-known",
        severity: Severity::Error,
        path: "spec",
        message: "the needs of a service are names of spec.external",
        cel: Cel::Says(
            "!has(self.services) || self.services.all(s, !has(s.needs) || s.needs.all(n, has(self.external) && \
             self.external.exists(x, x.name == n)))",
        ),
        check: external_known,
    },
    Rule {
        id: "task-command",
        severity: Severity::Error,
        path: "spec.schedule[]",
        message: "a task other than msprobe has a command, of its own or its profile's",
        cel: Cel::Cannot("the profile's tasks count too, and a rule of a list's item sees no profile"),
        check: task_command,
    },
];

/// Every service of the document with its path.
pub(super) fn own<'a>(all: &'a Effective<'_>) -> impl Iterator<Item = (String, &'a Service)> {
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
    let externals = spec.external.iter().enumerate();
    once(
        "the external dependency",
        externals.map(|(at, external)| (format!("spec.external[{at}].name"), &*external.name)).collect(),
    );
    let probes = spec.probes.as_ref();
    let disks = probes.iter().flat_map(|probes| probes.disks.iter().enumerate());
    once("the disk", disks.map(|(at, disk)| (format!("spec.probes.disks[{at}].path"), &*disk.path)).collect());
    let queues = probes.iter().flat_map(|probes| probes.queues.iter().enumerate());
    once("the queue", queues.map(|(at, queue)| (format!("spec.probes.queues[{at}].name"), &*queue.name)).collect());
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
            ("probes.command", service.probes.as_ref().and_then(|probes| probes.command.as_ref())),
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

/// The names of every service, as a list of one list that `all` binds to a name: built once, since a list that was built
/// again for each mention would exceed the server's budget at 128 services of 16 dependencies.
fn known_names_cel() -> String {
    format!("[(has(self.services) ? self.services.map(x, x.name) : []) + {}]", profile_names_cel())
}

fn known_cel(list: &str, field: &str) -> String {
    let known = known_names_cel();
    format!(
        "!has(self.{list}) || {known}.all(known, self.{list}.all(s, !has(s.{field}) || s.{field}.all(d, d in known)))"
    )
}

fn on_hang_known_cel() -> String {
    let known = known_names_cel();
    format!(
        "!has(self.services) || {known}.all(known, self.services.all(s, !has(s.onHang) || !has(s.onHang.service) || \
         s.onHang.service in known))"
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

fn external_known(all: &Effective<'_>, found: &mut Findings) {
    for (path, service) in own(all) {
        for (at, name) in service.needs.iter().flatten().enumerate() {
            if all.spec.external.iter().any(|external| external.name == *name) {
                continue;
            }
            let cure = match nearest(name, all.spec.external.iter().map(|external| &*external.name)) {
                Some(near) => format!("write `{near}`"),
                None if all.by_name.contains_key(&**name) => format!("write `dependsOn: [{name}]`: it is a service"),
                None => format!("add `{name}` to `spec.external`, or remove it here"),
            };
            found.add(
                format!("{path}.needs[{at}]"),
                format!("there is nothing external named `{name}`"),
                "a name of `spec.external`",
                cure,
            );
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

fn task_command(all: &Effective<'_>, found: &mut Findings) {
    for (at, task) in all.spec.schedule.iter().enumerate() {
        let known = all.profile.spec.schedule.iter().any(|known| known.name == task.name && known.command.is_some());
        if task.command.is_none() && &*task.name != "msprobe" && !known {
            found.add(
                format!("spec.schedule[{at}].command"),
                format!("the task `{}` has no command", task.name),
                "a command: only msprobe has one of its own",
                "add `command: [...]`",
            );
        }
    }
}
