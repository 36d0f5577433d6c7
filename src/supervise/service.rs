//! What the host knows of one service.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::capture::Capture;
use super::cgroup::Kept;
use super::notify::Mailbox;
use crate::desired::Launch;
use crate::model::{Boot, Identity, Incarnation, Name};
use crate::plan::Rung;

/// A main process that lives, as far as is known.
#[derive(Debug)]
pub(super) struct Main {
    /// What proves that it is this one.
    pub(super) identity: Identity,
    /// Readable once it has ended; signals go through it and so reach no other process.
    pub(super) pidfd: OwnedFd,
    /// Of a daemonising service: it is only the starter, and its exit with 0 is no crash ([R7]).
    pub(super) starter: bool,
}

/// A process that is left of a life whose main process is gone.
#[derive(Debug)]
pub(super) struct Left {
    /// What proves that it is this one.
    pub(super) identity: Identity,
    /// Readable once it has ended.
    pub(super) pidfd: OwnedFd,
}

/// Where a service is.
#[derive(Debug)]
pub(super) enum Run {
    /// Nobody has looked.
    Unknown,
    /// Nothing of it lives.
    Absent,
    /// A child is being made; what was asked of it meanwhile is done then.
    Spawning {
        /// Asked meanwhile.
        then: Option<Rung>,
    },
    /// It has a main process.
    Alive(Main),
    /// Its starter has ended well and its pid file does not name the main process yet.
    Detached,
    /// Its main process is gone and others are left.
    Remains,
}

/// A watch on a pid file.
#[derive(Debug)]
pub(super) struct Watch {
    /// Until then.
    pub(super) until: Boot,
    /// Time to the next look; grows.
    pub(super) wait: Duration,
}

/// What a service said of itself over `sd_notify(3)`, beyond being ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The last `STATUS`.
    pub status: Option<String>,
    /// The last `WATCHDOG=1`, or since when one is waited for.
    pub watchdog: Option<Boot>,
    /// It said `WATCHDOG=trigger`: it knows that it hangs.
    pub hangs: bool,
    /// It said `RELOADING=1` and not `READY=1` since.
    pub reloading: bool,
    /// It said `STOPPING=1`.
    pub stopping: bool,
    /// Until when it asks for patience (`EXTEND_TIMEOUT_USEC`).
    pub patience: Option<Boot>,
}

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    /// Its name.
    pub(super) name: Name,
    /// The newest declaration that was handed over.
    pub(super) launch: Arc<Launch>,
    /// The life that `run` is about.
    pub(super) life: Incarnation,
    /// Where it is.
    pub(super) run: Run,
    /// Whether this life is in the service's cgroup; otherwise it is followed by session and marker.
    pub(super) in_cgroup: bool,
    /// Whether an earlier agent started it: it is then not our child and its orphans do not come to us.
    pub(super) adopted: bool,
    /// Its session, which is the pid of the first process; zero when unknown.
    pub(super) session: i32,
    /// The earliest start time that a process of this life can have.
    pub(super) since: u64,
    /// Whether `Ready` was reported for this life.
    pub(super) ready: bool,
    /// Whether a sign of life is waited for.
    pub(super) guarded: bool,
    /// Whether `Recovering` was reported for this life.
    pub(super) recovering: bool,
    /// How often its readiness command has failed in this life.
    pub(super) asked: u8,
    /// The watch on its pid file.
    pub(super) watch: Option<Box<Watch>>,
    /// Whether this life was signalled to end.
    pub(super) asked_to_end: bool,
    /// Whether KILL was sent to everything of this life; it is then sent to whatever else of it appears.
    pub(super) killed: bool,
    /// Processes left, each watched; empty in a cgroup, which is watched as a whole.
    pub(super) left: Vec<Left>,
    /// Watch descriptor of its cgroup, while something is left in it.
    pub(super) cgroup_watch: Option<i32>,
    /// What stays open of it.
    pub(super) cgroup: Kept,
    /// Its output.
    pub(super) capture: Option<Capture>,
    /// Its notify socket.
    pub(super) mailbox: Option<Box<Mailbox>>,
    /// What it said.
    pub(super) said: Option<Box<Said>>,
}

impl Service {
    /// Nothing known.
    pub(super) fn new(name: Name, launch: Arc<Launch>) -> Self {
        Self {
            name,
            launch,
            life: Incarnation::default(),
            run: Run::Unknown,
            in_cgroup: false,
            adopted: false,
            session: 0,
            since: 0,
            ready: false,
            guarded: false,
            recovering: false,
            asked: 0,
            watch: None,
            asked_to_end: false,
            killed: false,
            left: Vec::new(),
            cgroup_watch: None,
            cgroup: Kept::default(),
            capture: None,
            mailbox: None,
            said: None,
        }
    }

    /// Begins a life: nothing said or seen of an earlier one stands.
    pub(super) fn begin(&mut self, life: Incarnation) {
        self.life = life;
        self.in_cgroup = false;
        self.adopted = false;
        self.session = 0;
        self.since = 0;
        self.ready = false;
        self.guarded = false;
        self.recovering = false;
        self.asked = 0;
        self.asked_to_end = false;
        self.killed = false;
        self.watch = None;
        self.said = None;
    }

    /// The main process, where there is one.
    pub(super) fn main(&self) -> Option<&Main> {
        match &self.run {
            Run::Alive(main) => Some(main),
            Run::Unknown | Run::Absent | Run::Spawning { .. } | Run::Detached | Run::Remains => None,
        }
    }
}
