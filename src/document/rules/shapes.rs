//! Rules about fields of one service that belong together.

use super::services::own;
use super::{Cel, Findings, Rule};
use crate::document::diagnostic::Severity;
use crate::document::effective::Effective;
use crate::document::spec::{HangAction, ReadinessType};

pub(super) const RULES: &[Rule] = &[
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
        id: "watchdog-notify",
        severity: Severity::Error,
        path: "spec.services[]",
        message: "a watchdog needs readiness Notify",
        cel: Cel::Cannot("the profile may supply the readiness"),
        check: watchdog_notify,
    },
    Rule {
        id: "external-place",
        severity: Severity::Error,
        path: "spec.external[].listeners[]",
        message: "a listener of something external has a port or a socket, and not both",
        cel: Cel::Says("has(self.port) != has(self.socket)"),
        check: external_place,
    },
    Rule {
        id: "disk-threshold",
        severity: Severity::Error,
        path: "spec.probes.disks[]",
        message: "a disk has a threshold: freeWarning, freeInodesWarning or both",
        cel: Cel::Says("has(self.freeWarning) || has(self.freeInodesWarning)"),
        check: disk_threshold,
    },
    Rule {
        id: "queue-threshold",
        severity: Severity::Error,
        path: "spec.probes.queues[]",
        message: "a queue has a threshold: maxMessages, maxAge or both",
        cel: Cel::Says("has(self.maxMessages) || has(self.maxAge)"),
        check: queue_threshold,
    },
];

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
                format!("spec.services[{at}].listeners"),
                format!("`{}` has no enabled listener to probe, so it would never be ready", service.name),
                "an enabled listener beside readiness Probe",
                "add a listener, or write `type: Immediate`",
            );
            found.shown_at(format!("spec.services[{at}].readiness.type"));
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

fn watchdog_notify(all: &Effective<'_>, found: &mut Findings) {
    for merged in &all.services {
        let (Some(at), service) = (merged.at, &merged.service) else { continue };
        let notify = service.readiness.as_ref().is_some_and(|readiness| readiness.kind == ReadinessType::Notify);
        if service.watchdog.is_some() && !notify {
            found.add(
                format!("spec.services[{at}].watchdog"),
                format!("`{}` has no socket on which it could say that it lives", service.name),
                "a watchdog beside readiness Notify",
                "add `readiness: {type: Notify}`, or remove the watchdog",
            );
        }
    }
}

fn external_place(all: &Effective<'_>, found: &mut Findings) {
    for (external_at, external) in all.spec.external.iter().enumerate() {
        for (at, listener) in external.listeners.iter().enumerate() {
            if listener.port.is_some() == listener.socket.is_some() {
                found.add(
                    format!("spec.external[{external_at}].listeners[{at}]"),
                    "this listener has not exactly one of port and socket",
                    "one of the two",
                    "write `port: 389` or `socket: /path`",
                );
            }
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

fn disk_threshold(all: &Effective<'_>, found: &mut Findings) {
    for (at, disk) in all.spec.probes.iter().flat_map(|probes| probes.disks.iter().enumerate()) {
        if disk.free_warning.is_none() && disk.free_inodes_warning.is_none() {
            found.add(
                format!("spec.probes.disks[{at}]"),
                format!("the disk `{}` has no threshold, so nothing of it would ever be reported", &*disk.path),
                "freeWarning, freeInodesWarning or both",
                "add `freeWarning: 10%`",
            );
        }
    }
}

fn queue_threshold(all: &Effective<'_>, found: &mut Findings) {
    for (at, queue) in all.spec.probes.iter().flat_map(|probes| probes.queues.iter().enumerate()) {
        if queue.max_messages.is_none() && queue.max_age.is_none() {
            found.add(
                format!("spec.probes.queues[{at}]"),
                format!("the queue `{}` has no threshold, so nothing of it would ever be reported", &*queue.name),
                "maxMessages, maxAge or both",
                "add `maxMessages: 1000` or `maxAge: 4h`",
            );
        }
    }
}
