//! What must not be forgotten: one [`Marks`] a service and one [`TaskMarks`] a task, kept by the ledger across lives of the agent.
//!
//! There is no stored operation: an operation is marks here plus facts in [`crate::observed`], and its phase is worked
//! out anew each turn. So planning stays a function, survives a killed agent, and a newer event supersedes it.

mod task;

pub use task::{Accepted, Begun, Followed, Missed, Outcome, Ran, Skipped, Stretch, TaskMarks};

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desired::Signal;
use crate::model::{Boot, Exit, Fingerprint, Identity, Incarnation, Life, Name, Wall};

/// The marks of every service, by the index of the present [`crate::desired::Desired`], and those of the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The present life of the agent.
    pub life: Life,
    /// Everything is to be stopped and then the agent ends ([R31]).
    pub ending: bool,
    /// Whose give-up is the reason of that end: another node is to take over ([R23]).
    pub handover: Option<Name>,
    /// What must not be forgotten of the store clients.
    pub clients: ClientMarks,
    /// One entry a service, in the same order as the services of the document.
    pub services: Vec<Marks>,
}

/// The record of one service: bounded, whatever happens to it. What few have is in a box: there is one of these for every
/// service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Marks {
    /// The last incarnation number that was used, noted before the spawn.
    #[serde(skip_serializing_if = "is_plain")]
    pub used: Incarnation,
    /// Which process [`Self::used`] is; none until the spawn was answered. An unproven start never charges.
    #[serde(skip_serializing_if = "is_plain")]
    pub proven: Option<Identity>,
    /// The last incarnation that ended or never came to be.
    #[serde(skip_serializing_if = "is_plain")]
    pub ended: Incarnation,
    /// The last incarnation that was ready once: the latch ([R8]).
    #[serde(skip_serializing_if = "is_plain")]
    pub ready: Incarnation,
    /// When [`Self::used`] was spawned.
    #[serde(skip_serializing_if = "is_plain")]
    pub spawned_at: Boot,
    /// The same moment for people.
    #[serde(skip_serializing_if = "is_plain")]
    pub spawned_wall: Wall,
    /// When it counts as failed if it is not ready by then.
    #[serde(skip_serializing_if = "is_plain")]
    pub ready_by: Boot,
    /// The launch declaration it was spawned with.
    #[serde(skip_serializing_if = "is_plain")]
    pub launched_as: Fingerprint,
    /// The content of the watched files that it runs with.
    #[serde(skip_serializing_if = "is_plain")]
    pub files: Option<Fingerprint>,
    /// Every incarnation up to this one is to end.
    #[serde(skip_serializing_if = "is_plain")]
    pub retire: Option<Retire>,
    /// The rung of the stop ladder that was last taken.
    #[serde(skip_serializing_if = "is_plain")]
    pub stop: Option<StopMark>,
    /// A person wants it stopped by KILL at once.
    #[serde(skip_serializing_if = "is_plain")]
    pub forced: bool,
    /// It could not be emptied by KILL: noted once, so that it is said once.
    #[serde(skip_serializing_if = "is_plain")]
    pub stop_failed: bool,
    /// A failure that nothing has answered yet.
    #[serde(skip_serializing_if = "is_plain")]
    pub failure: Option<Box<Failure>>,
    /// It failed before it was ready since it was last ready; the list order waits for it no longer.
    #[serde(skip_serializing_if = "is_plain")]
    pub stumbled: bool,
    /// The automatic restarts that count, oldest first; never more than the budget of a window.
    #[serde(skip_serializing_if = "is_plain")]
    pub charges: Vec<Boot>,
    /// Its restart budget was spent.
    #[serde(skip_serializing_if = "is_plain")]
    pub given_up: Option<Box<GivenUp>>,
    /// A person wants it down.
    #[serde(skip_serializing_if = "is_plain")]
    pub hold: Option<Hold>,
    /// A person wants it up: it may act although everything automatic is suspended.
    #[serde(skip_serializing_if = "is_plain")]
    pub ordered: bool,
    /// A person wants it restarted.
    #[serde(skip_serializing_if = "is_plain")]
    pub restart_ordered: Option<Force>,
    /// A person wants its files taken over.
    #[serde(skip_serializing_if = "is_plain")]
    pub reload_ordered: bool,
    /// The last value of `restartedAt` that was acted upon.
    #[serde(skip_serializing_if = "is_plain")]
    pub restarted_at: Option<Name>,
    /// What the configuration checker last said, and of what.
    #[serde(skip_serializing_if = "is_plain")]
    pub checked: Option<Box<Checked>>,
    /// Why the last reload failed: it runs the previous configuration.
    #[serde(skip_serializing_if = "is_plain")]
    pub reload_failed: Option<Name>,
    /// How it last ended, for people.
    #[serde(skip_serializing_if = "is_plain")]
    pub last_death: Option<Death>,
    /// Why its last start came to nothing, for people; none once it was ready or somebody made a new beginning.
    #[serde(skip_serializing_if = "is_plain")]
    pub start_failed: Option<Name>,
}

