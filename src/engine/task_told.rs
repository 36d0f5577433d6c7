//! What happened to a task, for people.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Exit, Name};

/// What happened to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
pub enum TaskDid {
    /// Its run began.
    Began {
        /// Its process.
        pid: i32,
        /// When it was due, RFC 3339; absent where a person asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        due: Option<Name>,
    },
    /// Its run goes on since an earlier life of the agent.
    Adopted {
        /// Its process.
        pid: i32,
    },
    /// Its main process ended.
    Ended {
        /// How.
        exit: Exit,
        /// How long it ran.
        after: Duration,
        /// Whether it had run longer than it may.
        overdue: bool,
    },
    /// It was to begin when the agent was killed, and nothing of it is there: nobody can say whether it ran.
    NotSeen,
    /// It could not be started.
    NotStarted {
        /// Why, in words.
        error: Name,
    },
    /// It runs longer than it may and is ended.
    TimedOut {
        /// How long it may run.
        limit: Duration,
    },
    /// It was killed.
    Killed,
    /// KILL did not empty it.
    StopFailed,
    /// It was due and was not run.
    Skipped {
        /// When it was due, RFC 3339.
        due: Name,
        /// Why not.
        why: Name,
    },
    /// It was due while nobody followed the schedule; that is not made up for.
    Missed {
        /// How often.
        count: u64,
        /// The first time, RFC 3339.
        first: Name,
        /// The last time, RFC 3339.
        last: Name,
    },
    /// It asked for a round of probes.
    Probed,
}

impl TaskDid {
    /// One CamelCase word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Began { .. } => "TaskBegan",
            Self::Adopted { .. } => "TaskAdopted",
            Self::Ended { .. } => "TaskEnded",
            Self::NotSeen => "TaskNotSeen",
            Self::NotStarted { .. } => "TaskNotStarted",
            Self::TimedOut { .. } => "TaskTimedOut",
            Self::Killed => "TaskKilled",
            Self::StopFailed => "TaskStopFailed",
            Self::Skipped { .. } => "TaskSkipped",
            Self::Missed { .. } => "TaskMissed",
            Self::Probed => "TaskProbed",
        }
    }
}

impl fmt::Display for TaskDid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began { pid, due: Some(due) } => write!(f, "began, pid {pid}, due {due}"),
            Self::Began { pid, due: None } => write!(f, "began, pid {pid}, as a person asked"),
            Self::Adopted { pid } => write!(f, "found running, pid {pid}"),
            Self::Ended { exit, after, overdue: true } => {
                write!(f, "was ended after {:.1} s: {exit}", after.as_secs_f64())
            }
            Self::Ended { exit: Exit::Code(0), after, .. } => {
                write!(f, "ended well after {:.1} s", after.as_secs_f64())
            }
            Self::Ended { exit: Exit::Unknown, .. } => f.write_str("has ended; how was not seen"),
            Self::Ended { exit, after, .. } => write!(f, "failed after {:.1} s: {exit}", after.as_secs_f64()),
            Self::NotSeen => f.write_str("was to begin when the agent was killed; nothing of it runs"),
            Self::NotStarted { error } => write!(f, "could not be started: {error}"),
            Self::TimedOut { limit } => write!(f, "runs longer than {} s and is ended", limit.as_secs()),
            Self::Killed => f.write_str("killed: it did not end in time"),
            Self::StopFailed => f.write_str("could not be ended: KILL left processes"),
            Self::Skipped { due, why } => write!(f, "was due at {due} and is not run: {why}"),
            Self::Missed { count: 1, first, .. } => {
                write!(f, "missed its run of {first}: nobody followed the schedule")
            }
            Self::Missed { count, first, last } => {
                write!(f, "missed {count} runs from {first} to {last}: nobody followed the schedule")
            }
            Self::Probed => f.write_str("asked for a round of probes"),
        }
    }
}
