//! What happened, for people: the logs, `history`, events and the Oracle lines are all written from these.
//!
//! The planner never reads them.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desired::Signal;
use crate::history::{Cause, Hold};
use crate::model::{Diagnosis, Exit, Name, Now};

/// Something that happened to a service, or to the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub now: Now,
    /// To which service; none where it concerns all.
    pub service: Option<Name>,
    /// What.
    pub what: Happened,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
pub enum Happened {
    /// Its process exists.
    Started {
        /// The main process.
        pid: i32,
    },
    /// It is ready.
    Ready {
        /// Since its start.
        after: Duration,
    },
    /// It lives and recovers.
    Recovers,
    /// It runs since an earlier life of the agent.
    Adopted {
        /// The main process.
        pid: i32,
    },
    /// Its main process ended and nobody had ordered that.
    Crashed {
        /// The main process that was.
        pid: Option<i32>,
        /// How.
        exit: Exit,
    },
    /// It could not be started.
    NotSpawned {
        /// Why, in words.
        error: Name,
    },
    /// It was not ready in time.
    NotReadyInTime,
    /// A round of probes says another thing of it than the one before ([R8]).
    Probed {
        /// What.
        diagnosis: Diagnosis,
    },
    /// It says that it is stressed, and is believed for a while.
    Stressed,
    /// It lives and hangs.
    Hangs {
        /// What was seen.
        words: Name,
    },
    /// It hangs and nothing is done about it.
    LeftHanging {
        /// Why not.
        why: Name,
    },
    /// Its failure is answered by a restart of it alone.
    RestartsAlone {
        /// Automatic restarts within the window, this one included.
        charges: usize,
    },
    /// Its failure is answered by a restart of its group.
    GroupRestarts {
        /// Who restarts, in list order.
        members: Vec<Name>,
        /// Who failed, in list order.
        failed: Vec<Name>,
    },
    /// Its restart budget is spent.
    GaveUp {
        /// Automatic restarts within the window.
        charges: usize,
    },
    /// It failed and failures are only reported.
    OnlyReported,
    /// What it had failed with has changed.
    Forgiven,
    /// It is tried again after a give-up.
    Retried,
    /// It is to restart, for another cause than its own failure.
    ToRestart {
        /// The cause.
        cause: Cause,
    },
    /// It was asked to stop.
    Asked {
        /// By this signal.
        signal: Signal,
        /// The main process.
        pid: Option<i32>,
    },
    /// It was killed.
    Killed {
        /// The main process.
        pid: Option<i32>,
        /// The group whose locks it may have left behind: they live in files, which the kernel does not release ([R3]).
        locks_of: Option<Name>,
    },
    /// It stopped as ordered.
    Stopped {
        /// The main process that was.
        pid: Option<i32>,
        /// How it ended.
        exit: Exit,
    },
    /// KILL did not empty it.
    StopFailed,
    /// Somebody else is in its place.
    Foreign {
        /// Who, where.
        who: Name,
    },
    /// Its files were taken over.
    Reloaded,
    /// Its files were not taken over: it runs the previous configuration.
    ReloadFailed {
        /// In its own words.
        words: Name,
    },
    /// Its checker refuses its configuration.
    CheckFailed {
        /// In its own words.
        words: Name,
    },
    /// A person ordered something.
    Ordered {
        /// The verb.
        verb: Verb,
    },
    /// A hold was set.
    HeldBy {
        /// Which kind.
        hold: Hold,
    },
    /// It left the document and is gone.
    Forgotten,
    /// A new document is in force.
    DocumentAccepted {
        /// Its generation.
        generation: i64,
    },
    /// Everything is being stopped.
    Ending,
}

/// What a person may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// `start`.
    Start,
    /// `stop`.
    Stop,
    /// `restart`.
    Restart,
    /// `reload`.
    Reload,
    /// `hold`.
    Hold,
    /// `release`.
    Release,
    /// `reset`.
    Reset,
}

impl Verb {
    /// As the command line spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Reset => "reset",
        }
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { pid } => write!(f, "started, pid {pid}"),
            Self::Ready { after } => write!(f, "ready after {:.1} s", after.as_secs_f64()),
            Self::Recovers => f.write_str("recovers before it is ready"),
            Self::Adopted { pid } => write!(f, "found running, pid {pid}"),
            Self::Crashed { exit, .. } => write!(f, "failed: {exit}"),
            Self::NotSpawned { error } => write!(f, "could not be started: {error}"),
            Self::NotReadyInTime => f.write_str("failed: not ready in time"),
            Self::Probed { diagnosis: Diagnosis::Answers } => f.write_str("answers again"),
            Self::Probed { diagnosis } => diagnosis.fmt(f),
            Self::Stressed => f.write_str("says that it is stressed, and is believed for a while"),
            Self::Hangs { words } => write!(f, "hangs: {words}"),
            Self::LeftHanging { why } => write!(f, "is left as it is: {why}"),
            Self::RestartsAlone { charges } => write!(f, "restarts (number {charges} in the window)"),
            Self::GroupRestarts { members, failed } => {
                write!(f, "{} failed, the group restarts: {}", failed.join(", "), members.join(" "))
            }
            Self::GaveUp { charges } => write!(f, "gave up after {charges} restart(s) in the window"),
            Self::OnlyReported => f.write_str("stays down: autorestart is off; stop and start all services"),
            Self::Forgiven => f.write_str("gets a new chance: what it failed with has changed"),
            Self::Retried => f.write_str("is tried again after its give-up"),
            Self::ToRestart { cause } => write!(f, "is to restart: {}", cause.words()),
            Self::Asked { pid: Some(_), .. } => f.write_str("asked to stop"),
            Self::Asked { pid: None, .. } => f.write_str("what its main process left behind is asked to stop"),
            Self::Killed { locks_of: None, .. } => f.write_str("killed"),
            Self::Killed { locks_of: Some(group), .. } => {
                write!(f, "killed: it may have left locks of its group {group} behind")
            }
            Self::Stopped { exit, .. } => write!(f, "stopped: {exit}"),
            Self::StopFailed => f.write_str("could not be stopped: KILL left processes"),
            Self::Foreign { who } => write!(f, "cannot start: {who}"),
            Self::Reloaded => f.write_str("took over its files"),
            Self::ReloadFailed { words } => write!(f, "runs the previous configuration, its reload failed: {words}"),
            Self::CheckFailed { words } => write!(f, "its configuration is refused by its checker: {words}"),
            Self::Ordered { verb } => write!(f, "a person ordered: {}", verb.word()),
            Self::HeldBy { hold: Hold::Stopped } => f.write_str("held until started by a person"),
            Self::HeldBy { hold: Hold::Held } => f.write_str("held until released"),
            Self::Forgotten => f.write_str("left the document and is gone"),
            Self::DocumentAccepted { generation } => write!(f, "document {generation} is in force"),
            Self::Ending => f.write_str("everything is being stopped"),
        }
    }
}
