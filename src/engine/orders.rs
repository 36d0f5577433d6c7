//! What a person orders ([R4], [R6]): marks are written at once, the planner does the rest.

use std::time::Duration;

use super::{Engine, Happened, Verb};
use crate::desired::{Ix, Wanted};
use crate::history::{Force, Hold};
use crate::model::{Doubt, Fact, Name, Now};
use crate::observed::Process;
use crate::policy::{grace, reach};

/// An order to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub verb: Verb,
    /// To whom.
    pub whom: Whom,
    /// KILL at once for a stop; no configuration check for a restart.
    pub force: bool,
}

/// Whom an order concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// No name was given.
    All,
    /// These.
    These(Vec<Name>),
}

/// What became of an order, a line a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The name that was ordered.
    pub service: Name,
    /// What became of it; the marks of an accepted order are written, whatever it then waits for.
    pub outcome: Result<Accepted, Refusal>,
}

/// An order that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is being done.
    Doing,
    /// It was so already.
    AlreadySo,
}

/// Why an order is not done, or not now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such service; sysexits 64.
    #[error("there is no service named {0}")]
    Unknown(Name),
    /// Not enabled, and nothing of it runs; sysexits 78.
    #[error("{0} is disabled; enable it in the document first")]
    Disabled(Name),
    /// What it depends on is held or down; the order stands and is done when that comes back; sysexits 69.
    #[error("{service} waits for {on}, which {why}; start {on} first")]
    Waits {
        /// The service.
        service: Name,
        /// What it waits for.
        on: Name,
        /// `is held` or `is down`.
        why: &'static str,
    },
    /// The document holds it, and only the document can end that; sysexits 69.
    #[error("{0} is held by the document; only the document ends that")]
    HeldByDocument(Name),
    /// It declares no reload; sysexits 69.
    #[error("{0} declares no reload; restart it instead")]
    NoReload(Name),
    /// It does not run; sysexits 69.
    #[error("{0} is not running")]
    NotRunning(Name),
}

impl Refusal {
    /// The exit code a command ends with ([R4], sysexits.h).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown(_) => 64,
            Self::Disabled(_) => 78,
            Self::Waits { .. } | Self::HeldByDocument(_) | Self::NoReload(_) | Self::NotRunning(_) => 69,
        }
    }
}

impl Engine {
    /// Writes an order into the marks and answers for each service it names.
    pub fn order(&mut self, now: Now, order: &Order) -> Vec<Answer> {
        match &order.whom {
            Whom::All => {
                if order.verb == Verb::Start {
                    self.end_other_manual_stops();
                }
                let all: Vec<Ix> = self.desired.indices().filter(|ix| self.is_meant_by_all(*ix, order.verb)).collect();
                all.into_iter()
                    .map(|ix| Answer {
                        service: self.desired.service(ix).name.clone(),
                        outcome: self.order_one(now, ix, order, false),
                    })
                    .collect()
            }
            Whom::These(names) => names
                .iter()
                .map(|name| Answer {
                    service: name.clone(),
                    outcome: match self.find(name) {
                        Some(ix) => self.order_one(now, ix, order, true),
                        None => Err(Refusal::Unknown(name.clone())),
                    },
                })
                .collect(),
        }
    }

    /// Everything ends: stops in order, holds nothing ([R31]).
    pub fn end(&mut self, now: Now) {
        if !self.history.ending {
            self.history.ending = true;
            self.board.touch_all();
            self.tell_all(now, Happened::Ending);
        }
    }

    /// Everything is to be stopped, and the process is killed after `grace`: the stop ladder is fitted into that
    /// ([R29]). Whether it had to be shortened.
    pub fn end_within(&mut self, now: Now, grace: Duration) -> bool {
        let shortened = grace::fit(&mut self.desired, grace);
        self.board.touch_all();
        self.end(now);
        shortened
    }

    /// `start-msg NAMES` with no agent running: everything else that does not run is held. Whether something runs is
    /// known once it was looked at, so the holds are set then.
    pub fn hold_what_does_not_run_but(&mut self, names: &[Name]) {
        let wanted = self.desired.services.iter().filter(|service| service.wanted == Wanted::Yes);
        let others = wanted.map(|service| service.name.clone()).filter(|name| !names.contains(name));
        self.held_if_absent = others.collect();
    }

