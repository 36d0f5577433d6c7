//! Why something is done, and why something is not: each prints as one sentence.
//!
//! `why`, `plan`, `simulate`, status and the logs all print these; nobody else words a decision. Reasons hold absolute
//! times, so that waiting changes nothing.

use crate::desired::{Desired, Ix, OnHang, Wanted};
use crate::history::{Cause, Hold};
use crate::model::{Boot, Doubt};

/// The reason of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It runs as declared.
    Running,
    /// It is down and stays so.
    Down(Down),
    /// It lives and hangs, and that is only reported.
    Hangs,
    /// It hung until its budget was spent, and lives still.
    LeftAlive(Down),
    /// It lives and was seen to hang.
    HangSeen,
    /// It is to act and everything automatic is suspended ([R30]).
    Suspended,
    /// It failed, and failures are only reported ([R12]).
    AutorestartOff,
    /// It is gone, and nobody watches ([R31]).
    NotWatched,
    /// A look is under way.
    Looking,
    /// A spawn is under way.
    Spawning,
    /// It lives and has not said that it is ready.
    Starting {
        /// When it counts as failed.
        ready_by: Boot,
    },
    /// It is not ready in time, and that is only reported: everything automatic is suspended, or nobody watches.
    Overdue,
    /// It lives and recovers; that may take as long as it takes ([R1]).
    Recovering,
    /// What it depends on is not ready ([R1]).
    WaitsForDependency(Ix),
    /// A member of its group that restarts has not gone yet ([R9]).
    WaitsForPeer(Ix),
    /// One before it in the list has not finished its start ([R1]).
    WaitsForList(Ix),
    /// It is to stop, and this one goes first ([R3]).
    StopWaitsFor(Ix),
    /// It was asked to stop.
    Stopping {
        /// When it will be killed.
        kill_at: Boot,
    },
    /// It was killed, and the kernel has not let go of it yet.
    Killed {
        /// When that will be reported.
        report_at: Boot,
    },
    /// KILL did not empty it; nothing is started beside it ([R3]).
    StopFailed,
    /// Somebody else is in its place ([R5]).
    Foreign,
    /// Its configuration is being checked.
    Checking,
    /// Its checker refuses the configuration; nothing of it is stopped ([R19]).
    CheckFailed,
    /// It takes over changed files.
    Reloading,
    /// It is looked at.
    Look(Doubt),
    /// It is started because it is wanted.
    Start,
    /// It is started again, for the cause that ended it.
    StartAgain(Cause),
    /// It is stopped because it is not wanted up.
    Stop(Down),
    /// It is stopped to be started again.
    StopAgain(Cause),
    /// What a dead main process left behind is stopped ([R3]).
    StopRemains,
    /// It did not stop in time, and is killed.
    KillTooSlow,
    /// A person wants it killed at once (`-f`).
    KillForced,
    /// Its stop by KILL was taken back before it was sent.
    ForceTakenBack,
    /// The signal of an earlier life of the agent may not have been sent.
    SignalAgain,
    /// Its configuration is checked before it is stopped.
    Check,
    /// Its files changed, or a person asked.
    Reload,
    /// Its failure is answered by a restart of it alone, or of its group.
    Charge,
    /// Its budget is spent ([R11]).
    GiveUp,
    /// The budget of the store clients is spent ([R11]).
    ClientsGiveUp,
    /// It gave up and a cluster manager is in charge ([R23]).
    HandOver,
    /// It was not ready in time.
    NotReadyInTime,
    /// Its declaration, files or `restartedAt` changed, so what it failed with is past.
    Forgive,
    /// The time of `retryAfter` has come.
    Retry,
    /// It is to restart for this cause.
    Retire(Cause),
}

/// Why a service is down and stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// Everything is being stopped.
    Ending,
    /// `enabled: false`.
    Disabled,
    /// What it depends on is disabled.
    DependencyDisabled,
    /// It is no longer in the document.
    Removed,
    /// The document holds it.
    HeldByDocument,
    /// A person holds it.
    Held(Hold),
    /// What it depends on, or something further down, is held.
    WaitsForHeld(Ix),
    /// The lead of its group gave up.
    LeadGaveUp(Ix),
    /// It gave up.
    GaveUp {
        /// When it is tried again.
        retry_at: Option<Boot>,
    },
}

