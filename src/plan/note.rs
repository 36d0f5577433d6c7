//! What the planner wants remembered before anything is done: decisions that a killed agent must find again.

use crate::desired::Ix;
use crate::history::Cause;

/// A decision to be written into the marks. The engine applies notes one by one and plans anew after each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Restart this one alone, one charge; `followers` restart with it, uncharged ([R10]).
    Charge {
        /// The service that failed.
        service: Ix,
        /// Dependents that declare that they follow.
        followers: Vec<Ix>,
    },
    /// Restart a group ([R9]): every failed member is charged, or gives up; the others are collateral.
    GroupRestart(GroupRestart),
    /// Its restart budget is spent ([R11]).
    GiveUp {
        /// The service.
        service: Ix,
    },
    /// It was not ready in time: that is a failure, and its process is to go.
    NotReadyInTime {
        /// The service.
        service: Ix,
    },
    /// It lives and hangs: what that leads to is to be done ([R8]).
    Hang {
        /// The service that was seen to hang.
        service: Ix,
    },
    /// What it failed with has changed, or a person's order in the document says so: the past is over.
    Forgive {
        /// The service.
        service: Ix,
    },
    /// Try again after a give-up, one charge.
    Retry {
        /// The service.
        service: Ix,
    },
    /// These restart, each for its cause; the first is the one that was meant.
    Retire {
        /// Whom, and why.
        services: Vec<(Ix, Cause)>,
    },
    /// The checker refused what a person ordered: the order is over.
    RefuseOrder {
        /// The service.
        service: Ix,
    },
    /// A stop with force was taken back before its turn came: the next one asks first ([R3]).
    DropForce {
        /// The service.
        service: Ix,
    },
    /// The restart budget of the store clients is spent: what happens to them restarts nothing any more ([R11]).
    ClientsGiveUp,
    /// It gave up, and a cluster manager is in charge: everything stops and the agent ends ([R23]).
    HandOver {
        /// The service.
        service: Ix,
    },
    /// KILL did not empty it: said once.
    StopFailed {
        /// The service.
        service: Ix,
    },
}

/// The part of the store clients in a restart of their group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientsPart {
    /// None.
    #[default]
    None,
    /// One failed, and is charged to their entry.
    Charged,
    /// One failed and their budget is spent.
    GivesUp,
}

/// One restart of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRestart {
    /// Members that failed and are charged.
    pub charged: Vec<Ix>,
    /// Members that failed and whose budget is spent.
    pub given_up: Vec<Ix>,
    /// Whether a store client failed, and what that comes to.
    pub clients: ClientsPart,
    /// Every member that restarts, in list order; the charged ones are among them.
    pub members: Vec<Ix>,
    /// Dependents outside the group that declare that they follow.
    pub followers: Vec<Ix>,
}
