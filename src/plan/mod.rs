//! The only place that decides: `plan(&Desired, &Observed, &History, Now)`.
//!
//! Synchronous, infallible, deterministic. Every service gets one verdict: a reason, at most one act (a note to be
//! remembered, or a step to be taken), and the moment at which it must be asked again. The engine calls it; `plan`,
//! `simulate` and `why` print what it says.

mod board;
mod clients;
mod note;
mod reason;
mod standing;
mod step;
mod task;
mod verdict;

pub use crate::history::Rung;
pub use board::Board;
pub use note::{ClientsPart, GroupRestart, Note};
pub(crate) use reason::left_hanging;
pub use reason::{Down, Outlook, Reason};
pub use standing::LIST_PATIENCE;
pub use step::{ClientEvent, ClientSeen, Event, Found, Seen, Step};
pub use task::{TaskAct, TaskReason, TaskScene, TaskVerdict, task_verdict};
pub use verdict::{KILL_PATIENCE, LOOK_AGAIN};

use crate::desired::{Desired, Ix, Service};
use crate::history::{History, Marks};
use crate::model::{Boot, Now};
use crate::observed::{Facts, Observed};

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What is wanted.
    pub desired: &'a Desired,
    /// What is.
    pub observed: &'a Observed,
    /// What was.
    pub history: &'a History,
    /// When.
    pub now: Boot,
}

impl<'a> Scene<'a> {
    fn of(&self, ix: Ix) -> (&'a Service, &'a Marks, &'a Facts) {
        (&self.desired.services[ix.at()], &self.history.services[ix.at()], &self.observed.services[ix.at()])
    }
}

/// What is decided about one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why.
    pub reason: Reason,
    /// What is to be done; nothing while it waits or is settled.
    pub act: Option<Act>,
    /// When it must be asked again if nothing happens before.
    pub until: Option<Boot>,
}

/// The one thing to be done next about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Remember a decision, then plan anew.
    Note(Note),
    /// Do something to the world.
    Step(Step),
}

impl Verdict {
    fn wait(reason: Reason) -> Self {
        Self { reason, act: None, until: None }
    }

    fn step(reason: Reason, step: Step) -> Self {
        Self { reason, act: Some(Act::Step(step)), until: None }
    }

    fn note(reason: Reason, note: Note) -> Self {
        Self { reason, act: Some(Act::Note(note)), until: None }
    }

    /// Asked again no later than at `at`; the earlier of two moments holds.
    fn until(mut self, at: Boot) -> Self {
        self.until = Some(self.until.map_or(at, |other| other.min(at)));
        self
    }
}

/// A plan of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// One a service, in the order of the document.
    pub verdicts: Vec<Verdict>,
    /// The next moment at which a plan may differ although nothing happened.
    pub wake: Option<Boot>,
    /// Everything that was to stop has stopped and the agent may end.
    pub finished: bool,
}

/// Plans everything from nothing but its arguments.
pub fn plan(desired: &Desired, observed: &Observed, history: &History, now: Now) -> Planned {
    let scene = Scene { desired, observed, history, now: now.boot };
    let mut board = Board::new(desired);
    board.plan(&scene);
    Planned { wake: board.wake(), finished: board.is_finished(&scene), verdicts: board.into_verdicts() }
}
