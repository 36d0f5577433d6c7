//! From the schedule of a checked document to tasks.

use std::sync::Arc;

use super::effective::{Effective, MergedTask};
use super::resolve::{command, name};
use super::spec::Task as Written;
use crate::desired::{Does, Launch, Task, Timing, Wanted};

/// The tasks of a document and its profile. `unwanted` says of each service whether it is disabled, and for whom.
pub(super) fn tasks(effective: &Effective<'_>, unwanted: &[Option<String>]) -> Vec<Task> {
    effective.tasks.iter().map(|merged| one(effective, unwanted, merged)).collect()
}

fn one(effective: &Effective<'_>, unwanted: &[Option<String>], merged: &MergedTask) -> Task {
    let task = &merged.task;
    let needs = task.needs.iter().flatten();
    let disabled = |need: &str| effective.by_name.get(need).is_some_and(|at| unwanted[*at].is_some());
    let zone = task.time_zone.as_deref().or(effective.spec.time_zone.as_deref()).unwrap_or("UTC");
    Task {
        name: name(&task.name),
        wanted: match needs.clone().find(|need| disabled(need)) {
            _ if task.enabled == Some(false) => Wanted::Disabled,
            Some(need) => Wanted::DependencyDisabled(name(need)),
            None => Wanted::Yes,
        },
        timing: Timing {
            crontab: task.crontab.as_ref().map(ToString::to_string).unwrap_or_default(),
            day_rule: effective.day_rule(task),
            zone: name(zone),
        },
        needs: needs.map(|need| name(need)).collect(),
        timeout: task.timeout.map(|interval| interval.0),
        does: match &task.command {
            Some(_) => Does::Run(Arc::new(launch(effective, task))),
            None => Does::Probe,
        },
    }
}

fn launch(effective: &Effective<'_>, task: &Written) -> Launch {
    let variables = task.environment.iter().flatten();
    // In Oracle's house the service purge and the task purge have nothing to do with each other; neither have their logs.
    let taken = effective.by_name.contains_key(&*task.name);
    Launch {
        command: command(effective.server_root(), task.command.as_ref()),
        user: task.user.as_ref().map(ToString::to_string),
        environment: variables.map(|variable| (variable.name.to_string(), variable.value.to_string())).collect(),
        output: effective.output(),
        log: Some(if taken { format!("{}.task", task.name) } else { task.name.to_string() }),
        ..Launch::default()
    }
}
