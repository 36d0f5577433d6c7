//! What happened, for people: the logs, `history`, events and the Oracle lines are all written from these.
//!
//! The planner never reads them.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TaskDid;
use crate::desired::Signal;
use crate::history::{Cause, Hold};
use crate::model::{Diagnosis, Exit, Level, Name, Now};

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

impl Happening {
    /// The task it is about.
    pub fn task(&self) -> Option<&str> {
        self.what.task()
    }

    /// The service, the task or the gauge it is about, or `all`.
    pub fn subject(&self) -> &str {
        self.service.as_deref().or(self.task()).or(self.what.gauge()).unwrap_or("all")
    }
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
    /// A disk or a queue has crossed a threshold, or is within all of them again, or cannot be measured any more.
    Measured {
        /// The gauge: `disk /var/mail`, `queue outgoing`.
        gauge: Name,
        /// What it is taken to be.
        level: Level,
        /// The threshold, and the numbers that were read.
        words: Name,
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
        /// The store client that failed, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Name>,
    },
    /// Its restart budget is spent.
    GaveUp {
        /// Automatic restarts within the window.
        charges: usize,
    },
    /// It failed and failures are only reported.
    OnlyReported {
        /// The store clients that live, which the advice names: they hold locks too ([R12]).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        clients: Vec<Name>,
    },
    /// Something about a store client ([R14]).
    Client {
        /// What it calls itself.
        client: Name,
        /// Its process.
        pid: i32,
        /// What.
        news: ClientNews,
    },
    /// The restart budget that all store clients share is spent.
    ClientsGaveUp {
        /// Automatic restarts within the window.
        charges: usize,
    },
    /// It gave up and a cluster manager is in charge: everything stops, and another node takes over ([R23]).
    HandsOver,
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
    /// Something happened to a task.
    Task {
        /// Which task.
        task: Name,
        /// What.
        did: TaskDid,
    },
}

/// What happened to a store client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum ClientNews {
    /// It registered.
    Registered,
    /// It said goodbye.
    SaidGoodbye,
    /// It lost its connection and lives: it is watched by its pid.
    LostItsLine,
    /// It is under stress.
    Stressed,
    /// It missed its signs of life.
    Froze {
        /// Whether it was killed; not where failures are only reported.
        killed: bool,
    },
    /// It ended without a goodbye.
    Died {
        /// How.
        exit: Exit,
        /// Whether it had been killed because it froze.
        froze: bool,
        /// Whether that is only recorded: the store is down, or the budget of the clients is spent.
        recorded: bool,
    },
    /// It failed, and failures are only reported.
    OnlyReported {
        /// The store clients that live.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        clients: Vec<Name>,
    },
    /// It ended when there was no agent it could have said goodbye to.
    EndedUnheard {
        /// How.
        exit: Exit,
    },
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

impl Happened {
    /// The task it is about.
    pub fn task(&self) -> Option<&str> {
        if let Self::Task { task, .. } = self { Some(task) } else { None }
    }

    /// The gauge it is about.
    pub fn gauge(&self) -> Option<&str> {
        if let Self::Measured { gauge, .. } = self { Some(gauge) } else { None }
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
            Self::Measured { words, .. } => f.write_str(words),
            Self::Stressed => f.write_str("says that it is stressed, and is believed for a while"),
            Self::Hangs { words } => write!(f, "hangs: {words}"),
            Self::LeftHanging { why } => write!(f, "is left as it is: {why}"),
            Self::RestartsAlone { charges } => write!(f, "restarts (number {charges} in the window)"),
            Self::GroupRestarts { members, failed, client } => {
                let failed: Vec<&str> = failed.iter().chain(client).map(|name| &**name).collect();
                write!(f, "{} failed, the group restarts: {}", failed.join(", "), members.join(" "))
            }
            Self::GaveUp { charges } => write!(f, "gave up after {charges} restart(s) in the window"),
            Self::OnlyReported { clients } => {
                f.write_str("stays down: autorestart is off; stop and start all services")?;
                and_end(clients, f)
            }
            Self::Client { client, pid, news } => write!(f, "{client} (pid {pid}) {news}"),
            Self::ClientsGaveUp { charges } => {
                write!(
                    f,
                    "store clients failed once more after {charges} restart(s) in the window: no more restarts for them"
                )
            }
            Self::HandsOver => f.write_str("gave up: everything is stopped, so that another node takes over"),
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
            Self::Task { did, .. } => did.fmt(f),
        }
    }
}

/// The advice would leave locks behind where store clients go on while everything is stopped.
fn and_end(clients: &[Name], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if clients.is_empty() { Ok(()) } else { write!(f, "; end first, they hold locks too: {}", clients.join(", ")) }
}

impl fmt::Display for ClientNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered => f.write_str("registered"),
            Self::SaidGoodbye => f.write_str("said goodbye"),
            Self::LostItsLine => f.write_str("lost its connection and lives; it is watched by its pid"),
            Self::Stressed => f.write_str("says that it is under stress"),
            Self::Froze { killed: true } => f.write_str("missed its heartbeat twice and is killed"),
            Self::Froze { killed: false } => f.write_str("missed its heartbeat twice"),
            Self::Died { exit, froze, recorded } => {
                if *froze {
                    write!(f, "was frozen and {exit}")?;
                } else {
                    write!(f, "{exit} without a goodbye")?;
                }
                if *recorded { f.write_str("; only recorded") } else { Ok(()) }
            }
            Self::OnlyReported { clients } => {
                f.write_str("may have left locks and autorestart is off; stop and start all services")?;
                and_end(clients, f)
            }
            Self::EndedUnheard { exit } => write!(f, "{exit} while no agent could hear its goodbye; only recorded"),
        }
    }
}
