//! What the scheduler and the agent say to each other. Times are RFC 3339 in UTC, to the minute.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::Outcome;
use crate::desired::{DayRule, Wanted};
use crate::engine::{Asked, Engine, Taken, TaskRefusal};
use crate::history::{Followed, Missed, Stretch};
use crate::model::{Minute, Name};

/// Said of a time that cannot be read.
pub(super) const NO_MINUTE: &str = "a time is no minute such as 2026-11-23T20:26:00Z";

/// A task that the clock runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scheduled {
    /// Its name.
    pub name: String,
    /// The five fields.
    pub crontab: String,
    /// How its day fields go together.
    pub day_rule: DayRule,
    /// The time zone, by its name in the system's database.
    pub time_zone: String,
    /// Whatever was due up to here was run, refused or reported.
    pub followed_up_to: String,
    /// Within these everything due was run or refused, also where the clock has gone back since.
    #[serde(default)]
    pub answered: Vec<Answered>,
}

/// A stretch of the clock, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// Its first minute.
    pub from: String,
    /// Its last minute.
    pub to: String,
}

/// A wish for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunTask {
    /// When it was due: asked twice for one minute, it runs once. Absent where a person wants it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
}

/// Runs that were due while nobody followed the schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskMissed {
    /// The first of them.
    pub first: String,
    /// The last of them.
    pub last: String,
    /// How many.
    pub count: u64,
}

/// What became of what was asked of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskAnswered {
    /// Its name.
    pub task: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What a command ends with: 0, 64 unknown, 69 needs what is not there, 75 still runs, 78 disabled.
    pub exit_code: u8,
    /// One sentence; empty where there is nothing to say.
    pub message: String,
}

impl Scheduled {
    /// Every enabled task of an engine.
    pub fn all(engine: &Engine) -> Vec<Self> {
        let enabled = engine.tasks().iter().filter(|state| state.task.wanted == Wanted::Yes);
        enabled
            .map(|state| {
                let (timing, followed) = (&state.task.timing, state.marks.followed.clone().unwrap_or_default());
                let stretch = |s: &Stretch| Answered { from: s.from.to_string(), to: s.to.to_string() };
                Self {
                    name: state.task.name.to_string(),
                    crontab: timing.crontab.clone(),
                    day_rule: timing.day_rule,
                    time_zone: timing.zone.to_string(),
                    followed_up_to: followed.upto.to_string(),
                    answered: followed.answered.iter().map(stretch).collect(),
                }
            })
            .collect()
    }

    /// How far it was followed; none where a time cannot be read.
    pub fn followed(&self) -> Option<Followed> {
        let stretch = |a: &Answered| Some(Stretch { from: Minute::parse(&a.from)?, to: Minute::parse(&a.to)? });
        let answered = self.answered.iter().map(stretch).collect::<Option<Vec<_>>>()?;
        Some(Followed { upto: Minute::parse(&self.followed_up_to)?, answered })
    }
}

impl RunTask {
    /// Who asks; none where the time cannot be read.
    pub(super) fn asked(&self) -> Option<Asked> {
        match &self.due {
            None => Some(Asked::ByPerson),
            Some(due) => Minute::parse(due).map(Asked::ByClock),
        }
    }
}

impl TaskMissed {
    /// For the wire.
    pub fn new(missed: Missed) -> Self {
        Self { first: missed.first.to_string(), last: missed.last.to_string(), count: missed.count }
    }

    /// None where a time cannot be read.
    pub(super) fn read(&self) -> Option<Missed> {
        Some(Missed { first: Minute::parse(&self.first)?, last: Minute::parse(&self.last)?, count: self.count })
    }
}

impl TaskAnswered {
    pub(super) fn new(task: &Name, taken: &Result<Taken, TaskRefusal>) -> Self {
        let (outcome, exit_code, message) = match taken {
            Ok(Taken::Begins | Taken::Probes) => (Outcome::Doing, 0, String::new()),
            Ok(Taken::AlreadySo) => (Outcome::AlreadySo, 0, String::new()),
            Err(refusal) => (Outcome::Refused, refusal.why.exit_code(), refusal.to_string()),
        };
        Self { task: task.to_string(), outcome, exit_code, message }
    }
}