/// Whether a field is as in a new record: it is left out of the journal, of which a crash pays every byte before its
/// restart.
fn is_plain<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The record of all store clients: they share one entry of the restart budget ([R11], [R14]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientMarks {
    /// The automatic restarts of the store group that their failures caused, oldest first.
    pub charges: Vec<Boot>,
    /// When the budget was spent: their failures restart nothing any more.
    pub given_up: Option<Boot>,
    /// A failure that nothing has answered yet.
    pub failure: Option<ClientFailure>,
    /// Who is registered, so that the next life of the agent watches them again.
    pub registered: Vec<Registered>,
}

impl ClientMarks {
    /// What is left of it once every process of an earlier life is known to be gone: the budget.
    #[must_use]
    pub fn without_process(self) -> Self {
        Self { charges: self.charges, given_up: self.given_up, ..Self::default() }
    }
}

/// A store client that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientFailure {
    /// Its name.
    pub name: Name,
    /// The process that was.
    pub pid: i32,
}

/// A store client that is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Which process.
    pub identity: Identity,
    /// Its name.
    pub name: Name,
}

/// Every incarnation up to `upto` is to end, for this cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retire {
    /// The newest incarnation that is meant.
    pub upto: Incarnation,
    /// Why.
    pub cause: Cause,
}

/// Why an incarnation is to end and a new one to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Cause {
    /// It failed, and is restarted alone.
    Failed,
    /// It was not ready in time; its failure is answered apart from its end.
    NotReadyInTime,
    /// It hung until its budget was spent, lives still, and its group goes ([R11]); it does not start again.
    GaveUp,
    /// A member of its restart group failed ([R9]).
    GroupFailed,
    /// The declaration or the files of its group's lead changed ([R19]).
    GroupChanged,
    /// A person restarted its group's lead.
    GroupOrdered,
    /// Something it depends on was restarted after a failure, and it declares that it follows ([R10]).
    DependencyRestarted,
    /// A person restarted what it depends on ([R6]).
    DependencyOrdered,
    /// A person restarted it.
    Person,
    /// `restartedAt` changed.
    RestartedAt,
    /// Command, user, group, environment, directory or limits changed ([R19]).
    Declaration,
    /// A watched file changed and there is no reload ([R19]).
    Files,
}

impl Cause {
    /// Whether the whole restart group is meant: then no member starts while another is still to go.
    pub fn is_of_group(self) -> bool {
        match self {
            Self::GaveUp | Self::GroupFailed | Self::GroupChanged | Self::GroupOrdered => true,
            Self::Failed
            | Self::NotReadyInTime
            | Self::DependencyRestarted
            | Self::DependencyOrdered
            | Self::Person
            | Self::RestartedAt
            | Self::Declaration
            | Self::Files => false,
        }
    }
}

/// Whether a person waives the configuration check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Force {
    /// Check first.
    No,
    /// `--force`.
    Yes,
}

/// A rung of the stop ladder ([R3]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rung {
    /// The declared stop signal to the main process; to everything that is left once the main process is gone.
    Ask(Signal),
    /// KILL to everything in the service's cgroup or process group.
    Kill,
}

/// A rung of the ladder, noted before the signal is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopMark {
    /// The incarnation that is being stopped.
    pub incarnation: Incarnation,
    /// The rung.
    pub rung: Rung,
    /// When it was first taken.
    pub at: Boot,
    /// Whether it went to what the main process left behind, and not to the main process.
    #[serde(default)]
    pub to_rest: bool,
    /// By which life of the agent: a mark of an earlier life may have been noted and never sent.
    pub life: Life,
}

