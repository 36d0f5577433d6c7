//! What is known of the world right now: one [`Facts`] a service, filled by events, read by the planner.
//!
//! Forgotten when the agent ends; a new agent begins with everything unknown and looks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Boot, Diagnosis, Doubt, Fact, Fingerprint, Identity, Incarnation, Name};

/// The facts of every service, by the index of the present [`crate::desired::Desired`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// One entry a service, in the same order as the services of the document.
    pub services: Vec<Facts>,
    /// The registered store clients ([R14]), by what proves who they are; at most [`CLIENTS`].
    pub clients: BTreeMap<Identity, Client>,
}

/// Most store clients that are registered at a time.
pub const CLIENTS: usize = 512;

/// A registered store client: a process that is not ours and may hold locks of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it calls itself.
    pub name: Name,
    /// How often it says that it lives, where it said that it would.
    pub heartbeat: Option<Duration>,
    /// Whether it can still say something.
    pub line: Line,
    /// When its next sign of life is missed; none while nobody waits for one.
    pub due: Option<Boot>,
    /// Signs of life missed in a row.
    pub missed: u8,
    /// It was killed because it froze.
    pub froze: bool,
}

/// The connection of a store client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It holds it.
    Held,
    /// It lost it and lives.
    Lost,
    /// It was registered with an earlier life of the agent, with which its connection ended.
    OfEarlierLife,
}

/// What is known of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its process.
    pub process: Fact<Process>,
    /// When somebody last looked; a stranger in its place is looked for again some time after.
    pub looked_at: Boot,
    /// A look or a spawn that was asked for and not yet answered.
    pub busy: Option<Busy>,
    /// A check or a reload that was asked for and not yet answered; it blocks neither a crash nor a restart.
    pub errand: Option<Errand>,
    /// The content of its watched files, once they were read.
    pub files: Option<Fingerprint>,
    /// What its probes have said of the present incarnation; nothing before they said anything.
    pub probed: Option<Box<Probed>>,
}

impl Facts {
    /// Nobody has looked.
    pub const UNKNOWN: Self = Self {
        process: Fact::Unknown(Doubt::NotLookedYet),
        looked_at: Boot(0),
        busy: None,
        errand: None,
        files: None,
        probed: None,
    };
    /// A service that is not wanted and of which no record says that it ever ran.
    pub const NOTHING: Self = Self { process: Fact::Known(Process::Absent), ..Self::UNKNOWN };
}

/// What probes have said of one incarnation since it was ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probed {
    /// What the last round said.
    pub diagnosis: Option<Diagnosis>,
    /// Rounds that failed in a row; one that says nothing neither counts nor ends the row.
    pub failed: u32,
    /// Failed rounds that pressure or a late prober excused since it last answered.
    pub strained: u32,
    /// It has answered at least once.
    pub answered: bool,
    /// It hangs, until it answers.
    pub hang: Option<Hang>,
    /// It said that it is stressed, and is believed until then.
    pub stressed_until: Option<Boot>,
}

/// A hang of a living service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hang {
    /// What was seen.
    pub words: Name,
    /// Whether its consequences have been decided.
    pub noted: bool,
}

/// The process of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// It ended *and* nothing of it is left.
    Absent,
    /// Its main process lives.
    Alive(Alive),
    /// Its main process is gone and others of it are left.
    Remains {
        /// The life they are of.
        incarnation: Incarnation,
    },
    /// Somebody else is in its place: named, never signalled, and nothing is started beside it ([R5]).
    Foreign {
        /// Who and where, in words.
        who: Name,
    },
}

/// A living main process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Which life it is.
    pub incarnation: Incarnation,
    /// Which process it is; none while a spawn has not been answered.
    pub identity: Option<Identity>,
    /// It says that it recovers; reported, never timed out ([R1]).
    pub recovering: bool,
}

/// A step in flight that decides about the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// A look.
    Looking,
    /// A spawn.
    Spawning(Incarnation),
}

/// A step in flight beside the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// The configuration checker.
    Checking(Fingerprint),
    /// A reload.
    Reloading(Incarnation, Fingerprint),
}

impl Facts {
    /// The living main process.
    pub fn alive(&self) -> Option<&Alive> {
        match &self.process {
            Fact::Known(Process::Alive(alive)) => Some(alive),
            Fact::Known(Process::Absent | Process::Remains { .. } | Process::Foreign { .. }) | Fact::Unknown(_) => None,
        }
    }

    /// The hang of a living service.
    pub fn hang(&self) -> Option<&Hang> {
        self.probed.as_ref().and_then(|probed| probed.hang.as_ref())
    }

    /// The incarnation of which anything at all exists.
    pub fn present(&self) -> Option<Incarnation> {
        match &self.process {
            Fact::Known(Process::Alive(alive)) => Some(alive.incarnation),
            Fact::Known(Process::Remains { incarnation }) => Some(*incarnation),
            Fact::Known(Process::Absent | Process::Foreign { .. }) | Fact::Unknown(_) => None,
        }
    }
}
