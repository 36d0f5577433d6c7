//! What the document asks for, resolved: profile applied, names turned into indices, dependencies checked.
//!
//! Built by `document` from what a person wrote; read by the planner, which sees only what decides, and by the other
//! half of the agent, which finds here how a service is launched, probed and reloaded. Holds no history and no fact.

mod canary;
mod gauge;
mod graph;
mod launch;
mod probe;
mod probing;
mod task;

pub use canary::Canary;
pub use gauge::{Gauge, Gauges, Measured, QueueKind, Reserve};
pub use graph::{Cycle, GraphError, topological};
pub use launch::{Launch, Limits, Listener, Output, Protocol, Readiness, Reload, Signal, Tls};
pub use probe::{Login, Probe};
pub use probing::{External, OnHang, Probing};
pub use task::{DayRule, Does, Task, Timing};

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Fingerprint, Name};

/// Index of a service in [`Desired::services`]. Valid for one `Desired` only; across documents services go by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ix(pub u32);

impl Ix {
    /// As an index into a slice.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// Index of a restart group in [`Desired::groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupIx(pub u32);

impl GroupIx {
    /// As an index into a slice.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// The state that is wanted, ready to be planned from.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// `metadata.name`.
    pub name: Name,
    /// Counts accepted documents of this agent; on Kubernetes `metadata.generation`.
    pub generation: i64,
    /// One by one in list order, or everything that is independent at once ([R1]).
    pub start_order: StartOrder,
    /// The restart policy ([R11], [R12]).
    pub autorestart: Autorestart,
    /// Whether somebody watches: crashes count and are acted upon only then ([R31]).
    pub watched: bool,
    /// No automatic start, stop, restart or reload; people and tasks go on ([R30]).
    pub suspended: bool,
    /// Every service of the document and every removed one that still runs, in list order.
    pub services: Vec<Service>,
    /// The restart groups, by order of first mention.
    pub groups: Vec<Group>,
    /// What is not ours and is probed because services need it.
    pub externals: Vec<External>,
    /// What is measured beside the services.
    pub gauges: Gauges,
    /// Every service after what it depends on and after the lead of its group.
    pub topological: Vec<Ix>,
    /// Commands run by the clock, in list order ([R16]).
    pub tasks: Vec<Task>,
}

/// How starts are ordered beyond dependencies ([R1]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StartOrder {
    /// One by one in list order; stops in the reverse.
    Listed,
    /// What is independent at once.
    Parallel,
}

/// The restart policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Autorestart {
    /// Off: failures are reported and nothing restarts ([R12]).
    pub enabled: bool,
    /// The sliding window; a failure exactly this long after another is inside.
    pub window: Duration,
    /// Automatic restarts of one service that a window may hold.
    pub max_restarts: u32,
    /// What follows one failure more.
    pub on_give_up: OnGiveUp,
}

/// What happens when the restart budget is spent ([R11], [R23]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGiveUp {
    /// The service stays down until a person or its declaration says otherwise.
    Stay,
    /// It is tried again after this long, never sooner than the window.
    RetryAfter(Duration),
    /// Everything is stopped in order and the agent exits, so that a cluster manager takes over.
    Failover,
}

/// One service as the planner and the executor see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// Whether it is wanted, and if not, why not.
    pub wanted: Wanted,
    /// Must be ready before this one starts.
    pub depends_on: Vec<Ix>,
    /// Those that name this one in `depends_on`.
    pub dependents: Vec<Ix>,
    /// Its restart group.
    pub group: Option<GroupIx>,
    /// Restarted too when something it depends on is restarted after a failure ([R10]).
    pub restarts_with_dependency: bool,
    /// A hold written in the document; it ends only there ([R6]).
    pub held: bool,
    /// The moment written in `restartedAt`; each new value restarts once.
    pub restarted_at: Option<Name>,
    /// From spawn to ready.
    pub start_timeout: Duration,
    /// From the stop signal to KILL.
    pub stop_timeout: Duration,
    /// Whether its configuration is checked before anything of it is stopped ([R19]).
    pub has_check: bool,
    /// Whether changed files are reloaded; otherwise they restart it.
    pub has_reload: bool,
    /// Of command, user, group, environment, directory and limits: a change restarts.
    pub launch_print: Fingerprint,
    /// Of the whole declaration: a change ends a give-up.
    pub declaration: Fingerprint,
    /// Never triggers a failover when false ([R23]).
    pub required: bool,
    /// How it is probed once it is ready, and what a hang of it leads to ([R8]).
    pub probing: Probing,
    /// How it is started, probed, reloaded and stopped; the planner does not look inside.
    pub launch: Arc<Launch>,
}

impl Service {
    /// A service that only the ledger knows: it left the document and is stopped by its recorded declaration ([R19]).
    pub fn leftover(name: Name, launch: Arc<Launch>, stop_timeout_ms: u64) -> Self {
        Self {
            name,
            wanted: Wanted::Removed,
            depends_on: Vec::new(),
            dependents: Vec::new(),
            group: None,
            restarts_with_dependency: false,
            held: false,
            restarted_at: None,
            start_timeout: Duration::ZERO,
            stop_timeout: Duration::from_millis(stop_timeout_ms),
            has_check: false,
            has_reload: false,
            launch_print: Fingerprint::default(),
            declaration: Fingerprint::default(),
            required: false,
            probing: Probing::NONE,
            launch,
        }
    }
}

/// Whether a service is wanted up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Enabled.
    Yes,
    /// `enabled: false`, or disabled by its profile.
    Disabled,
    /// Something it depends on is disabled; the first such name ([R1]).
    DependencyDisabled(Name),
    /// No longer in the document; it is stopped by its recorded declaration ([R19]).
    Removed,
}

/// Services that share locks and therefore restart together ([R9]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `store` in every profile.
    pub name: Name,
    /// The one whose failure begins a restart again and whose give-up stops the group.
    pub lead: Option<Ix>,
    /// Every member in list order, the lead included.
    pub members: Vec<Ix>,
}

impl Desired {
    /// The service at an index of this value.
    pub fn service(&self, ix: Ix) -> &Service {
        &self.services[ix.at()]
    }

    /// Finds a service by name.
    pub fn find(&self, name: &str) -> Option<Ix> {
        self.services.iter().position(|s| &*s.name == name).and_then(|at| u32::try_from(at).ok()).map(Ix)
    }

    /// Every index in list order.
    pub fn indices(&self) -> impl DoubleEndedIterator<Item = Ix> + use<> {
        (0..u32::try_from(self.services.len()).unwrap_or(u32::MAX)).map(Ix)
    }
}
