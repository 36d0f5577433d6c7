//! Warnings: what is permitted and probably not meant.

use std::collections::HashMap;
use std::time::Duration;

use super::whole::crontab_of;
use super::{Cel, Findings, Rule};
use crate::document::diagnostic::Severity;
use crate::document::effective::Effective;
use crate::document::spec::{GiveUp, HighAvailabilityMode, Interval, Logs, Profile, ReadinessType, ServiceName};

/// Services that a resource may hold; a file may hold more.
const SERVICES_IN_A_RESOURCE: usize = 128;

/// A warning cannot be said to the API server.
const WARNS: Cel = Cel::Cannot("a warning: the API server can only refuse");

const fn doubt(
    id: &'static str,
    path: &'static str,
    message: &'static str,
    check: fn(&Effective<'_>, &mut Findings),
) -> Rule {
    Rule { id, severity: Severity::Warning, path, message, cel: WARNS, check }
}

pub(super) const RULES: &[Rule] = &[
    doubt(
        "window-and-gap",
        "spec",
        "the window of autorestart is longer than the longest msprobe gap x failureThreshold",
        window_and_gap,
    ),
    doubt("many-services", "spec.services", "a resource holds up to 128 services", many_services),
    doubt("no-services", "spec.services", "a Custom document has services", no_services),
    doubt("no-effect", "spec", "options that can have no effect together", no_effect),
    doubt(
        "service-no-effect",
        "spec.services[]",
        "options of a service that can have no effect together",
        service_no_effect,
    ),
    doubt(
        "dependency-disabled",
        "spec.services[].enabled",
        "what is enabled has enabled dependencies",
        dependency_disabled,
    ),
    doubt(
        "same-listener",
        "spec.services[].listeners[]",
        "two enabled services do not share a port or socket",
        same_listener,
    ),
    doubt(
        "program-changed",
        "spec.services[].command",
        "another command needs its own readiness, check, reload and stop signal",
        program_changed,
    ),
    doubt(
        "task-never-runs",
        "spec.schedule[].enabled",
        "what a task needs is enabled where the task is",
        task_never_runs,
    ),
    doubt("manager-unnamed", "spec.highAvailability", "mode Manager names its manager", manager_unnamed),
    Rule {
        id: "later",
        severity: Severity::Note,
        path: "spec.highAvailability.mode",
        message: "ActiveStandby is the operator's affair",
        cel: WARNS,
        check: standby_later,
    },
];

/// Said as a note: it is the operator's affair.
fn standby_later(all: &Effective<'_>, found: &mut Findings) {
    if all.mode() == HighAvailabilityMode::ActiveStandby {
        found.add("spec.highAvailability.mode", "ActiveStandby is checked here; only the operator acts on it", "", "");
    }
}

/// How a hang is noticed.
struct Rounds {
    gap: Duration,
    threshold: u32,
    whose: &'static str,
}

/// The service whose hang is noticed last: rounds come by msprobe, or by a period of its own where that is shorter.
fn slowest_rounds(all: &Effective<'_>, msprobe: Option<Duration>) -> Option<Rounds> {
    let of_msprobe = |threshold| msprobe.map(|gap| Rounds { gap, threshold, whose: "msprobe rounds" });
    let probed = all.services.iter().map(|merged| all.probing(&merged.service)).filter(|probing| probing.enabled);
    let slowest = probed
        .filter_map(|probing| match probing.period {
            Some(gap) if msprobe.is_none_or(|msprobe| gap < msprobe) => {
                Some(Rounds { gap, threshold: probing.failures, whose: "rounds of a service's own period" })
            }
            Some(_) | None => of_msprobe(probing.failures),
        })
        .max_by_key(|rounds| rounds.gap.saturating_mul(rounds.threshold));
    slowest.or_else(|| of_msprobe(all.failure_threshold()))
}

/// [R13]: whenever the document sets either. The profile's own values are equal and pass in silence.
fn window_and_gap(all: &Effective<'_>, found: &mut Findings) {
    let spec = all.spec;
    let window_set = spec.autorestart.as_ref().is_some_and(|policy| policy.timeout.is_some());
    let task_at = spec.schedule.iter().position(|task| &*task.name == "msprobe" && task.crontab.is_some());
    let threshold_set = spec.probes.as_ref().is_some_and(|probes| probes.failure_threshold.is_some())
        || spec
            .services
            .iter()
            .any(|service| service.probes.as_ref().is_some_and(|probes| probes.failure_threshold.is_some()));
    let period_set = spec.probes.as_ref().is_some_and(|probes| probes.period.is_some());
    let own_period =
        spec.services.iter().position(|service| service.probes.as_ref().is_some_and(|probes| probes.period.is_some()));
    if !(window_set || task_at.is_some() || threshold_set || period_set || own_period.is_some()) {
        return;
    }
    let msprobe = all.msprobe().and_then(|task| crontab_of(all, task)?.ok()).and_then(|crontab| crontab.longest_gap());
    let Some(Rounds { gap, threshold, whose }) = slowest_rounds(all, msprobe) else { return };
    let needed = gap.saturating_mul(threshold);
    if all.window() > needed {
        return;
    }
    let path = if window_set {
        "spec.autorestart.timeout".to_owned()
    } else if let Some(at) = task_at {
        format!("spec.schedule[{at}].crontab")
    } else if threshold_set {
        "spec.probes.failureThreshold".to_owned()
    } else if let Some(at) = own_period.filter(|_| !period_set) {
        format!("spec.services[{at}].probes.period")
    } else {
        "spec.probes.period".to_owned()
    };
    found.add(
        path,
        format!(
            "the restart window ({}) is not longer than the longest gap between two {whose} ({}) x failureThreshold ({threshold}): \
             hangs further apart than the window are never counted together",
            Interval(all.window()),
            Interval(gap)
        ),
        format!("a window longer than {}", Interval(needed)),
        format!("write `timeout: {}` or more, or probe more often", Interval(needed + Duration::from_mins(1))),
    );
}

fn many_services(all: &Effective<'_>, found: &mut Findings) {
    let number = all.spec.services.len();
    if number > SERVICES_IN_A_RESOURCE {
        found.add(
            "spec.services",
            format!("{number} services are more than a Kubernetes resource holds"),
            format!("at most {SERVICES_IN_A_RESOURCE} where the document shall also go to a cluster"),
            "",
        );
    }
}

fn no_services(all: &Effective<'_>, found: &mut Findings) {
    if all.spec.profile == Profile::Custom && all.services.is_empty() {
        found.add(
            "spec",
            "this document has no services, so there is nothing to keep",
            "a list of services",
            "add `services:`",
        );
    }
}

fn no_effect(all: &Effective<'_>, found: &mut Findings) {
    let spec = all.spec;
    let policy = spec.autorestart.clone().unwrap_or_default();
    if policy.retry_after.is_some() && policy.on_give_up != Some(GiveUp::RetryAfter) {
        found.add(
            "spec.autorestart.retryAfter",
            "retryAfter has no effect without `onGiveUp: RetryAfter`",
            "both or neither",
            "add `onGiveUp: RetryAfter`, or remove retryAfter",
        );
    }
    if policy.enabled == Some(true) && !all.watched() && all.mode() == HighAvailabilityMode::None {
        found.add(
            "spec.autorestart.enabled",
            "autorestart has no effect while nobody watches",
            "the watcher enabled",
            "remove `watcher: {enabled: false}`",
        );
    }
    let never_rotates = |logs: &Logs| logs.keep.is_some() && logs.rotate_size.is_some_and(|size| size.0 == 0);
    if spec.logs.as_ref().is_some_and(never_rotates) {
        found.add("spec.logs.keep", "keep has no effect without rotation", "a rotateSize above 0", "remove keep");
    }
    let limits = spec.probes.as_ref().and_then(|probes| probes.warning_threshold.zip(probes.timeout));
    if let Some((warning, timeout)) = limits.filter(|(warning, timeout)| warning >= timeout) {
        found.add(
            "spec.probes.warningThreshold",
            format!("an answer is never slower than {warning} and in time, since the timeout is {timeout}"),
            "less than the timeout",
            "",
        );
    }
    let sched = all.by_name.get("sched").is_some_and(|at| all.unwanted()[*at].is_none());
    if !spec.schedule.is_empty() && !sched {
        found.add(
            "spec.schedule",
            "no task runs while the service sched is disabled or missing",
            "the service `sched`",
            "enable `sched`, or say `{name: sched, command: [mailward, sched]}`",
        );
    }
    if spec.high_availability.as_ref().is_some_and(|high| high.manager.is_some())
        && all.mode() != HighAvailabilityMode::Manager
    {
        found.add(
            "spec.highAvailability.manager",
            "manager has no effect without `mode: Manager`",
            "both or neither",
            "write `mode: Manager`, or remove manager",
        );
    }
}

fn service_no_effect(all: &Effective<'_>, found: &mut Findings) {
    for merged in &all.services {
        let (Some(at), service) = (merged.at, &merged.service) else { continue };
        let own = &all.spec.services[at];
        let mut add = |field: &str, message: &str, cure: &str| {
            found.add(format!("spec.services[{at}].{field}"), message, "options that go together", cure);
        };
        if own.on_dependency_restart.is_some() && service.depends_on.as_ref().is_none_or(Vec::is_empty) {
            add(
                "onDependencyRestart",
                "onDependencyRestart has no effect without dependsOn",
                "add dependsOn, or remove it",
            );
        }
        if own.hold == Some(true) && service.enabled == Some(false) {
            add("hold", "hold has no effect on a disabled service", "remove one of the two");
        }
        let has_listener = service.listeners.iter().flatten().any(|listener| listener.enabled.unwrap_or(true));
        let probes = own.probes.as_ref();
        let has_command = probes.is_some_and(|probes| probes.command.is_some());
        if probes.is_some() && !has_listener && !has_command {
            add(
                "probes",
                "probes have no effect without an enabled listener or a command",
                "add one, or remove probes",
            );
        }
        if has_command && probes.is_some_and(|probes| probes.enabled == Some(false)) {
            add("probes.command", "a command has no effect where probes are off", "remove one of the two");
        }
        if own.reload.as_ref().is_some_and(|reload| reload.signal.is_some() && reload.timeout.is_some()) {
            add("reload.timeout", "a signal has no time limit", "remove the timeout");
        }
        for (index, listener) in own.listeners.iter().flatten().enumerate() {
            if listener.address.is_some() && listener.socket.is_some() {
                let field = format!("listeners[{index}].address");
                add(&field, "address has no effect on a socket", "remove the address");
            }
        }
        let by_file = service.readiness.as_ref().is_some_and(|readiness| readiness.kind == ReadinessType::PidFile);
        if own.command.as_ref().is_some_and(|words| words.iter().skip(1).any(|word| &**word == "-F")) && by_file {
            add(
                "readiness",
                "`-F` usually keeps a daemon in the foreground, where its starter never ends",
                "check the readiness",
            );
        }
    }
}

fn dependency_disabled(all: &Effective<'_>, found: &mut Findings) {
    let unwanted = all.unwanted();
    for (merged, reason) in all.services.iter().zip(&unwanted) {
        let Some(at) = merged.at.filter(|at| all.spec.services[*at].enabled == Some(true)) else { continue };
        if let Some(dependency) = reason {
            found.add(
                format!("spec.services[{at}].enabled"),
                format!("`{}` does not start: it depends on `{dependency}`, which is disabled", merged.service.name),
                format!("`{dependency}` enabled too"),
                format!("enable `{dependency}`, or take it out of dependsOn"),
            );
        }
    }
}

fn same_listener(all: &Effective<'_>, found: &mut Findings) {
    let unwanted = all.unwanted();
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (merged, _) in all.services.iter().zip(&unwanted).filter(|(_, reason)| reason.is_none()) {
        let service = &merged.service;
        for (index, listener) in service.listeners.iter().flatten().enumerate() {
            if !listener.enabled.unwrap_or(true) {
                continue;
            }
            let place = match (&listener.port, &listener.socket) {
                (Some(port), _) => {
                    format!("port {port}{}", listener.address.as_ref().map(|a| format!(" of {a}")).unwrap_or_default())
                }
                (None, Some(socket)) => format!("socket {socket}"),
                (None, None) => continue,
            };
            let Some(first) = seen.get(&place).copied() else {
                seen.insert(place, &service.name);
                continue;
            };
            found.add(
                all.path_of(all.by_name[&service.name.0], &format!("listeners[{index}]")),
                format!("`{first}` and `{}` both listen on {place}", service.name),
                "a place of its own for each listener",
                "change or disable one of them",
            );
        }
    }
}

fn program_changed(all: &Effective<'_>, found: &mut Findings) {
    for (at, own) in all.spec.services.iter().enumerate().filter(|(_, own)| own.command.is_some()) {
        let Some(supplied) = all.spec.profile.service(&own.name) else { continue };
        let lost: Vec<&str> = [
            ("readiness", own.readiness.is_none() && supplied.readiness.is_some()),
            ("check", own.check.is_none() && supplied.check.is_some()),
            ("reload", own.reload.is_none() && supplied.reload.is_some()),
            ("stopSignal", own.stop_signal.is_none() && supplied.stop_signal.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, lost)| lost.then_some(field))
        .collect();
        if !lost.is_empty() && own.command != supplied.command {
            let fields = lost.join(", ");
            found.add(
                format!("spec.services[{at}].command"),
                format!(
                    "`{}` runs another command, so the profile's {fields} no longer fit and are left out",
                    own.name
                ),
                "what belongs to the program beside it",
                format!("say {fields} for this command, if it has them"),
            );
        }
    }
}

fn task_never_runs(all: &Effective<'_>, found: &mut Findings) {
    let unwanted = all.unwanted();
    for merged in &all.tasks {
        let Some(at) = merged.at.filter(|_| merged.task.enabled == Some(true)) else { continue };
        let disabled = |name: &&ServiceName| all.by_name.get(&***name).is_some_and(|at| unwanted[*at].is_some());
        if let Some(need) = merged.task.needs.iter().flatten().find(disabled) {
            found.add(
                format!("spec.schedule[{at}].enabled"),
                format!("`{}` never runs: it needs `{need}`, which is disabled", merged.task.name),
                format!("`{need}` enabled too"),
                format!("enable `{need}`, or take it out of needs"),
            );
        }
    }
}

fn manager_unnamed(all: &Effective<'_>, found: &mut Findings) {
    let Some(high) = &all.spec.high_availability else { return };
    if high.mode == HighAvailabilityMode::Manager && high.manager.is_none() {
        found.add(
            "spec.highAvailability.mode",
            "the manager is not named, so start-msg cannot print its commands",
            "`manager` beside `mode: Manager`",
            "add `manager: {type: Pacemaker, resource: NAME}`",
        );
    }
}
