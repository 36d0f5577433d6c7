//! Rules about the document as a whole: policy, schedule, high availability, workload.

use std::time::Duration;

use super::{Cel, Findings, Rule};
use crate::document::diagnostic::Severity;
use crate::document::effective::Effective;
use crate::document::spec::{AccessMode, GiveUp, HighAvailabilityMode, Interval, Probes, ServiceProbes, Task};
use crate::policy::cron;

/// A year: longer waits are slips of the finger, and a bound keeps every sum within its type.
const LONGEST: Duration = Duration::from_hours(8760);

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "duration-range",
        severity: Severity::Error,
        path: "spec.**",
        message: "a duration is longer than nothing (stopTimeout and certificateWarning may be 0s) and at most a year",
        cel: Cel::Says("duration(self) > duration('0s') && duration(self) <= duration('8760h')"),
        check: duration_range,
    },
    Rule {
        id: "retry-after",
        severity: Severity::Error,
        path: "spec.autorestart",
        message: "retryAfter is not shorter than timeout",
        cel: Cel::Says(
            "!has(self.retryAfter) || duration(self.retryAfter) >= duration(has(self.timeout) ? self.timeout : '600s')",
        ),
        check: retry_after,
    },
    Rule {
        id: "ha-gives-up-by-failover",
        severity: Severity::Error,
        path: "spec",
        message: "under an HA manager onGiveUp is Failover",
        cel: Cel::Says(
            "!has(self.highAvailability) || self.highAvailability.mode != 'Manager' || !has(self.autorestart) || \
             !has(self.autorestart.onGiveUp) || self.autorestart.onGiveUp == 'Failover'",
        ),
        check: ha_gives_up_by_failover,
    },
    Rule {
        id: "ha-needs-restart",
        severity: Severity::Error,
        path: "spec",
        message: "high availability needs autorestart and the watcher",
        cel: Cel::Says(
            "!has(self.highAvailability) || self.highAvailability.mode == 'None' || \
             ((has(self.autorestart) && has(self.autorestart.enabled) ? self.autorestart.enabled : self.profile != 'Oracle') && \
             (!has(self.watcher) || !has(self.watcher.enabled) || self.watcher.enabled))",
        ),
        check: ha_needs_restart,
    },
    Rule {
        id: "crontab",
        severity: Severity::Error,
        path: "spec.schedule[].crontab",
        message: "a task has a crontab, of its own or its profile's, that is due some day",
        cel: Cel::Cannot("the meaning of a crontab"),
        check: crontab,
    },
    Rule {
        id: "replicas-and-mode",
        severity: Severity::Error,
        path: "spec",
        message: "two replicas are what ActiveStandby means",
        cel: Cel::Says(
            "!has(self.workload) || ((has(self.workload.replicas) && self.workload.replicas == 2) == \
             (has(self.highAvailability) && self.highAvailability.mode == 'ActiveStandby'))",
        ),
        check: replicas_and_mode,
    },
    Rule {
        id: "shared-volume",
        severity: Severity::Error,
        path: "spec.workload",
        message: "two replicas share one volume, which must be ReadWriteMany",
        cel: Cel::Says(
            "!has(self.replicas) || self.replicas < 2 || !has(self.storage) || !has(self.storage.accessMode) || \
             self.storage.accessMode == 'ReadWriteMany'",
        ),
        check: shared_volume,
    },
    Rule {
        id: "mount-source",
        severity: Severity::Error,
        path: "spec.workload.mounts[]",
        message: "a mount has either a configMap or a secret",
        cel: Cel::Says("has(self.configMap) != has(self.secret)"),
        check: mount_source,
    },
    Rule {
        id: "mount-place",
        severity: Severity::Error,
        path: "spec.workload.mounts[].path",
        message: "a mount hides neither the root, nor the agent and its folders, nor what the cluster gives the agent",
        cel: Cel::Says(
            "self != '/' && !self.contains('/..') && !(self + '/').startsWith('/run/mailward/') && \
             !(self + '/').startsWith('/opt/mailward/') && !(self + '/').startsWith('/var/run/') && \
             self != '/run' && self != '/opt' && self != '/var'",
        ),
        check: mount_place,
    },
];