impl Down {
    /// Whether a person said so: that holds while everything automatic is suspended.
    pub fn is_ordered(self) -> bool {
        match self {
            Self::Ending | Self::Held(_) | Self::WaitsForHeld(_) => true,
            Self::Disabled
            | Self::DependencyDisabled
            | Self::Removed
            | Self::HeldByDocument
            | Self::LeadGaveUp(_)
            | Self::GaveUp { .. } => false,
        }
    }

    /// Whether a living process of it is stopped: a give-up leaves what lives alone.
    pub fn stops(self) -> bool {
        match self {
            Self::GaveUp { .. } => false,
            Self::Ending
            | Self::Disabled
            | Self::DependencyDisabled
            | Self::Removed
            | Self::HeldByDocument
            | Self::Held(_)
            | Self::WaitsForHeld(_)
            | Self::LeadGaveUp(_) => true,
        }
    }

    /// The words behind "because" or "down:".
    pub fn words(self, desired: &Desired, ix: Ix) -> String {
        match self {
            Self::Ending => "everything is being stopped".to_owned(),
            Self::Disabled => "it is disabled".to_owned(),
            Self::DependencyDisabled => match &desired.service(ix).wanted {
                Wanted::DependencyDisabled(name) => format!("it needs {name}, which is disabled"),
                Wanted::Yes | Wanted::Disabled | Wanted::Removed => "what it needs is disabled".to_owned(),
            },
            Self::Removed => "it is no longer in the document".to_owned(),
            Self::HeldByDocument => "the document holds it".to_owned(),
            Self::Held(Hold::Stopped) => "a person stopped it".to_owned(),
            Self::Held(Hold::Held) => "a person holds it".to_owned(),
            Self::WaitsForHeld(root) => format!("waits: {} held", desired.service(root).name),
            Self::LeadGaveUp(lead) => format!("waits: {} gave up", desired.service(lead).name),
            Self::GaveUp { retry_at: None } => {
                let policy = &desired.autorestart;
                format!(
                    "gave up: more than {} automatic restart(s) would fall within {} s",
                    policy.max_restarts,
                    policy.window.as_secs()
                )
            }
            Self::GaveUp { retry_at: Some(at) } => format!("gave up; tried again at {at}"),
        }
    }
}

impl Cause {
    /// The words behind "because".
    pub fn words(self) -> &'static str {
        match self {
            Self::Failed => "it failed",
            Self::NotReadyInTime => "it was not ready in time",
            Self::GaveUp => "it gave up, and its group goes",
            Self::GroupFailed => "a member of its group failed",
            Self::GroupChanged => "the lead of its group changed",
            Self::GroupOrdered => "a person restarted the lead of its group",
            Self::DependencyRestarted => "what it depends on was restarted",
            Self::DependencyOrdered => "a person restarted what it depends on",
            Self::Person => "a person asked",
            Self::RestartedAt => "restartedAt changed",
            Self::Declaration => "its declaration changed",
            Self::Files => "its files changed",
        }
    }
}

/// Whether more is to come of a verdict by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Something is under way or due.
    Moving,
    /// Nothing follows until something changes or a person acts.
    Settled,
    /// That depends on this other service.
    AsSettledAs(Ix),
}

