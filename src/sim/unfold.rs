//! What would be done from here on, if everything went well: the steps of `mailward plan`.

use std::time::Duration;

use crate::engine::{Engine, Todo};
use crate::model::{Exit, Fact, Identity, Name, Now};
use crate::observed::Process;
use crate::plan::{Event, Found, Reason, Seen, Step};

/// More turns than any plan takes; a plan that is longer is cut, and says so.
const TURNS: usize = 20_000;

/// A plan to the end.
#[derive(Clone, Debug, Default)]
pub struct Unfolded {
    /// Every step in order; looks are left out: they change nothing.
    pub steps: Vec<Todo>,
    /// Services that would still not be as wanted at the end, and why.
    pub left: Vec<(Name, Reason)>,
}

/// Plays an engine on an optimistic host until nothing is left to do. Nothing waits for a person or for a time far
/// away, so it ends; `engine` is a copy, and nothing of it reaches the world.
pub fn unfold(mut engine: Engine, now: Now) -> Unfolded {
    let mut host = Optimist::default();
    let mut unfolded = Unfolded::default();
    let mut now = now;
    for _ in 0..TURNS {
        let turn = engine.turn(now);
        for todo in turn.steps {
            host.perform(&engine, &todo);
            if todo.step != Step::Look {
                unfolded.steps.push(todo);
            }
        }
        let seen = std::mem::take(&mut host.seen);
        if seen.is_empty() {
            break;
        }
        now.boot = now.boot.plus(Duration::from_millis(1));
        for event in seen {
            engine.see(now, &event);
        }
    }
    for ix in engine.desired().indices() {
        let reason = engine.verdict(ix).reason;
        if engine.board().down(ix).is_none() && reason != Reason::Running {
            unfolded.left.push((engine.desired().service(ix).name.clone(), reason));
        }
    }
    unfolded
}

/// A host on which every start is ready at once and every stop succeeds.
#[derive(Default)]
struct Optimist {
    seen: Vec<Event>,
}

impl Optimist {
    fn perform(&mut self, engine: &Engine, todo: &Todo) {
        let service = &todo.service;
        let mut say = |what| self.seen.push(Event { service: service.clone(), what });
        match &todo.step {
            Step::Look => {
                // What was known before the plan is all that can be known without touching anything.
                let found = match engine.find(service).map(|ix| &engine.observed().services[ix.at()].process) {
                    Some(Fact::Known(Process::Foreign { who })) => Found::Foreign { who: who.clone() },
                    Some(_) | None => Found::Nothing,
                };
                say(Seen::Found(found));
            }
            Step::Spawn { incarnation, .. } => {
                say(Seen::Spawned { incarnation: *incarnation, identity: Identity { pid: 0, started: 0 } });
                say(Seen::Ready { incarnation: *incarnation });
            }
            Step::Signal { incarnation, .. } => {
                say(Seen::Exited { incarnation: *incarnation, exit: Exit::Code(0) });
                say(Seen::Emptied { incarnation: *incarnation });
            }
            Step::Reload { incarnation, files } => {
                say(Seen::Reloaded { incarnation: *incarnation, files: *files, outcome: Ok(()) });
            }
            Step::Check { print } => say(Seen::Checked { print: *print, outcome: Ok(()) }),
        }
    }
}