/// Every duration of the document with its path.
fn durations(all: &Effective<'_>) -> Vec<(String, Interval)> {
    let mut list = Vec::new();
    let mut add = |path: String, interval: Option<Interval>| {
        if let Some(interval) = interval {
            list.push((path, interval));
        }
    };
    let spec = all.spec;
    if let Some(policy) = &spec.autorestart {
        add("spec.autorestart.timeout".to_owned(), policy.timeout);
        add("spec.autorestart.retryAfter".to_owned(), policy.retry_after);
    }
    if let Some(Probes {
        timeout,
        warning_threshold,
        period,
        queues,
        disks: _,
        failure_threshold: _,
        pressure_threshold: _,
    }) = &spec.probes
    {
        for (at, queue) in queues.iter().enumerate() {
            add(format!("spec.probes.queues[{at}].maxAge"), queue.max_age);
        }
        add("spec.probes.timeout".to_owned(), *timeout);
        add("spec.probes.warningThreshold".to_owned(), *warning_threshold);
        add("spec.probes.period".to_owned(), *period);
    }
    for (at, service) in spec.services.iter().enumerate() {
        let path = |field: &str| format!("spec.services[{at}].{field}");
        add(path("startTimeout"), service.start_timeout);
        add(path("stopTimeout"), service.stop_timeout);
        add(path("reload.timeout"), service.reload.as_ref().and_then(|reload| reload.timeout));
        add(path("check.timeout"), service.check.as_ref().and_then(|check| check.timeout));
        add(path("watchdog"), service.watchdog);
        for (index, listener) in service.listeners.iter().flatten().enumerate() {
            add(path(&format!("listeners[{index}].certificateWarning")), listener.certificate_warning);
        }
        if let Some(ServiceProbes {
            timeout,
            warning_threshold,
            period,
            enabled: _,
            failure_threshold: _,
            command: _,
        }) = &service.probes
        {
            add(path("probes.timeout"), *timeout);
            add(path("probes.warningThreshold"), *warning_threshold);
            add(path("probes.period"), *period);
        }
    }
    for (at, external) in spec.external.iter().enumerate() {
        add(format!("spec.external[{at}].timeout"), external.timeout);
        for (index, listener) in external.listeners.iter().enumerate() {
            let path = format!("spec.external[{at}].listeners[{index}].certificateWarning");
            add(path, listener.certificate_warning);
        }
    }
    for (at, task) in spec.schedule.iter().enumerate() {
        add(format!("spec.schedule[{at}].timeout"), task.timeout);
    }
    list
}

fn duration_range(all: &Effective<'_>, found: &mut Findings) {
    for (path, Interval(duration)) in durations(all) {
        let field = path.rsplit('.').next().unwrap_or_default();
        let nothing = duration.is_zero() && !Interval::MAY_BE_NOTHING.contains(&field);
        if nothing || duration > LONGEST {
            let what = if nothing { "no time at all" } else { "more than a year" };
            found.add(
                &path,
                format!("`{field}` is {what}"),
                "more than 0s, at most 8760h",
                "write a duration such as `30s`",
            );
        }
    }
}

fn retry_after(all: &Effective<'_>, found: &mut Findings) {
    let Some(after) = all.spec.autorestart.as_ref().and_then(|policy| policy.retry_after) else { return };
    if after.0 < all.window() {
        let window = Interval(all.window());
        found.add(
            "spec.autorestart.retryAfter",
            format!("retryAfter ({after}) is shorter than timeout ({window}), so the window would still be full"),
            format!("at least {window}"),
            format!("write `{window}` or more, or remove it"),
        );
    }
}

fn ha_gives_up_by_failover(all: &Effective<'_>, found: &mut Findings) {
    let written = all.spec.autorestart.as_ref().and_then(|policy| policy.on_give_up);
    if all.mode() == HighAvailabilityMode::Manager && written.is_some_and(|way| way != GiveUp::Failover) {
        found.add(
            "spec.autorestart.onGiveUp",
            "under an HA manager a give-up is a failover, and this says otherwise",
            "`Failover`",
            "remove onGiveUp, or write `Failover`",
        );
    }
}