impl Reason {
    /// The other service that this reason is about: the next link of the chain that `why` follows.
    pub fn concerns(self) -> Option<Ix> {
        match self {
            Self::WaitsForDependency(other)
            | Self::WaitsForPeer(other)
            | Self::WaitsForList(other)
            | Self::StopWaitsFor(other)
            | Self::Down(Down::WaitsForHeld(other) | Down::LeadGaveUp(other))
            | Self::Stop(Down::WaitsForHeld(other) | Down::LeadGaveUp(other)) => Some(other),
            Self::Running
            | Self::Hangs
            | Self::LeftAlive(_)
            | Self::HangSeen
            | Self::Down(_)
            | Self::Suspended
            | Self::AutorestartOff
            | Self::NotWatched
            | Self::Looking
            | Self::Spawning
            | Self::Starting { .. }
            | Self::Overdue
            | Self::Recovering
            | Self::Stopping { .. }
            | Self::Killed { .. }
            | Self::StopFailed
            | Self::Foreign
            | Self::Checking
            | Self::CheckFailed
            | Self::Reloading
            | Self::Look(_)
            | Self::Start
            | Self::StartAgain(_)
            | Self::Stop(_)
            | Self::StopAgain(_)
            | Self::StopRemains
            | Self::KillTooSlow
            | Self::KillForced
            | Self::ForceTakenBack
            | Self::SignalAgain
            | Self::Check
            | Self::Reload
            | Self::Charge
            | Self::GiveUp
            | Self::ClientsGiveUp
            | Self::HandOver
            | Self::NotReadyInTime
            | Self::Forgive
            | Self::Retry
            | Self::Retire(_) => None,
        }
    }

    /// Whether more is to come by itself: those who wait for a service ask this.
    pub fn outlook(self) -> Outlook {
        match self {
            Self::Running
            | Self::Hangs
            | Self::LeftAlive(_)
            | Self::Down(_)
            | Self::Suspended
            | Self::AutorestartOff
            | Self::NotWatched
            | Self::Overdue
            | Self::StopFailed
            | Self::Foreign
            | Self::CheckFailed => Outlook::Settled,
            Self::WaitsForDependency(other) => Outlook::AsSettledAs(other),
            Self::Looking
            | Self::HangSeen
            | Self::Spawning
            | Self::Starting { .. }
            | Self::Recovering
            | Self::WaitsForPeer(_)
            | Self::WaitsForList(_)
            | Self::StopWaitsFor(_)
            | Self::Stopping { .. }
            | Self::Killed { .. }
            | Self::Checking
            | Self::Reloading
            | Self::Look(_)
            | Self::Start
            | Self::StartAgain(_)
            | Self::Stop(_)
            | Self::StopAgain(_)
            | Self::StopRemains
            | Self::KillTooSlow
            | Self::KillForced
            | Self::ForceTakenBack
            | Self::SignalAgain
            | Self::Check
            | Self::Reload
            | Self::Charge
            | Self::GiveUp
            | Self::ClientsGiveUp
            | Self::HandOver
            | Self::NotReadyInTime
            | Self::Forgive
            | Self::Retry
            | Self::Retire(_) => Outlook::Moving,
        }
    }

