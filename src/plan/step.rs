//! What the planner may ask of the world, and what the world may say back.

use std::time::Duration;

use crate::history::Rung;
use crate::model::{Boot, Exit, Fingerprint, Identity, Incarnation, Name, Round, Strain};

/// One thing to do to one service. The executor makes one attempt and reports what it saw as an [`Event`] of a later
/// turn; it never decides and never retries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// See what is there: our own process (in its cgroup, or by pid, start time and boot id), nothing, or a stranger
    /// on its port or in its pid file ([R5]). Answered by [`Event::Found`].
    Look,
    /// Start this incarnation. Answered by [`Event::Spawned`] or [`Event::SpawnFailed`].
    Spawn {
        /// Never used before.
        incarnation: Incarnation,
        /// When it counts as failed if it is not ready by then.
        ready_by: Boot,
    },
    /// Signal this incarnation. Answered, in time, by [`Event::Exited`] and [`Event::Emptied`].
    Signal {
        /// The life that is meant; a later one is left alone.
        incarnation: Incarnation,
        /// To the main process alone, or to everything left.
        rung: Rung,
    },
    /// Take over changed files. Answered by [`Event::Reloaded`].
    Reload {
        /// The life that is meant.
        incarnation: Incarnation,
        /// The content that is taken over.
        files: Fingerprint,
    },
    /// Run the product's own configuration checker. Answered by [`Event::Checked`].
    Check {
        /// Of what is checked: declaration and watched files.
        print: Fingerprint,
    },
}

/// What the world said about one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which service.
    pub service: Name,
    /// What happened.
    pub what: Seen,
}

/// What can be seen of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A look ended.
    Found(Found),
    /// The process of this incarnation exists.
    Spawned {
        /// The incarnation.
        incarnation: Incarnation,
        /// What proves that it is this process and no other.
        identity: Identity,
    },
    /// It could not be started at all; nothing of it exists.
    SpawnFailed {
        /// The incarnation.
        incarnation: Incarnation,
        /// Why, in words: the program, the system's message, what to do.
        error: Name,
    },
    /// The main process of a daemonising service is now this one (its pid file says so).
    MainIs {
        /// The incarnation.
        incarnation: Incarnation,
        /// The process.
        identity: Identity,
    },
    /// It said, or a probe saw, that it is ready.
    Ready {
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// It lives and recovers (a store's second pid-file line `init`, or an `sd_notify` STATUS that begins so): it is
    /// reported, never timed out ([R1]).
    Recovering {
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// A round of probes asked it, and it was ready when that began ([R8]).
    Probed {
        /// The incarnation.
        incarnation: Incarnation,
        /// What came back.
        round: Round,
    },
    /// It had promised signs of life (`WATCHDOG_USEC`) and gave none, or said itself that it hangs.
    WatchdogMissed {
        /// The incarnation.
        incarnation: Incarnation,
        /// What was seen, in words.
        words: Name,
        /// What burdened host, service and agent meanwhile.
        strain: Strain,
    },
    /// It said that it is stressed (an `sd_notify` STATUS that begins so, or `EXTEND_TIMEOUT_USEC`).
    Stressed {
        /// The incarnation.
        incarnation: Incarnation,
        /// How long it wants to be believed.
        span: Duration,
    },
    /// Its main process ended; others of it may be left.
    Exited {
        /// The incarnation.
        incarnation: Incarnation,
        /// How.
        exit: Exit,
    },
    /// Its cgroup or process group is empty.
    Emptied {
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// Its files were taken over, or not.
    Reloaded {
        /// The incarnation.
        incarnation: Incarnation,
        /// The content.
        files: Fingerprint,
        /// What the reload said when it failed.
        outcome: Result<(), Name>,
    },
    /// Its configuration was checked.
    Checked {
        /// Of what.
        print: Fingerprint,
        /// What the checker said when it failed.
        outcome: Result<(), Name>,
    },
    /// Its watched files now have this content.
    Files(Fingerprint),
}

/// What the world said about one store client ([R14]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEvent {
    /// Which process.
    pub client: Identity,
    /// What happened.
    pub what: ClientSeen,
}

/// What can be seen of a store client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSeen {
    /// It registered, or said once more who it is.
    Registered {
        /// What it calls itself.
        name: Name,
        /// How often it will say that it lives.
        heartbeat: Option<Duration>,
    },
    /// It lives.
    Alive,
    /// It lives and is under stress: it may be late with the next word.
    Stressed,
    /// It says goodbye: its end concerns nobody.
    Goodbye,
    /// Its connection ended and its process lives.
    Disconnected,
    /// Its process ended.
    Gone(Exit),
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing of it, and nobody in its place.
    Nothing,
    /// Our own process of this incarnation, proven by its identity or its cgroup.
    Ours {
        /// Which life it is.
        incarnation: Incarnation,
        /// The process.
        identity: Identity,
    },
    /// The main process is gone and others of this incarnation are left.
    Remains {
        /// Which life they are of.
        incarnation: Incarnation,
    },
    /// A process that is not ours is in its place; it is named and never signalled.
    Foreign {
        /// Who, where: `nginx (pid 4711) listens on 127.0.0.1:143`.
        who: Name,
    },
}
