//! What is told of tasks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desired::Wanted;
use crate::engine::{Engine, TaskState};
use crate::history::{Missed, Outcome, Ran};
use crate::model::{Exit, Minute};

/// What is told of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskStatus {
    /// Its name.
    pub name: String,
    /// Whether the clock runs it.
    pub enabled: bool,
    /// Its five fields.
    pub crontab: String,
    /// The time zone they are meant in.
    pub time_zone: String,
    /// Its process, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Since when it runs, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When its last run that ended began, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// When that ended, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_end: Option<String>,
    /// How that ended, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<String>,
    /// Whether that ended well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_ended_well: Option<bool>,
    /// When it is due next, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run: Option<String>,
    /// Why it is not due, or was last not run, in one sentence; empty where there is nothing to say.
    pub reason: String,
}

/// Every task. `followed` says whether a scheduler is wanted at all, `next` when a task is due, or why it is not.
pub fn tasks(engine: &Engine, followed: bool, next: impl Fn(&TaskState) -> Result<Minute, String>) -> Vec<TaskStatus> {
    engine.tasks().iter().map(|state| one(state, followed, &next)).collect()
}

fn one(state: &TaskState, followed: bool, next: &impl Fn(&TaskState) -> Result<Minute, String>) -> TaskStatus {
    let (task, marks) = (&state.task, &state.marks);
    let due = match &task.wanted {
        Wanted::Yes if !followed => Err("nobody follows the schedule: sched is disabled".to_owned()),
        Wanted::Yes => next(state),
        Wanted::Disabled => Err("it is disabled".to_owned()),
        Wanted::DependencyDisabled(on) => Err(format!("it needs {on}, which is disabled")),
        Wanted::Removed => Err("it is no longer in the document".to_owned()),
    };
    let last = marks.last.as_ref();
    TaskStatus {
        name: task.name.to_string(),
        enabled: task.wanted == Wanted::Yes,
        crontab: task.timing.crontab.clone(),
        time_zone: task.timing.zone.to_string(),
        pid: state.pid(),
        since: marks.begun.filter(|_| marks.thought_alive()).map(|begun| begun.wall.to_string()),
        last_run: last.map(|ran| ran.began.to_string()),
        last_end: last.map(|ran| ran.ended.to_string()),
        last_outcome: last.map(outcome),
        last_ended_well: last.map(|ran| match ran.outcome {
            Outcome::Exited(exit) => exit == Exit::Code(0),
            Outcome::Probed => true,
            Outcome::TimedOut | Outcome::NotStarted(_) => false,
        }),
        next_run: due.as_ref().ok().map(ToString::to_string),
        reason: due.err().or_else(|| not_run(state)).unwrap_or_default(),
    }
}

fn outcome(ran: &Ran) -> String {
    match &ran.outcome {
        Outcome::Exited(Exit::Unknown) => "has ended; how was not seen".to_owned(),
        Outcome::Exited(exit) => exit.to_string(),
        Outcome::TimedOut => "ran longer than it may and was ended".to_owned(),
        Outcome::NotStarted(error) => format!("could not be started: {error}"),
        Outcome::Probed => "asked for a round of probes".to_owned(),
    }
}

/// The last time it was due and was not run, unless it ran since.
fn not_run(state: &TaskState) -> Option<String> {
    let ran = state.marks.last.as_ref().and_then(|ran| ran.due);
    let skipped = state.marks.skipped.as_ref().filter(|skipped| ran.is_none_or(|ran| ran < skipped.due));
    let missed = state.marks.missed.as_ref().filter(|missed| ran.is_none_or(|ran| ran < missed.last));
    match (skipped, missed) {
        (Some(skipped), missed) if missed.is_none_or(|missed| missed.last < skipped.due) => {
            Some(format!("was not run at {}: {}", skipped.due, skipped.why))
        }
        (_, Some(Missed { first, last, count })) => Some(format!("missed {count} run(s) from {first} to {last}")),
        (_, None) => None,
    }
}