/// A failure that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When it was seen.
    pub at: Boot,
    /// The incarnation that failed.
    pub incarnation: Incarnation,
    /// How.
    pub how: Failed,
    /// Whether that incarnation had been ready: only then does it concern its group ([R9]).
    pub was_ready: bool,
    /// The declaration it failed with; a changed one is a new chance ([R11], [R12]).
    pub declaration: Fingerprint,
    /// The watched files it failed with.
    pub files: Option<Fingerprint>,
}

/// How a service failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failed {
    /// Its main process ended and nobody had ordered that ([R7]).
    Exited(Exit),
    /// It was not ready in time.
    NotReady,
    /// It could not be started at all, in words.
    NotSpawned(Name),
    /// It lives and hangs, or another service does whose hang it is to answer for ([R8]).
    Hung {
        /// Which service was seen to hang.
        service: Name,
        /// What was seen.
        words: Name,
    },
}

impl Failed {
    /// Of a service that was not ready yet, in words for people; none where it lives.
    pub fn of_a_start(&self) -> Option<Name> {
        match self {
            Self::Exited(exit) => Some(format!("it ended before it was ready ({exit})").into()),
            Self::NotReady => Some("it was not ready in time".into()),
            Self::NotSpawned(error) => Some(format!("it could not be started: {error}").into()),
            Self::Hung { .. } => None,
        }
    }

    /// Whether it is a failure of what may well live: an answer takes it back.
    pub fn is_hang(&self) -> bool {
        match self {
            Self::Hung { .. } => true,
            Self::Exited(_) | Self::NotReady | Self::NotSpawned(_) => false,
        }
    }
}

/// The restart budget was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// When, for the retry.
    pub at: Boot,
    /// When, for people.
    pub wall: Wall,
    /// With which declaration; another one ends the give-up.
    pub declaration: Fingerprint,
    /// With which watched files; others end the give-up.
    pub files: Option<Fingerprint>,
}

/// A person wants the service down ([R6]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Hold {
    /// By `stop`: until a start or a reboot.
    Stopped,
    /// By `hold`: until `release` or a start, across reboots.
    Held,
}

/// What the checker said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Of which declaration and files.
    pub print: Fingerprint,
    /// Its complaint, if it had one.
    pub complaint: Option<Name>,
}

/// How an incarnation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Which.
    pub incarnation: Incarnation,
    /// When, for people.
    pub wall: Wall,
    /// How.
    pub exit: Exit,
}

impl Marks {
    /// Whether the record says that an incarnation lives that nobody saw end.
    pub fn thought_alive(&self) -> bool {
        self.used > self.ended
    }

    /// Whether this incarnation is to end because of a mark on it.
    pub fn retires(&self, incarnation: Incarnation) -> bool {
        self.retire.is_some_and(|retire| incarnation <= retire.upto)
            || self.stop.is_some_and(|stop| stop.incarnation == incarnation)
    }

    /// Automatic restarts that count at `now`: a failure exactly `window` after a charge is still inside ([R11]).
    pub fn charged_within(&self, window: Duration, now: Boot) -> usize {
        self.charges.iter().filter(|charge| now.since(**charge) <= window).count()
    }

    /// The next moment at which fewer automatic restarts count than at `now`.
    pub fn next_to_leave(&self, window: Duration, now: Boot) -> Option<Boot> {
        let inside = self.charges.iter().filter(|charge| now.since(**charge) <= window);
        inside.min().map(|charge| charge.plus(window).plus(Duration::from_millis(1)))
    }

    /// What is left of it once every process of an earlier life is known to be gone without anybody's failure: the
    /// container was restarted and the pod is the same. What persons and the budget decided stays ([R6], [R11]).
    #[must_use]
    pub fn without_process(self) -> Self {
        let Self { used, charges, given_up, hold, ordered, restarted_at, checked, last_death, .. } = self;
        Self {
            used,
            ended: used,
            charges,
            given_up,
            hold,
            ordered,
            restarted_at,
            checked,
            last_death,
            ..Self::default()
        }
    }

    /// A hang that nothing has answered: the service may be as it was.
    pub fn hung(&self) -> Option<&Failure> {
        self.failure.as_deref().filter(|failure| failure.how.is_hang())
    }

    /// What a person's start or restart, a changed declaration and a removal have in common: the past is over.
    pub fn forgive(&mut self) {
        self.failure = None;
        self.given_up = None;
        self.stumbled = false;
        self.start_failed = None;
    }
}