    /// Whether a service is meant when no name is given: enabled ones, for a stop also what still runs, and never one
    /// that a person keeps down by `hold` or, but for a start, by `stop` ([R6]).
    fn is_meant_by_all(&self, ix: Ix, verb: Verb) -> bool {
        let (service, marks) = (self.desired.service(ix), &self.history.services[ix.at()]);
        let wanted = service.wanted == Wanted::Yes;
        match verb {
            Verb::Start => wanted && !service.held && marks.hold != Some(Hold::Held),
            Verb::Stop => wanted || self.is_there(ix),
            Verb::Restart => wanted && !service.held && marks.hold.is_none(),
            Verb::Reload => wanted && service.has_reload && self.board.is_ready(ix),
            Verb::Hold => wanted,
            Verb::Release => marks.hold.is_some(),
            Verb::Reset => true,
        }
    }

    /// A start without names ends every manual stop ([R6]), also of what it cannot start: what is disabled, or held by the
    /// document, is then down for that reason alone.
    fn end_other_manual_stops(&mut self) {
        let stopped = self.desired.indices().filter(|ix| {
            self.history.services[ix.at()].hold == Some(Hold::Stopped) && !self.is_meant_by_all(*ix, Verb::Start)
        });
        for ix in stopped.collect::<Vec<_>>() {
            self.marks(ix).hold = None;
        }
    }

    fn is_there(&self, ix: Ix) -> bool {
        self.observed.services[ix.at()].present().is_some() || self.history.services[ix.at()].thought_alive()
    }

    fn order_one(&mut self, now: Now, ix: Ix, order: &Order, named: bool) -> Result<Accepted, Refusal> {
        let service = self.desired.service(ix);
        let name = service.name.clone();
        if service.wanted != Wanted::Yes && !(order.verb == Verb::Stop && self.is_there(ix)) && named {
            return Err(Refusal::Disabled(name));
        }
        if named {
            self.tell(now, ix, Happened::Ordered { verb: order.verb });
        }
        if matches!(order.verb, Verb::Start | Verb::Restart | Verb::Reset) && self.speaks_for_clients(ix) {
            self.forgive_clients();
            if order.verb == Verb::Reset {
                self.write_clients(|clients| clients.charges.clear());
            }
        }
        match order.verb {
            Verb::Start => self.order_start(ix, name),
            Verb::Stop => Ok(self.order_stop(now, ix, order.force)),
            Verb::Restart => self.order_restart(ix, name, order.force),
            Verb::Reload => self.order_reload(ix, name),
            Verb::Hold => {
                let held = self.marks(ix).hold.replace(Hold::Held);
                self.tell(now, ix, Happened::HeldBy { hold: Hold::Held });
                Ok(if held == Some(Hold::Held) { Accepted::AlreadySo } else { Accepted::Doing })
            }
            Verb::Release => {
                if self.desired.service(ix).held {
                    return Err(Refusal::HeldByDocument(name));
                }
                let held = self.marks(ix).hold.take();
                Ok(if held.is_none() { Accepted::AlreadySo } else { Accepted::Doing })
            }
            Verb::Reset => {
                if self.history.services[ix.at()].hung().is_some() {
                    self.facts(ix).probed = None;
                }
                let marks = self.marks(ix);
                marks.forgive();
                marks.charges.clear();
                Ok(Accepted::Doing)
            }
        }
    }

    fn order_start(&mut self, ix: Ix, name: Name) -> Result<Accepted, Refusal> {
        if self.desired.service(ix).held {
            return Err(Refusal::HeldByDocument(name));
        }
        let runs = self.stays_alive(ix);
        self.looks_again(ix);
        let marks = &self.history.services[ix.at()];
        let hung = marks.given_up.is_some() || marks.hung().is_some();
        if runs && hung {
            // It hung and lives: what is past is over, and the next rounds judge it anew.
            self.facts(ix).probed = None;
            self.marks(ix).forgive();
        }
        let marks = self.marks(ix);
        marks.hold = None;
        if runs {
            // Who waits for a start waits for readiness, whoever has begun it.
            return Ok(if self.board.is_ready(ix) { Accepted::AlreadySo } else { Accepted::Doing });
        }
        marks.forgive();
        marks.ordered = true;
        self.waits_for_the_dead(ix, name).map_or(Ok(Accepted::Doing), Err)
    }