    /// The sentence, without the service's own name and without a full stop.
    pub fn sentence(self, desired: &Desired, ix: Ix) -> String {
        let name = |other: Ix| desired.service(other).name.clone();
        match self {
            Self::Running => "runs as declared".to_owned(),
            Self::Down(down) => format!("stays down: {}", down.words(desired, ix)),
            Self::Hangs => format!("hangs and is left as it is: {}", left_hanging(desired, ix)),
            Self::LeftAlive(down) => format!("is left as it is: {}", down.words(desired, ix)),
            Self::HangSeen => "it hangs".to_owned(),
            Self::Suspended => "does nothing by itself: the document suspends everything automatic".to_owned(),
            Self::AutorestartOff => {
                "failed and stays down: autorestart is off; stop and start all services, or turn it on".to_owned()
            }
            Self::NotWatched => "is gone and stays down: the watcher is disabled, nobody watches".to_owned(),
            Self::Looking => "is being looked at".to_owned(),
            Self::Spawning => "is being started".to_owned(),
            Self::Starting { ready_by } => format!("starts: has until {ready_by} to be ready"),
            Self::Overdue => "is not ready in time; only reported: suspended, or the watcher is disabled".to_owned(),
            Self::Recovering => "recovers: reported, never timed out".to_owned(),
            Self::WaitsForDependency(other) => format!("waits for {} to be ready", name(other)),
            Self::WaitsForPeer(other) => format!("waits for {} of its group to be gone", name(other)),
            Self::WaitsForList(other) => format!("waits its turn behind {}", name(other)),
            Self::StopWaitsFor(other) => format!("is to stop, after {}", name(other)),
            Self::Stopping { kill_at } => format!("was asked to stop, is killed at {kill_at}"),
            Self::Killed { report_at } => format!("was killed, must be gone by {report_at}"),
            Self::StopFailed => "could not be stopped: KILL left processes; nothing is started beside them".to_owned(),
            Self::Foreign => "cannot start: somebody else is in its place".to_owned(),
            Self::Checking => "waits for its configuration check".to_owned(),
            Self::CheckFailed => "runs the previous configuration: its checker refuses the new one".to_owned(),
            Self::Reloading => "takes over changed files".to_owned(),
            Self::Look(doubt) => format!("look: {doubt}"),
            Self::Start => "start: it is wanted and nothing it needs is missing".to_owned(),
            Self::StartAgain(cause) => format!("start again: {}", cause.words()),
            Self::Stop(down) => format!("stop: {}", down.words(desired, ix)),
            // Whether it is tried again is decided apart from this stop.
            Self::StopAgain(cause @ (Cause::NotReadyInTime | Cause::GaveUp)) => format!("stop: {}", cause.words()),
            Self::StopAgain(cause) => format!("stop, to start again: {}", cause.words()),
            Self::StopRemains => "stop what its dead main process left behind".to_owned(),
            Self::KillTooSlow => "kill: it did not stop in time".to_owned(),
            Self::KillForced => "kill: a person said at once".to_owned(),
            Self::ForceTakenBack => "its stop at once was taken back".to_owned(),
            Self::SignalAgain => {
                "signal again: the one of an earlier life of the agent may not have been sent".to_owned()
            }
            Self::Check => "check its configuration before anything is stopped".to_owned(),
            Self::Reload => "reload: take over its files without a restart".to_owned(),
            Self::Charge => "its failure is answered by a restart".to_owned(),
            Self::GiveUp => "its restart budget is spent".to_owned(),
            Self::ClientsGiveUp => "the restart budget of the store clients is spent".to_owned(),
            Self::HandOver => "it gave up: everything stops, so that another node takes over".to_owned(),
            Self::NotReadyInTime => "it was not ready in time".to_owned(),
            Self::Forgive => "what it failed with has changed: it gets a new chance".to_owned(),
            Self::Retry => "the time of retryAfter has come".to_owned(),
            Self::Retire(cause) => format!("is to restart: {}", cause.words()),
        }
    }
}

/// Why nothing is done about a hang.
pub(crate) fn left_hanging(desired: &Desired, ix: Ix) -> &'static str {
    if desired.service(ix).probing.on_hang == OnHang::Report {
        "its onHang says that it is only reported"
    } else if desired.suspended {
        "the document suspends everything automatic"
    } else if !desired.watched {
        "the watcher is disabled, nobody watches"
    } else if !desired.autorestart.enabled {
        "autorestart is off; stop and start all services, or turn it on"
    } else {
        "nothing more follows by itself; restart it"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_goes_on_with_the_service_that_a_reason_is_about() {
        let other = Ix(3);
        let about_it = [
            Reason::WaitsForDependency(other),
            Reason::WaitsForPeer(other),
            Reason::WaitsForList(other),
            Reason::StopWaitsFor(other),
            Reason::Down(Down::WaitsForHeld(other)),
            Reason::Down(Down::LeadGaveUp(other)),
            Reason::Stop(Down::WaitsForHeld(other)),
            Reason::Stop(Down::LeadGaveUp(other)),
        ];
        for reason in about_it {
            assert_eq!(reason.concerns(), Some(other), "{reason:?}");
        }
        for reason in [
            Reason::Running,
            Reason::Down(Down::Disabled),
            Reason::Stop(Down::Removed),
            Reason::Look(Doubt::NotLookedYet),
        ] {
            assert_eq!(reason.concerns(), None, "{reason:?}");
        }
    }
}