fn ha_needs_restart(all: &Effective<'_>, found: &mut Findings) {
    if all.mode() == HighAvailabilityMode::None {
        return;
    }
    if !all.autorestart_enabled() {
        let said = all.spec.autorestart.as_ref().is_some_and(|policy| policy.enabled.is_some());
        let why = if said { "" } else { ", which the profile switches off" };
        found.add(
            "spec.autorestart.enabled",
            format!("high availability without autorestart{why}: nothing would be restarted before a failover"),
            "autorestart enabled",
            "add `autorestart: {enabled: true}`",
        );
        if !said {
            found.shown_at("spec.highAvailability.mode");
        }
    }
    if !all.watched() {
        found.add(
            "spec.watcher.enabled",
            "high availability without the watcher: nobody would see a failure",
            "the watcher enabled",
            "remove `watcher.enabled`, or write `true`",
        );
    }
}

/// The crontab of a task, with the day rule that holds for it; nothing where it has none.
pub(super) fn crontab_of(all: &Effective<'_>, task: &Task) -> Option<Result<cron::Crontab, cron::CronError>> {
    task.crontab.as_ref().map(|text| cron::Crontab::parse(text, all.day_rule(task)))
}

fn crontab(all: &Effective<'_>, found: &mut Findings) {
    for (at, task) in all.spec.schedule.iter().enumerate() {
        let path = format!("spec.schedule[{at}].crontab");
        match crontab_of(all, task) {
            None if all.profile.spec.schedule.iter().any(|known| known.name == task.name) => {}
            None => {
                found.add(
                    path,
                    format!("the task `{}` has no crontab", task.name),
                    "minute hour day month weekday, such as `0 23 * * *`",
                    "add `crontab: \"0 23 * * *\"`",
                );
                found.shown_at(format!("spec.schedule[{at}].name"));
            }
            Some(Err(error)) => {
                found.add(path, error.to_string(), "minute hour day month weekday, such as `0 23 * * *`", "");
            }
            Some(Ok(crontab)) if crontab.longest_gap().is_none() => {
                found.add(path, "there is no such day, so this is never due", "a day that exists", "");
            }
            Some(Ok(_)) => {}
        }
    }
}

fn replicas_and_mode(all: &Effective<'_>, found: &mut Findings) {
    let Some(workload) = &all.spec.workload else { return };
    let two = workload.replicas == Some(2);
    let standby = all.mode() == HighAvailabilityMode::ActiveStandby;
    if two && !standby {
        found.add(
            "spec.workload.replicas",
            "two replicas without ActiveStandby would be two writers",
            "1, or `highAvailability: {mode: ActiveStandby}`",
            "write `1`, or add the mode",
        );
    } else if standby && !two {
        found.add("spec.workload.replicas", "ActiveStandby needs a standby", "2", "write `replicas: 2`");
    }
}

fn shared_volume(all: &Effective<'_>, found: &mut Findings) {
    let Some(workload) = &all.spec.workload else { return };
    let mode = workload.storage.as_ref().and_then(|storage| storage.access_mode);
    if workload.replicas == Some(2) && mode.is_some_and(|mode| mode != AccessMode::ReadWriteMany) {
        found.add(
            "spec.workload.storage.accessMode",
            "two replicas share one volume",
            "`ReadWriteMany`",
            "write `ReadWriteMany`",
        );
    }
}

fn mount_source(all: &Effective<'_>, found: &mut Findings) {
    let mounts = all.spec.workload.iter().flat_map(|workload| &workload.mounts);
    for (at, mount) in mounts.enumerate().filter(|(_, mount)| mount.config_map.is_some() == mount.secret.is_some()) {
        let path = format!("spec.workload.mounts[{at}]");
        let both = mount.secret.is_some();
        let message = if both { "a mount has one source" } else { "nothing says where its files come from" };
        found.add(path, message, "`configMap` or `secret`", if both { "remove one" } else { "name one" });
    }
}

fn mount_place(all: &Effective<'_>, found: &mut Findings) {
    let mounts = all.spec.workload.iter().flat_map(|workload| &workload.mounts);
    for (at, mount) in mounts.enumerate() {
        let below = format!("{}/", &*mount.path);
        let ours = ["/run/mailward/", "/opt/mailward/", "/var/run/"].iter().any(|folder| below.starts_with(folder));
        if ours || mount.path.contains("/..") || matches!(&*mount.path, "/" | "/run" | "/opt" | "/var") {
            found.add(
                format!("spec.workload.mounts[{at}].path"),
                format!("`{}` would hide what the agent needs", mount.path),
                "a folder of the mail software, such as `/etc/dovecot`",
                "choose another folder",
            );
        }
    }
}