    /// Alive, wanted up, and nothing marks it to end.
    fn stays_alive(&self, ix: Ix) -> bool {
        let marks = &self.history.services[ix.at()];
        marks.hold.is_none()
            && self.observed.services[ix.at()].alive().is_some_and(|alive| !marks.retires(alive.incarnation))
            && self.board.down(ix).is_none_or(|down| !down.stops())
    }

    /// A person who starts may have sent away who was in the place ([R5]): that is looked at before anything is said.
    fn looks_again(&mut self, ix: Ix) {
        let facts = self.facts(ix);
        if matches!(facts.process, Fact::Known(Process::Foreign { .. })) && facts.busy.is_none() {
            facts.process = Fact::Unknown(Doubt::AfterForeign);
        }
    }

    fn waits_for_the_dead(&self, ix: Ix, service: Name) -> Option<Refusal> {
        let mut open = self.desired.service(ix).depends_on.clone();
        let mut seen = Vec::new();
        while let Some(on) = open.pop() {
            if seen.contains(&on) {
                continue;
            }
            seen.push(on);
            let (needed, marks) = (self.desired.service(on), &self.history.services[on.at()]);
            let given_up = marks.given_up.is_some();
            let failed = given_up || (marks.failure.is_some() && !self.desired.autorestart.enabled);
            // What hangs was ready once, and those who need it go by that ([R8]).
            let down = failed && !self.board.is_ready(on);
            // A hold of the document is an automatic stop: suspended, it does not take away what runs ([R30]).
            let held = marks.hold.is_some() || needed.held && !(self.desired.suspended && self.board.is_ready(on));
            if held || down {
                let why = if down { "is down" } else { "is held" };
                return Some(Refusal::Waits { service, on: needed.name.clone(), why });
            }
            open.extend(&needed.depends_on);
        }
        None
    }

    fn order_stop(&mut self, now: Now, ix: Ix, force: bool) -> Accepted {
        let there = self.is_there(ix);
        if force {
            for also in reach::dependents(&self.desired, &[ix]) {
                if self.is_there(also) {
                    self.marks(also).forced = true;
                }
            }
        }
        let marks = self.marks(ix);
        marks.ordered = false;
        marks.restart_ordered = None;
        marks.reload_ordered = false;
        marks.failure = None;
        marks.forced |= force && there;
        // What is disabled and still runs is held too: enabling it later does not undo what a person said ([R6]).
        let before = marks.hold;
        marks.hold = before.or(Some(Hold::Stopped));
        if before.is_none() {
            self.tell(now, ix, Happened::HeldBy { hold: Hold::Stopped });
        }
        if there { Accepted::Doing } else { Accepted::AlreadySo }
    }

    fn order_restart(&mut self, ix: Ix, name: Name, force: bool) -> Result<Accepted, Refusal> {
        if self.desired.service(ix).held {
            return Err(Refusal::HeldByDocument(name));
        }
        // What nobody has looked at yet and ran the last time is restarted as well, once it is found.
        let there = self.is_there(ix);
        self.looks_again(ix);
        let marks = self.marks(ix);
        marks.hold = None;
        marks.forgive();
        marks.checked = None;
        marks.ordered = true;
        if there {
            marks.restart_ordered = Some(if force { Force::Yes } else { Force::No });
        }
        self.waits_for_the_dead(ix, name).map_or(Ok(Accepted::Doing), Err)
    }

    fn order_reload(&mut self, ix: Ix, name: Name) -> Result<Accepted, Refusal> {
        if !self.desired.service(ix).has_reload {
            return Err(Refusal::NoReload(name));
        }
        if !self.board.is_ready(ix) {
            return Err(Refusal::NotRunning(name));
        }
        let marks = self.marks(ix);
        marks.checked = None;
        marks.reload_ordered = true;
        Ok(Accepted::Doing)
    }
}
